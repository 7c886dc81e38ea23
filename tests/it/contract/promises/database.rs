//! What a database server promises.

use super::{Side, kind};
use futures::TryStreamExt;
use innkeeper::edges::{Ask, Database, EdgeError, ErrorKind};
use innkeeper::model::database::{Access, DatabaseSpec, RoleSpec};
use innkeeper::model::live::DatabaseLive;
use innkeeper::model::name::{InstanceName, Resources, Uid};
use innkeeper::model::secret::SecretString;
use innkeeper::model::service::{Component, Owner, Tag};
use std::any::Any;
use std::collections::BTreeMap;

/// Every promise, for one side.
macro_rules! database {
    ($side:ty) => {
        $crate::contract::promises::hold_to! { $side: database
            an_instance_gets_a_role_and_a_database_that_carry_its_mark
            done_twice_it_is_as_it_was_after_the_first_time
            what_was_set_up_once_stays_marked_so
            a_foreign_role_is_a_conflict_and_stays_as_it_is
            a_foreign_database_is_a_conflict_and_stays_as_it_is
            what_another_life_of_the_name_left_is_a_conflict_and_stays_as_it_is
            ours_is_listed_always_and_what_is_foreign_when_its_name_is_asked_for
            a_database_that_a_crash_left_without_its_mark_is_adopted_or_dropped
            a_database_without_a_mark_in_which_somebody_works_is_foreign
            a_broken_database_is_made_anew_unless_an_instance_was_set_up_in_it
            a_broken_database_can_be_dropped
            a_widened_role_is_seen_and_narrowed
            a_password_changes_with_its_mark_and_only_then
            a_password_that_somebody_changed_is_refused_and_given_anew
            extensions_are_made_in_its_own_database_alone
            a_database_in_its_tenants_hands_is_taken_back_and_its_tenant_still_works_in_it
            without_its_role_no_database_is_made_and_without_a_database_nothing_is_marked
            dropped_is_gone_whoever_is_connected_and_what_is_gone_may_be_dropped
            a_role_that_owns_a_database_is_not_dropped
            a_dump_is_whole_or_an_error
            sizes_are_told_of_databases_of_ours_alone
            a_stopped_server_is_unreachable_and_never_empty
            one_at_a_time_has_the_lock
        }
    };
}
pub(crate) use database;

/// A server with hands that can do damage on it.
pub(crate) trait Server: Side {
    /// The edge.
    fn database(&self) -> &dyn Database;
    /// The edge of another process of the same installation.
    fn elsewhere(&self) -> Box<dyn Database>;
    /// The edge of the same server, which is stopped.
    fn stopped(&self) -> Box<dyn Database>;
    /// An instance that nobody else has; nothing is made.
    fn tenant(&self) -> Tenant;
    /// Makes a role of somebody else.
    async fn make_foreign_role(&self, name: &str);
    /// Makes a database without a comment; its owner is that role or, without one, somebody else.
    async fn make_bare_database(&self, name: &str, owner: Option<&str>);
    /// Somebody puts something into the database.
    async fn work_in(&self, database: &str);
    /// Leaves the database as an interrupted DROP does.
    async fn spoil(&self, database: &str);
    /// Gives the database to its tenant, as earlier versions did.
    async fn give_to_tenant(&self, database: &str);
    /// Somebody changes the role's password.
    async fn change_password(&self, role: &str);
    /// Gives the role CREATEDB.
    async fn widen(&self, role: &str);
    /// A session of the tenant's own, where there is such a thing.
    async fn connect(&self, tenant: &Tenant) -> Box<dyn Any>;
    /// All that there is of this role and this database: equal when nothing was done to them.
    async fn state_of(&self, name: &str) -> String;
}

/// One instance of an installation.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) instance: InstanceName,
    pub(crate) uid: Uid,
    pub(crate) password: SecretString,
    pub(crate) mark: String,
}

impl Tenant {
    /// Of role and database.
    pub(crate) fn name(&self) -> String {
        Resources::of(&self.instance).database
    }

    /// Another instance of the same name, as after a purge.
    fn reborn(&self) -> Self {
        Self { uid: Uid(uuid::Uuid::now_v7()), ..self.clone() }
    }

