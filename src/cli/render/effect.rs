//! What kind of change a step is, for symbols and for totals: one fold over [`Action`].

use crate::model::changes::{Changes, HoldReason};
use crate::model::step::{Action, Origin, Risk, Step};
use serde::{Deserialize, Serialize};

/// What a step does to the thing that it acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// Something new comes.
    Create,
    /// Something is changed in place.
    Update,
    /// A container is restarted.
    Restart,
    /// A container is removed and made anew.
    Recreate,
    /// An instance is taken out of service for good.
    Retire,
    /// A backup is taken or read back.
    Keep,
    /// Something goes for good.
    Remove,
}

impl Effect {
    /// What `step` does.
    pub(crate) fn of(step: &Step) -> Self {
        match &step.action {
            Action::CreateNetwork
            | Action::CreateDatabase(_)
            | Action::CreateVolume { .. }
            | Action::CreateService { .. } => Self::Create,
            Action::RecreateService { .. } => Self::Recreate,
            Action::RestartService { .. } => Self::Restart,
            Action::ObtainCertificate(order) if !order.renewal => Self::Create,
            // These serve for making and for changing; only the fields tell which.
            Action::SetRole(_) | Action::WriteConf { .. } | Action::PutSite(_) if is_all_new(step) => Self::Create,
            Action::SetRole(_)
            | Action::WriteConf { .. }
            | Action::PutSite(_)
            | Action::SetPrivileges(_)
            | Action::AddExtensions(_)
            | Action::MarkProvisioned(_)
            | Action::RunJob(_)
            | Action::StopJob { .. }
            | Action::RemoveJob { .. }
            | Action::UpdateLimits { .. }
            | Action::StartService { .. }
            | Action::StopService { .. }
            | Action::RenderSites
            | Action::CloseTombstone { .. }
            | Action::EndPurge { .. }
            | Action::ObtainCertificate(_) => Self::Update,
            Action::OpenTombstone(_) => Self::Retire,
            // Read back for the last time: what follows is told with it.
            Action::VerifyBackup { .. } if step.risk == Risk::Data => Self::Remove,
            Action::BackUp(_) | Action::VerifyBackup { .. } => Self::Keep,
            Action::BeginPurge { .. }
            | Action::RemoveSite { .. }
            | Action::RemoveService { .. }
            | Action::DropDatabase(_)
            | Action::DropRole { .. }
            | Action::RemoveVolume { .. }
            | Action::RemoveConf { .. } => Self::Remove,
        }
    }

    /// The symbol in front of a step.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Restart => "^",
            Self::Recreate => "-/+",
            Self::Retire => "x",
            Self::Keep => ">",
            Self::Remove => "-",
        }
    }

    /// What the symbol stands for.
    pub(crate) fn legend(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "change",
            Self::Restart => "restart",
            Self::Recreate => "remove and make anew",
            Self::Retire => "retire",
            Self::Keep => "back up",
            Self::Remove => "remove for good",
        }
    }
}

fn is_all_new(step: &Step) -> bool {
    step.origin == Origin::Intended && step.fields.iter().all(|field| field.from.is_none())
}

/// What a step does, in words for people; the resource follows.
pub(crate) fn verb(action: &Action) -> &'static str {
    match action {
        Action::CreateNetwork
        | Action::CreateDatabase(_)
        | Action::CreateVolume { .. }
        | Action::CreateService { .. } => "create",
        Action::SetRole(_) => "set",
        Action::SetPrivileges(_) => "set the privileges of",
        Action::AddExtensions(_) => "make extensions in",
        Action::MarkProvisioned(_) => "mark as set up:",
        Action::WriteConf { .. } => "write",
        Action::RunJob(job) => match job.work {
            crate::model::service::JobWork::Install { .. } => "install modules by",
            crate::model::service::JobWork::SetUp { .. } => "set up company and administrator by",
        },
        Action::StopJob { .. } => "stop the hanging",
        Action::RemoveJob { .. } => "remove the ended",
        Action::RecreateService { .. } => "make anew",
        Action::UpdateLimits { .. } => "change the limits of",
        Action::StartService { .. } => "start",
        Action::StopService { .. } => "stop",
        Action::RestartService { .. } => "restart",
        Action::PutSite(_) => "publish",
        Action::RenderSites => "render all",
        Action::ObtainCertificate(order) if order.renewal => "renew",
        Action::ObtainCertificate(_) => "obtain",
        Action::OpenTombstone(_) => "retire",
        Action::CloseTombstone { .. } => "bring back",
        Action::BackUp(_) => "take the",
        Action::VerifyBackup { .. } => "read back the",
        Action::BeginPurge { .. } => "purge",
        Action::EndPurge { .. } => "forget",
        Action::DropDatabase(_) | Action::DropRole { .. } => "drop",
        Action::RemoveSite { .. }
        | Action::RemoveService { .. }
        | Action::RemoveVolume { .. }
        | Action::RemoveConf { .. } => "remove",
    }
}

/// Totals of a plan: steps by what they do, instances that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Steps that make something new.
    pub(crate) create: usize,
    /// Steps that change something in place.
    pub(crate) update: usize,
    /// Containers restarted.
    pub(crate) restart: usize,
    /// Containers made anew.
    pub(crate) recreate: usize,
    /// Instances taken out of service for good.
    pub(crate) retire: usize,
    /// Instances whose data are deleted.
    pub(crate) purge: usize,
    /// Instances (and the host) for which something waits, failed ones among them.
    pub(crate) held: usize,
    /// Those of them of which a step failed.
    pub(crate) failed: usize,
    /// Those of the others whose file has problems, as `status` calls them.
    #[serde(skip)]
    pub(crate) invalid: usize,
    /// Those of the others whose file is gone.
    #[serde(skip)]
    pub(crate) orphaned: usize,
    /// Steps of those.
    #[serde(skip)]
    of_endings: usize,
}

impl Summary {
    /// Counts over all changes.
    pub(crate) fn of(changes: &Changes) -> Self {
        let mut summary = Self::default();
        for changes in std::iter::once(&changes.host).chain(changes.instances.values()) {
            summary.held += usize::from(!changes.holds.is_empty());
            let is_held_by = |reasons: &[HoldReason]| changes.holds.iter().any(|hold| reasons.contains(&hold.reason));
            match () {
                () if is_held_by(&[HoldReason::Failed, HoldReason::BackOff]) => summary.failed += 1,
                () if is_held_by(&[HoldReason::InvalidFile]) => summary.invalid += 1,
                () if is_held_by(&[HoldReason::Orphaned]) => summary.orphaned += 1,
                () => {}
            }
            let ends = |effect| changes.steps.iter().any(|step| Effect::of(step) == effect);
            summary.retire += usize::from(ends(Effect::Retire));
            summary.purge += usize::from(ends(Effect::Remove));
            for step in &changes.steps {
                match Effect::of(step) {
                    Effect::Create => summary.create += 1,
                    Effect::Update => summary.update += 1,
                    Effect::Restart => summary.restart += 1,
                    Effect::Recreate => summary.recreate += 1,
                    Effect::Retire | Effect::Keep | Effect::Remove => summary.of_endings += 1,
                }
            }
        }
        summary
    }

    /// Steps of all kinds.
    pub(crate) fn steps(&self) -> usize {
        self.create + self.update + self.restart + self.recreate + self.of_endings
    }
}
