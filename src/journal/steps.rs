//! Steps on their way, and those that failed.

use super::{Journal, JournalError, News, moment, moment_if_any, signed, unreadable, unsigned};
use crate::model::name::InstanceName;
use crate::model::secret::digest;
use crate::model::step::{Step, StepId};
use crate::model::time::Timestamp;
use rusqlite::params;
use std::collections::BTreeMap;

/// A step that was begun and whose end was never written: the process died in between. Every effect is idempotent, so
/// nothing is undone; the next turn looks and goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Whose; none is the host's.
    pub instance: Option<InstanceName>,
    /// The step that was begun and not seen to end.
    pub step: StepId,
    /// Its kind.
    pub kind: String,
    /// Digest of its action.
    pub input: String,
    /// Its action as JSON.
    pub action: String,
    /// When it was begun.
    pub at: Timestamp,
}

/// A step that failed. The fields of `diff::facts::Failure`, on the journal's own floor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRow {
    /// Digest of the action that failed.
    pub input: String,
    /// The file's version at that time.
    pub generation: u64,
    /// How often in a row.
    pub attempts: u32,
    /// True: only another input helps.
    pub permanent: bool,
    /// When it is tried again; none when permanent.
    pub next_try: Option<Timestamp>,
    /// What went wrong.
    pub message: String,
}

impl Journal {
    /// Writes down what is about to be done; none as instance is the host.
    ///
    /// # Errors
    /// SQLite refused: then the step must not act.
    pub fn begin(&self, instance: Option<&InstanceName>, step: &Step) -> Result<(), JournalError> {
        let sql =
            "INSERT OR REPLACE INTO intent (instance, step, kind, input, action, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let action = serde_json::to_string(&step.action).unwrap_or_else(|error| unreachable!("plain data: {error}"));
        let row = params![
            key(instance),
            step.id.0,
            step.action.kind().as_str(),
            digest(&step.action),
            action,
            self.now().as_microsecond()
        ];
        self.execute("write an intent", sql, row)?;
        self.tell(News::StepBegan { instance: instance.cloned(), step: step.id.clone(), reason: step.reason.clone() });
        Ok(())
    }

    /// Writes down that the step ended, and with which error if with one. The event for people is the caller's.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn end(
        &self,
        instance: Option<&InstanceName>,
        step: &Step,
        result: Result<(), &str>,
    ) -> Result<(), JournalError> {
        let sql = "DELETE FROM intent WHERE instance = ?1 AND step = ?2";
        self.execute("end an intent", sql, params![key(instance), step.id.0])?;
        self.tell(News::StepEnded {
            instance: instance.cloned(),
            step: step.id.clone(),
            error: result.err().map(str::to_owned),
        });
        Ok(())
    }

    /// Steps that were begun and not ended, oldest first.
    ///
    /// # Errors
    /// SQLite refused, or a row is not as this version writes it.
    pub fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        let sql = "SELECT instance, step, kind, input, action, at FROM intent ORDER BY at, instance, step";
        self.query("read the intents", sql, [], |row| {
            let instance: String = row.get(0)?;
            let named = |text: &str| InstanceName::parse(text).map_err(|error| unreadable(0, error));
            Ok(Intent {
                instance: if instance.is_empty() { None } else { Some(named(&instance)?) },
                step: StepId(row.get(1)?),
                kind: row.get(2)?,
                input: row.get(3)?,
                action: row.get(4)?,
                at: moment(row, 5)?,
            })
        })
    }

    /// Forgets all intents: at a start, once they were told.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn clear_intents(&self) -> Result<(), JournalError> {
        self.execute("clear the intents", "DELETE FROM intent", []).map(drop)
    }

    /// The instance's failed steps, by their key ([`Step::key`]).
    ///
    /// # Errors
    /// SQLite refused.
    pub fn failures(&self, name: &InstanceName) -> Result<BTreeMap<String, FailureRow>, JournalError> {
        let mut all = self.failures_where("WHERE instance = ?1", [name.as_str()])?;
        Ok(all.remove(name.as_str()).unwrap_or_default())
    }

    /// All failed steps, by instance and key.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn all_failures(&self) -> Result<BTreeMap<InstanceName, BTreeMap<String, FailureRow>>, JournalError> {
        let named = |text: &str| InstanceName::parse(text).map_err(|error| unreadable(0, error));
        let all = self.failures_where("WHERE instance <> ''", [])?.into_iter();
        let all = all.map(|(name, rows)| Ok((named(&name)?, rows))).collect::<rusqlite::Result<_>>();
        all.map_err(self.failed("read the failures"))
    }

    /// The host's failed steps, by their key.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn host_failures(&self) -> Result<BTreeMap<String, FailureRow>, JournalError> {
        Ok(self.failures_where("WHERE instance = ''", [])?.remove("").unwrap_or_default())
    }

    /// Notes that the step of this key ([`Step::key`]) failed, in place of what was noted before; none as instance is the
    /// host.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn set_failure(
        &self,
        name: Option<&InstanceName>,
        step: &str,
        failure: &FailureRow,
    ) -> Result<(), JournalError> {
        let sql =
            "INSERT OR REPLACE INTO failure (instance, kind, input, generation, attempts, permanent, next_try, message)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let row = params![
            key(name),
            step,
            failure.input,
            signed(failure.generation),
            failure.attempts,
            failure.permanent,
            failure.next_try.map(Timestamp::as_microsecond),
            failure.message
        ];
        self.execute("note a failure", sql, row).map(drop)
    }

    /// The step of this key succeeded.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn clear_failure(&self, name: Option<&InstanceName>, step: &str) -> Result<(), JournalError> {
        let sql = "DELETE FROM failure WHERE instance = ?1 AND kind = ?2";
        self.execute("clear a failure", sql, [key(name), step]).map(drop)
    }

    /// Forgets all failures of the instance: it settled, or somebody asked to try again.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn clear_failures(&self, name: &InstanceName) -> Result<(), JournalError> {
        self.execute("clear the failures", "DELETE FROM failure WHERE instance = ?1", [name.as_str()]).map(drop)
    }

    fn failures_where(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<BTreeMap<String, BTreeMap<String, FailureRow>>, JournalError> {
        let sql = format!(
            "SELECT instance, kind, input, generation, attempts, permanent, next_try, message FROM failure {condition}"
        );
        let rows = self.query("read the failures", &sql, parameters, |row| {
            let failure = FailureRow {
                input: row.get(2)?,
                generation: unsigned(row, 3)?,
                attempts: row.get(4)?,
                permanent: row.get(5)?,
                next_try: moment_if_any(row, 6)?,
                message: row.get(7)?,
            };
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, failure))
        })?;
        let mut failures: BTreeMap<String, BTreeMap<String, FailureRow>> = BTreeMap::new();
        for (name, kind, failure) in rows {
            failures.entry(name).or_default().insert(kind, failure);
        }
        Ok(failures)
    }
}

fn key(instance: Option<&InstanceName>) -> &str {
    instance.map_or("", InstanceName::as_str)
}
