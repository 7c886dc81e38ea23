//! Which instances a command is about: names, and filters as `status` takes them. With several of them all must hold: names
//! say among whom, filters say which of those.

use super::context::Context;
use super::failure::{Failure, Trouble};
use super::render::style::{STRONG, paint};
use super::render::text::count;
use super::{fleet, world};
use crate::model::filter::{Filter, is_filter};
use crate::model::name::{InstanceName, PlanName, shorten};
use crate::model::status::{InstanceStatus, State};
use crate::model::time::Timestamp;
use crate::model::wanted::WantedState;
use crate::spec::Fleet;
use std::collections::BTreeSet;

/// So many names are told one by one; of more the rest is counted.
const NAMES_TOLD_MAX: usize = 6;

/// The instances that were chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// In the order in which they were typed, each once.
    pub(crate) names: Vec<InstanceName>,
    /// Nobody typed these very names: a filter found them.
    pub(crate) by_filter: bool,
}

/// The instances that `words` choose.
///
/// # Errors
/// A name that is not there, a filter that is not understood or that nobody passes, and no word at all.
pub(crate) fn of(cx: &Context, fleet: &Fleet, words: &[String]) -> Result<Selection, Failure> {
    let (names, filter) = parted(words)?;
    let mut known = fleet::known(cx, fleet);
    let Some(filter) = filter else {
        return Ok(Selection { names: each_once(fleet::many(&names, &known)?), by_filter: false });
    };
    let status = world::status(cx, fleet)?;
    check_values(&filter, fleet, &status.instances)?;
    known.extend(status.instances.iter().map(|status| status.name.clone()));
    let named = fleet::many(&names, &known)?;
    let found = status.instances.iter().filter(|it| named.is_empty() || named.contains(&it.name));
    let found = found.filter(|it| passes(&filter, it, fleet, status.at)).map(|it| it.name.clone());
    let names: Vec<InstanceName> = found.collect();
    match names.is_empty() {
        true => Err(Failure::new(Trouble::NoSuchInstance, format!("no instance matches {}", joined_filters(words)))
            .hint("`innkeeper status` lists all instances, with what filters go by")),
        false => Ok(Selection { names, by_filter: true }),
    }
}

/// The names among `words`, and the one filter that all others are together; none where there are no others.
///
/// # Errors
/// A filter that is not understood.
pub(crate) fn parted(words: &[String]) -> Result<(Vec<String>, Option<Filter>), Failure> {
    let names = words.iter().filter(|word| !is_filter(word)).cloned().collect();
    let filters = joined_filters(words);
    let filter = (!filters.is_empty()).then(|| Filter::parse(&filters)).transpose();
    Ok((names, filter.map_err(|text| Failure::new(Trouble::Usage, text))?))
}

/// Refuses a plan or a state that there is not: nobody would be found, and nobody told why.
///
/// # Errors
/// The value, and what was probably meant.
pub(crate) fn check_values(filter: &Filter, fleet: &Fleet, instances: &[InstanceStatus]) -> Result<(), Failure> {
    // Whose file is gone may be on a plan that is gone as well.
    let plans = fleet.plans.keys().chain(instances.iter().filter_map(|it| it.plan.as_ref())).map(PlanName::as_str);
    let closed: [(&str, BTreeSet<&str>); 3] = [
        ("plan", plans.collect()),
        ("state", State::ALL.iter().map(|state| state.as_str()).collect()),
        ("wanted", WantedState::ALL.iter().map(|state| state.as_str()).collect()),
    ];
    for (key, known) in closed.iter().filter(|(_, known)| !known.is_empty()) {
        let Some(unknown) = filter.values(key).find(|value| !known.contains(value)) else { continue };
        let message = format!("the filter {key}:{} can find nobody: there is no such {key}", shorten(unknown));
        let all = known.iter().copied().collect::<Vec<_>>().join(", ");
        return Err(Failure::new(Trouble::Usage, message).hint(match fleet::nearest(unknown, known.iter().copied()) {
            Some(near) => format!("did you mean {key}:{near}? There are {all}"),
            None => format!("there are {all}"),
        }));
    }
    Ok(())
}

fn joined_filters(words: &[String]) -> String {
    words.iter().filter(|word| is_filter(word)).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// True when the instance passes the filter, which may ask for its company.
pub(crate) fn passes(filter: &Filter, status: &InstanceStatus, fleet: &Fleet, at: Timestamp) -> bool {
    let wanted = fleet.instances.get(&status.name).and_then(|slot| slot.wanted.as_ref());
    filter.matches(status, wanted.map(|wanted| wanted.company.name.as_str()), at)
}

/// The same for commands that are about the whole fleet without any word.
pub(crate) fn some(cx: &Context, fleet: &Fleet, words: &[String]) -> Result<Vec<InstanceName>, Failure> {
    if words.is_empty() { Ok(Vec::new()) } else { of(cx, fleet, words).map(|chosen| chosen.names) }
}

/// Asks before several are touched that a filter found: nobody has read their names yet.
pub(crate) fn confirm(cx: &Context, verb: &str, chosen: &Selection, yes: bool) -> Result<(), Failure> {
    if yes || !chosen.by_filter || chosen.names.len() < 2 {
        return Ok(());
    }
    let what = format!("{verb} {}: {}", count(chosen.names.len(), "instance", "instances"), list(&chosen.names));
    if !cx.interactive() {
        let message = format!("it would {what}; nothing was done, because nobody confirmed what the filter found");
        return Err(Failure::new(Trouble::NotConfirmed, message).hint("the same command with --yes"));
    }
    cx.complain(&format!("{} ", paint(STRONG, &format!("{what}? Only \"yes\" is taken for an answer:"))));
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line).is_ok() && line.trim() == "yes" {
        true => Ok(()),
        false => Err(Failure::new(Trouble::NotConfirmed, "not confirmed, so nothing was done")),
    }
}

/// `acme`, `acme and luna`, `acme, luna and 7 more`
pub(crate) fn list(names: &[InstanceName]) -> String {
    let told: Vec<&str> = names.iter().take(NAMES_TOLD_MAX).map(InstanceName::as_str).collect();
    match (names.len().checked_sub(NAMES_TOLD_MAX).filter(|more| *more > 0), told.as_slice()) {
        (Some(more), told) => format!("{} and {more} more", told.join(", ")),
        (None, [first @ .., last]) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        (None, told) => told.concat(),
    }
}

/// `acme luna`, as they are typed; of many, a place for them.
pub(crate) fn typed(names: &[InstanceName]) -> String {
    match names.len() > NAMES_TOLD_MAX {
        true => "NAME…".to_owned(),
        false => names.iter().map(InstanceName::as_str).collect::<Vec<_>>().join(" "),
    }
}

fn each_once(names: Vec<InstanceName>) -> Vec<InstanceName> {
    let mut once: Vec<InstanceName> = Vec::with_capacity(names.len());
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}