    fn owner(&self, component: Component) -> Owner {
        Owner::Ours(Tag { instance: self.instance.clone(), uid: self.uid, component, digest: String::new() })
    }

    fn role(&self) -> RoleSpec {
        RoleSpec {
            role: self.name(),
            instance: self.instance.clone(),
            uid: self.uid,
            access: Access::Instance,
            password_generation: 1,
            connection_limit: 17,
            set_password: false,
        }
    }

    fn database(&self) -> DatabaseSpec {
        DatabaseSpec { database: self.name(), instance: self.instance.clone(), uid: self.uid, provisioned: false }
    }

    async fn set_role(&self, edge: &dyn Database) -> Result<(), EdgeError> {
        edge.set_role(&self.role(), &self.password, &self.mark).await
    }

    async fn drop_role(&self, edge: &dyn Database) -> Result<(), EdgeError> {
        edge.drop_role(&self.name(), &self.instance, self.uid).await
    }

    async fn dump(&self, edge: &dyn Database, password: &SecretString) -> Result<Vec<u8>, EdgeError> {
        edge.dump(&self.name(), &self.name(), password).await?.try_concat().await
    }

    /// What only its own life may do to the role, each by its name.
    async fn touch_role(&self, edge: &dyn Database) -> [Result<(), EdgeError>; 2] {
        [self.set_role(edge).await, self.drop_role(edge).await]
    }

    /// What only its own life may do to the database.
    async fn touch_database(&self, edge: &dyn Database) -> [Result<(), EdgeError>; 4] {
        let spec = self.database();
        [
            edge.create_database(&spec).await,
            edge.set_privileges(&spec).await,
            edge.mark_provisioned(&spec).await,
            edge.drop_database(&spec).await,
        ]
    }
}

async fn look(edge: &dyn Database, tenants: &[&Tenant]) -> DatabaseLive {
    let named = |tenant: &&Tenant| (tenant.instance.clone(), Resources::of(&tenant.instance));
    let instances: BTreeMap<_, _> = tenants.iter().map(named).collect();
    edge.look(&Ask { instances, ..Ask::default() }).await.unwrap()
}

/// A tenant with a role and a database.
async fn provisioned(side: &impl Server) -> Tenant {
    let tenant = side.tenant();
    tenant.set_role(side.database()).await.unwrap();
    side.database().create_database(&tenant.database()).await.unwrap();
    tenant
}

fn all_conflicts<const N: usize>(answers: [Result<(), EdgeError>; N]) {
    assert_eq!(answers.map(kind), [ErrorKind::Conflict; N]);
}

pub(crate) async fn an_instance_gets_a_role_and_a_database_that_carry_its_mark(side: &impl Server) {
    let tenant = provisioned(side).await;
    let live = look(side.database(), &[&tenant]).await;
    let (role, database) = (&live.roles[&tenant.name()], &live.databases[&tenant.name()]);
    assert_eq!(role.owner, tenant.owner(Component::Role));
    assert_eq!((role.password_mark.as_deref(), role.login), (Some(tenant.mark.as_str()), true));
    assert_eq!((role.connection_limit, role.excess.len()), (17, 0));
    assert_eq!(database.owner, tenant.owner(Component::Database));
    assert_eq!((&database.owner_role, database.others_may_connect.len()), (&live.own_role, 0));
    assert!(database.lacking.is_empty(), "{database:?}");
    assert_eq!((database.valid, database.provisioned), (true, false));
    assert!(live.inside[&tenant.name()].known().is_some(), "it was looked into");
    assert!(side.database().known_modules(&tenant.name()).await.unwrap().is_empty(), "Odoo is not in it yet");
    assert!(tenant.dump(side.database(), &tenant.password).await.is_ok(), "the tenant logs in");
}

