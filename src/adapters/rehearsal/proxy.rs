//! The rehearsed nginx. Promises as `adapters::nginx` keeps them: a generation is switched to before it is loaded, the
//! present owner keeps a name, and a refused row holds back no other.

use super::world::{Ailment, Generation};
use super::{Rehearsal, World, conflict, failed, refused};
use crate::edges::proxy::{Channel, Refused, SiteChanges, Visit};
use crate::edges::{Ask, Edge, EdgeError, ErrorKind, Proxy};
use crate::model::live::{Answer, ProxyLive, SiteLive};
use crate::model::name::{Domain, InstanceName};
use crate::model::site::{SitePage, SiteRow};
use crate::model::time::Timestamp;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

const EDGE: Edge = Edge::Proxy;
/// Where an instance with [`Ailment::LeadsAway`] sends its visitors.
const ELSEWHERE: &str = "https://elsewhere.example/web/login";

#[async_trait]
impl Proxy for Rehearsal {
    async fn look(&self, _ask: &Ask) -> Result<ProxyLive, EdgeError> {
        Rehearsal::look(self, EDGE, "look", |world, _| Ok(world.proxy_live())).await
    }

    async fn publish(&self, changes: &SiteChanges) -> Result<Refused, EdgeError> {
        let refusals = Mutex::new(BTreeMap::new());
        let switch = |world: &mut World, _: Timestamp| {
            *refusals.lock().unwrap_or_else(PoisonError::into_inner) = world.switch(changes)?;
            Ok(())
        };
        let names: Vec<&str> = changes.put.keys().chain(changes.remove.keys()).map(InstanceName::as_str).collect();
        self.effect(EDGE, "publish", &names.join(" "), &[&switch, &|world, _| world.load()]).await?;
        Ok(refusals.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn draining(&self) -> usize {
        // Visitors of a rehearsal end at once.
        0
    }

    async fn ask_host(&self, host: &Domain, visit: &Visit) -> Result<Answer, EdgeError> {
        Rehearsal::look(self, EDGE, "ask_host", |world, _| world.answer(host, visit)).await
    }
}

impl World {
    fn proxy_live(&self) -> ProxyLive {
        let proxy = &self.proxy;
        let current = proxy.current.as_ref();
        let rows = current.map(|generation| generation.rows.clone()).unwrap_or_default();
        let site = |(name, row)| {
            let intact = !proxy.edited.contains(&name);
            (name, SiteLive { row, intact })
        };
        ProxyLive {
            running: proxy.running,
            current: current.map(|generation| generation.name.clone()),
            loaded: proxy.loaded.as_ref().filter(|_| proxy.running).map(|generation| generation.name.clone()),
            sites: rows.into_iter().map(site).collect(),
            intact: proxy.edited.is_empty(),
            edits: proxy.edited.iter().map(|name| format!("the lines of {name} differ")).collect(),
            templates_changed: current.is_some_and(|generation| generation.templates != proxy.templates)
                && proxy.template_problem.is_none(),
            template_problem: proxy.template_problem.clone(),
            foreign_hosts: proxy.foreign_hosts.clone(),
        }
    }

    /// Renders the rows as a new generation and points `current` to it; returns the rows that were refused.
    fn switch(&mut self, changes: &SiteChanges) -> Result<Refused, EdgeError> {
        let proxy = &mut self.proxy;
        let old = proxy.current.as_ref().map(|generation| generation.rows.clone()).unwrap_or_default();
        let mut rows = old.clone();
        rows.extend(changes.put.iter().map(|(name, row)| (name.clone(), row.clone())));
        let mut refusals = Refused::new();
        for (name, uid) in &changes.remove {
            match rows.get(name) {
                Some(row) if row.uid != *uid => {
                    drop(refusals.insert(name.clone(), conflict(EDGE, "the site", "another identity")));
                }
                _ => drop(rows.remove(name)),
            }
        }
        while let Some((name, why)) = proxy.fault(&rows, &old) {
            match old.get(&name).filter(|before| rows.get(&name) != Some(*before)) {
                Some(before) => drop(rows.insert(name.clone(), before.clone())),
                None => drop(rows.remove(&name)),
            }
            refusals.insert(name, refused(EDGE, why));
        }
        let templates = match &proxy.current {
            // Templates are not tried on an nginx that could not say whether they load.
            Some(generation) if proxy.template_problem.is_some() || !proxy.running => generation.templates,
            _ => proxy.templates,
        };
        let same = proxy.current.as_ref().is_some_and(|now| now.rows == rows && now.templates == templates);
        if !same || !proxy.edited.is_empty() {
            proxy.generations += 1;
            proxy.current = Some(Generation { name: format!("gen-{}", proxy.generations), rows, templates });
            proxy.edited.clear();
        }
        Ok(refusals)
    }

    /// A stopped one loads what `current` points to when it is started.
    fn load(&mut self) -> Result<(), EdgeError> {
        if !self.proxy.running {
            return Err(EdgeError::plain(EDGE, ErrorKind::Unreachable, "nginx is not running"));
        }
        self.proxy.loaded = self.proxy.current.clone();
        Ok(())
    }

    /// What a visitor of `host` sees through the loaded generation.
    fn answer(&self, host: &Domain, visit: &Visit) -> Result<Answer, EdgeError> {
        let unreachable = || EdgeError::plain(EDGE, ErrorKind::Unreachable, "nginx is not running");
        let loaded = self.proxy.loaded.as_ref().filter(|_| self.proxy.running).ok_or_else(unreachable)?;
        let row = loaded.rows.values().find(|row| row.hosts.contains_key(host));
        let found = row.and_then(|row| Some((row, row.hosts.get(host)?)));
        let (row, certificate) = found.ok_or_else(|| {
            // nginx refuses the name before it says anything.
            EdgeError::plain(EDGE, ErrorKind::Unreachable, format!("{host} is served by nobody"))
        })?;
        let stored = self.certificates.get(certificate);
        let stored = stored.ok_or_else(|| failed(EDGE, format!("no certificate is stored for {host}")))?;
        let redirect = row.redirect_of(host);
        let ailment = self.ailments.get(&row.instance);
        let status = match row.page {
            SitePage::Serve if redirect.is_some() => 301,
            SitePage::Serve if !self.serves(row.ports) => 502,
            SitePage::Serve => match ailment {
                Some(Ailment::Answers(status)) => *status,
                Some(Ailment::LeadsAway) => 303,
                _ => 200,
            },
            SitePage::Retired => 410,
            SitePage::Preparing | SitePage::Stopped | SitePage::Maintenance => 503,
        };
        let no_websocket = ailment == Some(&Ailment::NoWebsocket) && visit.channel != Channel::Same;
        Ok(Answer {
            status,
            login_page: status == 200,
            fingerprint: stored.live.fingerprint.clone(),
            leads_to: match status {
                301 => redirect.map(|primary| format!("https://{primary}/web/login")),
                303 => Some(ELSEWHERE.to_owned()),
                _ => None,
            },
            websocket_fault: (no_websocket && status == 200).then(|| "/websocket answers 502".to_owned()),
        })
    }
}

impl super::world::ProxyWorld {
    /// The first row that must not be rendered, and why. Of two that want one name the newcomer has to wait.
    fn fault(
        &self,
        rows: &BTreeMap<InstanceName, SiteRow>,
        old: &BTreeMap<InstanceName, SiteRow>,
    ) -> Option<(InstanceName, String)> {
        let mut owners: BTreeMap<&Domain, &InstanceName> = BTreeMap::new();
        for (name, row) in rows {
            if let Some(template) = row.template.as_ref().filter(|template| !self.dedicated.contains(*template)) {
                return Some((name.clone(), format!("there is no template {template}")));
            }
            if let Some(host) = row.hosts.keys().find(|host| self.foreign_hosts.contains(*host)) {
                return Some((name.clone(), format!("nginx already serves {host} from another file")));
            }
            for host in row.hosts.keys() {
                let Some(other) = owners.insert(host, name) else { continue };
                let had = |name: &InstanceName| old.get(name).is_some_and(|row| row.hosts.contains_key(host));
                let (owner, late) = if had(name) && !had(other) { (name, other) } else { (other, name) };
                return Some((late.clone(), format!("{host} is served by {owner} already")));
            }
        }
        None
    }
}
