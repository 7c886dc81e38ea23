//! Whether the role of an instance that is in trouble still has the password that was derived for it. Any role may change its
//! own, and no catalog that Innkeeper may read tells; only logging in does.

use crate::daemon::known::keeper::Keeper;
use crate::model::database::Access;
use crate::model::live::{Live, Seen};
use crate::model::name::{InstanceName, Resources};
use crate::model::secret::PASSWORD_GENERATION;

/// A container that has just started is given so many turns before anybody asks.
const TURNS_BEFORE: u32 = 2;
/// Asked again after so many turns more that only waited: one failed login each quarter of an hour at most.
const TURNS_BETWEEN: u32 = 30;

/// Logs in once as the role of an instance that does not answer, or of which a step failed, and notes in `live` when its
/// password is refused.
pub(super) async fn prove(keeper: &Keeper, name: &InstanceName, live: &mut Live) {
    let Some((uid, marks)) = suspect(keeper, name) else { return };
    let Seen::Known(database) = &mut live.database else { return };
    let role_name = Resources::of(name).database;
    let own = database.roles.get_mut(&role_name).filter(|role| role.owner.tag().is_some_and(|tag| tag.uid == uid));
    let Some(role) = own.filter(|role| role.login) else { return };
    // One whose mark says that it has another password is put right anyway.
    let Some((_, access)) = marks.iter().find(|(mark, _)| role.password_mark.as_ref() == Some(mark)) else { return };
    let password = keeper.key.derive(access.password(), uid, PASSWORD_GENERATION);
    role.password_refused = keeper.edges.database.accepts_password(&role_name, &password).await == Some(false);
}

/// The identity of an instance in trouble, and the marks of the passwords that its role may have.
fn suspect(keeper: &Keeper, name: &InstanceName) -> Option<(crate::model::name::Uid, [(String, Access); 2])> {
    let mut register = keeper.register();
    let entry = register.entries.get_mut(name).filter(|entry| entry.met)?;
    let waited = entry.unhealthy.checked_sub(TURNS_BEFORE);
    let in_trouble = waited.is_some_and(|turns| turns % TURNS_BETWEEN == 0)
        || keeper.journal.failures(name).is_ok_and(|failures| !failures.is_empty());
    let facts = &entry.facts;
    let marks = [(facts.password_mark.clone(), Access::Instance), (facts.backup_password_mark.clone(), Access::Backup)];
    in_trouble.then_some((facts.uid, marks))
}
