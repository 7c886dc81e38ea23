//! Draws what the state says, and changes nothing: no file, no clock, no wait. One file a panel.

mod activity;
mod alerts;
mod backups;
mod card;
mod containers;
mod detail;
mod entries;
mod graph;
mod help;
mod host;
mod jobs;
mod logs;
mod outline;
mod overlays;
mod pen;
mod plan;
mod problems;
mod steps;
mod summary;
mod table;

use super::layout::{self, Room};
use super::look::{self, Look};
use super::state::{Help, Page, State, Text};
pub use entries::Selection;
use pen::Pen;
use ratatui::buffer::Buffer;

/// Draws the whole screen.
pub fn draw(state: &State, look: Look, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, look);
    if layout::room(state.size) == Room::Line {
        return outline::one_line(state, &mut pen);
    }
    outline::draw(state, &mut pen);
    match (&state.detail, state.page) {
        (Some(detail), _) => detail::draw(state, detail, &mut pen),
        (None, Page::Instances) => instances(state, &mut pen),
        (None, Page::Plan) => plan::draw(state, &mut pen),
        (None, Page::Jobs) => jobs::draw(state, &mut pen),
        (None, Page::Alerts) => alerts::draw(state, &mut pen),
        (None, Page::Backups) => backups::draw(state, &mut pen),
        (None, Page::Host) => host::draw(state, &mut pen),
    }
    outline::toast(state, &mut pen);
    overlays::draw(state, &mut pen);
}

fn instances(state: &State, pen: &mut Pen<'_>) {
    let (list, panes) = layout::split(state);
    table::draw(state, list, pen);
    if let Some((card, activity)) = panes {
        card::draw(state, card, pen);
        activity::draw(state, activity, pen);
    }
}

/// Rows of text on the open tab.
pub fn detail_rows(state: &State) -> usize {
    state.detail.as_ref().map_or(0, |detail| detail::rows(state, detail))
}

/// Rows of the view of the host.
pub fn host_rows(state: &State) -> usize {
    host::count(state)
}

/// Which entry of the open tab is selected.
pub fn selection(state: &State) -> Selection {
    entries::selection(state)
}

/// The event at that place of the open tab; none on a tab of other things.
pub fn event_at(state: &State, at: usize) -> Option<u64> {
    entries::event_at(state, at)
}

/// All that there is to say about the selected entry or alert, line by line; none where nothing is selected.
pub fn whole(state: &State) -> Option<Vec<String>> {
    let lines = match (&state.detail, state.page) {
        (Some(_), _) => entries::whole(state)?,
        (None, Page::Alerts) => {
            let mut none = Buffer::default();
            let pen = Pen::new(&mut none, Look { theme: look::COLOURS, glyphs: &look::UNICODE });
            alerts::whole(state, alerts::selected(state)?, &pen)
        }
        _ => return None,
    };
    let text =
        |line: Vec<(String, _)>| line.into_iter().map(|(text, _)| text).collect::<String>().trim_end().to_owned();
    Some(lines.into_iter().map(text).collect())
}

/// Rows of a text that is read.
pub fn read_rows(state: &State, text: &Text) -> usize {
    overlays::text_lines(state, text, look::COLOURS).len()
}

/// Rows of the help.
pub fn help_rows(state: &State, help: &Help) -> usize {
    help::lines(state, help, look::COLOURS).len()
}
