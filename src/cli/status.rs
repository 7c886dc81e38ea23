//! `status`: the fleet as a table.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::{fleet, info, render, selection, world};
use crate::model::name::InstanceName;
use crate::model::status::{FleetStatus, InstanceStatus, State};
use crate::model::wanted::WantedState;
use crate::spec::{Fleet, INSTANCES_DIR};
use clap::ValueEnum;
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A FILTER is any text with one of : < > | ! ~ or a space in it:
  plan:gold  'state:!ready'  wanted:stopped  odoo:19.0  module:crm
  'cpu>90'  'mem>=80%'  'disk>15G'  'cert<14d'  'backup>24h'  'a | b'  '!acme'  '~acm'
The quotes keep the shell from taking < > | ! ~ for its own.

--check without names ends with 3 unless every instance is as its file asks (ready, or stopped
where it asks for that); with names it ends with 3 unless each of them is ready.")]
pub(crate) struct Args {
    /// Instances, or a filter; without any, the whole fleet
    #[arg(value_name = "NAME|FILTER")]
    words: Vec<String>,
    /// End with 3 when something does not serve
    #[arg(long)]
    check: bool,
    /// How it is written
    #[arg(short = 'o', long = "output", value_name = "FORM", value_enum, default_value = "table")]
    form: Form,
}

/// How the fleet is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// What fits the terminal, with alerts and totals; the last events of instances that are named
    Table,
    /// The same, however wide it becomes
    Wide,
    /// Names alone, a line each
    Name,
    /// For scripts without JSON: a line each, a tab between fields, nothing shortened: name, state, wanted state, plan,
    /// Odoo release, per cent of a core, bytes of memory, bytes on disk, end of the certificate, address, note; - is unknown
    Plain,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let (names, filter) = selection::parted(&args.words)?;
    let mut known = fleet::known(cx, &fleet);
    let mut status = world::status(cx, &fleet)?;
    known.extend(status.instances.iter().map(|status| status.name.clone()));
    let names = fleet::many(&names, &known)?;
    if let Some(filter) = &filter {
        selection::check_values(filter, &fleet, &status.instances)?;
    }
    let at = status.at;
    status.instances.retain(|it| names.is_empty() || names.contains(&it.name));
    status.instances.retain(|it| filter.as_ref().is_none_or(|filter| selection::passes(filter, it, &fleet, at)));
    if !args.words.is_empty() {
        // Of others nobody asked.
        let shown: BTreeSet<InstanceName> = status.instances.iter().map(|it| it.name.clone()).collect();
        let is_asked = |of: &InstanceName| shown.contains(of);
        status.alerts.retain(|alert| alert.instance.as_ref().is_none_or(is_asked));
    }
    let unlisted = fleet.problems.iter().find(|problem| problem.file == Path::new(INSTANCES_DIR));
    if let Some(problem) = unlisted {
        cx.notice(&problem.to_line());
    }
    for stray in &fleet.strays {
        cx.notice(&render::problems::warning(stray));
    }
    match cx.json {
        true => cx.document(&status)?,
        false => cx.say(&written(cx, &fleet, &status, &names, args.form))?,
    }
    match (args.check, unlisted.is_some()) {
        // Who should be there is not known.
        (true, true) => Ok(Exit::Invalid),
        (true, false) if !serves(&status, &names) => Ok(Exit::NotReady),
        _ => Ok(Exit::Done),
    }
}

fn written(cx: &Context, fleet: &Fleet, status: &FleetStatus, names: &[InstanceName], form: Form) -> String {
    let columns = match form {
        Form::Table => cx.columns(),
        Form::Wide => None,
        Form::Name => return status.instances.iter().map(|it| format!("{}\n", it.name)).collect(),
        Form::Plain => return render::status_plain(status),
    };
    let mut text = render::status_text(status, columns);
    if !names.is_empty() {
        let zone = cx.zone(&fleet.settings);
        let events = info::events(cx, fleet, names);
        text.extend((!events.is_empty()).then_some("\n".to_owned()));
        text.extend(events.iter().map(|event| render::event::render(event, &zone)));
    }
    text
}

fn serves(status: &FleetStatus, names: &[InstanceName]) -> bool {
    let as_asked = |it: &InstanceStatus| it.state == State::Stopped && it.wanted == WantedState::Stopped;
    status.instances.iter().all(|it| it.state == State::Ready || (names.is_empty() && as_asked(it)))
}
