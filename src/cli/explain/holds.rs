//! Why something waits, as `plan`, `info` and the conditions name it.

use crate::model::changes::HoldReason;

/// Reason, title, text.
pub(super) const HOLDS: &[(HoldReason, &str, &str)] = &[
    (
        HoldReason::Unseen,
        "a system could not be looked at",
        "Docker, PostgreSQL, nginx or the certificates did not answer; for one that is being retired, or the archive of backups. What was not seen is never taken for absent: nothing is made or removed until it answers. `innkeeper doctor` says what is wrong with it.",
    ),
    (
        HoldReason::InvalidFile,
        "the instance's file has problems",
        "The last good version of the file stays in force. `innkeeper check` prints all problems with line and column.",
    ),
    (
        HoldReason::Conflict,
        "something of somebody else stands on a name that is needed",
        "A container, volume, role, database or site with the needed name exists and does not carry this installation's mark. Innkeeper never touches it. A database, a role or a volume may be this customer's own, restored by hand: then put its mark back, as OPERATING.md says under \"Data that were restored by hand\". What is somebody else's has to free the name, or the instance takes another one.",
    ),
    (
        HoldReason::DataMissing,
        "data of this instance are gone",
        "The instance was set up before, but its database or its volume is not there any more. A new and empty one is never made silently in its place. Bring the data back; if the customer shall really begin anew, give it a new name. Retiring the instance changes nothing about the loss: it stays told, and what is left is not deleted before a person accepts it with `innkeeper apply --max-destroy 1 --confirm NAME`.",
    ),
    (
        HoldReason::ImageMissing,
        "the image is not on this host",
        "Pull or build the image that `odoo.images` in innkeeper.toml names: `docker pull odoo:19.0`.",
    ),
    (
        HoldReason::PortsExhausted,
        "no free port is left",
        "Each instance takes two loopback ports out of `docker.ports` in innkeeper.toml. Widen the range.",
    ),
    (
        HoldReason::DiskFull,
        "the disk is nearly full",
        "No new instance and no module is installed while the disk is nearly full. Free some space; it goes on by itself.",
    ),
    (
        HoldReason::UpgradeNeeded,
        "another Odoo release is asked for",
        "A database of one Odoo release does not run on another. Upgrading is not done by changing the file; set `odoo` back to the release that the database has.",
    ),
    (
        HoldReason::BackOff,
        "a step failed and is tried again later",
        "`innkeeper events NAME` shows what failed, `innkeeper info NAME` when it is tried again. `innkeeper retry NAME` tries at once.",
    ),
    (
        HoldReason::NoCertificate,
        "a host of it has no valid certificate",
        "Visitors of that host see a warning in place of their login page; its other names go on. The message names the host and why none came, mostly because its name does not point here: its DNS record (A, AAAA or CNAME) must lead to this host, and port 80 must be reached from outside. It is tried again by itself; `innkeeper retry NAME` tries at once.",
    ),
    (
        HoldReason::Failed,
        "a step failed for good",
        "Trying the same again would fail the same way. Correct the file or the host; a changed file is tried at once, otherwise `innkeeper retry NAME`.",
    ),
    (
        HoldReason::DriftFight,
        "something else keeps changing what is repaired",
        "The same difference was repaired five times within an hour and came back. It is repaired less and less often now. `innkeeper events NAME` shows when; look for another tool that manages the same thing (a configuration management, a timer, somebody's script), or write what it wants into the file.",
    ),
    (
        HoldReason::RollOut,
        "a change of many instances reaches others first",
        "An edit of plans.toml or innkeeper.toml that concerns several instances is made to one of them first, then to two, four and so on, each time after those before are proven to serve. Where it fails, nobody else is begun with: `innkeeper status` shows who failed. `innkeeper retry NAME` lets NAME have it at once.",
    ),
    (
        HoldReason::JobRunning,
        "a job of this instance runs",
        "Modules are being installed or the company is being set up. `innkeeper logs NAME --source job -f` shows it.",
    ),
    (
        HoldReason::NotHealthy,
        "it was started but does not answer yet",
        "Odoo takes some seconds to answer. If it stays so: `innkeeper logs NAME`.",
    ),
    (
        HoldReason::Guard,
        "the guard against mass changes refused",
        "More instances would be retired, stopped or purged within an hour, or changed at once, than `[guard]` in innkeeper.toml allows; so none of them is, until a person says that the number is meant: `innkeeper apply --max-destroy N --confirm-all N`. What was begun before goes on. Where not one file is valid any more nothing is let through: put the files back.",
    ),
    (
        HoldReason::Orphaned,
        "the instance's file is gone",
        "The instance runs on. Put the file back; only `state = \"absent\"` asks for removal. With `fleet.on_missing_file = \"retire\"` it is retired once two complete readings, a minute apart, did not find its file.",
    ),
    (
        HoldReason::Renamed,
        "a file was renamed",
        "The file's name is the instance's identity. A renamed file is a new instance without data, and the old one an orphan; so neither is touched. Name the file as it was. To move a customer to a new name on purpose, retire the old name first.",
    ),
    (
        HoldReason::Protected,
        "it is protected",
        "`protected = true` keeps an instance from being retired and its data from being deleted. Protection is taken away in a change of its own: commit the file without `protected` while it still asks for running or stopped, wait until that is in force, then write `state = \"absent\"`.",
    ),
    (
        HoldReason::Unsafe,
        "what was to be destroyed must be kept",
        "A second check of every decision found something about to be deleted without a grace period that is over, or without a final backup that was read back. Nothing was deleted. `innkeeper backups NAME` shows what is kept; if the backup is gone, bring it back, or let the instance run again (`state = \"running\"`) and retire it anew.",
    ),
    (
        HoldReason::BackupPartial,
        "its final backup lacks files that its database names",
        "The grace period is over, and the files would be gone with the data. Put them back into the volume, let the instance run again (`state = \"running\"`) and retire it anew; or, if the customer was missing them all along, say that its data may go: `innkeeper apply --max-destroy 1 --confirm NAME`. A confirmed number (`--confirm-all`) never covers it. `missing-files.txt` beside the backup names them all.",
    ),
    (
        HoldReason::ClockMoved,
        "the grace period did not really pass",
        "The clock says that the grace period is over, but this host did not see so much time pass: its clock was set, or it was off for long. The data are kept until the whole period was seen.",
    ),
    (
        HoldReason::Suspended,
        "the file says suspended = true",
        "Innkeeper looks and reports, and changes nothing. Remove `suspended` from the file to go on.",
    ),
    (
        HoldReason::TemplateBroken,
        "the nginx templates cannot be used",
        "nginx keeps serving what it has. The message names the template and the line; `nginx-templates/` is in the fleet's directory.",
    ),
    (
        HoldReason::PasswordMissing,
        "a file with a password cannot be read",
        "`smtp_password_file` of the instance's `[conf]`, or of its plan's, names a file that is not there, cannot be read or does not hold one line. What runs goes on with the odoo.conf that it has. Put the password into the file (mode 0600): it is read again by itself.",
    ),
];