pub(crate) async fn done_twice_it_is_as_it_was_after_the_first_time(side: &impl Server) {
    let tenant = provisioned(side).await;
    let (edge, spec) = (side.database(), tenant.database());
    edge.mark_provisioned(&spec).await.unwrap();
    side.work_in(&tenant.name()).await;
    let before = side.state_of(&tenant.name()).await;
    tenant.set_role(edge).await.unwrap();
    edge.create_database(&spec).await.unwrap();
    edge.set_privileges(&spec).await.unwrap();
    edge.mark_provisioned(&spec).await.unwrap();
    assert_eq!(side.state_of(&tenant.name()).await, before);
}

pub(crate) async fn what_was_set_up_once_stays_marked_so(side: &impl Server) {
    let tenant = provisioned(side).await;
    side.database().mark_provisioned(&tenant.database()).await.unwrap();
    // A journal that was lost says "not provisioned"; the comment knows better.
    side.database().set_privileges(&tenant.database()).await.unwrap();
    side.database().create_database(&tenant.database()).await.unwrap();
    assert!(look(side.database(), &[&tenant]).await.databases[&tenant.name()].provisioned);
}

pub(crate) async fn a_foreign_role_is_a_conflict_and_stays_as_it_is(side: &impl Server) {
    let tenant = side.tenant();
    side.make_foreign_role(&tenant.name()).await;
    let before = side.state_of(&tenant.name()).await;
    assert!(look(side.database(), &[&tenant]).await.roles[&tenant.name()].owner.tag().is_none());
    all_conflicts(tenant.touch_role(side.database()).await);
    assert_eq!(kind(side.database().create_database(&tenant.database()).await), ErrorKind::Conflict);
    assert_eq!(side.state_of(&tenant.name()).await, before);
}

pub(crate) async fn a_foreign_database_is_a_conflict_and_stays_as_it_is(side: &impl Server) {
    let tenant = side.tenant();
    tenant.set_role(side.database()).await.unwrap();
    side.make_bare_database(&tenant.name(), None).await;
    assert!(look(side.database(), &[&tenant]).await.databases[&tenant.name()].owner.tag().is_none());
    for broken in [false, true] {
        if broken {
            side.spoil(&tenant.name()).await;
        }
        let before = side.state_of(&tenant.name()).await;
        all_conflicts(tenant.touch_database(side.database()).await);
        assert_eq!(side.state_of(&tenant.name()).await, before);
    }
}

pub(crate) async fn what_another_life_of_the_name_left_is_a_conflict_and_stays_as_it_is(side: &impl Server) {
    let former = provisioned(side).await;
    let before = side.state_of(&former.name()).await;
    let later = former.reborn();
    all_conflicts(later.touch_role(side.database()).await);
    all_conflicts(later.touch_database(side.database()).await);
    assert_eq!(side.state_of(&former.name()).await, before);
}

pub(crate) async fn ours_is_listed_always_and_what_is_foreign_when_its_name_is_asked_for(side: &impl Server) {
    let (tenant, foreign) = (provisioned(side).await, side.tenant());
    side.make_foreign_role(&foreign.name()).await;
    side.make_bare_database(&foreign.name(), None).await;
    let unasked = look(side.database(), &[]).await;
    assert_eq!(unasked.roles.keys().collect::<Vec<_>>(), [&tenant.name()]);
    assert_eq!(unasked.databases.keys().collect::<Vec<_>>(), [&tenant.name()]);
    assert!(unasked.inside.is_empty(), "nobody asked what is inside: {unasked:?}");
    let asked = look(side.database(), &[&foreign]).await;
    assert!(asked.roles.contains_key(&foreign.name()) && asked.databases.contains_key(&foreign.name()), "{asked:?}");
    assert!(asked.inside.is_empty(), "what is foreign is not looked into: {asked:?}");
}

pub(crate) async fn a_database_that_a_crash_left_without_its_mark_is_adopted_or_dropped(side: &impl Server) {
    let (adopted, dropped) = (side.tenant(), side.tenant());
    for tenant in [&adopted, &dropped] {
        tenant.set_role(side.database()).await.unwrap();
        side.make_bare_database(&tenant.name(), Some(&tenant.name())).await;
        let live = look(side.database(), &[tenant]).await;
        assert_eq!(live.databases[&tenant.name()].owner, tenant.owner(Component::Database));
    }
    side.database().create_database(&adopted.database()).await.unwrap();
    side.database().drop_database(&dropped.database()).await.unwrap();
    side.work_in(&adopted.name()).await;
    let live = look(side.database(), &[&adopted, &dropped]).await;
    assert_eq!(live.databases.keys().collect::<Vec<_>>(), [&adopted.name()]);
    assert_eq!(live.databases[&adopted.name()].owner, adopted.owner(Component::Database), "the mark stays with it");
}

