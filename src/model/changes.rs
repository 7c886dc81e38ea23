//! What must be done, and what must wait and why.

use super::name::InstanceName;
use super::step::{Risk, Step, StepId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The decision over a fleet: what must be done, and what must wait and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// What concerns no single instance: the proxy's templates, files of the proxy edited by hand.
    pub host: InstanceChanges,
    /// By instance; instances with neither steps nor holds are not in the map.
    pub instances: BTreeMap<InstanceName, InstanceChanges>,
}

/// The decision over one instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InstanceChanges {
    /// In an order in which they may be done one by one.
    pub steps: Vec<Step>,
    /// Why something waits.
    pub holds: Vec<Hold>,
    /// Long work that goes on and is not asked for any more, by [`Step::key`]: it is to be ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub let_go: Vec<String>,
}

impl Changes {
    /// True when nothing must be done; holds may remain.
    pub fn is_settled(&self) -> bool {
        self.host.steps.is_empty() && self.instances.values().all(|changes| changes.steps.is_empty())
    }

    /// True when something is to be done, now or once what it waits for is over.
    pub fn are_pending(&self) -> bool {
        let all = || self.instances.values().chain([&self.host]);
        all().any(|it| !it.steps.is_empty() || it.holds.iter().any(|hold| hold.reason.puts_off()))
    }
}

impl InstanceChanges {
    /// True when there is neither a step nor a hold, and no work to end.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.holds.is_empty() && self.let_go.is_empty()
    }

    /// The worst that the customer notices.
    pub fn risk(&self) -> Risk {
        self.steps.iter().map(|step| step.risk).max().unwrap_or(Risk::None)
    }

    /// Takes out the steps that `refused` picks, and every step that comes after one of them.
    pub fn remove_with_dependents(&mut self, mut refused: impl FnMut(&Step) -> bool) {
        let mut gone: Vec<StepId> = Vec::new();
        self.steps.retain(|step| {
            let keep = !refused(step) && !step.after.iter().any(|id| gone.contains(id));
            if !keep {
                gone.push(step.id.clone());
            }
            keep
        });
    }
}

/// A reason not to act now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The kind of reason, for programs.
    pub reason: HoldReason,
    /// The reason and the way out, for people.
    pub message: String,
}

/// Kinds of reasons not to act. Printed in CamelCase, as condition reasons are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HoldReason {
    /// An edge could not be looked at.
    Unseen,
    /// The file has problems; the last good version stays in force.
    InvalidFile,
    /// A foreign object stands on a name that is needed.
    Conflict,
    /// Database or volume of a provisioned instance is gone: never silently made anew.
    DataMissing,
    /// The image is not on this host.
    ImageMissing,
    /// No free port is left in `docker.ports`.
    PortsExhausted,
    /// The disk is nearly full.
    DiskFull,
    /// Another Odoo release needs an upgrade, which must be asked for.
    UpgradeNeeded,
    /// A step failed and is tried again later.
    BackOff,
    /// A certificate could not be had, mostly because a domain does not point here. It is tried again later.
    NoCertificate,
    /// A step failed for good until its input changes.
    Failed,
    /// The same drift comes back again and again: it is repaired less and less often.
    DriftFight,
    /// A change of many instances reaches others first.
    RollOut,
    /// A job of this instance runs.
    JobRunning,
    /// Started, but does not answer yet.
    NotHealthy,
    /// The guard against mass changes refused.
    Guard,
    /// The file is gone; the instance runs on.
    Orphaned,
    /// Its file and another, new one are one file that was renamed.
    Renamed,
    /// It is protected, and was to be removed all the same.
    Protected,
    /// A final backup or a grace period is missing for what was about to be deleted.
    Unsafe,
    /// The final backup lacks files that the database names: a person has to say that the data may go.
    BackupPartial,
    /// A grace period is over by a clock that was moved.
    ClockMoved,
    /// `suspended = true`.
    Suspended,
    /// The proxy's templates cannot be used.
    TemplateBroken,
    /// A file with a password that the instance needs cannot be read.
    PasswordMissing,
}

impl HoldReason {
    /// True for what lasts until a person acts: it neither passes with time nor is it a person's own wish.
    pub fn needs_a_person(self) -> bool {
        match self {
            Self::Conflict
            | Self::DataMissing
            | Self::ImageMissing
            | Self::PortsExhausted
            | Self::DiskFull
            | Self::UpgradeNeeded
            | Self::Failed
            | Self::Renamed
            | Self::Protected
            | Self::Unsafe
            | Self::BackupPartial
            | Self::PasswordMissing => true,
            Self::Unseen
            | Self::InvalidFile
            | Self::BackOff
            | Self::NoCertificate
            | Self::DriftFight
            | Self::RollOut
            | Self::JobRunning
            | Self::NotHealthy
            | Self::Guard
            | Self::Orphaned
            | Self::ClockMoved
            | Self::Suspended
            | Self::TemplateBroken => false,
        }
    }

    /// True for what keeps a change from being made, rather than telling how an instance stands.
    pub fn puts_off(self) -> bool {
        !matches!(self, Self::InvalidFile | Self::NotHealthy | Self::Orphaned | Self::Suspended)
    }

    /// True for what failed and is tried again by itself.
    pub fn is_tried_again(self) -> bool {
        matches!(self, Self::BackOff | Self::NoCertificate)
    }

    /// The word as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unseen => "Unseen",
            Self::InvalidFile => "InvalidFile",
            Self::Conflict => "Conflict",
            Self::DataMissing => "DataMissing",
            Self::ImageMissing => "ImageMissing",
            Self::PortsExhausted => "PortsExhausted",
            Self::DiskFull => "DiskFull",
            Self::UpgradeNeeded => "UpgradeNeeded",
            Self::BackOff => "BackOff",
            Self::NoCertificate => "NoCertificate",
            Self::Failed => "Failed",
            Self::DriftFight => "DriftFight",
            Self::RollOut => "RollOut",
            Self::JobRunning => "JobRunning",
            Self::NotHealthy => "NotHealthy",
            Self::Guard => "Guard",
            Self::Orphaned => "Orphaned",
            Self::Renamed => "Renamed",
            Self::Protected => "Protected",
            Self::Unsafe => "Unsafe",
            Self::BackupPartial => "BackupPartial",
            Self::ClockMoved => "ClockMoved",
            Self::Suspended => "Suspended",
            Self::TemplateBroken => "TemplateBroken",
            Self::PasswordMissing => "PasswordMissing",
        }
    }
}
