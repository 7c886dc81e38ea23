//! One instance's case: what is wanted, what is live, and the draft of what to do about it.

use super::facts::{Facts, InstanceFacts};
use super::guard::Guard;
use super::site;
use crate::model::backup::ArchiveLive;
use crate::model::changes::{Hold, HoldReason, InstanceChanges};
use crate::model::live::{
    AuthorityLive, DatabaseLive, DatabaseObjectLive, EngineLive, OdooLive, ProxyLive, Seen, ServiceLive,
};
use crate::model::name::{Domain, InstanceName, Resources};
use crate::model::service::{Component, ImageUser, Owner, Ports, Tag};
use crate::model::site::CertificateName;
use crate::model::step::{Action, FieldChange, Origin, Risk, Step, StepId};
use crate::model::step_kind::StepKind;
use crate::model::wanted::{Wanted, WantedState};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Who has what, over all instances: made once for all decisions over the same facts.
pub(super) struct Index<'a> {
    /// The ports of every instance; none where the range is used up or Docker could not be looked at.
    ports: BTreeMap<&'a InstanceName, Option<Ports>>,
    resources: HashMap<&'a InstanceName, Resources>,
    facts: &'a Facts,
    /// Made when the first step asks: a converged fleet has none.
    owners: OnceCell<Owners<'a>>,
    /// Made when the first retired instance asks.
    claims: OnceCell<HashMap<&'a Domain, &'a InstanceName>>,
    guard: OnceCell<Guard<'a>>,
    /// Made when the first one of a roll-out asks.
    bereft: OnceCell<BTreeSet<&'a InstanceName>>,
}

/// Which instance has a port, a host, a database.
pub(super) struct Owners<'a> {
    pub(super) of_ports: HashMap<u16, &'a InstanceName>,
    pub(super) of_hosts: HashMap<&'a Domain, &'a InstanceName>,
    pub(super) of_databases: HashMap<String, &'a InstanceName>,
}

impl<'a> Index<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let resources: HashMap<_, _> = facts.instances.keys().map(|name| (name, Resources::of(name))).collect();
        let ports = give_ports(facts, &resources);
        let (owners, claims, guard, bereft) = Default::default();
        Self { ports, resources, facts, owners, claims, guard, bereft }
    }

    /// True when it had data that are not there any more.
    pub(super) fn has_lost_data(&self, name: &InstanceName) -> bool {
        let bereft = self.bereft.get_or_init(|| {
            let all = self.facts.instances.iter().filter_map(|(name, it)| Some((name, it, self.resources.get(name)?)));
            all.filter(|(_, it, own)| self.facts.has_lost_data(it, own)).map(|(name, ..)| name).collect()
        });
        bereft.contains(name)
    }

    /// The instance that is to be served at this host; none where only a retired one, or nobody, has it.
    pub(super) fn claimant(&self, host: &Domain) -> Option<&'a InstanceName> {
        let claims = self.claims.get_or_init(|| {
            let serving = self.facts.instances.iter().filter(|(_, instance)| instance.ending.tombstone.is_none());
            let wanted = serving.filter_map(|(name, instance)| Some((name, instance.wanted.as_deref()?)));
            let wanted = wanted.filter(|(_, wanted)| wanted.state != WantedState::Absent);
            wanted.flat_map(|(name, wanted)| wanted.hosts().map(move |host| (host, name))).collect()
        });
        claims.get(host).copied()
    }

    pub(super) fn owners(&self) -> &Owners<'a> {
        self.owners.get_or_init(|| {
            let ports = self.ports.iter().filter_map(|(name, ports)| Some((*name, (*ports)?)));
            let sites = self.facts.live.proxy.known().map(|proxy| &proxy.sites).into_iter().flatten();
            let databases = self.resources.iter().map(|(name, own)| (own.database.clone(), *name));
            Owners {
                of_ports: ports.flat_map(|(name, ports)| [(ports.http, name), (ports.gevent(), name)]).collect(),
                of_hosts: sites.flat_map(|(name, site)| site.row.hosts.keys().map(move |host| (host, name))).collect(),
                of_databases: databases.collect(),
            }
        })
    }

    /// What would happen to the whole fleet.
    pub(super) fn guard(&self) -> &Guard<'a> {
        self.guard.get_or_init(|| Guard::of(self.facts))
    }
}

