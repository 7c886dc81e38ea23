//! Steps, as `plan`, `events` and the dashboard name them, and where they come from.

use crate::model::step_kind::StepKind;

/// Kind, title, what its customer notices and where to look.
pub(super) const STEPS: &[(StepKind, &str, &str)] = &[
    (
        StepKind::CreateNetwork,
        "makes the network of this installation's containers",
        "Once for the host; no customer notices it.",
    ),
    (
        StepKind::SetRole,
        "makes the instance's role in PostgreSQL, or puts it right",
        "Its rights, its limit of connections, its password. No customer notices it.",
    ),
    (
        StepKind::CreateDatabase,
        "makes the instance's database",
        "Once: a database that is gone later is never made anew in silence (DataMissing).",
    ),
    (
        StepKind::SetPrivileges,
        "gives the database to its role alone again",
        "Somebody had given rights on it to others.",
    ),
    (
        StepKind::AddExtensions,
        "adds extensions to the instance's database",
        "Those that Odoo's own creation of a database makes, for search; its data is untouched.",
    ),
    (
        StepKind::MarkProvisioned,
        "marks the database as set up",
        "From then on it is never made anew: what is missing later counts as lost.",
    ),
    (StepKind::CreateVolume, "makes the volume of the instance's files", "Once, after its database."),
    (StepKind::WriteConf, "writes the instance's odoo.conf", "Odoo reads it at its next start."),
    (
        StepKind::InstallModules,
        "installs modules, in a container of its own",
        "It takes some minutes; who is served is served on. `innkeeper logs NAME --source job -f` shows it.",
    ),
    (
        StepKind::SetUp,
        "sets up company and administrator, in a container of its own",
        "`innkeeper logs NAME --source job -f` shows it.",
    ),
    (
        StepKind::StopJob,
        "stops a job that runs for longer than any may",
        "It is tried again later; `innkeeper logs NAME --source job` may say why it hung.",
    ),
    (StepKind::RemoveJob, "clears the container of a finished job away", "No customer notices it."),
    (StepKind::CreateContainer, "makes the instance's container and starts it", "Odoo answers some seconds later."),
    (
        StepKind::RecreateContainer,
        "makes the instance's container anew",
        "Its users wait for some seconds while Odoo starts; the data is untouched.",
    ),
    (StepKind::UpdateLimits, "changes processor and memory limits of the running container", "No customer notices it."),
    (StepKind::StartContainer, "starts the instance's container", "Odoo answers some seconds later."),
    (
        StepKind::StopContainer,
        "stops the instance's container",
        "Its site said so before. Odoo has time to end what it is doing.",
    ),
    (
        StepKind::RestartContainer,
        "restarts the instance's container",
        "Its users wait for some seconds while Odoo starts.",
    ),
    (
        StepKind::PutSite,
        "puts the instance's site into nginx",
        "nginx tests it and loads it without cutting anybody off.",
    ),
    (
        StepKind::RenderSites,
        "renders all sites anew",
        "A template or a file of nginx was changed. nginx tests them before it loads them.",
    ),
    (
        StepKind::ObtainCertificate,
        "gets a certificate",
        "Every name in it must point to this host. Until it is there the site has one that browsers warn of.",
    ),
    (
        StepKind::OpenTombstone,
        "begins to retire the instance",
        "From here on its names are kept for it until its data is deleted.",
    ),
    (StepKind::CloseTombstone, "takes a retired instance back", "It is served again as it was."),
    (
        StepKind::BackUp,
        "takes the final backup",
        "Its container is stopped by then, and nobody can write. `innkeeper backups NAME` shows it.",
    ),
    (
        StepKind::VerifyBackup,
        "reads a backup back",
        "Every sum is compared and the whole dump is read. A backup counts only then.",
    ),
    (
        StepKind::BeginPurge,
        "begins to delete a retired instance's data",
        "Its grace period is over and its final backup was read back.",
    ),
    (StepKind::RemoveSite, "takes the instance's site out of nginx", "A part of its deletion."),
    (StepKind::RemoveContainer, "removes the instance's container", "A part of its deletion."),
    (
        StepKind::DropDatabase,
        "deletes the instance's database",
        "A part of its deletion, after its grace period. Its final backup stays.",
    ),
    (StepKind::DropRole, "deletes the instance's role", "A part of its deletion."),
    (
        StepKind::RemoveVolume,
        "deletes the volume of the instance's files",
        "A part of its deletion, after its grace period. Its final backup stays.",
    ),
    (StepKind::RemoveConf, "removes the instance's odoo.conf", "A part of its deletion."),
    (StepKind::EndPurge, "ends a deletion", "The name is free again. Events and the final backup stay."),
];

/// What stands in brackets behind a step of a plan: word, title, text.
pub(super) const ORIGINS: &[(&str, &str, &str)] = &[
    (
        "drift",
        "a step that repairs what somebody changed",
        "The files did not change, the world did. What is meant to stay belongs into the file.",
    ),
    (
        "requested",
        "a step that somebody asked for once",
        "By `innkeeper restart`, for example; `innkeeper events NAME` says who.",
    ),
    ("schedule", "a step whose time came", "A certificate that is renewed, a grace period that is over."),
    (
        "tool-upgrade",
        "a step that this version of Innkeeper wants",
        "The file did not change; a new version makes something otherwise than the one before.",
    ),
];
