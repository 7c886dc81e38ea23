//! Steps on certificates; sites themselves go through the lane.

use super::{Context, StepFault};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::step::CertificateOrder;

/// Gets the certificate, one order at a time.
pub(super) async fn obtain(order: &CertificateOrder, context: &Context) -> Result<(), StepFault> {
    let Ok(_place) = context.lanes.certificates.acquire().await else {
        return Err(EdgeError::plain(Edge::Authority, ErrorKind::Failed, "the lane for certificates is closed").into());
    };
    context.edges.authority.ensure_placeholder(order).await?;
    context.edges.authority.obtain(order).await?;
    Ok(())
}
