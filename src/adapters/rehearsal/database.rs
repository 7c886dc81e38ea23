//! The rehearsed PostgreSQL. Promises as `adapters::postgres` keeps them: a new database has no comment for a moment and
//! is adopted while it is empty, and what was set up in a broken one is never dropped.

use super::world::{NO_COMMENT, OWN_ROLE, Role};
use super::{Rehearsal, World, claim_part, conflict, failed, refused};
use crate::edges::database::InstallationLock;
use crate::edges::{Ask, ByteStream, Database, Edge, EdgeError};
use crate::model::database::{DatabaseSpec, RoleSpec};
use crate::model::live::{DatabaseLive, DatabaseObjectLive, EXTENSIONS, OdooLive, RoleLive, Seen};
use crate::model::name::{InstanceName, ModuleName, Uid};
use crate::model::secret::{ExposeSecret, SecretString};
use crate::model::service::{Component, Owner, Tag};
use async_trait::async_trait;
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const EDGE: Edge = Edge::Database;
/// The word for everybody.
const PUBLIC: &str = "PUBLIC";
/// The server that is rehearsed.
const MAJOR_VERSION: u32 = 15;
/// An empty database of PostgreSQL 15.
pub(super) const EMPTY_BYTES: u64 = 8 << 20;
/// What the instance's role may do with its database.
const PRIVILEGES: [&str; 3] = ["CONNECT", "CREATE", "TEMPORARY"];
/// What a customer stores at once.
pub(super) const CONTENT_BYTES: u64 = 64 << 10;
/// `max_connections`
const CONNECTIONS_MAX: u32 = 300;

#[async_trait]
impl Database for Rehearsal {
    async fn look(&self, ask: &Ask) -> Result<DatabaseLive, EdgeError> {
        Rehearsal::look(self, EDGE, "look", |world, _| Ok(world.database_live(ask))).await
    }

