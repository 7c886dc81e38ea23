//! `retire`: asks for an instance's end in its file, `state = "absent"`, and says what that means.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::{fleet, switch};
use crate::model::wanted::WantedState;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance
    name: String,
    /// Its name once more
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Print the difference and change nothing; needs no --confirm
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx)?;
    let name = fleet::one(&args.name, &fleet::known(cx, &fleet))?;
    if !args.dry_run && args.confirm.as_deref() != Some(name.as_str()) {
        let message = match &args.confirm {
            Some(other) => format!("{other:?} was confirmed, and {name} was named; nothing was done"),
            None => format!("{name} would be taken out of service and its data deleted later; nothing was done"),
        };
        return Err(
            Failure::new(Trouble::NotConfirmed, message).hint(format!("innkeeper retire {name} --confirm {name}"))
        );
    }
    let wanted = fleet.instances.get(&name).and_then(|instance| instance.wanted.as_ref());
    if wanted.is_some_and(|wanted| wanted.protected) {
        let message = format!("{name} is protected, so its file was left as it is");
        return Err(Failure::new(Trouble::Guarded, message)
            .file(&fleet::file_of(cx, &name))
            .hint("take `protected = true` out of the file first, let that come into force, then retire it"));
    }
    let exit = switch::set(cx, &fleet, &name, WantedState::Absent, args.dry_run)?;
    let word = if args.dry_run { "it would mean: " } else { "" };
    cx.notice(&format!(
        "{word}its site answers 410, its container is stopped, and a final backup is taken below {}; its data are deleted {} later at the \
         earliest; until then `innkeeper start {name}` brings it back as it was",
        fleet.settings.backup.directory.display(),
        fleet.settings.fleet.retire_grace
    ));
    Ok(exit)
}
