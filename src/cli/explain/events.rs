//! Alerts, and what else is told in events.

use crate::model::event::Reason;

/// Reason, title, text; those that want a person come first.
pub(super) const EVENTS: &[(Reason, &str, &str)] = &[
    (
        Reason::DiskNearlyFull,
        "an instance's data nearly fill what was bought",
        "Database and filestore together take 90 % of the plan's `disk`, or more than it. It is over below 85 %. Nothing is refused to the customer because of it; agree on a larger plan, raise `[limits] disk` in the instance's file, or have old attachments removed inside Odoo.",
    ),
    (
        Reason::MemoryAtLimit,
        "an instance's memory has been at its limit for ten minutes",
        "Its container uses 95 % of its memory; at the limit Linux kills one of Odoo's processes, and whoever waited for it sees an error. It is over below 85 %. Agree on a larger plan, raise `[limits] memory`, or look what runs: `innkeeper logs NAME -p warning`.",
    ),
    (
        Reason::OutOfMemory,
        "Linux killed processes of an instance, because its memory was used up",
        "All processes of its container together reached the memory of its plan. Odoo starts a new worker, but whoever waited for the killed one saw an error, and a large import or report is lost. One request alone meets Odoo's own limit before that, which says so in the log (`MemoryError`); the kernel kills where several grow at once. Look what ran: `innkeeper logs NAME -n 200`. Then agree on a larger plan, or raise `[limits] memory`. The alert ends an hour after the last one.",
    ),
    (
        Reason::CpuBusy,
        "an instance has used up its processors for a quarter of an hour",
        "It uses 90 % of the cores of its plan. Pages are slow for this customer, and for nobody else. It is over below 70 %. `innkeeper info NAME` shows the last day; a scheduled action that never ends is the usual cause.",
    ),
    (
        Reason::ContainerDied,
        "an instance's container ended by itself",
        "Its main process ended without having been asked to, and Docker started it again; its users saw an error meanwhile. `innkeeper logs NAME -n 200` shows its last words. Where it happens again and again the instance is `degraded`, and an alert says so.",
    ),
    (
        Reason::AlertOpened,
        "an instance has an alert that it did not have before",
        "The message begins with the alert's reason: `innkeeper explain REASON` says what it means. AlertClosed tells its end.",
    ),
    (
        Reason::AlertClosed,
        "an instance's alert is over",
        "The message names its reason. Nothing is to be done about it.",
    ),
    (
        Reason::AlertSilenced,
        "somebody silenced an alert",
        "The message says who and until when (`innkeeper silence`, or in the dashboard). A silenced alert stays open and is told everywhere.",
    ),
    (
        Reason::AlertSeen,
        "somebody knows of an alert",
        "The message says who (`innkeeper ack`, or in the dashboard). It stays open, and asks for attention again when it is raised anew.",
    ),
    (
        Reason::SilenceEnded,
        "an alert asks for attention again",
        "Its silence is over, or somebody ended it with `innkeeper unsilence`.",
    ),
    (
        Reason::StrainOver,
        "a strain on an instance is over",
        "What DiskNearlyFull, MemoryAtLimit, OutOfMemory or CpuBusy told before is well below its bound again.",
    ),
    (
        Reason::EdgeLost,
        "a system does not answer the daemon",
        "Docker, PostgreSQL, nginx, the store of certificates or the archive of backups cannot be looked at, or nginx does not run. Nothing that needs it is removed or made meanwhile, and what runs goes on. `innkeeper doctor` says what is wrong with it.",
    ),
    (
        Reason::FileInvalid,
        "a file has problems",
        "The last good version of it stays in force. `innkeeper check` prints all problems with line and column.",
    ),
    (
        Reason::RestartNeeded,
        "changed settings need a new start of the daemon",
        "Addresses of systems, the state directory and secrets are read once. Restart the daemon; instances are not touched by that.",
    ),
    (
        Reason::NotWatching,
        "the system does not tell of changed files",
        "Files are read every 30 s instead, so changes come a little later. The usual cause is too few watches: raise `fs.inotify.max_user_watches` or `max_user_instances` with sysctl.",
    ),
    (
        Reason::StateUnwritable,
        "the journal or a status document cannot be written",
        "Without its journal the daemon begins no step. See whether the disk of the state directory is full or read-only.",
    ),
    (
        Reason::LockLost,
        "another daemon acts for this installation",
        "Two daemons must never act on the same installation, so this one ended. See which host the other one runs on: its sessions on PostgreSQL are called `innkeeper <installation>`.",
    ),
    (
        Reason::NotSettling,
        "what is done to an instance is undone again and again",
        "A dozen turns in a row each found something to do. It is slowed down now. Look in `innkeeper events NAME` for what it is, and for another tool that manages the same thing.",
    ),
    (
        Reason::StepInterrupted,
        "a step was begun and its end was not seen",
        "The daemon died or was killed in the middle. What came of it is looked at before anything else, and every step can be done twice without harm.",
    ),
    (
        Reason::GuardClosed,
        "the guard against mass changes stopped many at once",
        "More instances would be retired, stopped, purged or changed within an hour than `[guard]` in innkeeper.toml allows; not one of them is touched. `innkeeper plan` names them. If it was a mistake (a wrong branch, an empty directory), put the files back: the alert ends by itself. If it is meant: `innkeeper apply --max-destroy N --confirm-all N`.",
    ),
    (
        Reason::GuardOpen,
        "the guard stops nobody any more",
        "What GuardClosed told before is over: the files are back, or a person let it through.",
    ),
    (
        Reason::LetThrough,
        "a person let instances past the guard",
        "Somebody named them, or confirmed their number, with `innkeeper apply`. It counts for the present version of each one's file, and once.",
    ),
    (
        Reason::BackupDamaged,
        "a final backup cannot be read back",
        "A sum differs, or pg_restore refuses the dump. It was renamed `<id>.unsound` and is kept for a person to look at. While the data stand another backup is taken; nothing is deleted without one. Look at the disk of `backup.directory`: what damaged one file may damage others.",
    ),
    (
        Reason::BackupVerified,
        "a final backup was read back whole",
        "Every sum was compared, and pg_restore read the whole dump. Only from then on does it count.",
    ),
    (
        Reason::CameBack,
        "a retired instance is wanted again",
        "Its file asks for it within its grace period, so its data is served as they were. Its final backup is kept.",
    ),
    (
        Reason::Purging,
        "the deletion of a retired instance's data begins",
        "Its grace period is over and its final backup was read back. From here on there is no way back but that backup, which stays.",
    ),
    (
        Reason::Purged,
        "a retired instance's data were deleted",
        "Its grace period was over, and its final backup had been read back once more. The backup stays: `innkeeper backups NAME`.",
    ),
    (
        Reason::ClockSet,
        "this host's clock jumped",
        "Grace periods go on by the time that this host was really up, so nothing is deleted early because of it. Times of events before and after do not compare. See to it that one time service alone sets the clock (`timedatectl`).",
    ),
    (
        Reason::LaterIdentity,
        "the journal is an older copy",
        "Everything of this instance carries an identity that was given later than the journal's: the instance was made anew after the copy was taken. The later identity counts, and no tombstone of the former one applies. See whether other files of the state directory are old copies as well.",
    ),
    (
        Reason::JournalBroken,
        "the journal could not be read",
        "It was renamed, and a new one was begun; the message says how the old one is called. Identities, ports and set-ups are read off the objects again. Tombstones, failures and events of before are in the old file alone, so whoever is retired gets a whole grace period again. Look at the disk of the state directory.",
    ),
    (
        Reason::StepFailed,
        "a step did not work",
        "The message says what failed and why. It is tried again with growing waits; what would fail the same way waits for another file, and its instance is `failed`. `innkeeper info NAME` says which of them it is and when, `innkeeper retry NAME` tries at once.",
    ),
    (Reason::StepDone, "a step was done", "The message says what it was done for."),
    (
        Reason::DriftFound,
        "something differs although nobody edited the file",
        "Somebody or something else changed it. It is repaired; DriftRepaired tells what was changed back.",
    ),
    (
        Reason::DriftRepaired,
        "what differed was put right",
        "Whoever changed it by hand should write it into the instance's file instead: files are what counts.",
    ),
    (
        Reason::RollOutBegan,
        "a change of many instances begins with one of them",
        "Then two have it, then four, never more at once than `guard.updates_percent` allows. Where it fails nobody else is begun with; RollOut says what others wait for.",
    ),
    (
        Reason::FileAdded,
        "an instance's file appeared",
        "It is made as the file asks; `innkeeper wait NAME` waits until it serves.",
    ),
    (
        Reason::FileChanged,
        "an instance's file was edited, or what it inherits",
        "The message says which of them. `innkeeper plan NAME` shows what is still to be done.",
    ),
    (Reason::FileMended, "a file that had problems has none any more", "It is in force again."),
    (Reason::FilesMended, "plans.toml or innkeeper.toml has no problems any more", "It is in force again."),
    (
        Reason::FileMissing,
        "an instance has no file",
        "Nothing is stopped because of that: see Orphaned and `fleet.on_missing_file`.",
    ),
    (
        Reason::FileVanished,
        "an instance's file is gone",
        "Nothing is stopped because of that: see Orphaned and `fleet.on_missing_file`.",
    ),
    (
        Reason::Forgotten,
        "an instance is forgotten",
        "It has no file, and nothing of it is left anywhere. Its events stay.",
    ),
    (
        Reason::SettingsChanged,
        "innkeeper.toml was edited",
        "What concerns instances is in force at once; RestartNeeded tells where that is not so.",
    ),
    (
        Reason::ErrandNoted,
        "somebody asked for something",
        "A restart or a retry: the message says what and who. It is done in the instance's next turn.",
    ),
    (Reason::ErrandDone, "what somebody asked for was done", "The message says what, and who had asked."),
    (
        Reason::ErrandDropped,
        "what somebody asked for is not done",
        "The message says why; ask again when that is over.",
    ),
    (
        Reason::Retried,
        "a failure is forgotten because somebody asked to try again",
        "What had failed is tried at once.",
    ),
    (Reason::EdgeBack, "a system answers again", "Everything is looked at now."),
    (Reason::TemplateMended, "the nginx templates can be used again", "All sites are rendered from them."),
    (Reason::DaemonStarted, "the daemon started", "The message has its version."),
    (
        Reason::DaemonStopped,
        "the daemon ended in good order",
        "Instances run on without it; nothing is repaired meanwhile.",
    ),
    (
        Reason::CredentialsShown,
        "somebody asked for an administrator's password",
        "The message says who. The password itself is in no event.",
    ),
];
