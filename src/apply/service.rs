//! Steps on the application's container.

use super::{Context, StepFault};
use crate::model::service::ServiceSpec;

/// Makes the container, and starts it where wanted.
pub(super) async fn create(spec: &ServiceSpec, start: bool, context: &Context) -> Result<(), StepFault> {
    let engine = &context.edges.engine;
    engine.create_service(spec).await?;
    if start {
        engine.start_service(&spec.container, &spec.tag).await?;
    }
    Ok(())
}

/// Removes the container and makes it anew; its volume and its database stay.
pub(super) async fn recreate(spec: &ServiceSpec, start: bool, context: &Context) -> Result<(), StepFault> {
    context.edges.engine.remove_service(&spec.container, &spec.tag).await?;
    create(spec, start, context).await
}
