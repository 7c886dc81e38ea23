//! What others do to the world behind Innkeeper's back: people, the kernel, time. Each change is one that the real
//! systems permit.

use super::world::{
    Ailment, Container, ContainerState, Database, KILLED, NO_COMMENT, NO_LABEL, Role, StoredBackup, Volume,
};
use super::{Rehearsal, World};
use crate::model::live::OdooLive;
use crate::model::name::{InstanceName, Resources};
use crate::model::secret::SecretString;
use crate::model::service::{Component, Owner};
use std::collections::BTreeSet;

/// One change behind our back. Where it names no thing, it strikes what belongs to one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// The kernel kills the container's main process, and the restart policy was overridden.
    ContainerKilled,
    /// `docker rm -f`
    ContainerRemoved,
    /// `docker update` by hand.
    LimitsChanged,
    /// The container was made anew by hand, without the hardening.
    HardeningLost,
    /// A running or an ended job is removed.
    JobRemoved,
    /// odoo.conf is edited.
    ConfEdited,
    /// odoo.conf is removed.
    ConfRemoved,
    /// `docker network rm`, where no container is left on it.
    NetworkRemoved,
    /// The image was built anew under the same name.
    ImageReplaced,
    /// `ALTER ROLE … NOLOGIN CREATEDB CONNECTION LIMIT 1`
    RoleAltered,
    /// `GRANT CONNECT … TO PUBLIC`
    PrivilegesGranted,
    /// The database is its tenant's, as earlier versions made it.
    OwnerChanged,
    /// `ALTER ROLE … PASSWORD`: a role may change its own.
    PasswordChanged,
    /// `DROP EXTENSION pg_trgm CASCADE`: its indexes go with it.
    ExtensionDropped,
    /// A program that has the password of odoo.conf writes into the database, and stays connected.
    WrittenFromOutside,
    /// The disk gives other bytes of a backup than it was given. Not among those of any moment: a moment before data go
    /// nobody could notice it any more.
    BackupSpoiled,
    /// Files that the database names are lost in the filestore.
    FilesLost,
    /// A site's lines are edited in the current generation.
    SiteEdited,
    /// The directory of generations is lost.
    SitesLost,
    /// nginx was restarted and has loaded nothing of ours.
    ProxyForgot,
    /// Templates are edited.
    TemplatesChanged,
    /// Certificates reach their end.
    CertificateExpired,
    /// A stored certificate is removed.
    CertificateRemoved,
    /// A stored certificate no longer fits its key.
    CertificateSpoiled,
    /// Somebody else's program takes the instance's port while its container does not run.
    PortTaken,
    /// Data are lost: the database.
    DatabaseDropped,
    /// Data are lost: the volume, once no container is left that mounts it.
    VolumeRemoved,
    /// A foreign container takes the free name.
    ForeignContainer,
    /// A foreign volume takes the free name.
    ForeignVolume,
    /// A foreign role and its database take the free name.
    ForeignDatabase,
    /// Another file of nginx's serves the instance's host.
    ForeignHost,
    /// Odoo answers its login page with an error, because of what somebody did inside it.
    AnswersWithAnError,
    /// Odoo sends visitors to another host.
    LeadsAway,
    /// Odoo's gevent process is dead.
    WebsocketDead,
    /// Odoo ends soon after each start.
    Crashes,
}

