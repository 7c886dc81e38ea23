//! `credentials`: the first administrator's login and password. They are derived, not stored: whoever may read the
//! installation key may see them, and that they were shown is recorded.

use super::context::Context;
use super::each::each;
use super::failure::{Exit, Failure};
use super::render::documents::CredentialsRow;
use super::render::style::{STRONG, paint};
use super::{fleet, selection, world};
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::secret::{ExposeSecret, PASSWORD_GENERATION, SecretPurpose};
use crate::model::settings::Settings;
use crate::spec::Fleet;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it
    #[arg(required = true, value_name = "NAME|FILTER")]
    names: Vec<String>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let chosen = selection::of(cx, &fleet, &args.names)?;
    let outcomes = each(&chosen.names, |name| credentials(cx, &fleet, name));
    let several = chosen.names.len() > 1;
    for (name, row) in outcomes.done().filter(|_| !cx.json) {
        let label = |text: &str| paint(STRONG, text);
        let whose = if several { format!("{}\n", label(name.as_str())) } else { String::new() };
        cx.say(&format!("{whose}{} {}\n{} {}\n", label("login:   "), row.login, label("password:"), row.password))?;
    }
    outcomes.answer(cx, "shown", None)
}

fn credentials(cx: &Context, fleet: &Fleet, name: &InstanceName) -> Result<CredentialsRow, Failure> {
    let key = world::key(cx, &fleet.settings)?.ok_or_else(|| fleet::never_seen(name))?;
    let known = fleet::journal(cx, &fleet.settings)?.known_of(name).map_err(|e| fleet::of_journal(&e))?;
    let known = known.ok_or_else(|| fleet::never_seen(name))?;
    let current = fleet.instances.get(name).and_then(|instance| instance.wanted.clone());
    let login = match (current, known.last_good) {
        (Some(wanted), _) => wanted.admin_email.to_string(),
        (None, Some(wanted)) => wanted.admin_email.to_string(),
        (None, None) => return Err(fleet::never_seen(name)),
    };
    let password = key.derive(SecretPurpose::AdminPassword, known.uid, PASSWORD_GENERATION);
    record(cx, &fleet.settings, name)?;
    if !known.provisioned {
        cx.notice(&format!("{name} is not set up yet: they will work once it is ready (`innkeeper wait {name}`)"));
    }
    Ok(CredentialsRow { instance: name.clone(), login, password: password.expose_secret().to_owned() })
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
