//! The fleet's files as a harness has them: what each says, and how it stands.

use innkeeper::diff::facts::FileState;
use innkeeper::model::name::InstanceName;
use innkeeper::model::wanted::Wanted;
use std::collections::BTreeMap;

/// One instance's file.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// What it says; the last good version where it is broken now.
    pub(crate) wanted: Wanted,
    /// How it stands.
    pub(crate) broken: bool,
    /// Counts its edits; stands for the digest of its bytes.
    pub(crate) version: u64,
}

/// All files.
pub(crate) type Files = BTreeMap<InstanceName, File>;

impl File {
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self { wanted, broken: false, version: 1 }
    }

    /// What a scan says of it.
    pub(crate) fn state(&self) -> FileState {
        match self.broken {
            true => FileState::Invalid(vec![format!("{}.toml:1:1: rehearsed fault", self.wanted.name)]),
            false => FileState::Valid,
        }
    }

    /// What a scan reads out of it.
    pub(crate) fn read(&self) -> Option<&Wanted> {
        (!self.broken).then_some(&self.wanted)
    }

    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Wanted)) {
        edit(&mut self.wanted);
        self.version += 1;
    }
}
