//! Where things lie below the configuration directory, and how generations are named.

use std::path::{Path, PathBuf};

/// A generation's files that nginx reads end so; `current/*.conf` is what its main file includes.
pub(super) const CONF_ENDING: &str = ".conf";
/// The file with the server blocks that all sites share.
pub(super) const SHARED_FILE: &str = "shared.conf";
/// The file with what Innkeeper itself needs; not made from a template.
pub(super) const OWN_FILE: &str = "innkeeper.conf";
/// The list of a generation's rows and files.
pub(super) const MANIFEST_FILE: &str = "rows.json";
/// The templates that a generation was rendered from.
pub(super) const TEMPLATES_DIR: &str = "templates";
/// The HTML pages that stand in for Odoo.
pub(super) const PAGES_DIR: &str = "pages";
/// How many generations stay on disk, the current one included.
pub(super) const GENERATIONS_KEPT: usize = 3;

const GENERATION_PREFIX: &str = "gen-";
const UNFINISHED_ENDING: &str = ".tmp";

/// The configuration directory and what lies in it.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// `nginx.config_dir`
    pub(super) root: PathBuf,
}

impl Places {
    /// The symbolic link that nginx's main file includes through.
    pub(super) fn current(&self) -> PathBuf {
        self.root.join("current")
    }

    /// What nginx's main file must include.
    pub(super) fn include(&self) -> String {
        format!("{}/*{CONF_ENDING}", self.current().display())
    }

    /// A generation's directory.
    pub(super) fn generation(&self, number: u64) -> PathBuf {
        self.root.join(generation_name(number))
    }

    /// The same while it is being written.
    pub(super) fn unfinished(&self, number: u64) -> PathBuf {
        self.root.join(format!("{}{UNFINISHED_ENDING}", generation_name(number)))
    }

    /// Where a copy of nginx's main file stands while a generation is tested.
    pub(super) fn stage(&self) -> PathBuf {
        self.root.join(format!("test{UNFINISHED_ENDING}"))
    }

    /// What was refused, so that it is not tried over and over.
    pub(super) fn refused(&self) -> PathBuf {
        self.root.join("refused.json")
    }
}

/// `gen-12`
pub(super) fn generation_name(number: u64) -> String {
    format!("{GENERATION_PREFIX}{number}")
}

/// The number in `gen-12`.
pub(super) fn generation_number(name: &str) -> Option<u64> {
    name.strip_prefix(GENERATION_PREFIX)?.parse().ok()
}

/// True for what a crash leaves behind.
pub(super) fn is_unfinished(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(UNFINISHED_ENDING))
}

/// The file of an instance that has a template of its own.
pub(super) fn site_file(instance: &str) -> String {
    format!("site-{instance}{CONF_ENDING}")
}

/// The instance whose file this is.
pub(super) fn site_of_file(file: &str) -> Option<&str> {
    file.strip_prefix("site-")?.strip_suffix(CONF_ENDING)
}
