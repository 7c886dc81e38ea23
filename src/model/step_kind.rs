//! Kinds of steps, as `plan --json`, step ids and the journal name them.

use std::fmt;

/// The kind of an [`super::step::Action`]: the part of its step's id after the instance, the `kind` of `plan --json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// Makes the installation's network.
    CreateNetwork,
    /// Makes a role as it should be, or puts it right.
    SetRole,
    /// Makes a database.
    CreateDatabase,
    /// Opens a database to its role alone.
    SetPrivileges,
    /// Makes extensions in a database.
    AddExtensions,
    /// Marks a database as one that is never made anew.
    MarkProvisioned,
    /// Makes the filestore's volume.
    CreateVolume,
    /// Writes odoo.conf.
    WriteConf,
    /// Installs modules, in a job.
    InstallModules,
    /// Sets company and administrator up, in a job.
    SetUp,
    /// Stops a job that hangs.
    StopJob,
    /// Clears a job's container away.
    RemoveJob,
    /// Makes the container.
    CreateContainer,
    /// Makes the container anew.
    RecreateContainer,
    /// Changes the container's limits as it runs.
    UpdateLimits,
    /// Starts the container.
    StartContainer,
    /// Stops the container.
    StopContainer,
    /// Restarts the container.
    RestartContainer,
    /// Puts the site's row into the proxy.
    PutSite,
    /// Renders all sites anew.
    RenderSites,
    /// Orders a certificate.
    ObtainCertificate,
    /// Begins a retirement.
    OpenTombstone,
    /// Ends one: the instance is back.
    CloseTombstone,
    /// Takes the final backup.
    BackUp,
    /// Reads a backup back.
    VerifyBackup,
    /// Begins a deletion.
    BeginPurge,
    /// Removes the site's row.
    RemoveSite,
    /// Removes the container.
    RemoveContainer,
    /// Drops the database.
    DropDatabase,
    /// Drops the role.
    DropRole,
    /// Removes the filestore's volume.
    RemoveVolume,
    /// Removes odoo.conf and what stands beside it.
    RemoveConf,
    /// Forgets the instance.
    EndPurge,
}

impl StepKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateNetwork => "create-network",
            Self::SetRole => "set-role",
            Self::CreateDatabase => "create-database",
            Self::SetPrivileges => "set-privileges",
            Self::AddExtensions => "add-extensions",
            Self::MarkProvisioned => "mark-provisioned",
            Self::CreateVolume => "create-volume",
            Self::WriteConf => "write-conf",
            Self::InstallModules => "install-modules",
            Self::SetUp => "set-up",
            Self::StopJob => "stop-job",
            Self::RemoveJob => "remove-job",
            Self::CreateContainer => "create-container",
            Self::RecreateContainer => "recreate-container",
            Self::UpdateLimits => "update-limits",
            Self::StartContainer => "start-container",
            Self::StopContainer => "stop-container",
            Self::RestartContainer => "restart-container",
            Self::PutSite => "put-site",
            Self::RenderSites => "render-sites",
            Self::ObtainCertificate => "obtain-certificate",
            Self::OpenTombstone => "open-tombstone",
            Self::CloseTombstone => "close-tombstone",
            Self::BackUp => "back-up",
            Self::VerifyBackup => "verify-backup",
            Self::BeginPurge => "begin-purge",
            Self::RemoveSite => "remove-site",
            Self::RemoveContainer => "remove-container",
            Self::DropDatabase => "drop-database",
            Self::DropRole => "drop-role",
            Self::RemoveVolume => "remove-volume",
            Self::RemoveConf => "remove-conf",
            Self::EndPurge => "end-purge",
        }
    }
}

impl StepKind {
    /// What became of the thing that it acts on, once it is done: `certificate acme.example.com issued`.
    pub fn done(self) -> &'static str {
        match self {
            Self::CreateNetwork | Self::CreateDatabase | Self::CreateVolume | Self::CreateContainer => "created",
            Self::SetRole => "set",
            Self::SetPrivileges => "has its privileges",
            Self::AddExtensions => "has its extensions",
            Self::MarkProvisioned => "marked as set up",
            Self::WriteConf => "written",
            Self::InstallModules => "installed modules",
            Self::SetUp => "set up company and administrator",
            Self::StopJob | Self::StopContainer => "stopped",
            Self::RemoveJob | Self::RemoveSite | Self::RemoveContainer | Self::RemoveVolume | Self::RemoveConf => {
                "removed"
            }
            Self::RecreateContainer => "made anew",
            Self::UpdateLimits => "changed",
            Self::StartContainer => "started",
            Self::RestartContainer => "restarted",
            Self::PutSite => "published",
            Self::RenderSites => "rendered anew",
            Self::ObtainCertificate => "issued",
            Self::OpenTombstone => "retired",
            Self::CloseTombstone => "brought back",
            Self::BackUp => "taken",
            Self::VerifyBackup => "read back",
            Self::BeginPurge => "is being purged",
            Self::DropDatabase | Self::DropRole => "dropped",
            Self::EndPurge => "forgotten",
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
