//! `plans` for people.

use super::documents::PlanEntry;
use super::style::{BAD, PLAIN, STRONG};
use super::table::{Cell, Column, number, render as table, text};
use super::text::harmless;

const COLUMNS: [Column; 9] = [
    text("PLAN", 0),
    text("TITLE", 5),
    number("CPUS", 2),
    number("MEMORY", 2),
    number("DISK", 3),
    number("WORKERS", 4),
    number("USED", 0),
    number("FREE", 0),
    text("MODULES", 1),
];

/// The table of all plans.
pub(crate) fn render(plans: &[PlanEntry], columns_max: Option<usize>) -> String {
    let rows: Vec<Vec<Cell>> = plans.iter().map(row).collect();
    table(&COLUMNS, &rows, columns_max)
}

fn row(plan: &PlanEntry) -> Vec<Cell> {
    let modules: Vec<&str> = plan.modules.iter().map(|module| module.as_str()).collect();
    vec![
        Cell::new(plan.name.as_str(), STRONG),
        harmless(&plan.title).into(),
        plan.cpus.to_string().into(),
        plan.memory_bytes.to_string().into(),
        plan.disk_bytes.to_string().into(),
        plan.workers.to_string().into(),
        plan.used.to_string().into(),
        Cell::new(plan.free.to_string(), if plan.free == 0 { BAD } else { PLAIN }),
        modules.join(" ").into(),
    ]
}
