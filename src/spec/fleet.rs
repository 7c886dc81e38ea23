//! The rules across files: a domain leads to one instance, a plan takes as many as it may. Pure: files and memory in,
//! refusals out; the same in gives the same out.
//!
//! Whoever has a domain or a place on a plan keeps it. A file that is refused falls back to its last good version, and
//! what that version holds is defended too; so refusing one file can refuse another, and the court sits until nothing
//! moves. It never un-refuses: when a place becomes free by a later refusal, the next reading gives it away.

use super::codes;
use super::instance::InstanceFile;
use super::problem::{At, Refusal, WHOLE_FILE, quote};
use crate::model::name::{Domain, InstanceName, PlanName};
use crate::model::problem::Problem;
use crate::model::service_plan::ServicePlan;
use crate::model::wanted::{Wanted, WantedState};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// One instance before the court; in the order of their names.
pub(super) struct Claimant<'a> {
    pub(super) name: &'a InstanceName,
    /// The file, for problems.
    pub(super) file: &'a Path,
    /// False for an instance that exists, though nothing asks for it any more.
    pub(super) has_file: bool,
    /// When the file was changed, in nanoseconds of the file system's clock.
    pub(super) modified_ns: i128,
    /// The version that the file asks for, when it is valid by itself.
    pub(super) asked: Option<(&'a Wanted, &'a InstanceFile)>,
    /// The version in force until now.
    pub(super) good: Option<&'a Wanted>,
    /// Names that it keeps because it is retired, whatever its file says.
    pub(super) retired: Option<&'a BTreeSet<Domain>>,
}

/// What the rules across files come to.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// The files that must wait, by their place among the claimants, each with its problems.
    pub(super) refused: BTreeMap<usize, Vec<Problem>>,
    /// Whose file is gone → whose new file asks for what it has.
    pub(super) renames: BTreeMap<InstanceName, InstanceName>,
}

/// Judges all of them.
pub(super) fn judge(claimants: &[Claimant<'_>], plans: &BTreeMap<PlanName, ServicePlan>) -> Judgement {
    let mut court = Court { claimants, refused: BTreeMap::new(), renames: BTreeMap::new() };
    if court.some_host_is_claimed_twice() {
        court.settle_hosts();
    }
    loop {
        let refused = court.refused.len();
        court.settle_plans(plans);
        if court.refused.len() == refused {
            return Judgement { refused: court.refused, renames: court.renames };
        }
        court.settle_hosts();
    }
}

/// True when the rules across files cannot tell the two versions of one instance apart.
pub(super) fn claim_the_same(one: &Wanted, other: &Wanted) -> bool {
    let has_a_place = |wanted: &Wanted| wanted.state != WantedState::Absent;
    one.hosts().eq(other.hosts()) && one.plan == other.plan && has_a_place(one) == has_a_place(other)
}

struct Court<'a> {
    claimants: &'a [Claimant<'a>],
    refused: BTreeMap<usize, Vec<Problem>>,
    renames: BTreeMap<InstanceName, InstanceName>,
}

/// Host → who claims it, in the order of names.
type Holders<'a> = BTreeMap<&'a Domain, BTreeSet<usize>>;

