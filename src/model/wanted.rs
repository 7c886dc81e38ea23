//! One instance as its file asks for it, every default filled in.

use super::name::{
    Country, Domain, Email, InstanceName, Language, ModuleName, OdooVersion, PlanName, Subdomain, TemplateName,
};
use super::odoo_options::OdooOptions;
use super::service_plan::{BackupPolicy, Limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the operator wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum WantedState {
    /// Serving.
    #[default]
    Running,
    /// Kept, not serving; the site says so.
    Stopped,
    /// To be retired.
    Absent,
}

impl WantedState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Running, Self::Stopped, Self::Absent];

    /// As written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Absent => "absent",
        }
    }
}

/// One instance as its file asks for it, every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The stem of the file.
    pub name: InstanceName,
    /// The plan it is on.
    pub plan: PlanName,
    /// Running, stopped or absent.
    pub state: WantedState,
    /// The label under the base domain.
    pub subdomain: Subdomain,
    /// The full name at which it answers: `<subdomain>.<base_domain>`.
    pub host: Domain,
    /// Custom domains.
    pub domains: BTreeSet<Domain>,
    /// The Odoo release.
    pub odoo: OdooVersion,
    /// The image that `odoo.images` names for that release.
    pub image: String,
    /// The plan's modules and its own.
    pub modules: BTreeSet<ModuleName>,
    /// Must be removed in an earlier change before "absent" counts.
    pub protected: bool,
    /// Look and report, change nothing.
    pub suspended: bool,
    /// Who the customer is; for people, not used inside Odoo.
    pub customer: Option<Customer>,
    /// The company inside Odoo.
    pub company: Company,
    /// The first administrator's login.
    pub admin_email: Email,
    /// The plan's limits with the file's overrides.
    pub limits: Limits,
    /// The plan's backups.
    pub backup: BackupPolicy,
    /// A template of its own for the site; none shares the fleet's server blocks.
    pub template: Option<TemplateName>,
    /// Lines of odoo.conf: the plan's with the file's own.
    #[serde(default, skip_serializing_if = "OdooOptions::is_empty")]
    pub conf: OdooOptions,
    /// The name that the customer wants to be known by; none is `host`, and no name redirects.
    #[serde(default)]
    pub primary: Option<Primary>,
}

/// The one of a site's names that its links carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Primary {
    /// One of the site's own names.
    pub host: Domain,
    /// The other names redirect to it; false: they serve beside it.
    pub redirect: bool,
}

impl Wanted {
    /// The name that links and addresses carry.
    pub fn main_host(&self) -> &Domain {
        self.primary.as_ref().map_or(&self.host, |primary| &primary.host)
    }

    /// All names at which it answers.
    pub fn hosts(&self) -> impl Iterator<Item = &Domain> {
        std::iter::once(&self.host).chain(&self.domains)
    }
}

/// Who the customer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Free text.
    pub name: String,
    /// Where to reach them.
    pub email: Email,
}

/// The company as Odoo's set-up makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// Free text, carried through byte for byte.
    pub name: String,
    /// Gives the company's currency too; none leaves Odoo's own default.
    pub country: Option<Country>,
    /// The administrator's and the default language.
    pub language: Language,
    /// IANA name, the administrator's and the default time zone.
    pub timezone: String,
}
