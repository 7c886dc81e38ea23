//! What the text of a file names, for who offers it while somebody types: as much as can be read of it, nothing is judged.

use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};

/// The names of the plans in the text of `plans.toml`.
pub fn plan_names(text: &str) -> BTreeSet<String> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let plans = tree.get_ref().iter().filter(|(_, node)| matches!(node.get_ref(), DeValue::Table(_)));
    plans.map(|(name, _)| name.get_ref().to_string()).collect()
}

/// The modules of all plans in the text of `plans.toml`.
pub fn module_names(text: &str) -> BTreeSet<String> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let mut names = BTreeSet::new();
    for (_, plan) in tree.get_ref().iter() {
        let DeValue::Table(plan) = plan.get_ref() else { continue };
        let Some(DeValue::Array(modules)) = plan.get("modules").map(|node| node.get_ref()) else { continue };
        let text = |node: &DeValue<'_>| if let DeValue::String(name) = node { Some(name.to_string()) } else { None };
        names.extend(modules.iter().filter_map(|node| text(node.get_ref())));
    }
    names
}

/// The Odoo releases in the text of `innkeeper.toml`.
pub fn releases(text: &str) -> BTreeSet<String> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let Some(DeValue::Table(odoo)) = tree.get_ref().get("odoo").map(|node| node.get_ref()) else {
        return BTreeSet::new();
    };
    match odoo.get("images").map(|node| node.get_ref()) {
        Some(DeValue::Table(images)) => images.iter().map(|(release, _)| release.get_ref().to_string()).collect(),
        _ => BTreeSet::new(),
    }
}
