//! `doctor`: one line a check, with its fix. It looks and changes nothing, and needs no daemon and no lock.

mod authority;
mod backups;
mod config;
mod docker;
mod files;
pub(crate) mod firewall;
mod host;
mod nginx;
mod postgres;
mod state;
mod templates;

use super::context::Context;
use super::failure::{ErrorMember, Exit, Failure, Trouble};
use super::render::style::{BAD, GOOD, STRONG, WARN, paint};
use super::render::text::{count, harmless, wrap};
use super::{fleet, rehearse, world};
use crate::model::name::InstallationId;
use crate::model::settings::Settings;
use crate::model::status::SCHEMA;
use crate::spec::Fleet;
use serde::Serialize;

/// Where the text of a check begins.
const TEXT_INDENT: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check nothing: list every setting that is in force, and where it comes from
    #[arg(long)]
    show_config: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but not for long or not for all.
    Warn,
    /// Does not work.
    Fail,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    name: &'static str,
    verdict: Verdict,
    message: String,
    fix: Option<String>,
}

impl Finding {
    /// As it should be.
    pub(crate) fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, message: message.into(), fix: None }
    }

    /// Works, but.
    pub(crate) fn warn(name: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, message: message.into(), fix: Some(fix.into()) }
    }

    /// Does not work.
    pub(crate) fn fail(name: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fail, message: message.into(), fix: Some(fix.into()) }
    }
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    checks: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorMember<'a>>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    if args.show_config {
        return config::show(cx);
    }
    let findings = match fleet::read(cx) {
        Ok(fleet) => examine(cx, &fleet)?,
        Err(failure) => vec![files::unreadable(&failure)],
    };
    let bad = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    let failure = (bad > 0)
        .then(|| Failure::new(Trouble::Unwell, format!("{} failed", count(bad, "check", "checks"))).answered());
    match cx.json {
        true => {
            cx.document(&Document { schema: SCHEMA, checks: &findings, error: failure.as_ref().map(Failure::member) })?
        }
        false => cx.say(&findings.iter().map(|finding| line(finding, cx.columns())).collect::<String>())?,
    }
    failure.map_or(Ok(Exit::Done), Err)
}

fn examine(cx: &Context, fleet: &Fleet) -> Result<Vec<Finding>, Failure> {
    let settings = &fleet.settings;
    let installation = installation(cx, settings);
    let mut findings = files::check(cx, fleet);
    findings.extend(files::examples(settings));
    findings.extend(templates::check(cx));
    findings.push(host::time_zone(settings));
    findings.extend(state::check(settings));
    findings.push(host::disk(&settings.fleet.state_dir));
    findings.push(world::finding(settings, &cx.zone(settings)));
    if rehearse::is_rehearsal(settings) {
        // Nothing of this host is part of it.
        findings.extend(rehearse::findings(settings)?);
        return Ok(findings);
    }
    findings.push(backups::directory(settings));
    findings.push(backups::schedules());
    let outer = world::block_on(async {
        let (docker, postgres, authority) = tokio::join!(
            docker::check(fleet, &installation),
            postgres::check(fleet, &installation),
            authority::check(&settings.acme),
        );
        let programs = backups::programs(&settings.backup).await;
        [docker, postgres, programs, nginx::check(&settings.nginx).await, authority].concat()
    })?;
    findings.extend(outer);
    Ok(findings)
}

/// The installation's id, or none's where there is no key yet or it may not be read: for looking only.
fn installation(cx: &Context, settings: &Settings) -> InstallationId {
    match world::key(cx, settings) {
        Ok(Some(key)) => key.id(),
        _ => InstallationId("unknown".to_owned()),
    }
}

fn line(finding: &Finding, columns: Option<usize>) -> String {
    let (word, style) = match finding.verdict {
        Verdict::Ok => ("ok", GOOD),
        Verdict::Warn => ("warn", WARN),
        Verdict::Fail => ("FAIL", BAD),
    };
    let room = columns.map(|columns| columns.saturating_sub(TEXT_INDENT).max(30));
    let indent = format!("\n{}", " ".repeat(TEXT_INDENT));
    let mut lines = wrap(&harmless(&finding.message), room);
    lines.extend(finding.fix.iter().flat_map(|fix| wrap(&format!("fix: {}", harmless(fix)), room)));
    format!(
        "{} {} {}\n",
        paint(style, &format!("{word:<5}")),
        paint(STRONG, &format!("{:<13}", finding.name)),
        lines.join(&indent)
    )
}
