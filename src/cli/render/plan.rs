//! The decision for people: grouped by instance, what interrupts or destroys first, every field that changes, what
//! waits and why, and totals.

use super::effect::{Effect, Summary, verb};
use super::style::{BAD, FAINT, GOOD, PLAIN, STRONG, WARN, paint};
use super::text::{count, harmless, width, wrap};
use crate::model::changes::{Changes, Hold, InstanceChanges};
use crate::model::step::{FieldChange, Origin, Risk, Step};
use anstyle::Style;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Where the text of a step begins.
const STEP_INDENT: usize = 8;
/// Where its details begin.
const DETAIL_INDENT: usize = 10;
/// Stands between two symbols of the legend.
const LEGEND_GAP: &str = "   ";
/// Text is never squeezed into less than this.
const TEXT_COLUMNS_MIN: usize = 30;

/// The whole plan. `columns_max` is the terminal's width; none breaks no line.
pub fn render(changes: &Changes, columns_max: Option<usize>) -> String {
    in_part(changes, &[], columns_max)
}

/// The same where these systems could not be looked at, so that nobody can tell what they lack.
pub(crate) fn in_part(changes: &Changes, unseen: &[String], columns_max: Option<usize>) -> String {
    let mut groups: Vec<(String, &InstanceChanges)> = vec![("host".to_owned(), &changes.host)];
    groups.extend(changes.instances.iter().map(|(name, changes)| (name.to_string(), changes)));
    groups.retain(|(_, changes)| !changes.is_empty());
    groups.sort_by_key(|(_, changes)| Reverse(changes.risk()));
    let mut out: String = groups.iter().map(|(name, changes)| group(name, changes, columns_max)).collect();
    out.push_str(&legend(changes, columns_max));
    out.push_str(&totals(changes, unseen));
    out
}

fn group(name: &str, changes: &InstanceChanges, columns_max: Option<usize>) -> String {
    let mut heading = paint(STRONG, name);
    let (words, style) = match changes.risk() {
        Risk::None => ("", PLAIN),
        Risk::Interruption => ("  interrupts the service", WARN),
        Risk::Data => ("  DELETES DATA", BAD),
    };
    heading.push_str(&paint(style, words));
    let steps = changes.steps.iter().map(|item| step(item, columns_max));
    let holds = changes.holds.iter().map(|item| hold(item, columns_max));
    format!("{heading}\n{}\n", steps.chain(holds).collect::<String>())
}

fn step(step: &Step, columns_max: Option<usize>) -> String {
    let effect = Effect::of(step);
    let mut text = format!("{} {}: {}", verb(&step.action), step.action.resource(), step.reason);
    if let Some(words) = origin(step.origin) {
        text.push_str(&format!(" [{words}]"));
    }
    match step.risk {
        Risk::None => {}
        Risk::Interruption => text.push_str(" (interrupts)"),
        Risk::Data => text.push_str(" (DELETES DATA)"),
    }
    let drift = if step.origin == Origin::Drift { "!" } else { " " };
    let symbol = paint(style(effect, step.risk), &format!("{:>5} {drift}", effect.symbol()));
    let mut out = hanging(&symbol, &text, STEP_INDENT, columns_max);
    out.extend(step.fields.chunk_by(are_one_list).map(|changes| fields(changes, columns_max)));
    out
}

/// New values of the same field stand on one line: `module: base, crm`.
fn are_one_list(before: &FieldChange, after: &FieldChange) -> bool {
    before.field == after.field && before.from.is_none() && after.from.is_none()
}

fn style(effect: Effect, risk: Risk) -> Style {
    match (effect, risk) {
        (_, Risk::Data) => BAD,
        (Effect::Remove, _) => BAD,
        (Effect::Recreate | Effect::Restart | Effect::Retire, _) | (_, Risk::Interruption) => WARN,
        (Effect::Create | Effect::Keep, Risk::None) => GOOD,
        (Effect::Update, Risk::None) => WARN,
    }
}

