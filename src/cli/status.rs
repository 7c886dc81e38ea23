//! `status`: the fleet as a table.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::{fleet, render, world};
use crate::model::filter::{Filter, is_filter};
use crate::model::name::InstanceName;
use crate::model::status::{FleetStatus, InstanceStatus, State};
use crate::model::wanted::WantedState;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A FILTER is any word with one of : < > | ! in it:
  plan:gold  state:!ready  wanted:stopped  odoo:19.0  module:crm
  cpu>90  mem>=80%  disk>15G  cert<14d  backup>24h  'a | b'  '!acme'

--check without names ends with 3 unless every instance is as its file asks (ready, or stopped where it asks for
that); with names it ends with 3 unless each of them is ready.")]
pub(crate) struct Args {
    /// Instances, or a filter; without any, the whole fleet
    #[arg(value_name = "NAME|FILTER")]
    words: Vec<String>,
    /// End with 3 when something does not serve
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx)?;
    let (filters, names): (Vec<String>, Vec<String>) = args.words.iter().cloned().partition(|word| is_filter(word));
    let filter = match filters.is_empty() {
        true => None,
        false => Some(Filter::parse(&filters.join(" ")).map_err(|text| Failure::new(Trouble::Usage, text))?),
    };
    let mut known = fleet::known(cx, &fleet);
    let mut status = world::status(cx, &fleet)?;
    known.extend(status.instances.iter().map(|status| status.name.clone()));
    let names = fleet::many(&names, &known)?;
    let at = status.at;
    status.instances.retain(|it| names.is_empty() || names.contains(&it.name));
    let company = |name: &InstanceName| fleet.instances.get(name)?.wanted.as_ref().map(|it| it.company.name.as_str());
    status.instances.retain(|it| filter.as_ref().is_none_or(|filter| filter.matches(it, company(&it.name), at)));
    match cx.json {
        true => cx.document(&status)?,
        false => cx.say(&render::status_text(&status, cx.columns()))?,
    }
    match args.check && !serves(&status, &names) {
        true => Ok(Exit::NotReady),
        false => Ok(Exit::Done),
    }
}

fn serves(status: &FleetStatus, names: &[InstanceName]) -> bool {
    let as_asked = |it: &InstanceStatus| it.state == State::Stopped && it.wanted == WantedState::Stopped;
    status.instances.iter().all(|it| it.state == State::Ready || (names.is_empty() && as_asked(it)))
}
