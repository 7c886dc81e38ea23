//! Steps on the role and the database.

use super::{Context, StepFault, report};
use crate::model::database::{DatabaseSpec, ExtensionsSpec, RoleSpec};
use crate::model::secret::SecretPurpose;

/// The role with its derived password and that password's mark.
pub(super) async fn set_role(spec: &RoleSpec, context: &Context) -> Result<(), StepFault> {
    let password = context.key.derive(spec.access.password(), spec.uid, spec.password_generation);
    let mark = context.key.mark(&password);
    Ok(context.edges.database.set_role(spec, &password, &mark).await?)
}

/// Extensions, made as the instance's own role: nothing that a tenant left in the database runs with more rights than that.
pub(super) async fn add_extensions(spec: &ExtensionsSpec, context: &Context) -> Result<(), StepFault> {
    let password = context.key.derive(SecretPurpose::RolePassword, spec.database.uid, spec.password_generation);
    Ok(context.edges.database.add_extensions(&spec.database, &spec.extensions, &password).await?)
}

/// The mark in the database first, then the journal's copy of it: the database's is the one that survives.
pub(super) async fn mark_provisioned(spec: &DatabaseSpec, context: &Context) -> Result<(), StepFault> {
    context.edges.database.mark_provisioned(spec).await?;
    report(context.journal.set_provisioned(&spec.instance), "could not note that an instance is set up");
    Ok(())
}
