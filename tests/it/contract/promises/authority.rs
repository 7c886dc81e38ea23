//! What a certificate authority and the store of its certificates promise.

use super::{Side, kind};
use innkeeper::edges::{Ask, Authority, ErrorKind};
use innkeeper::model::live::CertificateLive;
use innkeeper::model::site::CertificateName;
use innkeeper::model::step::CertificateOrder;
use std::collections::BTreeMap;

/// Every promise, for one side.
macro_rules! authority {
    ($side:ty) => {
        $crate::contract::promises::hold_to! { $side: authority
            a_placeholder_is_never_shown_as_a_certificate
            a_placeholder_never_replaces_a_certificate
            an_order_ends_with_a_certificate_that_is_seen
            a_stored_certificate_is_used_again_and_nothing_is_ordered
            a_new_certificate_is_not_renewed
            a_certificate_that_lacks_a_name_is_ordered_anew
            a_name_that_does_not_point_here_is_not_ordered_for
        }
    };
}
pub(crate) use authority;

/// An authority, and a site that answers for [`Office::HERE`] and every name of [`Office::ALSO_HERE`].
pub(crate) trait Office: Side {
    /// A host that points here.
    const HERE: &str = "acme.innkeeper.test";
    /// Another one.
    const ALSO_HERE: &str = "shop.innkeeper.test";
    /// A host whose DNS points to another machine.
    const ELSEWHERE: &str = "away.example.com";
    /// The edge.
    fn authority(&self) -> &dyn Authority;
    /// Orders that the authority received so far.
    fn orders(&self) -> u64;
}

fn order(name: &str, names: &[&str]) -> CertificateOrder {
    CertificateOrder {
        name: CertificateName(name.to_owned()),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        renewal: false,
    }
}

async fn stored(side: &impl Office) -> BTreeMap<String, CertificateLive> {
    let live = side.authority().look(&Ask::default()).await.unwrap();
    live.certificates.into_iter().map(|(name, live)| (name.0, live)).collect()
}

pub(crate) async fn a_placeholder_is_never_shown_as_a_certificate<S: Office>(side: &S) {
    for _ in 0..2 {
        side.authority().ensure_placeholder(&order(S::HERE, &[S::HERE])).await.unwrap();
        assert!(stored(side).await.is_empty());
    }
    assert_eq!(side.orders(), 0);
}

pub(crate) async fn a_placeholder_never_replaces_a_certificate<S: Office>(side: &S) {
    let wanted = order(S::HERE, &[S::HERE]);
    side.authority().ensure_placeholder(&wanted).await.unwrap();
    let got = side.authority().obtain(&wanted).await.unwrap();
    side.authority().ensure_placeholder(&wanted).await.unwrap();
    assert_eq!(stored(side).await, [(S::HERE.to_owned(), got)].into());
}

pub(crate) async fn an_order_ends_with_a_certificate_that_is_seen<S: Office>(side: &S) {
    let got = side.authority().obtain(&order(S::HERE, &[S::HERE, S::ALSO_HERE])).await.unwrap();
    assert_eq!(got.names, [S::HERE.to_owned(), S::ALSO_HERE.to_owned()].into());
    assert_eq!((got.fault.as_deref(), got.fingerprint.len()), (None, 64));
    assert!(got.not_before < got.not_after && !got.issuer.is_empty(), "{got:?}");
    assert_eq!(stored(side).await, [(S::HERE.to_owned(), got)].into());
    assert_eq!(side.orders(), 1);
}

pub(crate) async fn a_stored_certificate_is_used_again_and_nothing_is_ordered<S: Office>(side: &S) {
    let wanted = order(S::HERE, &[S::HERE, S::ALSO_HERE]);
    let first = side.authority().obtain(&wanted).await.unwrap();
    assert_eq!(side.authority().obtain(&wanted).await.unwrap(), first);
    // One that covers more than is asked for will do.
    assert_eq!(side.authority().obtain(&order(S::HERE, &[S::HERE])).await.unwrap(), first);
    assert_eq!(side.orders(), 1);
}

pub(crate) async fn a_new_certificate_is_not_renewed<S: Office>(side: &S) {
    let wanted = order(S::HERE, &[S::HERE]);
    let first = side.authority().obtain(&wanted).await.unwrap();
    // The step was done, and the daemon died before it could say so.
    let again = CertificateOrder { renewal: true, ..wanted };
    assert_eq!(side.authority().obtain(&again).await.unwrap(), first);
    assert_eq!(side.orders(), 1);
}

pub(crate) async fn a_certificate_that_lacks_a_name_is_ordered_anew<S: Office>(side: &S) {
    let first = side.authority().obtain(&order(S::HERE, &[S::HERE])).await.unwrap();
    let second = side.authority().obtain(&order(S::HERE, &[S::HERE, S::ALSO_HERE])).await.unwrap();
    assert_ne!(first.fingerprint, second.fingerprint);
    assert_eq!(stored(side).await, [(S::HERE.to_owned(), second)].into(), "under the same name, in the other's place");
    assert_eq!(side.orders(), 2);
}

pub(crate) async fn a_name_that_does_not_point_here_is_not_ordered_for<S: Office>(side: &S) {
    side.authority().obtain(&order(S::HERE, &[S::HERE])).await.unwrap();
    let before = stored(side).await;
    for names in [&[S::ELSEWHERE][..], &[S::HERE, S::ELSEWHERE]] {
        let answer = side.authority().obtain(&order(names[0], names)).await;
        assert_eq!(kind(answer), ErrorKind::Failed, "{names:?}");
    }
    assert_eq!((stored(side).await, side.orders()), (before, 1));
}
