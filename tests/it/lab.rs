//! The lab as tests see it: the variables of `target/lab/env`, written by `make lab-up`.
//!
//! A test that needs the lab and finds none fails with a sentence that says how to start it; it never skips.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The variables of `target/lab/env`.
pub(crate) struct Lab {
    variables: BTreeMap<String, String>,
}

impl Lab {
    /// Reads `target/lab/env` of this checkout.
    pub(crate) fn open() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab/env");
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|e| panic!("the lab is not up ({}: {e}): run `make lab-up` first", file.display()));
        let variables = text
            .lines()
            .map(|line| line.strip_prefix("export ").unwrap_or(line))
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
            .collect();
        Self { variables }
    }

    /// One variable's value.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("target/lab/env sets no {name}: run `make lab-up` again"))
    }

    /// One variable's value as a path.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.get(name))
    }
}