impl<'a> Court<'a> {
    /// The version that counts for claimant `index`: the asked one, or when that is refused the good one.
    fn in_force(&self, index: usize) -> Option<&'a Wanted> {
        let claimant = &self.claimants[index];
        match claimant.asked {
            Some((asked, _)) if !self.refused.contains_key(&index) => Some(asked),
            _ => claimant.good,
        }
    }

    fn is_asking(&self, index: usize) -> bool {
        self.claimants[index].asked.is_some() && !self.refused.contains_key(&index)
    }

    /// Of those who claim the host the one who has it: whose file asked for it before, else who keeps it retired.
    fn present_owner(&self, claimed_by: &BTreeSet<usize>, host: &Domain) -> Option<usize> {
        let asked_before = |index: &usize| {
            let good = self.claimants[*index].good;
            good.is_some_and(|good| good.hosts().any(|held| held == host))
        };
        let keeps = |index: &usize| self.claimants[*index].retired.is_some_and(|hosts| hosts.contains(host));
        let first = |has: &dyn Fn(&usize) -> bool| claimed_by.iter().copied().find(has);
        first(&asked_before).or_else(|| first(&keeps))
    }

    /// Every name that claimant `index` has or asks for. A retired one that is wanted again under other names gives up the
    /// former ones.
    fn claimed(&self, index: usize) -> impl Iterator<Item = &'a Domain> {
        let asked: Vec<&Domain> = self.in_force(index).into_iter().flat_map(Wanted::hosts).collect();
        let asks = self.claimants[index].asked.filter(|_| self.is_asking(index));
        let comes_back = asks.is_some_and(|(asked, _)| asked.state != WantedState::Absent);
        let retired = self.claimants[index].retired.filter(|_| !comes_back).into_iter().flatten();
        let kept: Vec<&Domain> = retired.filter(|host| !asked.contains(host)).collect();
        asked.into_iter().chain(kept)
    }

    /// The usual answer is no; found without building the map of holders.
    fn some_host_is_claimed_twice(&self) -> bool {
        let mut seen: HashSet<&Domain> = HashSet::with_capacity(self.claimants.len() * 2);
        let mut all = (0..self.claimants.len()).flat_map(|index| self.claimed(index));
        all.any(|host| !seen.insert(host))
    }

    fn settle_hosts(&mut self) {
        let mut holders: Holders<'a> = BTreeMap::new();
        for index in 0..self.claimants.len() {
            for host in self.claimed(index) {
                holders.entry(host).or_default().insert(index);
            }
        }
        let mut contested: BTreeSet<&Domain> =
            holders.iter().filter(|(_, claimed_by)| claimed_by.len() > 1).map(|(host, _)| *host).collect();
        while !contested.is_empty() {
            let newcomers = self.defend_present_owners(&mut holders, contested);
            contested = self.choose_among_newcomers(&mut holders, newcomers);
        }
    }

    /// Refuses everyone who asks for what another has. Gives back the hosts that only newcomers ask for.
    fn defend_present_owners(
        &mut self,
        holders: &mut Holders<'a>,
        mut contested: BTreeSet<&'a Domain>,
    ) -> BTreeSet<&'a Domain> {
        let mut newcomers = BTreeSet::new();
        while let Some(host) = contested.pop_first() {
            let claimed_by = holders.get(host).cloned().unwrap_or_default();
            match self.present_owner(&claimed_by, host) {
                Some(owner) => {
                    for index in claimed_by.into_iter().filter(|index| *index != owner) {
                        contested.extend(self.refuse_host(index, host, owner, holders));
                    }
                }
                None => {
                    newcomers.insert(host);
                }
            }
        }
        newcomers
    }

    /// Of those who ask for the same free host the first by name gets it. Gives back hosts that became contested.
    fn choose_among_newcomers(
        &mut self,
        holders: &mut Holders<'a>,
        free: BTreeSet<&'a Domain>,
    ) -> BTreeSet<&'a Domain> {
        let mut contested = BTreeSet::new();
        let involved: BTreeSet<usize> = free.iter().filter_map(|host| holders.get(host)).flatten().copied().collect();
        for index in involved {
            let asked: Vec<&Domain> = self.in_force(index).into_iter().flat_map(Wanted::hosts).collect();
            for host in asked.into_iter().filter(|host| free.contains(host)) {
                let first = holders.get(host).and_then(|claimed_by| claimed_by.first().copied());
                if let Some(first) = first.filter(|first| *first < index) {
                    contested.extend(self.refuse_host(index, host, first, holders));
                }
            }
        }
        contested
    }

    /// Refuses `index` because `owner` has `host`; gives back the hosts that its good version now stands for.
    fn refuse_host(&mut self, index: usize, host: &Domain, owner: usize, holders: &mut Holders<'a>) -> Vec<&'a Domain> {
        let Some((asked, file)) = self.claimants[index].asked else { return Vec::new() };
        if !asked.hosts().any(|asked| asked == host) {
            // Its file does not name the host: what an earlier version had is no fault of this one.
            holders.get_mut(host).map(|claimed_by| claimed_by.remove(&index));
            return Vec::new();
        }
        let was_asking = self.is_asking(index);
        let at = place_of(host, asked, file);
        let owner = &self.claimants[owner];
        let by = match owner.retired.is_some_and(|hosts| hosts.contains(host)) {
            true => format!("by the retired instance {}, whose names are kept until its data is deleted", owner.name),
            false if owner.has_file => format!("by {}", owner.file.display()),
            false => format!("by the instance {}, whose file is missing", owner.name),
        };
        let vanished = !owner.has_file && owner.retired.is_none();
        if vanished {
            self.renames.insert(owner.name.clone(), self.claimants[index].name.clone());
        }
        let (what, hint) = if *host == asked.host {
            (format!("subdomain {}", quote(asked.subdomain.as_str())), "choose another: subdomain = \"…\"")
        } else {
            (format!("domain {}", quote(host.as_str())), "remove it here or there")
        };
        let renamed = format!(
            "was {}.toml renamed? A name is an instance's identity: name the file as it was; nothing is removed meanwhile",
            owner.name
        );
        let hint = if vanished { renamed.as_str() } else { hint };
        self.tell(index, Refusal::new(&codes::DOMAIN_TAKEN, format!("{what} is used {by}")).hint(hint), at);
        if !was_asking {
            return Vec::new();
        }
        for given_up in asked.hosts() {
            holders.get_mut(given_up).map(|claimed_by| claimed_by.remove(&index));
        }
        let kept: Vec<&Domain> = self.claimed(index).collect();
        for host in &kept {
            holders.entry(host).or_default().insert(index);
        }
        kept
    }

    fn settle_plans(&mut self, plans: &BTreeMap<PlanName, ServicePlan>) {
        let mut members: BTreeMap<&PlanName, Vec<usize>> = BTreeMap::new();
        for index in 0..self.claimants.len() {
            if let Some(wanted) = self.in_force(index).filter(|wanted| wanted.state != WantedState::Absent) {
                members.entry(&wanted.plan).or_default().push(index);
            }
        }
        for (name, members) in members {
            let Some(plan) = plans.get(name) else { continue };
            if members.len() > plan.max_instances as usize {
                self.refuse_newest(plan, members);
            }
        }
    }

    /// Those that are on the plan stay, even when it was made smaller; of the others the newest files wait.
    fn refuse_newest(&mut self, plan: &ServicePlan, members: Vec<usize>) {
        let is_on_it = |index: &usize| {
            let good = self.claimants[*index].good;
            good.is_some_and(|good| good.plan == plan.name && good.state != WantedState::Absent)
        };
        let (present, mut newcomers): (Vec<_>, Vec<_>) = members.into_iter().partition(is_on_it);
        newcomers.sort_by_key(|index| (self.claimants[*index].modified_ns, *index));
        let free = (plan.max_instances as usize).saturating_sub(present.len());
        for index in newcomers.into_iter().skip(free) {
            let Some((_, file)) = self.claimants[index].asked else { continue };
            let message =
                format!("plan {} is full: it takes {} instances", quote(plan.name.as_str()), plan.max_instances);
            let refusal = Refusal::new(&codes::PLAN_FULL, message);
            let at = file.plan.as_ref().map_or(WHOLE_FILE, |plan| plan.at);
            self.tell(index, refusal.hint("raise max_instances in plans.toml, or choose another plan"), at);
        }
    }

    fn tell(&mut self, index: usize, refusal: Refusal, at: At) {
        let problem = refusal.at(self.claimants[index].file, at);
        let problems = self.refused.entry(index).or_default();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

fn place_of(host: &Domain, asked: &Wanted, file: &InstanceFile) -> At {
    if *host == asked.host {
        return file.subdomain.as_ref().map_or(WHOLE_FILE, |subdomain| subdomain.at);
    }
    file.domains.iter().find(|placed| placed.value == *host).map_or(WHOLE_FILE, |placed| placed.at)
}