    async fn set_role(&self, spec: &RoleSpec, password: &SecretString, mark: &str) -> Result<(), EdgeError> {
        let end_sessions = |world: &mut World, _| world.end_sessions(spec);
        let moments: [super::Moment<'_>; 3] =
            [&|world, _| world.set_password(spec, password, mark), &|world, _| world.narrow_role(spec), &end_sessions];
        self.effect(EDGE, "set_role", &spec.role, &moments).await
    }

    async fn create_database(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        let moments: [super::Moment<'_>; 2] =
            [&|world, _| world.make_database(spec), &|world, _| world.settle(spec, spec.provisioned)];
        self.effect(EDGE, "create_database", &spec.database, &moments).await
    }

    async fn set_privileges(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        let settle = |world: &mut World, _| world.settle(spec, spec.provisioned);
        self.effect(EDGE, "set_privileges", &spec.database, &[&settle]).await
    }

    async fn accepts_password(&self, role: &str, password: &SecretString) -> Option<bool> {
        let asked = Rehearsal::look(self, EDGE, "accepts_password", |world, _| {
            let role = world.roles.get(role).filter(|role| role.login && role.connection_limit != 0);
            Ok(role.map(|role| role.password.expose_secret() == password.expose_secret()))
        });
        asked.await.unwrap_or_default()
    }

    async fn add_extensions(
        &self,
        spec: &DatabaseSpec,
        extensions: &BTreeSet<String>,
        password: &SecretString,
    ) -> Result<(), EdgeError> {
        let add = |world: &mut World, _| world.add_extensions(spec, extensions, password);
        self.effect(EDGE, "add_extensions", &spec.database, &[&add]).await
    }

    async fn mark_provisioned(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        self.effect(EDGE, "mark_provisioned", &spec.database, &[&|world, _| world.settle(spec, true)]).await
    }

    async fn dump(&self, database: &str, role: &str, password: &SecretString) -> Result<ByteStream, EdgeError> {
        let bytes = Rehearsal::look(self, EDGE, "dump", |world, _| world.dump(database, role, password)).await?;
        Ok(futures::stream::iter([Ok(bytes)]).boxed())
    }

    async fn drop_database(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        let spoil = |world: &mut World, _| world.drop_database(spec, false);
        let drop = |world: &mut World, _| world.drop_database(spec, true);
        let moments: [super::Moment<'_>; 2] = [&spoil, &drop];
        self.effect(EDGE, "drop_database", &spec.database, &moments).await
    }

    async fn drop_role(&self, role: &str, instance: &InstanceName, uid: Uid) -> Result<(), EdgeError> {
        let drop = |world: &mut World, _| world.drop_role(role, (instance, uid));
        self.effect(EDGE, "drop_role", role, &[&drop]).await
    }

    async fn known_modules(&self, database: &str) -> Result<BTreeSet<ModuleName>, EdgeError> {
        Rehearsal::look(self, EDGE, "known_modules", |world, _| Ok(world.known_modules(database))).await
    }

    async fn sizes(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, u64>, EdgeError> {
        Rehearsal::look(self, EDGE, "sizes", |world, _| Ok(world.sizes(names))).await
    }

    async fn lock_installation(&self) -> Result<InstallationLock, EdgeError> {
        Rehearsal::look(self, EDGE, "lock_installation", |_, _| Ok(())).await?;
        let held = Arc::new(());
        let mut direction = self.direction();
        if direction.lock.upgrade().is_some() {
            return Err(conflict(EDGE, "the lock", "another Innkeeper acts for this installation"));
        }
        direction.lock = Arc::downgrade(&held);
        Ok(Box::pin(async move {
            let _held = held;
            std::future::pending::<()>().await;
        }))
    }
}

impl World {
    fn database_live(&self, ask: &Ask) -> DatabaseLive {
        let asked: BTreeSet<&str> = ask.instances.values().map(|resources| resources.database.as_str()).collect();
        let shown = |name: &str, owner: &Owner| owner.tag().is_some() || asked.contains(name);
        let roles = self.roles.iter().filter(|(name, role)| shown(name, &role.owner));
        let databases: BTreeMap<String, DatabaseObjectLive> = self
            .databases
            .iter()
            .map(|(name, database)| {
                let live = DatabaseObjectLive {
                    owner: self.adopted(name).unwrap_or_else(|| database.owner.clone()),
                    owner_role: database.owner_role.clone(),
                    valid: database.valid,
                    provisioned: database.provisioned,
                    others_may_connect: database.others_may_connect.clone(),
                    lacking: database.lacking(name),
                    size_bytes: EMPTY_BYTES + database.content * CONTENT_BYTES,
                };
                (name.clone(), live)
            })
            .filter(|(name, live)| shown(name, &live.owner))
            .collect();
        let inside = databases
            .iter()
            .filter(|(name, live)| asked.contains(name.as_str()) && live.valid && live.owner.tag().is_some())
            .filter_map(|(name, _)| Some((name.clone(), Seen::Known(self.databases.get(name)?.odoo.clone()))));
        DatabaseLive {
            major_version: MAJOR_VERSION,
            connections_max: CONNECTIONS_MAX,
            own_role: OWN_ROLE.to_owned(),
            extensions: EXTENSIONS.map(str::to_owned).into(),
            roles: roles.map(|(name, role)| (name.clone(), role.live())).collect(),
            inside: inside.collect(),
            databases,
        }
    }

    /// The mark under which an empty database without a comment is taken for ours: that of the role of its name.
    fn adopted(&self, name: &str) -> Option<Owner> {
        let database = self.databases.get(name)?;
        let bare = matches!(&database.owner, Owner::Foreign(whose) if whose == NO_COMMENT);
        let tag = self.roles.get(name)?.owner.tag()?;
        let ours = database.owner_role == name || database.owner_role == OWN_ROLE;
        let left_over = bare && ours && database.odoo.is_empty() && database.content == 0;
        left_over.then(|| Owner::Ours(Tag { component: Component::Database, ..tag.clone() }))
    }

    fn set_password(&mut self, spec: &RoleSpec, password: &SecretString, mark: &str) -> Result<(), EdgeError> {
        let tag =
            Tag { instance: spec.instance.clone(), uid: spec.uid, component: Component::Role, digest: String::new() };
        let Some(role) = self.roles.get_mut(&spec.role) else {
            let role = Role {
                owner: Owner::Ours(tag),
                password: password.clone(),
                mark: Some(mark.to_owned()),
                login: spec.access.may_log_in(),
                excess: BTreeSet::new(),
                connection_limit: spec.connection_limit,
            };
            self.roles.insert(spec.role.clone(), role);
            return Ok(());
        };
        super::claim(&role.owner, &tag, EDGE, &format!("role {}", spec.role))?;
        if spec.set_password || role.mark.as_deref() != Some(mark) {
            (role.password, role.mark) = (password.clone(), Some(mark.to_owned()));
        }
        Ok(())
    }

    fn narrow_role(&mut self, spec: &RoleSpec) -> Result<(), EdgeError> {
        let role = self.own_role(&spec.role, (&spec.instance, spec.uid))?;
        (role.login, role.connection_limit) = (spec.access.may_log_in(), spec.connection_limit);
        role.excess.clear();
        Ok(())
    }

    fn end_sessions(&mut self, spec: &RoleSpec) -> Result<(), EdgeError> {
        if spec.access.ends_sessions() {
            self.sessions.remove(&spec.role);
        }
        Ok(())
    }

    fn own_role(
        &mut self,
        name: &str,
        (instance, uid): (&crate::model::name::InstanceName, crate::model::name::Uid),
    ) -> Result<&mut Role, EdgeError> {
        let missing = || failed(EDGE, format!("the role {name} does not exist yet"));
        let role = self.roles.get_mut(name).ok_or_else(missing)?;
        claim_part(&role.owner, (instance, uid, Component::Role), EDGE, &format!("role {name}"))?;
        Ok(role)
    }

    fn make_database(&mut self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        self.own_role(&spec.database, (&spec.instance, spec.uid))?;
        if let Some(found) = self.databases.get(&spec.database) {
            if found.valid {
                return Ok(());
            }
            let provisioned = spec.provisioned || found.provisioned;
            self.claim_database(spec)?;
            if provisioned {
                return Err(refused(EDGE, format!("the database {} is broken and was set up before", spec.database)));
            }
        }
        let database = super::world::Database {
            owner: Owner::Foreign(NO_COMMENT.to_owned()),
            owner_role: OWN_ROLE.to_owned(),
            opened: false,
            valid: true,
            provisioned: false,
            others_may_connect: BTreeSet::from([PUBLIC.to_owned()]),
            odoo: OdooLive::default(),
            serial: self.next_serial(),
            content: 0,
        };
        self.databases.insert(spec.database.clone(), database);
        Ok(())
    }

    /// Connected as the tenant, whose password it takes.
    fn add_extensions(
        &mut self,
        spec: &DatabaseSpec,
        extensions: &BTreeSet<String>,
        password: &SecretString,
    ) -> Result<(), EdgeError> {
        let role = self.own_role(&spec.database, (&spec.instance, spec.uid))?;
        let let_in = role.login && role.password.expose_secret() == password.expose_secret();
        self.claim_database(spec)?;
        let Some(database) = self.databases.get_mut(&spec.database).filter(|database| let_in && database.valid) else {
            return Err(failed(EDGE, format!("the role {} is not let into its database", spec.database)));
        };
        let search = &mut database.odoo.search;
        let before = search.extensions.clone();
        search.extensions.extend(extensions.iter().cloned());
        if search.extensions != before && search.extensions.contains("pg_trgm") {
            // Another one than its indexes were made with.
            search.basis = Some(format!("{}+", search.indexed.as_deref().unwrap_or("pg_trgm")));
        }
        Ok(())
    }

    fn claim_database(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        let thing = format!("database {}", spec.database);
        let owner = self.adopted(&spec.database);
        match owner.as_ref().or_else(|| self.databases.get(&spec.database).map(|database| &database.owner)) {
            Some(owner) => claim_part(owner, (&spec.instance, spec.uid, Component::Database), EDGE, &thing),
            None => Err(failed(EDGE, format!("{thing} does not exist"))),
        }
    }

    /// Interrupted, it leaves the database there and unusable (`datconnlimit = -2`).
    fn drop_database(&mut self, spec: &DatabaseSpec, whole: bool) -> Result<(), EdgeError> {
        if !self.databases.contains_key(&spec.database) {
            return Ok(());
        }
        self.claim_database(spec)?;
        if whole {
            self.databases.remove(&spec.database);
        } else if let Some(database) = self.databases.get_mut(&spec.database) {
            database.valid = false;
        }
        Ok(())
    }

    fn drop_role(&mut self, name: &str, whose: (&InstanceName, Uid)) -> Result<(), EdgeError> {
        if !self.roles.contains_key(name) {
            return Ok(());
        }
        self.own_role(name, whose)?;
        if self.databases.contains_key(name) || self.databases.values().any(|database| database.owner_role == name) {
            return Err(failed(EDGE, format!("the role {name} cannot be dropped because some objects depend on it")));
        }
        self.roles.remove(name);
        Ok(())
    }

    /// Owner, privileges and comment in one transaction; `provisioned` is only ever added.
    fn settle(&mut self, spec: &DatabaseSpec, provisioned: bool) -> Result<(), EdgeError> {
        self.own_role(&spec.database, (&spec.instance, spec.uid))?;
        self.claim_database(spec)?;
        let Some(database) = self.databases.get_mut(&spec.database) else {
            return Err(conflict(EDGE, &spec.database, "it went away"));
        };
        database.owner = Owner::Ours(Tag {
            instance: spec.instance.clone(),
            uid: spec.uid,
            component: Component::Database,
            digest: String::new(),
        });
        database.owner_role = OWN_ROLE.to_owned();
        database.opened = true;
        database.others_may_connect.clear();
        database.provisioned |= provisioned;
        Ok(())
    }
}

impl super::world::Database {
    /// What the role of its name may not do with it.
    fn lacking(&self, name: &str) -> BTreeSet<String> {
        let open = self.opened || self.owner_role == name;
        PRIVILEGES.into_iter().filter(|_| !open).map(str::to_owned).collect()
    }
}

impl Role {
    fn live(&self) -> RoleLive {
        RoleLive {
            owner: self.owner.clone(),
            password_mark: self.mark.clone().filter(|_| self.owner.tag().is_some()),
            login: self.login,
            excess: self.excess.clone(),
            connection_limit: self.connection_limit,
            password_refused: false,
        }
    }
}