impl Damage {
    /// Every kind that Innkeeper repairs alone.
    pub const REPAIRABLE: [Self; 22] = [
        Self::ContainerKilled,
        Self::ContainerRemoved,
        Self::LimitsChanged,
        Self::HardeningLost,
        Self::JobRemoved,
        Self::ConfEdited,
        Self::ConfRemoved,
        Self::NetworkRemoved,
        Self::ImageReplaced,
        Self::RoleAltered,
        Self::PrivilegesGranted,
        Self::OwnerChanged,
        Self::PasswordChanged,
        Self::ExtensionDropped,
        Self::WrittenFromOutside,
        Self::SiteEdited,
        Self::SitesLost,
        Self::ProxyForgot,
        Self::TemplatesChanged,
        Self::CertificateExpired,
        Self::CertificateRemoved,
        Self::CertificateSpoiled,
    ];
    /// Every kind that needs a person.
    pub const GRAVE: [Self; 12] = [
        Self::PortTaken,
        Self::DatabaseDropped,
        Self::VolumeRemoved,
        Self::FilesLost,
        Self::ForeignContainer,
        Self::ForeignVolume,
        Self::ForeignDatabase,
        Self::ForeignHost,
        Self::AnswersWithAnError,
        Self::LeadsAway,
        Self::WebsocketDead,
        Self::Crashes,
    ];
}

impl Rehearsal {
    /// Does it to what belongs to `instance`; false when there was nothing to do it to.
    pub fn damage(&self, damage: Damage, instance: &InstanceName) -> bool {
        let done = self.with(|world| world.damage(damage, instance));
        if done {
            self.hint(Some(instance.clone()));
        }
        done
    }
}

impl World {
    fn damage(&mut self, damage: Damage, instance: &InstanceName) -> bool {
        use Damage as D;
        match damage {
            D::ContainerKilled | D::ContainerRemoved | D::LimitsChanged | D::HardeningLost | D::JobRemoved => {
                self.damage_container(damage, instance)
            }
            D::ConfEdited | D::ConfRemoved | D::NetworkRemoved | D::ImageReplaced | D::PortTaken => {
                self.damage_host(damage, instance)
            }
            D::RoleAltered
            | D::PrivilegesGranted
            | D::OwnerChanged
            | D::PasswordChanged
            | D::ExtensionDropped
            | D::DatabaseDropped
            | D::VolumeRemoved => self.damage_data(damage, instance),
            D::WrittenFromOutside => self.write_from_outside(instance),
            D::BackupSpoiled | D::FilesLost => self.damage_kept(damage, instance),
            D::SiteEdited | D::SitesLost | D::ProxyForgot | D::TemplatesChanged | D::ForeignHost => {
                self.damage_proxy(damage, instance)
            }
            D::CertificateExpired | D::CertificateRemoved | D::CertificateSpoiled => {
                self.damage_certificates(damage, instance)
            }
            D::ForeignContainer | D::ForeignVolume | D::ForeignDatabase => self.intrude(damage, instance),
            D::AnswersWithAnError => self.ail(instance, Ailment::Answers(503)),
            D::LeadsAway => self.ail(instance, Ailment::LeadsAway),
            D::WebsocketDead => self.ail(instance, Ailment::NoWebsocket),
            D::Crashes => self.ail(instance, Ailment::Crashes),
        }
    }

    fn damage_container(&mut self, damage: Damage, instance: &InstanceName) -> bool {
        let resources = Resources::of(instance);
        if damage == Damage::JobRemoved {
            let before = self.containers.len();
            self.containers.retain(|name, _| !name.starts_with(&resources.job_prefix));
            return self.containers.len() < before;
        }
        let Some(container) = self.containers.get_mut(&resources.container) else { return false };
        if container.owner.tag().is_none() {
            return false;
        }
        match damage {
            Damage::ContainerKilled => container.state = ContainerState::Exited(KILLED),
            Damage::LimitsChanged => (container.cpu_millis, container.memory_bytes) = (0, 0),
            Damage::HardeningLost => container.hardened = false,
            _ => drop(self.containers.remove(&resources.container)),
        }
        true
    }

