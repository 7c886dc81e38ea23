//! What belongs to an instance on this host, by name: what one would type into Docker's or PostgreSQL's own tools.

use super::pen::{Line, Pen};
use super::table::padded;
use crate::tui::fleet::Item;

pub(super) fn lines(item: &Item, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let status = item.status();
    let head = |word: &str| (padded(word, 12), theme.faint);
    let mut lines = vec![
        vec![head("container"), (status.container.clone(), theme.plain)],
        vec![
            head("image"),
            (item.view.wanted.as_ref().map_or("-", |wanted| wanted.image.as_str()).to_owned(), theme.plain),
        ],
        vec![
            head("port"),
            (status.port.map_or_else(|| "-".to_owned(), |port| format!("127.0.0.1:{port}")), theme.plain),
        ],
        vec![head("database"), (status.database.clone(), theme.plain)],
    ];
    for (nth, module) in status.modules.wanted.iter().enumerate() {
        let (word, style) = match status.modules.installed.contains(module) {
            true => (pen.glyphs().done, theme.good),
            false => (pen.glyphs().waits, theme.moving),
        };
        lines.push(vec![
            head(if nth == 0 { "modules" } else { "" }),
            (format!("{word} "), style),
            (module.to_string(), theme.plain),
        ]);
    }
    let more = status.modules.installed.difference(&status.modules.wanted).count();
    if more > 0 {
        let text = match more {
            1 => "1 more is installed, as a dependency or by the customer".to_owned(),
            more => format!("{more} more are installed, as dependencies or by the customer"),
        };
        lines.push(vec![head(""), (text, theme.faint)]);
    }
    lines
}