/// Ports for every instance: those of its container, else those it was given before, else those that its site leads to,
/// else the next free pair, in the order of names. All new instances of one decision get different ones. A pair that any
/// site leads to is not free: that customer's visitors would come to another one's Odoo.
fn give_ports<'a>(
    facts: &'a Facts,
    resources: &HashMap<&'a InstanceName, Resources>,
) -> BTreeMap<&'a InstanceName, Option<Ports>> {
    let engine = facts.live.engine.known();
    let of_container = |name: &InstanceName, uid| {
        let service = engine?.services.get(&resources.get(name)?.container)?;
        service.owner.tag().filter(|tag| tag.uid == uid).and(service.ports)
    };
    let proxy = facts.live.proxy.known();
    let of_site = |name: &InstanceName, uid| {
        let row = &proxy?.sites.get(name)?.row;
        (row.uid == uid).then_some(row.ports)
    };
    let mut ports: BTreeMap<&InstanceName, Option<Ports>> = facts
        .instances
        .iter()
        .map(|(name, instance)| {
            let given = of_container(name, instance.uid).or(instance.ports);
            (name, given.or_else(|| of_site(name, instance.uid)))
        })
        .collect();
    let (Some(engine), Some(proxy)) = (engine, proxy) else { return ports };
    let of_sites: Vec<Ports> = proxy.sites.values().map(|site| site.row.ports).collect();
    let given: BTreeSet<u16> =
        ports.values().flatten().chain(&of_sites).flat_map(|ports| [ports.http, ports.gevent()]).collect();
    let range = &facts.settings.docker.ports;
    let is_free = |port: u16| !engine.ports_in_use.contains(&port) && !given.contains(&port);
    let mut free = (*range.start()..*range.end()).step_by(2).filter(|port| is_free(*port) && is_free(port + 1));
    for (name, missing) in ports.iter_mut().filter(|(_, ports)| ports.is_none()) {
        if facts.instances.get(*name).is_some_and(|instance| instance.wanted.is_some()) {
            *missing = free.next().map(|http| Ports { http });
        }
    }
    ports
}

/// One instance's wish and world, side by side. A look that failed shows as `None` here and nowhere as "absent".
pub(super) struct Case<'a> {
    /// None where nothing is decided and only the status is told.
    pub(super) index: Option<&'a Index<'a>>,
    pub(super) facts: &'a Facts,
    pub(super) name: &'a InstanceName,
    pub(super) instance: &'a InstanceFacts,
    pub(super) wanted: &'a Wanted,
    pub(super) resources: Cow<'a, Resources>,
    /// Every host of its site, and which certificate serves it.
    pub(super) hosts: BTreeMap<Domain, CertificateName>,
    pub(super) engine: Option<&'a EngineLive>,
    pub(super) database: Option<&'a DatabaseLive>,
    pub(super) proxy: Option<&'a ProxyLive>,
    pub(super) authority: Option<&'a AuthorityLive>,
    pub(super) archive: Option<&'a ArchiveLive>,
}

/// The image as this host has it.
pub(super) struct Image<'a> {
    pub(super) id: &'a str,
    pub(super) user: ImageUser,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        facts: &'a Facts,
        index: Option<&'a Index<'a>>,
        name: &'a InstanceName,
        instance: &'a InstanceFacts,
        wanted: &'a Wanted,
    ) -> Self {
        let known = index.and_then(|index| index.resources.get(name));
        Self {
            index,
            facts,
            name,
            instance,
            wanted,
            resources: known.map_or_else(|| Cow::Owned(Resources::of(name)), Cow::Borrowed),
            hosts: site::hosts(&facts.settings, wanted),
            engine: facts.live.engine.known(),
            database: facts.live.database.known(),
            proxy: facts.live.proxy.known(),
            authority: facts.live.authority.known(),
            archive: facts.live.archive.known(),
        }
    }

    /// One hold for each edge that could not be looked at: what needs it waits, and says so.
    pub(super) fn say_unseen(&self, draft: &mut Draft) {
        let live = &self.facts.live;
        let whys = [live.engine.why(), live.database.why(), live.proxy.why(), live.authority.why()];
        whys.into_iter().flatten().for_each(|why| draft.hold(HoldReason::Unseen, why));
        if let Some(why) = self.inside().and_then(Seen::why) {
            draft.hold(HoldReason::Unseen, why);
        }
    }

    /// The mark that a part of this instance carries.
    pub(super) fn tag(&self, component: Component, digest: String) -> Tag {
        Tag { instance: self.name.clone(), uid: self.instance.uid, component, digest }
    }

    /// True when the container is this very instance's; otherwise drafts a conflict.
    pub(super) fn owns(&self, owner: &Owner, container: &str, draft: &mut Draft) -> bool {
        self.owns_or(owner, &format!("container {container}"), "remove or rename it", draft)
    }

    /// The same for what holds data: it may be this customer's, restored by hand, so nobody is told to remove it.
    pub(super) fn owns_data(&self, owner: &Owner, thing: &str, draft: &mut Draft) -> bool {
        let way_out = "if these are this customer's data, put the mark back (docs/OPERATING.md, \"Data that were restored by \
                       hand\"); if they are somebody else's, free the name";
        self.owns_or(owner, thing, way_out, draft)
    }

    /// True when the mark is this very instance's.
    pub(super) fn is_own(&self, owner: &Owner) -> bool {
        owner.tag().is_some_and(|tag| tag.instance == *self.name && tag.uid == self.instance.uid)
    }

    fn owns_or(&self, owner: &Owner, thing: &str, way_out: &str, draft: &mut Draft) -> bool {
        if self.is_own(owner) {
            return true;
        }
        let whose = match owner {
            Owner::Ours(tag) => format!("instance {} with uid {}", tag.instance, tag.uid),
            Owner::Foreign(whose) => whose.clone(),
        };
        let message = format!(
            "{thing} stands on a name that is needed and is not this instance's ({whose}); it is left untouched: {way_out}"
        );
        draft.hold(HoldReason::Conflict, message);
        false
    }

    pub(super) fn image(&self) -> Option<Image<'a>> {
        let image = self.engine?.images.get(&self.wanted.image)?;
        Some(Image { id: &image.id, user: image.user })
    }

    pub(super) fn service(&self) -> Option<&'a ServiceLive> {
        self.engine?.services.get(&self.resources.container)
    }

    pub(super) fn database_object(&self) -> Option<&'a DatabaseObjectLive> {
        self.database?.databases.get(&self.resources.database)
    }

    pub(super) fn inside(&self) -> Option<&'a Seen<OdooLive>> {
        self.database?.inside.get(&self.resources.database)
    }

    /// What Odoo keeps inside: empty for a database that does not exist yet, none when it could not be looked at.
    pub(super) fn odoo(&self) -> Option<Cow<'a, OdooLive>> {
        match self.inside() {
            Some(seen) => seen.known().map(Cow::Borrowed),
            None if self.database.is_some() => Some(Cow::Owned(OdooLive::default())),
            None => None,
        }
    }

    /// True when it was set up once, by the journal or by the database's own mark.
    pub(super) fn is_provisioned(&self) -> bool {
        self.instance.provisioned || self.database_object().is_some_and(|database| database.provisioned)
    }

    /// What brings a difference up: once this version of the file was reached, a difference is drift.
    pub(super) fn origin(&self) -> Origin {
        if self.instance.observed_generation >= self.instance.generation && self.is_provisioned() {
            Origin::Drift
        } else {
            Origin::Intended
        }
    }

    /// The loopback ports; none where the range is used up or Docker could not be looked at.
    pub(super) fn ports(&self) -> Option<Ports> {
        self.index?.ports.get(self.name).copied().flatten()
    }
}

