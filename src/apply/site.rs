//! Steps on certificates; sites themselves go through the lane.

use super::{Context, StepFault};
use crate::model::step::CertificateOrder;

/// Gets the certificate.
pub(super) async fn obtain(order: &CertificateOrder, context: &Context) -> Result<(), StepFault> {
    context.edges.authority.ensure_placeholder(order).await?;
    context.edges.authority.obtain(order).await?;
    Ok(())
}