pub(crate) async fn a_database_without_a_mark_in_which_somebody_works_is_foreign(side: &impl Server) {
    let tenant = side.tenant();
    tenant.set_role(side.database()).await.unwrap();
    side.make_bare_database(&tenant.name(), Some(&tenant.name())).await;
    side.work_in(&tenant.name()).await;
    let before = side.state_of(&tenant.name()).await;
    assert!(look(side.database(), &[&tenant]).await.databases[&tenant.name()].owner.tag().is_none());
    all_conflicts(tenant.touch_database(side.database()).await);
    assert_eq!(side.state_of(&tenant.name()).await, before);
}

pub(crate) async fn a_broken_database_is_made_anew_unless_an_instance_was_set_up_in_it(side: &impl Server) {
    let (fresh, by_comment, by_journal) = (provisioned(side).await, provisioned(side).await, provisioned(side).await);
    side.database().mark_provisioned(&by_comment.database()).await.unwrap();
    for tenant in [&fresh, &by_comment, &by_journal] {
        side.spoil(&tenant.name()).await;
        let live = look(side.database(), &[tenant]).await;
        assert!(!live.databases[&tenant.name()].valid && live.inside.is_empty(), "{live:?}");
    }
    side.database().create_database(&fresh.database()).await.unwrap();
    assert!(look(side.database(), &[&fresh]).await.databases[&fresh.name()].valid);
    let known = DatabaseSpec { provisioned: true, ..by_journal.database() };
    for (tenant, spec) in [(&by_comment, by_comment.database()), (&by_journal, known)] {
        let before = side.state_of(&tenant.name()).await;
        assert_eq!(kind(side.database().create_database(&spec).await), ErrorKind::Refused);
        assert_eq!(side.state_of(&tenant.name()).await, before);
    }
}

pub(crate) async fn a_broken_database_can_be_dropped(side: &impl Server) {
    let tenant = provisioned(side).await;
    side.database().mark_provisioned(&tenant.database()).await.unwrap();
    side.spoil(&tenant.name()).await;
    side.database().drop_database(&tenant.database()).await.unwrap();
    assert!(look(side.database(), &[&tenant]).await.databases.is_empty());
}

pub(crate) async fn a_widened_role_is_seen_and_narrowed(side: &impl Server) {
    let tenant = provisioned(side).await;
    side.widen(&tenant.name()).await;
    let excess = async || look(side.database(), &[&tenant]).await.roles[&tenant.name()].excess.clone();
    assert_eq!(excess().await, ["CREATEDB".to_owned()].into());
    tenant.set_role(side.database()).await.unwrap();
    assert!(excess().await.is_empty());
}

pub(crate) async fn a_password_changes_with_its_mark_and_only_then(side: &impl Server) {
    let tenant = provisioned(side).await;
    let (edge, new) = (side.database(), SecretString::from("a9".repeat(20)));
    edge.set_role(&tenant.role(), &new, &tenant.mark).await.unwrap();
    assert!(tenant.dump(edge, &new).await.is_err(), "the mark is the same, so the password is");
    edge.set_role(&tenant.role(), &new, "another-mark").await.unwrap();
    assert!(tenant.dump(edge, &new).await.is_ok() && tenant.dump(edge, &tenant.password).await.is_err());
    let live = look(edge, &[&tenant]).await;
    assert_eq!(live.roles[&tenant.name()].password_mark.as_deref(), Some("another-mark"));
    let again = RoleSpec { set_password: true, ..tenant.role() };
    edge.set_role(&again, &tenant.password, "another-mark").await.unwrap();
    assert!(tenant.dump(edge, &tenant.password).await.is_ok());
}