    fn damage_host(&mut self, damage: Damage, instance: &InstanceName) -> bool {
        let conf = (instance.clone(), "odoo.conf".to_owned());
        match damage {
            Damage::ConfEdited => self.files.get_mut(&conf).map(|file| file.intact = false).is_some(),
            Damage::ConfRemoved => self.files.remove(&conf).is_some(),
            Damage::NetworkRemoved if self.containers.is_empty() => self.network.take().is_some(),
            Damage::NetworkRemoved => false,
            Damage::ImageReplaced => {
                let serial = self.next_serial();
                // Each a new one of its own: two releases are never the same image.
                for (nth, image) in self.images.values_mut().enumerate() {
                    image.id = format!("sha256:{serial:032x}{nth:032x}");
                }
                true
            }
            _ => {
                let container = self.containers.get(&Resources::of(instance).container);
                let stopped = container.filter(|container| container.state != ContainerState::Running);
                let Some(ports) = stopped.and_then(|container| container.ports) else { return false };
                self.foreign_ports.insert(ports.http)
            }
        }
    }

    fn damage_data(&mut self, damage: Damage, instance: &InstanceName) -> bool {
        let resources = Resources::of(instance);
        let database = self.databases.get_mut(&resources.database).filter(|database| database.owner.tag().is_some());
        match damage {
            Damage::OwnerChanged => {
                let Some(database) = database else { return false };
                database.opened = false;
                std::mem::replace(&mut database.owner_role, resources.database.clone()) != resources.database
            }
            Damage::PasswordChanged => {
                let role = self.roles.get_mut(&resources.database).filter(|role| role.owner.tag().is_some());
                role.map(|role| role.password = SecretString::from("changed behind our back")).is_some()
            }
            Damage::ExtensionDropped => {
                let Some(database) = database else { return false };
                database.odoo.search.basis = None;
                database.odoo.search.extensions.remove("pg_trgm")
            }
            Damage::RoleAltered => {
                let Some(role) = self.roles.get_mut(&resources.database) else { return false };
                (role.login, role.connection_limit) = (false, 1);
                role.owner.tag().is_some() && role.excess.insert("CREATEDB".to_owned())
            }
            Damage::PrivilegesGranted => {
                database.is_some_and(|database| database.others_may_connect.insert("PUBLIC".to_owned()))
            }
            Damage::DatabaseDropped => self.databases.remove(&resources.database).is_some(),
            _ => {
                let mounts = |container: &Container| container.volume.as_ref() == Some(&resources.volume);
                let held = self.containers.values().any(mounts);
                !held && self.volumes.remove(&resources.volume).is_some()
            }
        }
    }

    /// Whoever is connected stays so; others need the password and LOGIN.
    fn write_from_outside(&mut self, instance: &InstanceName) -> bool {
        let name = Resources::of(instance).database;
        let conf = self.files.get(&(instance.clone(), "odoo.conf".to_owned()));
        let may_enter = self.sessions.contains(&name) || conf.is_some_and(|conf| self.log_in(conf).is_some());
        // Before the set-up nobody outside of it was told the password.
        let served = |database: &&mut Database| database.valid && database.provisioned;
        let Some(database) = self.databases.get_mut(&name).filter(served).filter(|_| may_enter) else { return false };
        database.content += 1;
        self.sessions.insert(name);
        true
    }

    fn damage_kept(&mut self, damage: Damage, instance: &InstanceName) -> bool {
        if damage == Damage::FilesLost {
            let volume = self.volumes.get_mut(&Resources::of(instance).volume);
            let ours = volume.filter(|volume| volume.owner.tag().is_some());
            return ours.map(|volume| volume.missing += 1).is_some();
        }
        let of_instance =
            |backup: &&mut StoredBackup| backup.manifest.as_ref().is_some_and(|it| it.instance == *instance);
        let spoiled = self.archive.values_mut().filter(of_instance).flat_map(|backup| backup.parts.values_mut());
        let byte = spoiled.filter_map(|bytes| bytes.first_mut()).next();
        byte.map(|byte| *byte ^= 1).is_some()
    }