/// The steps and holds as they are found.
#[derive(Default)]
pub(super) struct Draft {
    prefix: String,
    changes: InstanceChanges,
}

/// What a step is made of besides its action.
pub(super) struct Why<'a> {
    pub(super) reason: &'a str,
    pub(super) origin: Origin,
    pub(super) risk: Risk,
    pub(super) fields: Vec<FieldChange>,
    /// Kinds of steps that must be done before it, where the draft has them.
    pub(super) after: &'a [StepKind],
}

impl Draft {
    pub(super) fn of(name: &InstanceName) -> Self {
        Self { prefix: format!("{name}/"), changes: InstanceChanges::default() }
    }

    pub(super) fn hold(&mut self, reason: HoldReason, message: impl Into<String>) {
        let hold = Hold { reason, message: message.into() };
        if !self.changes.holds.contains(&hold) {
            self.changes.holds.push(hold);
        }
    }

    /// Takes these steps back, with all that come after them, and says why where there were any.
    pub(super) fn hold_back(&mut self, reason: HoldReason, message: &str, is_held: impl FnMut(&Step) -> bool) {
        let before = self.changes.steps.len();
        self.changes.remove_with_dependents(is_held);
        if self.changes.steps.len() < before {
            self.hold(reason, message);
        }
    }

    pub(super) fn has_hold(&self, reason: HoldReason) -> bool {
        self.changes.holds.iter().any(|hold| hold.reason == reason)
    }

    pub(super) fn has_step(&self, kind: StepKind) -> bool {
        self.changes.steps.iter().any(|step| step.action.kind() == kind)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.changes.steps
    }

    pub(super) fn changes_mut(&mut self) -> &mut InstanceChanges {
        &mut self.changes
    }

    pub(super) fn step(&mut self, action: Action, why: Why<'_>) {
        let key = match &action {
            Action::ObtainCertificate(order) => format!("{}:{}", action.kind(), order.name),
            Action::StopJob { container, .. } | Action::RemoveJob { container, .. } => {
                format!("{}:{container}", action.kind())
            }
            _ => action.kind().to_string(),
        };
        let after = self
            .changes
            .steps
            .iter()
            .filter(|step| why.after.contains(&step.action.kind()))
            .map(|step| step.id.clone())
            .collect();
        let id = StepId(format!("{}{key}", self.prefix));
        let Why { reason, origin, risk, fields, .. } = why;
        self.changes.steps.push(Step { id, action, reason: reason.to_owned(), origin, risk, fields, after });
    }

    pub(super) fn finish(self) -> InstanceChanges {
        self.changes
    }
}

/// A field's change, written only where it differs.
pub(super) fn changed<T: PartialEq + ToString>(field: &str, from: T, to: T) -> Option<FieldChange> {
    (from != to).then(|| FieldChange {
        field: field.to_owned(),
        from: Some(from.to_string()),
        to: Some(to.to_string()),
    })
}

/// A field of a thing that does not exist yet.
pub(super) fn new_field(field: &str, to: impl ToString) -> FieldChange {
    FieldChange { field: field.to_owned(), from: None, to: Some(to.to_string()) }
}
