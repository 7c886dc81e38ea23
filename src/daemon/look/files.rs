//! Files → register: reads what changed, tells it, and rings for the instances that it concerns.

use super::commit;
use crate::daemon::known::keeper::{Bell, Keeper, event};
use crate::daemon::known::register::{FileChange, Register, What};
use crate::diff::roll_out::{ROLL_OUT_MIN, stops_at};
use crate::journal::{JournalError, RollOutRow};
use crate::model::changes::HoldReason;
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::problem::{Problem, first_of};
use crate::model::settings::Settings;
use crate::model::status::{ConditionStatus, ConditionType, InstanceStatus};
use crate::spec::{INSTANCES_DIR, SpecError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Files that are being written are read again after this time, which is how long they must stay the same.
pub(crate) const UNSETTLED_WAIT: Duration = Duration::from_millis(500);
/// A turn does not read files again that were read so recently: a hundred turns at once are one scan.
const FRESH: Duration = Duration::from_secs(1);

/// Why a scan brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The files cannot be read at all.
    #[error(transparent)]
    Fleet(#[from] SpecError),
    /// What they say could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The reading itself broke.
    #[error("the reading of the files broke off")]
    Cut(#[from] tokio::task::JoinError),
}

/// What shows that it did not serve before: it was asked and did not answer, or a certificate of its is missing.
const ILL: [&str; 2] = ["NotHealthy", HoldReason::NoCertificate.as_str()];

impl Keeper {
    /// Reads the files, whenever they were read last. Those that changed have their instances woken. True while some
    /// file is being written: read again soon.
    ///
    /// # Errors
    /// [`ScanError`]; the last good versions stay in force.
    pub async fn scan(self: &Arc<Self>) -> Result<bool, ScanError> {
        let mut scanned_at = self.scanning.lock().await;
        let unsettled = self.scan_now().await?;
        *scanned_at = Some(Instant::now());
        Ok(unsettled)
    }

    /// Reads the files unless that was done a moment ago.
    pub(crate) async fn scan_if_stale(self: &Arc<Self>) -> Result<(), ScanError> {
        let mut scanned_at = self.scanning.lock().await;
        if scanned_at.is_some_and(|at| at.elapsed() < FRESH) {
            return Ok(());
        }
        self.scan_now().await?;
        *scanned_at = Some(Instant::now());
        Ok(())
    }

    async fn scan_now(self: &Arc<Self>) -> Result<bool, ScanError> {
        let keeper = Arc::clone(self);
        let (changes, unsettled) = tokio::task::spawn_blocking(move || keeper.read()).await??;
        if unsettled {
            self.ring(Bell::Files(UNSETTLED_WAIT));
        }
        if !changes.is_empty() && self.acts() {
            let commit = commit::of(self.fleet_dir()).await;
            for change in changes {
                let file = format!("{INSTANCES_DIR}/{}.toml", change.name);
                let cause = commit.as_ref().map(|commit| commit.cause(&file));
                self.tell(&file_event(&change, cause.clone()));
                self.ring(Bell::Instance(change.name, cause));
            }
        }
        Ok(unsettled)
    }

    /// Blocks for as long as the disk needs.
    fn read(&self) -> Result<(Vec<FileChange>, bool), ScanError> {
        let mut reader = self.reader();
        reader.reserve(self.journal.tombstones()?.into_iter().map(|(name, it)| (name, it.hosts)).collect());
        let fleet = Arc::new(reader.read()?);
        let unsettled = reader.unsettled();
        drop(reader);
        let journal = self.acts().then_some(&self.journal);
        let mut register = self.register();
        let before = Arc::clone(&register.fleet);
        let changes = register.compare(&fleet, &self.key);
        if self.acts() {
            // Before the change is noted: after a failure, or a kill, the next reading finds it again.
            self.begin_roll_out(&register, &changes)?;
        }
        let changes = register.take_in(Arc::clone(&fleet), changes, journal, Instant::now())?;
        drop(register);
        self.tell_problems(&fleet.problems);
        if fleet.settings != before.settings {
            self.tell_settings(&fleet.settings);
        }
        Ok((changes, unsettled))
    }

    /// Several instances mean something else although their own files did not change: plans or settings were edited.
    fn begin_roll_out(&self, register: &Register, changes: &[FileChange]) -> Result<(), JournalError> {
        let meant = changes.iter().filter(|change| change.what == What::Meaning).map(|change| &change.name);
        // Who is only being made has nothing to lose, and shows nobody whether a change is good.
        let is_made = |name: &&InstanceName| {
            register.entries.get(*name).is_some_and(|entry| entry.met && entry.facts.provisioned)
        };
        let names: Vec<InstanceName> = meant.filter(is_made).cloned().collect();
        if names.len() < ROLL_OUT_MIN {
            return Ok(());
        }
        self.begin_roll_out_among(&names, "a change of plans or settings").map(drop)
    }

    /// Has the change reach one of these instances first; returns each one's part in it.
    pub(crate) fn begin_roll_out_among(
        &self,
        names: &[InstanceName],
        what: &str,
    ) -> Result<BTreeMap<InstanceName, RollOutRow>, JournalError> {
        let failures = self.journal.all_failures()?;
        let failed = |name: &InstanceName| failures.get(name).is_some_and(|it| it.keys().any(|key| stops_at(key)));
        let of_board = |name: &InstanceName, what: fn(&InstanceStatus) -> bool| {
            self.board.get(name).is_some_and(|status| what(&status))
        };
        let stalled: BTreeSet<InstanceName> =
            names.iter().filter(|name| failed(name) || of_board(name, is_stalled)).cloned().collect();
        let ill: BTreeSet<InstanceName> = names.iter().filter(|name| of_board(name, is_ill)).cloned().collect();
        // Somebody has to go before the others: rather one that does not serve than one that cannot be changed.
        let attempts = [&stalled | &ill, stalled, BTreeSet::new()];
        let late = attempts.into_iter().find(|late| late.len() < names.len()).unwrap_or_default();
        let parts = self.journal.begin_roll_out(names, &late)?;
        let message = format!("{what} concerns {} instances: it reaches one first", names.len());
        self.tell(&event(Level::Info, None, Reason::RollOutBegan, message));
        Ok(parts)
    }

    /// Problems of files that are no instance's: settings, plans, strangers in the folder.
    fn tell_problems(&self, problems: &[Problem]) {
        let of_instance = |problem: &&Problem| {
            let stem = problem.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let name = InstanceName::parse(stem).ok().filter(|_| problem.file.starts_with(INSTANCES_DIR));
            name.is_some_and(|name| self.register().entries.contains_key(&name))
        };
        let lines: Vec<String> =
            problems.iter().filter(|problem| !of_instance(problem)).map(|problem| problem.to_line()).collect();
        if lines.is_empty() {
            if self.board.lower("files") {
                self.tell(&event(Level::Info, None, Reason::FilesMended, "settings and plans are valid again"));
            }
        } else if self.board.raise("files", Reason::FileInvalid, &first_of(&lines, "innkeeper check"), self.now()) {
            let message = format!("the last good version stays in force: {}", lines.join("; "));
            self.tell(&event(Level::Error, None, Reason::FileInvalid, message));
        }
    }

    /// Most settings hold from the next turn on; those that the systems were connected with need a new start.
    fn tell_settings(&self, settings: &Settings) {
        let of_connections = |settings: &Settings| {
            let fleet = &settings.fleet;
            let Settings { docker, postgres, nginx, acme, backup, operator, .. } = settings.clone();
            (fleet.base_domain.clone(), fleet.state_dir.clone(), docker.host, postgres, nginx, (acme, backup, operator))
        };
        if of_connections(settings) == of_connections(&self.connected) {
            self.board.lower("settings");
            self.tell(&event(Level::Info, None, Reason::SettingsChanged, "innkeeper.toml changed"));
        } else {
            let message = "innkeeper.toml changed in base_domain, state_dir, [docker], [postgres], [nginx], [acme], [backup] or [operator]: \
                 restart the daemon, until then the former systems are used";
            if self.board.raise("settings", Reason::RestartNeeded, message, self.now()) {
                self.tell(&event(Level::Warning, None, Reason::RestartNeeded, message));
            }
        }
        self.ring(Bell::Fleet);
    }
}

fn file_event(change: &FileChange, cause: Option<String>) -> NewEvent {
    let name = Some(&change.name);
    let told = |level, reason, message: &str| event(level, name, reason, message);
    let event = match &change.what {
        What::Added => told(Level::Info, Reason::FileAdded, "its file appeared"),
        What::Changed => told(Level::Info, Reason::FileChanged, "its file changed"),
        What::Meaning => told(Level::Info, Reason::FileChanged, "its plan or the settings changed"),
        What::Mended => told(Level::Info, Reason::FileMended, "its file is valid again"),
        What::Missing => told(Level::Warning, Reason::FileMissing, "its file is gone; it stays as it is"),
        What::Vanished => told(Level::Warning, Reason::FileVanished, "its file stayed away in two complete readings"),
        What::Invalid { problems, was_good } => {
            let so = if *was_good { "the last good version stays in force" } else { "nothing is made of it yet" };
            let message = format!("its file has problems, {so}: {}", problems.join("; "));
            told(Level::Error, Reason::FileInvalid, &message)
        }
    };
    NewEvent { cause, ..event }
}

/// True for one that is not moved on before a person acts.
fn is_stalled(status: &InstanceStatus) -> bool {
    status.condition(ConditionType::Stalled).is_some_and(|stalled| stalled.status == ConditionStatus::True)
}

/// True for one that was known not to serve. Of one that was not asked, or that is being changed, nothing is known.
fn is_ill(status: &InstanceStatus) -> bool {
    let ready = status.condition(ConditionType::Ready);
    ready.is_some_and(|ready| ready.status == ConditionStatus::False && ILL.contains(&ready.reason.as_str()))
}