    fn damage_proxy(&mut self, damage: Damage, instance: &InstanceName) -> bool {
        let proxy = &mut self.proxy;
        let shown = proxy.current.as_ref().and_then(|generation| generation.rows.get(instance)).cloned();
        match damage {
            Damage::SiteEdited => shown.is_some() && proxy.edited.insert(instance.clone()),
            Damage::SitesLost => {
                proxy.edited.clear();
                proxy.current.take().is_some()
            }
            Damage::ProxyForgot => proxy.loaded.take().is_some(),
            Damage::TemplatesChanged => {
                proxy.templates += 1;
                true
            }
            _ => {
                let host = shown.and_then(|row| row.hosts.keys().next().cloned());
                host.is_some_and(|host| proxy.foreign_hosts.insert(host))
            }
        }
    }

    fn damage_certificates(&mut self, damage: Damage, instance: &InstanceName) -> bool {
        let row = self.proxy.current.as_ref().and_then(|generation| generation.rows.get(instance));
        let names: BTreeSet<_> = row.map(|row| row.hosts.values().cloned().collect()).unwrap_or_default();
        let Some(name) = names.into_iter().find(|name| self.certificates.contains_key(name)) else { return false };
        if damage == Damage::CertificateRemoved {
            return self.certificates.remove(&name).is_some();
        }
        let Some(stored) = self.certificates.get_mut(&name).filter(|stored| !stored.placeholder) else { return false };
        match damage {
            Damage::CertificateExpired => stored.live.not_after = stored.live.not_before,
            _ => stored.live.fault = Some("the key does not match".to_owned()),
        }
        true
    }

    /// Only what runs can be ill.
    fn ail(&mut self, instance: &InstanceName, ailment: Ailment) -> bool {
        let container = self.containers.get(&Resources::of(instance).container);
        let runs = container.is_some_and(|it| it.is_service() && it.state == ContainerState::Running);
        runs && self.ailments.insert(instance.clone(), ailment).is_none()
    }

    /// A foreign object takes a name that is free now.
    fn intrude(&mut self, damage: Damage, instance: &InstanceName) -> bool {
        let resources = Resources::of(instance);
        let foreign = || Owner::Foreign(NO_LABEL.to_owned());
        let serial = self.next_serial();
        match damage {
            Damage::ForeignContainer if !self.containers.contains_key(&resources.container) => {
                self.containers.insert(resources.container, Container::foreign(foreign(), serial));
                true
            }
            Damage::ForeignVolume if !self.volumes.contains_key(&resources.volume) => {
                self.volumes.insert(resources.volume, Volume { owner: foreign(), serial, content: 1, missing: 0 });
                true
            }
            Damage::ForeignDatabase if !self.roles.contains_key(&resources.database) => {
                let name = resources.database;
                self.roles.insert(name.clone(), Role::foreign());
                self.databases.entry(name.clone()).or_insert_with(|| Database::foreign(name, serial));
                true
            }
            _ => false,
        }
    }
}

impl Container {
    fn foreign(owner: Owner, serial: u64) -> Self {
        Self {
            owner,
            id: format!("c{serial}"),
            image: "postgres:15".to_owned(),
            image_id: "sha256:15".to_owned(),
            state: ContainerState::Running,
            started_at: None,
            booted: false,
            restarts: 0,
            killed_for_memory: false,
            memory_kills: 0,
            cpu_millis: 0,
            memory_bytes: 0,
            ports: None,
            hardened: false,
            volume: None,
            conf: None,
            work: None,
        }
    }

    /// True for one of ours that is no job.
    pub fn is_service(&self) -> bool {
        self.owner.tag().is_some_and(|tag| tag.component == Component::Service)
    }
}

impl Role {
    fn foreign() -> Self {
        Self {
            owner: Owner::Foreign(NO_COMMENT.to_owned()),
            password: SecretString::from("somebody else's"),
            mark: None,
            login: true,
            excess: BTreeSet::new(),
            connection_limit: -1,
        }
    }
}

impl Database {
    fn foreign(owner_role: String, serial: u64) -> Self {
        Self {
            owner: Owner::Foreign(NO_COMMENT.to_owned()),
            owner_role,
            opened: true,
            valid: true,
            provisioned: false,
            others_may_connect: BTreeSet::new(),
            odoo: OdooLive::default(),
            serial,
            content: 1,
        }
    }
}
