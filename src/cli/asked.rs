//! What was asked of the daemon, and whether it has looked since: what it knew before is no answer to what was asked after.

use super::context::Context;
use super::{fleet, world};
use crate::control::Client;
use crate::model::changes::HoldReason;
use crate::model::name::InstanceName;
use crate::model::settings::Settings;
use crate::model::status::InstanceStatus;
use crate::spec::{Fleet, Reader};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often the daemon is asked whether it has looked.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// So many times. A file counts once nobody writes it any more, which takes a second; a look at a slow system takes more, and
/// is not waited for: the command was carried out.
const ASKS_MAX: u32 = 60;

/// What the daemon made of changed files.
pub(crate) enum Told {
    /// No daemon answers here.
    Nobody,
    /// It looks, or has looked; whom the guard holds, and why.
    Held(BTreeMap<InstanceName, String>),
}

/// A request to look, and who has been looked at since.
#[derive(Default)]
pub(crate) struct Request {
    /// Which daemon took it, and its number there; none before one did. A daemon of before counts nothing.
    ticket: Option<(u32, Option<u64>)>,
    looked: BTreeSet<InstanceName>,
}

impl Request {
    /// Asks the daemon to look at `names`, and from then on whom it has looked at since. Where none answers, whatever a
    /// former one wrote down counts, unless something was asked for that nobody has taken up.
    pub(crate) fn follow(&mut self, settings: &Settings, names: &[InstanceName]) {
        // A daemon that does not answer just now is asked again at the next look.
        let _ = world::block_on(self.ask(settings, names));
    }

    async fn ask(&mut self, settings: &Settings, names: &[InstanceName]) -> Option<()> {
        let mut client = Client::connect(&settings.fleet.state_dir).await.ok()?;
        let pid = client.hello().pid;
        if self.ticket.is_none_or(|(of, _)| of != pid) {
            self.looked.clear();
            self.ticket = Some((pid, client.wake(names).await.ok()?));
        }
        if let Some((_, Some(ticket))) = self.ticket {
            self.looked.extend(client.looked(ticket, names).await.ok()?);
        }
        Some(())
    }

    /// Whether what is known of the instance may be an answer to what was asked before.
    pub(crate) fn is_answered(&self, cx: &Context, settings: &Settings, name: &InstanceName) -> bool {
        match self.ticket {
            Some((_, Some(_))) => self.looked.contains(name),
            _ => {
                let open = fleet::journal(cx, settings).ok().and_then(|journal| journal.errands(name).ok());
                open.is_none_or(|open| open.is_empty())
            }
        }
    }

    /// Whether a daemon took it.
    fn is_taken(&self) -> bool {
        self.ticket.is_some()
    }
}

/// Has the daemon look at instances whose files were changed, and waits a moment for what the guard says of them.
pub(crate) fn tell(cx: &Context, settings: &Arc<Settings>, names: &[InstanceName]) -> Told {
    let mut request = Request::default();
    let mut reader = Reader::new(cx.fleet_dir.clone(), cx.settings_file.clone());
    let mut left = names.to_vec();
    let mut held = BTreeMap::new();
    for ask in 0..ASKS_MAX {
        request.follow(settings, &left);
        if !request.is_taken() {
            return Told::Nobody;
        }
        if ask == 0 && matches!(request.ticket, Some((_, None))) {
            break;
        }
        let fleet = fleet::read_again(cx, settings, &mut reader);
        left.retain(|name| {
            let document = world::document(settings, name).ok().flatten();
            let document = document.filter(|_| request.is_answered(cx, settings, name));
            let Some(status) = document.filter(|status| is_of_the_file(cx, settings, &fleet, status)) else {
                return true;
            };
            let hold = status.holds.into_iter().find(|hold| hold.reason == HoldReason::Guard);
            held.extend(hold.map(|hold| (name.clone(), hold.message)));
            false
        });
        if left.is_empty() {
            break;
        }
        std::thread::sleep(ASK_EVERY);
    }
    Told::Held(held)
}

/// Whether a document was made from the file as it is now. Where the journal cannot be read, the document's own word is
/// taken.
pub(crate) fn is_of_the_file(cx: &Context, settings: &Settings, fleet: &Fleet, status: &InstanceStatus) -> bool {
    let known = fleet::journal(cx, settings).ok().and_then(|journal| journal.known_of(&status.name).ok());
    let (Some(known), Some(instance)) = (known, fleet.instances.get(&status.name)) else { return true };
    known.is_some_and(|known| known.generation == status.generation && *known.file_digest == *instance.digest)
}
