//! `backups`: which backups there are, also of instances that are gone.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::style::{BAD, GOOD, STRONG};
use super::render::table::{Cell, Column, number, render as table, text};
use super::render::text::{local, zone_name};
use super::{fleet, rehearse, world};
use crate::control::Client;
use crate::model::backup::{BackupCause, BackupLive, NOT_SCHEDULED};
use crate::model::name::InstanceName;
use crate::model::size::Bytes;
use crate::model::status::SCHEMA;
use crate::model::time::Timestamp;
use crate::observe;
use crate::spec::Fleet;
use jiff::tz::TimeZone;
use serde::Serialize;

const COLUMNS: [Column; 6] = [
    text("INSTANCE", 0),
    text("BACKUP", 0),
    text("TAKEN", 2),
    number("SIZE", 3),
    text("READ BACK", 0),
    text("PLACE", 1),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance; without one, all of which there are backups
    name: Option<String>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    backups: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    id: &'a str,
    instance: &'a InstanceName,
    uid: String,
    at: Timestamp,
    cause: BackupCause,
    bytes: u64,
    verified: bool,
    verified_at: Option<Timestamp>,
    missing_files: u64,
    /// `no database`, `no filestore`; null for one that has both.
    lacks: Option<&'a str>,
    odoo: Option<&'a str>,
    tool: &'a str,
    place: &'a str,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    // One whose data were deleted has no file and no row any more, and its final backup still stands.
    let name = args.name.as_deref().map(InstanceName::parse).transpose();
    let name = name.map_err(|error| Failure::new(Trouble::NoSuchInstance, error.to_string()))?;
    let backups = list(cx, &fleet, name.as_slice())?;
    if let (Some(name), true) = (&name, backups.is_empty())
        && !fleet::known(cx, &fleet).contains(name)
    {
        return Err(Failure::new(
            Trouble::NoSuchInstance,
            format!("there is no instance {name}, and no backup of one"),
        ));
    }
    match cx.json {
        true => cx.document(&Document { schema: SCHEMA, backups: backups.iter().map(entry).collect() })?,
        false if backups.is_empty() => cx.notice(&format!("there is no backup yet: {NOT_SCHEDULED}")),
        false => {
            let zone = cx.zone(&fleet.settings);
            let rows: Vec<Vec<Cell>> = backups.iter().map(|backup| row(backup, &zone)).collect();
            cx.say(&table(&COLUMNS, &rows, cx.columns()))?;
            cx.notice(&format!("Times are in {}; {NOT_SCHEDULED}.", zone_name(&zone)));
        }
    }
    Ok(Exit::Done)
}

/// Newest first within each instance. The backups of a rehearsal are in its daemon's memory.
fn list(cx: &Context, fleet: &Fleet, names: &[InstanceName]) -> Result<Vec<BackupLive>, Failure> {
    let mut all = match rehearse::is_rehearsal(&fleet.settings) {
        true => world::block_on(async {
            let mut daemon = Client::connect(&fleet.settings.fleet.state_dir).await?;
            daemon.backups(names).await
        })?
        .map_err(|error| world::of_control(&error))?,
        false => {
            let archive = world::edges(cx)?.archive;
            world::block_on(observe::backups(archive.as_ref(), names))?.map_err(|error| world::of_edge(&error))?
        }
    };
    all.sort_by(|a, b| {
        let (a, b) = (&a.manifest, &b.manifest);
        a.instance.cmp(&b.instance).then(b.begun_at.cmp(&a.begun_at))
    });
    Ok(all)
}

fn entry(backup: &BackupLive) -> Entry<'_> {
    let manifest = &backup.manifest;
    Entry {
        id: manifest.id.as_str(),
        instance: &manifest.instance,
        uid: manifest.uid.to_string(),
        at: manifest.begun_at,
        cause: manifest.cause,
        bytes: manifest.bytes(),
        verified: backup.verified_at.is_some(),
        verified_at: backup.verified_at,
        missing_files: backup.missing.count,
        lacks: manifest.lacks(),
        odoo: manifest.odoo.as_deref(),
        tool: &manifest.tool,
        place: &backup.place,
    }
}

fn row(backup: &BackupLive, zone: &TimeZone) -> Vec<Cell> {
    let manifest = &backup.manifest;
    let (word, style) = match backup.verified_at {
        _ if manifest.lacks().is_some() => (manifest.lacks().unwrap_or_default().to_owned(), BAD),
        Some(_) if backup.missing.is_none() => ("yes".to_owned(), GOOD),
        Some(_) => (format!("{} files missing", backup.missing.count), BAD),
        None => ("no".to_owned(), BAD),
    };
    vec![
        Cell::new(manifest.instance.as_str(), STRONG),
        manifest.id.as_str().into(),
        local(manifest.begun_at, zone).into(),
        Bytes(manifest.bytes()).to_string().into(),
        Cell::new(word, style),
        backup.place.as_str().into(),
    ]
}
