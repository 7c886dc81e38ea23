//! Graphs of what was sampled: the newest value at the right end, nothing drawn where nothing is known.

use super::pen::Pen;
use crate::tui::fleet::Item;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Which figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    /// Of the processor limit.
    Cpu,
    /// Of the memory limit.
    Memory,
}

/// The parts of its limit that the instance used, oldest first.
pub(super) fn parts(item: &Item, figure: Figure) -> Vec<f64> {
    let limits = item.view.wanted.as_ref().map(|wanted| &wanted.limits);
    let limit = match figure {
        // Per cent of one core.
        Figure::Cpu => limits.map_or(100.0, |limits| f64::from(limits.cpu_millis) / 10.0),
        Figure::Memory => {
            let told = item.status().usage.as_ref().map(|usage| usage.memory_limit_bytes).filter(|limit| *limit > 0);
            told.or(limits.map(|limits| limits.memory.0)).map_or(1_073_741_824.0, |bytes| bytes as f64)
        }
    };
    let value = |sample: &crate::tui::fleet::Sample| match figure {
        Figure::Cpu => sample.cpu_percent(),
        Figure::Memory => sample.memory_bytes() as f64,
    };
    item.samples.iter().map(|sample| value(sample) / limit.max(1.0)).collect()
}

/// One row: a column a sample.
pub(super) fn row(parts: &[f64], area: Rect, style: Style, pen: &mut Pen<'_>) {
    let shown = parts.len().min(usize::from(area.width));
    let start = area.right() - u16::try_from(shown).unwrap_or(0);
    let text: String = parts[parts.len() - shown..].iter().map(|part| pen.glyphs().level(*part)).collect();
    pen.text(start, area.y, area.right() - start, &text, style);
}

/// Several rows: the higher, the more.
pub(super) fn block(parts: &[f64], area: Rect, style: Style, pen: &mut Pen<'_>) {
    let shown = parts.len().min(usize::from(area.width));
    let start = area.right() - u16::try_from(shown).unwrap_or(0);
    let rows = f64::from(area.height);
    for (from_top, y) in (area.y..area.bottom()).enumerate() {
        let below = rows - 1.0 - from_top as f64;
        let text: String = parts[parts.len() - shown..]
            .iter()
            .map(|part| match part.clamp(0.0, 1.0) * rows - below {
                over if over >= 1.0 => pen.glyphs().full,
                over if over > 0.0 => pen.glyphs().level(over),
                _ => " ",
            })
            .collect();
        pen.text(start, y, area.right() - start, &text, style);
    }
}
