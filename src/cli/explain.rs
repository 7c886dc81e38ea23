//! `explain`: what a code or a reason means and what to do about it.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::fleet::nearest;
use super::pager;
use super::render::style::{STRONG, paint};
use super::render::text::wrap;
use crate::model::changes::HoldReason;
use crate::model::status::SCHEMA;
use crate::spec;
use serde::Serialize;

/// Text is broken here even on a wide terminal.
const TEXT_COLUMNS_MAX: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A code such as IK0201, or a reason such as DataMissing; without one, all are listed
    code: Option<String>,
}

/// One thing that can be explained.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    code: String,
    title: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    codes: Vec<Entry>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let entries = match &args.code {
        None => all(),
        Some(code) => vec![find(code)?],
    };
    if cx.json {
        cx.document(&Document { schema: SCHEMA, codes: entries })?;
    } else if args.code.is_some() {
        pager::show(cx, &entries.iter().map(|entry| long(entry, cx.columns())).collect::<String>())?;
    } else {
        pager::show(
            cx,
            &entries
                .iter()
                .map(|entry| format!("{}  {}\n", paint(STRONG, &format!("{:<16}", entry.code)), entry.title))
                .collect::<String>(),
        )?;
    }
    Ok(Exit::Done)
}

fn long(entry: &Entry, columns: Option<usize>) -> String {
    let room = columns.unwrap_or(TEXT_COLUMNS_MAX).min(TEXT_COLUMNS_MAX);
    let lines = wrap(&entry.text, Some(room)).join("\n");
    format!("{}\n\n{lines}\n", paint(STRONG, &format!("{}: {}", entry.code, entry.title)))
}

fn find(code: &str) -> Result<Entry, Failure> {
    let entries = all();
    if let Some(entry) = entries.iter().find(|entry| entry.code.eq_ignore_ascii_case(code)) {
        return Ok(entry.clone());
    }
    let failure = Failure::new(Trouble::NoSuchCode, format!("there is no code or reason {code:?}"));
    Err(match nearest(code, entries.iter().map(|entry| entry.code.as_str())) {
        Some(near) => failure.hint(format!("did you mean {near:?}? `innkeeper explain` lists all")),
        None => failure.hint("`innkeeper explain` lists all"),
    })
}

/// The word of an alert as it is written, however it was typed.
pub(crate) fn reason(typed: &str) -> Result<String, Failure> {
    let is_word = |entry: &Entry| !entry.code.starts_with("IK");
    find(typed).map_err(|failure| failure.hint("`innkeeper alerts` lists what is open")).and_then(|entry| {
        let no_word = || Failure::new(Trouble::NoSuchCode, format!("{} is no reason of an alert", entry.code));
        if is_word(&entry) { Ok(entry.code) } else { Err(no_word()) }
    })
}

/// Every code that the program prints, and every reason for which something waits.
pub(crate) fn all() -> Vec<Entry> {
    let own = Trouble::ALL.iter().map(|trouble| entry(trouble.code(), trouble.title(), trouble.text()));
    let files = spec::codes().iter().map(|code| entry(code.code, code.title, code.text));
    let mut entries: Vec<Entry> = own.chain(files).collect();
    entries.sort_by(|a, b| a.code.cmp(&b.code));
    entries.extend(REASONS.iter().map(|(reason, title, text)| entry(reason.as_str(), title, text)));
    entries.extend(ALERTS.iter().map(|(reason, title, text)| entry(reason, title, text)));
    entries
}

fn entry(code: &str, title: &str, text: &str) -> Entry {
    Entry { code: code.to_owned(), title: title.to_owned(), text: text.to_owned() }
}

