//! The history that people read: recorded once, counted when repeated, kept within limits.

use super::{Journal, JournalError, News, moment, signed, unreadable, unsigned};
use crate::model::event::{Event, Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::status::SCHEMA;
use crate::model::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::PoisonError;

/// Events kept for each instance, and for the host.
pub const EVENTS_PER_INSTANCE_MAX: u32 = 10_000;
/// Events older than that are dropped: a quarter of a year, as log retention usually is.
pub const EVENT_AGE_D_MAX: i64 = 90;
/// An instance's events are pruned at its first one after a start, and then each time that so many more were written.
const PRUNE_EVERY: u32 = 100;

/// Which events are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// Of these instances; empty is everything, the host's included.
    pub names: BTreeSet<InstanceName>,
    /// That happened (last) at this time or later.
    pub since: Option<Timestamp>,
    /// At least this level.
    pub min_level: Level,
    /// Behind this place in the journal: the first `limit` of them. Without it: the last `limit` of all.
    pub after_seq: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self { names: BTreeSet::new(), since: None, min_level: Level::Debug, after_seq: None, limit: 100 }
    }
}

const LEVELS: [Level; 5] = [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical];
const COLUMNS: &str = "SELECT seq, at, level, instance, kind, reason, message, step, cause, count FROM event";

impl Journal {
    /// Records an event and returns its place. One that equals the instance's last takes
    /// its place, with its count raised.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn record(&self, new: &NewEvent) -> Result<u64, JournalError> {
        let now = self.now();
        let prune = self.is_prune_due(new.instance.as_ref());
        let event = self.transaction("record an event", |transaction| {
            let event = match repeated(transaction, new, now)? {
                Some(event) => event,
                None => insert(transaction, new, now, 1)?,
            };
            if prune {
                prune_events(transaction, new.instance.as_ref(), now)?;
            }
            Ok(event)
        })?;
        let seq = event.seq;
        self.tell(News::Recorded(event));
        Ok(seq)
    }

    /// The events that `filter` names, oldest first.
    ///
    /// # Errors
    /// SQLite refused, or a row is not as this version writes it.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, JournalError> {
        let (sql, parameters) = filter.sql();
        let mut events = self.query("read the events", &sql, params_from_iter(parameters), event)?;
        if filter.after_seq.is_none() {
            events.reverse();
        }
        Ok(events)
    }

    fn is_prune_due(&self, instance: Option<&InstanceName>) -> bool {
        let mut since = self.inner.since_pruned.lock().unwrap_or_else(PoisonError::into_inner);
        match since.get_mut(&instance.cloned()) {
            Some(count) if *count < PRUNE_EVERY => {
                *count += 1;
                false
            }
            _ => {
                since.insert(instance.cloned(), 1);
                true
            }
        }
    }
}

impl EventFilter {
    fn sql(&self) -> (String, Vec<Value>) {
        let mut parameters = vec![Value::Integer(rank(self.min_level))];
        let mut sql = format!("{COLUMNS} WHERE level >= ?1");
        let mut add = |condition: &str, value: Value| {
            parameters.push(value);
            sql.push_str(&format!(" AND {condition} ?{}", parameters.len()));
        };
        if let Some(since) = self.since {
            add("at >=", Value::Integer(since.as_microsecond()));
        }
        if let Some(seq) = self.after_seq {
            add("seq >", Value::Integer(signed(seq)));
        }
        for (nth, name) in self.names.iter().enumerate() {
            parameters.push(Value::Text(name.as_str().to_owned()));
            sql.push_str(if nth == 0 { " AND instance IN (" } else { ", " });
            sql.push_str(&format!("?{}", parameters.len()));
        }
        sql.push_str(if self.names.is_empty() { "" } else { ")" });
        sql.push_str(if self.after_seq.is_some() { " ORDER BY seq" } else { " ORDER BY seq DESC" });
        parameters.push(Value::Integer(i64::try_from(self.limit).unwrap_or(i64::MAX)));
        sql.push_str(&format!(" LIMIT ?{}", parameters.len()));
        (sql, parameters)
    }
}