pub(crate) async fn a_password_that_somebody_changed_is_refused_and_given_anew(side: &impl Server) {
    let tenant = provisioned(side).await;
    let edge = side.database();
    let accepted = async || edge.accepts_password(&tenant.name(), &tenant.password).await;
    assert_eq!(accepted().await, Some(true));
    side.change_password(&tenant.name()).await;
    assert_eq!(accepted().await, Some(false));
    let live = look(edge, &[&tenant]).await;
    assert_eq!(live.roles[&tenant.name()].password_mark.as_deref(), Some(tenant.mark.as_str()), "no look tells");
    let anew = RoleSpec { set_password: true, ..tenant.role() };
    edge.set_role(&anew, &tenant.password, &tenant.mark).await.unwrap();
    assert_eq!(accepted().await, Some(true));
    // Nobody is let in whatever the password, so nothing is known of it.
    edge.set_role(&RoleSpec { access: Access::Nobody, ..tenant.role() }, &tenant.password, &tenant.mark).await.unwrap();
    let wrong = SecretString::from("wrong");
    assert_eq!(side.stopped().accepts_password(&tenant.name(), &wrong).await, None);
}

pub(crate) async fn extensions_are_made_in_its_own_database_alone(side: &impl Server) {
    let (tenant, neighbour) = (provisioned(side).await, provisioned(side).await);
    let edge = side.database();
    let search = async |of: &Tenant| look(edge, &[of]).await.inside[&of.name()].known().unwrap().search.clone();
    let wanted = look(edge, &[]).await.extensions;
    assert_eq!(wanted, ["pg_trgm", "unaccent"].map(str::to_owned).into(), "the server has them");
    assert!(search(&tenant).await.extensions.is_empty() && search(&tenant).await.is_indexed());
    for _ in 0..2 {
        edge.add_extensions(&tenant.database(), &wanted, &tenant.password).await.unwrap();
        let made = search(&tenant).await;
        assert_eq!(made.extensions, wanted);
        assert!(made.basis.is_some() && !made.is_indexed(), "who made them without indexes is told: {made:?}");
    }
    assert!(search(&neighbour).await.extensions.is_empty());
    let later = tenant.reborn();
    assert_eq!(kind(edge.add_extensions(&later.database(), &wanted, &later.password).await), ErrorKind::Conflict);
    let wrong = SecretString::from("wrong");
    assert!(edge.add_extensions(&neighbour.database(), &wanted, &wrong).await.is_err(), "as its own role, not as ours");
}

pub(crate) async fn a_database_in_its_tenants_hands_is_taken_back_and_its_tenant_still_works_in_it(side: &impl Server) {
    let tenant = provisioned(side).await;
    let edge = side.database();
    edge.mark_provisioned(&tenant.database()).await.unwrap();
    side.give_to_tenant(&tenant.name()).await;
    let live = look(edge, &[&tenant]).await;
    let database = &live.databases[&tenant.name()];
    assert_eq!((&database.owner_role, database.lacking.len()), (&tenant.name(), 0), "an owner lacks nothing");
    edge.set_privileges(&tenant.database()).await.unwrap();
    let live = look(edge, &[&tenant]).await;
    let database = &live.databases[&tenant.name()];
    assert_eq!((&database.owner_role, database.lacking.len()), (&live.own_role, 0));
    assert!(database.provisioned && database.others_may_connect.is_empty(), "{database:?}");
    let wanted = live.extensions.clone();
    edge.add_extensions(&tenant.database(), &wanted, &tenant.password).await.expect("the tenant makes things in it");
    assert!(tenant.dump(edge, &tenant.password).await.is_ok(), "and reads all of it");
}

pub(crate) async fn without_its_role_no_database_is_made_and_without_a_database_nothing_is_marked(side: &impl Server) {
    let tenant = side.tenant();
    let (edge, spec) = (side.database(), tenant.database());
    assert_eq!(kind(edge.create_database(&spec).await), ErrorKind::Failed);
    tenant.set_role(edge).await.unwrap();
    assert_eq!(kind(edge.set_privileges(&spec).await), ErrorKind::Failed);
    assert_eq!(kind(edge.mark_provisioned(&spec).await), ErrorKind::Failed);
    assert!(look(edge, &[&tenant]).await.databases.is_empty());
}

