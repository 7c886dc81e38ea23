//! The rehearsed certificate authority and store. Promises as `adapters::acme` keeps them: a sound stored certificate
//! is reused, a name that does not point here is not ordered for, an order is counted before it is made.

use super::world::StoredCertificate;
use super::{Rehearsal, World, failed};
use crate::edges::{Ask, Authority, Edge, EdgeError, points_elsewhere};
use crate::model::live::{AuthorityLive, CertificateLive};
use crate::model::name::Domain;
use crate::model::step::CertificateOrder;
use crate::model::time::Timestamp;
use async_trait::async_trait;

const EDGE: Edge = Edge::Authority;
/// Lifetime of a rehearsed certificate: Let's Encrypt's of 2026.
const LIFETIME_S: i64 = 90 * 86_400;
/// A placeholder only has to outlive the wait for the real one.
const PLACEHOLDER_S: i64 = 3_650 * 86_400;

#[async_trait]
impl Authority for Rehearsal {
    async fn look(&self, _ask: &Ask) -> Result<AuthorityLive, EdgeError> {
        let stored = |world: &World, _| {
            let real = world.certificates.iter().filter(|(_, stored)| !stored.placeholder);
            Ok(AuthorityLive { certificates: real.map(|(name, stored)| (name.clone(), stored.live.clone())).collect() })
        };
        Rehearsal::look(self, EDGE, "look", stored).await
    }

    async fn ensure_placeholder(&self, order: &CertificateOrder) -> Result<(), EdgeError> {
        let put = |world: &mut World, now| {
            if !world.certificates.contains_key(&order.name) {
                world.store(order, true, now);
            }
            Ok(())
        };
        self.effect(EDGE, "ensure_placeholder", &order.name.0, &[&put]).await
    }

    async fn obtain(&self, order: &CertificateOrder) -> Result<CertificateLive, EdgeError> {
        let count = |world: &mut World, now| {
            if world.usable(order, now).is_none() {
                world.points_here(order)?;
                world.orders += 1;
            }
            Ok(())
        };
        let store = |world: &mut World, now| {
            if world.usable(order, now).is_none() {
                world.store(order, false, now);
            }
            Ok(())
        };
        self.effect(EDGE, "obtain", &order.name.0, &[&count, &store]).await?;
        let stored = self.with(|world| world.certificates.get(&order.name).map(|stored| stored.live.clone()));
        stored.ok_or_else(|| failed(EDGE, format!("the certificate {} is gone again", order.name)))
    }
}

impl World {
    /// What is stored for the order, when it is to be used as it is. One that is to be renewed is not, unless it is new.
    fn usable(&self, order: &CertificateOrder, now: Timestamp) -> Option<&CertificateLive> {
        let stored = self.certificates.get(&order.name).filter(|stored| !stored.placeholder)?;
        let live = &stored.live;
        let sound = live.fault.is_none() && live.not_before <= now && now < live.not_after;
        let half_s = (live.not_after.as_second() - live.not_before.as_second()) / 2;
        let aged = now.as_second() - live.not_before.as_second() > half_s;
        (sound && order.names.is_subset(&live.names) && !(order.renewal && aged)).then_some(live)
    }

    /// Each name is asked for a token of ours first, through nginx. A wildcard is proven by DNS.
    fn points_here(&self, order: &CertificateOrder) -> Result<(), EdgeError> {
        let loaded = self.proxy.loaded.as_ref().filter(|_| self.proxy.running);
        for name in order.names.iter().filter(|name| !name.starts_with("*.")) {
            let host = Domain::parse(name).ok();
            let elsewhere = host.as_ref().is_none_or(|host| self.pointing_elsewhere.contains(host));
            let served = loaded.is_some_and(|generation| {
                generation.rows.values().any(|row| host.as_ref().is_some_and(|host| row.hosts.contains_key(host)))
            });
            if elsewhere || !served {
                return Err(failed(EDGE, points_elsewhere(name)));
            }
        }
        Ok(())
    }

    fn store(&mut self, order: &CertificateOrder, placeholder: bool, now: Timestamp) {
        let lifetime_s = if placeholder { PLACEHOLDER_S } else { LIFETIME_S };
        let live = CertificateLive {
            names: order.names.clone(),
            not_before: now,
            not_after: Timestamp::from_second(now.as_second() + lifetime_s).unwrap_or(Timestamp::MAX),
            issuer: if placeholder { "Innkeeper placeholder" } else { "Rehearsal CA" }.to_owned(),
            fault: None,
            fingerprint: format!("{:064x}", self.next_serial()),
        };
        self.certificates.insert(order.name.clone(), StoredCertificate { live, placeholder });
    }
}