/// The event of a journal that had to be begun anew.
pub(super) fn moved_aside(aside: &Path) -> NewEvent {
    let message = format!(
        "the journal could not be read and a new one was begun; the former is kept as {}. Identities and ports are \
         taken from the live objects; event history and back-off begin anew",
        aside.display()
    );
    NewEvent { level: Level::Error, instance: None, reason: Reason::JournalBroken, message, step: None, cause: None }
}

fn rank(level: Level) -> i64 {
    LEVELS.iter().zip(0..).find_map(|(known, rank)| (*known == level).then_some(rank)).unwrap_or_default()
}

fn key(instance: Option<&InstanceName>) -> &str {
    instance.map_or("", InstanceName::as_str)
}

/// Raises the count of the instance's last event when `new` says the very same.
fn repeated(transaction: &Transaction<'_>, new: &NewEvent, now: Timestamp) -> rusqlite::Result<Option<Event>> {
    let sql = format!("{COLUMNS} WHERE instance = ?1 ORDER BY seq DESC LIMIT 1");
    let last = transaction.prepare_cached(&sql)?.query_row([key(new.instance.as_ref())], event).optional()?;
    let same = |last: &Event| {
        (last.level, last.kind.as_str(), last.reason.as_str()) == (new.level, new.reason.kind(), new.reason.as_str())
            && (&last.message, &last.step, &last.cause) == (&new.message, &new.step, &new.cause)
    };
    let Some(last) = last.filter(same) else {
        return Ok(None);
    };
    // It moves to the end of the journal, so that whoever follows by places hears of the repeat.
    transaction.prepare_cached("DELETE FROM event WHERE seq = ?1")?.execute([signed(last.seq)])?;
    insert(transaction, new, now, last.count + 1).map(Some)
}

fn insert(transaction: &Transaction<'_>, new: &NewEvent, now: Timestamp, count: u64) -> rusqlite::Result<Event> {
    let sql = "INSERT INTO event (at, level, instance, kind, reason, message, step, cause, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let instance = key(new.instance.as_ref());
    let row = params![
        now.as_microsecond(),
        rank(new.level),
        instance,
        new.reason.kind(),
        new.reason.as_str(),
        new.message,
        new.step,
        new.cause,
        signed(count)
    ];
    let seq = transaction.prepare_cached(sql)?.insert(row)?;
    Ok(Event {
        schema: SCHEMA,
        seq: u64::try_from(seq).unwrap_or_default(),
        at: now,
        level: new.level,
        instance: new.instance.clone(),
        kind: new.reason.kind().to_owned(),
        reason: new.reason.as_str().to_owned(),
        message: new.message.clone(),
        step: new.step.clone(),
        cause: new.cause.clone(),
        count,
    })
}

fn prune_events(
    transaction: &Transaction<'_>,
    instance: Option<&InstanceName>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let oldest = now.as_microsecond().saturating_sub(EVENT_AGE_D_MAX * 86_400 * 1_000_000);
    transaction.prepare_cached("DELETE FROM event WHERE at < ?1")?.execute([oldest])?;
    let surplus = "DELETE FROM event WHERE instance = ?1 AND seq <=
        (SELECT seq FROM event WHERE instance = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
    transaction.prepare_cached(surplus)?.execute(params![key(instance), EVENTS_PER_INSTANCE_MAX]).map(drop)
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let instance: String = row.get(3)?;
    let instance = match instance.as_str() {
        "" => None,
        name => Some(InstanceName::parse(name).map_err(|error| unreadable(3, error))?),
    };
    let level = usize::try_from(row.get::<_, i64>(2)?).ok().and_then(|rank| LEVELS.get(rank));
    Ok(Event {
        schema: SCHEMA,
        seq: unsigned(row, 0)?,
        at: moment(row, 1)?,
        level: level.copied().unwrap_or(Level::Critical),
        instance,
        kind: row.get(4)?,
        reason: row.get(5)?,
        message: row.get(6)?,
        step: row.get(7)?,
        cause: row.get(8)?,
        count: unsigned(row, 9)?,
    })
}