pub(crate) async fn dropped_is_gone_whoever_is_connected_and_what_is_gone_may_be_dropped(side: &impl Server) {
    let (tenant, neighbour) = (provisioned(side).await, provisioned(side).await);
    side.work_in(&tenant.name()).await;
    let _session = side.connect(&tenant).await;
    let kept = side.state_of(&neighbour.name()).await;
    for _ in 0..2 {
        side.database().drop_database(&tenant.database()).await.unwrap();
        let live = look(side.database(), &[&tenant]).await;
        assert!(!live.databases.contains_key(&tenant.name()) && live.roles.contains_key(&tenant.name()), "{live:?}");
    }
    for _ in 0..2 {
        tenant.drop_role(side.database()).await.unwrap();
        assert!(!look(side.database(), &[&tenant]).await.roles.contains_key(&tenant.name()));
    }
    // With role and database gone too: nothing is left of it, and nothing to fail on.
    side.database().drop_database(&tenant.database()).await.unwrap();
    assert_eq!(side.state_of(&neighbour.name()).await, kept);
}

pub(crate) async fn a_role_that_owns_a_database_is_not_dropped(side: &impl Server) {
    let tenant = provisioned(side).await;
    let before = side.state_of(&tenant.name()).await;
    assert_eq!(kind(tenant.drop_role(side.database()).await), ErrorKind::Failed);
    assert_eq!(side.state_of(&tenant.name()).await, before);
}

pub(crate) async fn a_dump_is_whole_or_an_error(side: &impl Server) {
    let (tenant, absent) = (provisioned(side).await, side.tenant());
    side.work_in(&tenant.name()).await;
    let edge = side.database();
    assert!(!tenant.dump(edge, &tenant.password).await.unwrap().is_empty());
    let wrong = SecretString::from("wrong");
    assert_eq!(kind(tenant.dump(edge, &wrong).await), ErrorKind::Failed);
    assert_eq!(kind(absent.dump(edge, &absent.password).await), ErrorKind::Failed);
    side.spoil(&tenant.name()).await;
    assert_eq!(kind(tenant.dump(edge, &tenant.password).await), ErrorKind::Failed);
}

pub(crate) async fn sizes_are_told_of_databases_of_ours_alone(side: &impl Server) {
    let (tenant, foreign, absent) = (provisioned(side).await, side.tenant(), side.tenant());
    side.make_bare_database(&foreign.name(), None).await;
    let asked = [&tenant, &foreign, &absent].map(Tenant::name).into();
    let sizes = side.database().sizes(&asked).await.unwrap();
    assert_eq!(sizes.keys().collect::<Vec<_>>(), [&tenant.name()]);
    assert_eq!(sizes[&tenant.name()], look(side.database(), &[&tenant]).await.databases[&tenant.name()].size_bytes);
    assert!(sizes[&tenant.name()] > 1_000_000, "{sizes:?}");
}

pub(crate) async fn a_stopped_server_is_unreachable_and_never_empty(side: &impl Server) {
    let tenant = provisioned(side).await;
    let stopped = side.stopped();
    let mut kinds = vec![
        kind(stopped.look(&Ask::default()).await),
        kind(stopped.sizes(&[tenant.name()].into()).await),
        stopped.lock_installation().await.err().expect("there is no lock").kind,
    ];
    kinds.extend(tenant.touch_role(&*stopped).await.map(kind));
    kinds.extend(tenant.touch_database(&*stopped).await.map(kind));
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::Unreachable), "{kinds:?}");
    assert!(tenant.dump(&*stopped, &tenant.password).await.is_err());
}

pub(crate) async fn one_at_a_time_has_the_lock(side: &impl Server) {
    let elsewhere = side.elsewhere();
    let lock = side.database().lock_installation().await.unwrap();
    let second = elsewhere.lock_installation().await.err().expect("it is taken");
    assert_eq!(second.kind, ErrorKind::Conflict);
    drop(lock);
    let again = async {
        while elsewhere.lock_installation().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), again).await.expect("it is free once it was let go of");
}
