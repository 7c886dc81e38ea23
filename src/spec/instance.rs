//! `instances.d/<name>.toml` → [`InstanceFile`]: what was written. What it means with the plans and settings of the
//! fleet is `resolve`'s.

use super::addresses;
use super::conf::{self, ConfInFile};
use super::fields::{CONF_TABLE, INSTANCE};
use super::problem::{Faults, Faulty, WHOLE_FILE};
use super::tree::{Cursor, Placed, parse};
use super::values;
use crate::model::name::{
    Country, Domain, Email, InstanceName, Language, ModuleName, OdooVersion, PlanName, Subdomain, TemplateName,
};
use crate::model::size::Bytes;
use crate::model::wanted::{Customer, WantedState};
use std::path::Path;

/// An instance as its file has it, defaults that come from elsewhere still open. Of a sound file all is there that it must
/// say. Of one with faults each key is none that could not be read, and the others are judged on this host all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InstanceFile {
    pub(super) name: InstanceName,
    pub(super) plan: Option<Placed<PlanName>>,
    pub(super) state: Option<WantedState>,
    pub(super) subdomain: Option<Placed<Subdomain>>,
    pub(super) domains: Vec<Placed<Domain>>,
    pub(super) odoo: Option<Placed<OdooVersion>>,
    pub(super) modules: Option<Vec<ModuleName>>,
    pub(super) protected: Option<bool>,
    pub(super) suspended: Option<bool>,
    pub(super) customer: Option<Customer>,
    pub(super) company_name: Option<String>,
    pub(super) country: Option<Country>,
    pub(super) language: Option<Language>,
    pub(super) timezone: Option<String>,
    pub(super) admin_email: Option<Email>,
    pub(super) limits: LimitsInFile,
    pub(super) template: Option<TemplateName>,
    pub(super) conf: ConfInFile,
    pub(super) primary: Option<Placed<Domain>>,
    pub(super) redirect: Option<bool>,
}

/// The limits that the file sets itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LimitsInFile {
    pub(super) cpu_millis: Option<u32>,
    pub(super) memory: Option<Bytes>,
    pub(super) disk: Option<Bytes>,
    pub(super) workers: Option<u32>,
}

const STATES: &[(&str, WantedState)] =
    &[("running", WantedState::Running), ("stopped", WantedState::Stopped), ("absent", WantedState::Absent)];

/// Reads the text of one instance file; on failure all of its problems, and what it says all the same.
pub(super) fn read(file: &Path, name: &InstanceName, text: &str) -> Result<InstanceFile, Faulty<InstanceFile>> {
    let (tree, mut faults) = parse(file, text);
    let f = &mut faults;
    let top = Cursor::top(&INSTANCE, tree.get_ref(), WHOLE_FILE, f);

    let plan = top.text("plan", f, values::name);
    let state = top.text("state", f, |text| values::choice(text, STATES));
    let subdomain = top.text("subdomain", f, values::name).or_else(|| own_name(&top, name, f));
    let domains = top.list("domains", f, values::domain);
    let odoo = top.text("odoo", f, addresses::release);
    let modules = top.list("modules", f, values::name);
    let protected = top.flag("protected", f);
    let suspended = top.flag("suspended", f);

    let table = top.child("customer", f);
    let customer = (table.text("name", f, values::free_text), table.text("email", f, values::email));

    let table = top.child("company", f);
    let company_name = table.text("name", f, values::free_text);
    let country = table.text("country", f, values::country);
    let language = table.text("language", f, values::language);
    let timezone = table.text("timezone", f, values::timezone);

    let admin_email = top.child("admin", f).text("email", f, values::email);
    let limits = read_limits(&top.child("limits", f), f);
    let conf = conf::read(&top.child(CONF_TABLE, f), f);
    let table = top.child("site", f);
    let template = table.text("template", f, values::name);
    let (primary, redirect) = (table.text("primary", f, values::domain), table.flag("redirect", f));

    faults.judge(Some(InstanceFile {
        name: name.clone(),
        plan,
        state: state.map(|placed| placed.value),
        subdomain,
        domains: domains.unwrap_or_default(),
        odoo,
        modules: modules.map(|modules| modules.into_iter().map(|placed| placed.value).collect()),
        protected,
        suspended,
        customer: customer.0.zip(customer.1).map(|(name, email)| Customer { name: name.value, email: email.value }),
        company_name: company_name.map(|placed| placed.value),
        country: country.map(|placed| placed.value),
        language: language.map(|placed| placed.value),
        timezone: timezone.map(|placed| placed.value),
        admin_email: admin_email.map(|placed| placed.value),
        limits,
        template: template.map(|placed| placed.value),
        conf,
        primary,
        redirect,
    }))
}

fn read_limits(table: &Cursor<'_>, faults: &mut Faults<'_>) -> LimitsInFile {
    LimitsInFile {
        cpu_millis: table.cores("cpus", faults),
        memory: table.size("memory", faults),
        disk: table.size("disk", faults),
        workers: table.integer("workers", faults),
    }
}

/// Without a subdomain of its own the instance's name serves, as far as the rule for subdomains allows (no `xn--`).
fn own_name(top: &Cursor<'_>, name: &InstanceName, faults: &mut Faults<'_>) -> Option<Placed<Subdomain>> {
    // One that is given may stand in the broken part.
    if top.has("subdomain") || !faults.syntax_is_sound() {
        return None;
    }
    match values::name(name.as_str()) {
        Ok(value) => Some(Placed { value, at: WHOLE_FILE }),
        Err(refusal) => {
            top.refuse("subdomain", WHOLE_FILE, refusal.hint("add a line such as subdomain = \"mycompany\""), faults);
            None
        }
    }
}