fn origin(origin: Origin) -> Option<&'static str> {
    match origin {
        Origin::Intended => None,
        Origin::Drift => Some("drift"),
        Origin::Requested => Some("requested"),
        Origin::Schedule => Some("schedule"),
        Origin::ToolUpgrade => Some("tool upgrade"),
    }
}

fn fields(changes: &[FieldChange], columns_max: Option<usize>) -> String {
    let [change, more @ ..] = changes else { return String::new() };
    let mut text = match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{}: {from} → {to}", change.field),
        (None, Some(to)) => format!("{}: {to}", change.field),
        (Some(from), None) => format!("{}: {from} → (none)", change.field),
        (None, None) => change.field.clone(),
    };
    text.extend(more.iter().filter_map(|change| change.to.as_ref()).map(|to| format!(", {to}")));
    hanging(&" ".repeat(DETAIL_INDENT - 1), &text, DETAIL_INDENT, columns_max)
}

fn hold(hold: &Hold, columns_max: Option<usize>) -> String {
    let text = format!("waits ({}): {}", hold.reason.as_str(), hold.message);
    hanging(&paint(WARN, "    =  "), &text, STEP_INDENT, columns_max)
}

/// `text` behind `lead`, its further lines indented to stand below the first.
fn hanging(lead: &str, text: &str, indent: usize, columns_max: Option<usize>) -> String {
    let room = columns_max.map(|max| max.saturating_sub(indent).max(TEXT_COLUMNS_MIN));
    let lines = wrap(&harmless(text), room);
    format!("{lead} {}\n", lines.join(&format!("\n{}", " ".repeat(indent))))
}

/// What the symbols that were used stand for.
fn legend(changes: &Changes, columns_max: Option<usize>) -> String {
    let all = || std::iter::once(&changes.host).chain(changes.instances.values());
    let effects: BTreeSet<Effect> = all().flat_map(|changes| &changes.steps).map(Effect::of).collect();
    let mut parts: Vec<String> =
        effects.iter().map(|effect| format!("{} {}", effect.symbol(), effect.legend())).collect();
    if all().flat_map(|changes| &changes.steps).any(|step| step.origin == Origin::Drift) {
        parts.push("! changed behind our back".to_owned());
    }
    if all().any(|changes| !changes.holds.is_empty()) {
        parts.push("= waits".to_owned());
    }
    let room = columns_max.unwrap_or(usize::MAX);
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + LEGEND_GAP.len() + width(&part) <= room => {
                line.push_str(LEGEND_GAP);
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines.iter().map(|line| format!("{}\n", paint(FAINT, line))).collect()
}

/// The last line.
fn totals(changes: &Changes, unseen: &[String]) -> String {
    let summary = Summary::of(changes);
    let parts: Vec<String> = [
        (summary.create, "to create"),
        (summary.update, "to change"),
        (summary.restart, "to restart"),
        (summary.recreate, "to make anew"),
        (summary.retire, "to retire"),
        (summary.purge, "to purge"),
    ]
    .iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, words)| format!("{number} {words}"))
    .collect();
    let mut text = match (parts.is_empty(), unseen.is_empty()) {
        (true, true) => "No changes".to_owned(),
        (true, false) => format!("Cannot tell what would change: {} could not be looked at", unseen.join(" and ")),
        (false, _) => format!("{}: {}", count(summary.steps(), "step", "steps"), parts.join(", ")),
    };
    if !parts.is_empty() && !unseen.is_empty() {
        text.push_str(&format!("; there may be more, for {} could not be looked at", unseen.join(" and ")));
    }
    let waiting = [
        (summary.invalid, "invalid"),
        (summary.orphaned, "orphaned"),
        (summary.held - summary.failed - summary.invalid - summary.orphaned, "held"),
        (summary.failed, "failed"),
    ];
    let waiting = waiting.iter().filter(|(number, _)| *number > 0);
    text.extend(waiting.map(|(number, word)| format!("; {number} {word}")));
    format!("{}\n", paint(STRONG, &format!("{text}.")))
}
