//! `credentials`: the first administrator's login and password. They are derived, not stored: whoever may read the
//! installation key may see them, and that they were shown is recorded.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::render::documents::CredentialsDocument;
use super::render::style::{STRONG, paint};
use super::{fleet, world};
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::secret::{ExposeSecret, PASSWORD_GENERATION, SecretPurpose};
use crate::model::settings::Settings;
use crate::model::status::SCHEMA;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance
    name: String,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let name = fleet::one(&args.name, &fleet::known(cx, &fleet))?;
    let key = world::key(cx, &fleet.settings)?.ok_or_else(|| fleet::never_seen(&name))?;
    let known = fleet::journal(cx, &fleet.settings)?.known_of(&name).map_err(|e| fleet::of_journal(&e))?;
    let known = known.ok_or_else(|| fleet::never_seen(&name))?;
    let current = fleet.instances.get(&name).and_then(|instance| instance.wanted.clone());
    let login = match (current, known.last_good) {
        (Some(wanted), _) => wanted.admin_email.to_string(),
        (None, Some(wanted)) => wanted.admin_email.to_string(),
        (None, None) => return Err(fleet::never_seen(&name)),
    };
    let password = key.derive(SecretPurpose::AdminPassword, known.uid, PASSWORD_GENERATION);
    record(cx, &fleet.settings, &name)?;
    if !known.provisioned {
        cx.notice(&format!("{name} is not set up yet: they will work once it is ready (`innkeeper wait {name}`)"));
    }
    let password = password.expose_secret();
    match cx.json {
        true => cx.document(&CredentialsDocument { schema: SCHEMA, instance: &name, login: &login, password })?,
        false => {
            let label = |text: &str| paint(STRONG, text);
            cx.say(&format!("{} {login}\n{} {password}\n", label("login:   "), label("password:")))?;
        }
    }
    Ok(Exit::Done)
}

/// Nothing is shown that was not recorded before.
fn record(cx: &Context, settings: &Settings, name: &InstanceName) -> Result<(), Failure> {
    let by = world::user();
    let event = NewEvent {
        level: Level::Info,
        instance: Some(name.clone()),
        reason: Reason::CredentialsShown,
        message: format!("the first administrator's credentials were shown to {by}"),
        step: None,
        cause: None,
    };
    let journal = fleet::journal_to_write(cx, settings, name)?;
    journal.record(&event).map(drop).map_err(|e| fleet::of_journal(&e))
}