/// Why something waits, as `plan`, `info` and the conditions name it.
const REASONS: &[(HoldReason, &str, &str)] = &[
    (
        HoldReason::Unseen,
        "a system could not be looked at",
        "Docker, PostgreSQL, nginx or the certificates did not answer. What was not seen is never taken for absent: nothing is made or removed until it answers. `innkeeper doctor` says what is wrong with it.",
    ),
    (
        HoldReason::InvalidFile,
        "the instance's file has problems",
        "The last good version of the file stays in force. `innkeeper check` prints all problems with line and column.",
    ),
    (
        HoldReason::Conflict,
        "something of somebody else stands on a name that is needed",
        "A container, volume, role, database or site with the needed name exists and does not carry this installation's mark. Innkeeper never touches it. Remove or rename it, or choose another name for the instance.",
    ),
    (
        HoldReason::DataMissing,
        "data of this instance are gone",
        "The instance was set up before, but its database or its volume is not there any more. A new and empty one is never made silently in its place. Bring the data back; if the customer shall really begin anew, give it a new name.",
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
];

/// Alerts and events that want a person, besides those that tell of a hold.
const ALERTS: &[(&str, &str, &str)] = &[
    (
        "DiskNearlyFull",
        "an instance's data nearly fill what was bought",
        "Database and filestore together take 90 % of the plan's `disk`, or more than it. It is over below 85 %. Nothing is refused to the customer because of it; agree on a larger plan, raise `[limits] disk` in the instance's file, or have old attachments removed inside Odoo.",
    ),
    (
        "MemoryAtLimit",
        "an instance's memory has been at its limit for ten minutes",
        "Its container uses 95 % of its memory; at the limit Linux kills one of Odoo's processes, and whoever waited for it sees an error. It is over below 85 %. Agree on a larger plan, raise `[limits] memory`, or look what runs: `innkeeper logs NAME -p warning`.",
    ),
    (
        "CpuBusy",
        "an instance has used up its processors for a quarter of an hour",
        "It uses 90 % of the cores of its plan. Pages are slow for this customer, and for nobody else. It is over below 70 %. `innkeeper info NAME` shows the last day; a scheduled action that never ends is the usual cause.",
    ),
    (
        "ContainerDied",
        "an instance's container ended by itself",
        "Its main process ended without having been asked to, and Docker started it again; its users saw an error meanwhile. Out of memory is the usual cause: `innkeeper logs NAME -n 200` shows the last lines, `dmesg` whether Linux killed it.",
    ),
    (
        "AlertSilenced",
        "somebody knows of an alert",
        "AlertSilenced and AlertSeen tell who said so (`innkeeper silence`, `innkeeper ack`, or in the dashboard), SilenceEnded that it asks for attention again. A silenced alert stays open and is told everywhere.",
    ),
    (
        "StrainOver",
        "a strain on an instance is over",
        "What DiskNearlyFull, MemoryAtLimit or CpuBusy told before is well below its bound again.",
    ),
    (
        "EdgeLost",
        "a system does not answer the daemon",
        "Docker, PostgreSQL, nginx or the store of certificates cannot be looked at. Nothing is removed or made meanwhile, and what runs goes on. `innkeeper doctor` says what is wrong with it.",
    ),
    (
        "FileInvalid",
        "a file has problems",
        "The last good version of it stays in force. `innkeeper check` prints all problems with line and column.",
    ),
    (
        "RestartNeeded",
        "changed settings need a new start of the daemon",
        "Addresses of systems, the state directory and secrets are read once. Restart the daemon; instances are not touched by that.",
    ),
    (
        "NotWatching",
        "the system does not tell of changed files",
        "Files are read every 30 s instead, so changes come a little later. The usual cause is too few watches: raise `fs.inotify.max_user_watches` or `max_user_instances` with sysctl.",
    ),
    (
        "StateUnwritable",
        "the journal or a status document cannot be written",
        "Without its journal the daemon begins no step. See whether the disk of the state directory is full or read-only.",
    ),
    (
        "TemplateBroken",
        "a template of nginx cannot be used",
        "The sites stay as they were rendered last. The message names the template and the line; correct it, and it goes on by itself.",
    ),
    (
        "LockLost",
        "another daemon acts for this installation",
        "Two daemons must never act on the same installation, so this one ended. See which host the other one runs on: its sessions on PostgreSQL are called `innkeeper <installation>`.",
    ),
    (
        "NotSettling",
        "what is done to an instance is undone again and again",
        "A dozen turns in a row each found something to do. It is slowed down now. Look in `innkeeper events NAME` for what it is, and for another tool that manages the same thing.",
    ),
    (
        "StepInterrupted",
        "a step was begun and its end was not seen",
        "The daemon died or was killed in the middle. What came of it is looked at before anything else, and every step can be done twice without harm.",
    ),
];
