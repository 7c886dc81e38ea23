//! `retire`: asks for instances' end in their files, `state = "absent"`, and says what that means.

use super::context::Context;
use super::each::each;
use super::failure::{Exit, Failure, Trouble};
use super::rehearse::is_rehearsal;
use super::render::text::count;
use super::selection::{Selection, list};
use super::{fleet, selection, switch};
use crate::model::name::InstanceName;
use crate::model::wanted::WantedState;
use crate::spec::Fleet;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it
    #[arg(required = true, value_name = "NAME|FILTER")]
    names: Vec<String>,
    /// The name of each once more; may be given again
    #[arg(long, value_name = "NAME")]
    confirm: Vec<String>,
    /// How many a filter finds, in place of their names
    #[arg(long, value_name = "N", conflicts_with = "confirm")]
    confirm_all: Option<usize>,
    /// Print the difference and change nothing; needs no --confirm
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let chosen = selection::of(cx, &fleet, &args.names)?;
    if !args.dry_run {
        check_confirmed(&chosen, args)?;
    }
    let outcomes = each(&chosen.names, |name| {
        refuse_protected(cx, &fleet, name)?;
        switch::set(cx, &fleet, name, WantedState::Absent, args.dry_run)
    });
    if outcomes.done().next().is_some() {
        let word = if args.dry_run { "it would mean: " } else { "" };
        let one = chosen.names.len() == 1;
        let (its, site, brings) = match one {
            true => ("its", "its site answers 410, its container is stopped", "brings it back as it was"),
            false => ("their", "their sites answer 410, their containers are stopped", "brings one back as it was"),
        };
        let name = if one { list(&chosen.names) } else { "NAME".to_owned() };
        let backups = match is_rehearsal(&fleet.settings) {
            true => "in the memory of the rehearsal".to_owned(),
            false => format!("below {}", fleet.settings.backup.directory.display()),
        };
        cx.notice(&format!(
            "{word}{site}, and a final backup is taken {backups}; {its} data is deleted {} later at the earliest; until then \
             `innkeeper start {name}` {brings}",
            fleet.settings.fleet.retire_grace
        ));
    }
    switch::finish(cx, &fleet, outcomes, "retired")
}

/// Nobody is retired by a slip of the finger: each name is typed twice, or the number of those that a filter finds.
fn check_confirmed(chosen: &Selection, args: &Args) -> Result<(), Failure> {
    let names = &chosen.names;
    let refuse = |message: String| {
        let confirm = match names.len() {
            many if chosen.by_filter && many > 1 => format!("--confirm-all {many}"),
            _ => names.iter().map(|name| format!("--confirm {name}")).collect::<Vec<_>>().join(" "),
        };
        let words: Vec<String> = args.names.iter().map(|word| quoted(word)).collect();
        Failure::new(Trouble::NotConfirmed, message).hint(format!("innkeeper retire {} {confirm}", words.join(" ")))
    };
    if let Some(number) = args.confirm_all {
        let found = count(names.len(), "instance is", "instances are");
        return match number == names.len() {
            true => Ok(()),
            false => Err(refuse(format!("{found} named, and {number} were confirmed; nothing was done"))),
        };
    }
    if let Some(other) = args.confirm.iter().find(|typed| !names.iter().any(|name| name.as_str() == typed.as_str())) {
        return Err(refuse(format!("{other:?} was confirmed, and {} named; nothing was done", is_named(names))));
    }
    let missing: Vec<InstanceName> =
        names.iter().filter(|name| !args.confirm.iter().any(|typed| typed == name.as_str())).cloned().collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(refuse(format!(
            "{} would be taken out of service, and the data deleted later; nothing was done",
            list(&missing)
        ))),
    }
}

fn is_named(names: &[InstanceName]) -> String {
    format!("{} {}", list(names), if names.len() == 1 { "was" } else { "were" })
}

/// A filter as it is typed in a shell.
fn quoted(word: &str) -> String {
    match word.chars().all(|c| c.is_ascii_alphanumeric() || "-:.".contains(c)) {
        true => word.to_owned(),
        false => format!("'{word}'"),
    }
}

fn refuse_protected(cx: &Context, fleet: &Fleet, name: &InstanceName) -> Result<(), Failure> {
    let wanted = fleet.instances.get(name).and_then(|instance| instance.wanted.as_ref());
    match wanted.is_some_and(|wanted| wanted.protected) {
        false => Ok(()),
        true => {
            let message = format!("{name} is protected, so its file was left as it is");
            Err(Failure::new(Trouble::Guarded, message)
                .file(&fleet::file_of(cx, name))
                .hint("take `protected = true` out of the file first, let that come into force, then retire it"))
        }
    }
}
