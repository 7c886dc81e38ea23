//! One instance's site as data: a row from which the proxy's configuration is rendered.

use super::name::{Domain, InstanceName, Language, TemplateName, Uid};
use super::service::Ports;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the site shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SitePage {
    /// Odoo itself.
    Serve,
    /// 503: "is being prepared".
    Preparing,
    /// 503: "is stopped".
    Stopped,
    /// 503: "is under maintenance".
    Maintenance,
    /// 410: "is no longer here".
    Retired,
}

/// One instance's site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRow {
    /// Whose site.
    pub instance: InstanceName,
    /// Its identity.
    pub uid: Uid,
    /// Every name it answers to → name of the certificate that serves it (a host, or `*.<base_domain>`).
    pub hosts: BTreeMap<Domain, CertificateName>,
    /// Loopback ports of the container; the gevent port is not used with `workers = 0`.
    pub ports: Ports,
    /// False: websockets go to the http port (`workers = 0`).
    pub gevent: bool,
    /// What the site shows.
    pub page: SitePage,
    /// A template of its own; none shares the fleet's server blocks.
    pub template: Option<TemplateName>,
    /// The language of the pages that stand in for Odoo; none is English. Rows of earlier versions have none.
    #[serde(default)]
    pub language: Option<Language>,
    /// The one of `hosts` that all others redirect to while Odoo is served; none: each serves.
    #[serde(default)]
    pub redirect: Option<Domain>,
}

impl SiteRow {
    /// A row that is only rendered, to see what its template gives: it is nobody's, and its ports are any.
    pub fn sample(instance: InstanceName, hosts: &[&Domain], template: Option<TemplateName>) -> Self {
        Self {
            instance,
            uid: Uid(uuid::Uuid::nil()),
            hosts: hosts.iter().map(|host| ((*host).clone(), CertificateName::host(host))).collect(),
            ports: Ports { http: 20_000 },
            gevent: true,
            page: SitePage::Serve,
            template,
            language: None,
            redirect: None,
        }
    }

    /// The name that `host` redirects to; none where it shows the site itself.
    pub fn redirect_of(&self, host: &Domain) -> Option<&Domain> {
        let main = self.redirect.as_ref().filter(|main| self.page == SitePage::Serve && self.hosts.contains_key(*main));
        main.filter(|main| *main != host)
    }
}

/// A stored certificate's name: one host, or `*.<base_domain>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CertificateName(pub String);

impl CertificateName {
    /// The certificate of one host.
    pub fn host(host: &Domain) -> Self {
        Self(host.as_str().to_owned())
    }

    /// The certificate of every host below `base`.
    pub fn wildcard(base: &Domain) -> Self {
        Self(format!("*.{base}"))
    }

    /// True for `*.<base_domain>`, which is proven by dns-01.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// The file's name without ending: `*` becomes `_wildcard`.
    pub fn file_stem(&self) -> String {
        self.0.replace('*', "_wildcard")
    }
}

impl std::fmt::Display for CertificateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}
