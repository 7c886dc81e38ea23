//! `logs`: what an instance's container or job wrote.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::text::harmless;
use super::{events, fleet, moment, world};
use crate::edges::engine::{LogQuery, LogSource};
use crate::model::name::InstanceName;
use crate::model::status::SCHEMA;
use clap::ValueEnum;
use futures::StreamExt;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance
    name: String,
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
    /// Whose output
    #[arg(long, value_enum, value_name = "SOURCE", default_value = "odoo")]
    source: Source,
    /// The last so many lines
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 100)]
    lines: u64,
    /// Only since then: "2h", "today", "2026-03-01 14:00", RFC 3339
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
}

/// Whose output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// The application's container
    Odoo,
    /// The newest job: module installation or set-up
    Job,
    /// What Innkeeper did
    Events,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    instance: &'a InstanceName,
    source: Source,
    lines: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    schema: u32,
    instance: &'a InstanceName,
    source: Source,
    line: &'a str,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let source = match args.source {
        Source::Events => return events::of_one(cx, &args.name, args.follow, args.lines, args.since.as_deref()),
        Source::Odoo => LogSource::Odoo,
        Source::Job => LogSource::Job,
    };
    let fleet = fleet::read(cx)?;
    let name = fleet::one(&args.name, &fleet::known(cx, &fleet))?;
    let zone = moment::zone(&fleet.settings.fleet.timezone);
    let since = args.since.as_deref().map(|text| moment::parse(text, (cx.now)(), &zone)).transpose();
    let since = since.map_err(|text| Failure::new(Trouble::Usage, text))?;
    let query = LogQuery {
        source,
        follow: args.follow,
        tail: Some(args.lines),
        since_unix_s: since.map(|since| since.as_second()),
    };
    let edges = world::edges(cx, &fleet.settings)?;
    world::block_on(async {
        let mut lines = edges.engine.logs(&name, &query).await.map_err(|e| world::of_edge(&e))?;
        let mut collected = Vec::new();
        while let Some(line) = lines.next().await {
            let line = line.map_err(|e| world::of_edge(&e))?;
            match (cx.json, args.follow) {
                (true, false) => collected.push(line),
                (true, true) => {
                    cx.json_line(&Line { schema: SCHEMA, instance: &name, source: args.source, line: &line })?
                }
                (false, _) => cx.say(&format!("{}\n", shown(cx, &line)))?,
            }
        }
        match cx.json && !args.follow {
            true => cx.document(&Document { schema: SCHEMA, instance: &name, source: args.source, lines: collected }),
            false => Ok(()),
        }
    })??;
    Ok(Exit::Done)
}

/// On a terminal nothing of the container's may steer it; a pipe gets what was written.
fn shown(cx: &Context, line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    if cx.columns().is_some() { harmless(line) } else { line.to_owned() }
}
