//! One seeded, in-memory world behind all the edges, with the same promises as the real adapters: for trying Innkeeper
//! without any system, and for proving that nothing it meets and no moment at which it dies makes it lose anything.
//!
//! Every call has moments: the points between the things that it does, one after the other. At each of them a call can
//! fail or Innkeeper can die ([`Fault`]). Time is handed in and waits are tokio's, so a test with a paused clock
//! rehearses an hour in a moment. Nothing here touches anything outside of this process, and no chance is drawn but from
//! the seed.
//!
//! Reading order: [`world`] is what there is, `jobs` is what Odoo does in it, [`faults`] is what goes wrong, [`damage`]
//! is what others do; `engine`, `database`, `proxy`, `authority` and `archive` are the edges.

mod archive;
mod authority;
mod containers;
pub mod damage;
mod database;
mod engine;
pub mod faults;
mod jobs;
mod proxy;
pub mod usage;
pub mod world;

pub use damage::Damage;
pub use faults::{Chance, Fault, Faults, Strike};
pub use world::World;

use crate::edges::{Edge, EdgeError, Edges, ErrorKind};
use crate::model::name::{InstanceName, Uid};
use crate::model::service::{Component, Owner, Tag};
use crate::model::time::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// A call takes between one and so many milliseconds, shared out over its moments.
const LATENCY_MS_MAX: u64 = 20;
/// Hints that wait for a reader; older ones are dropped, as Docker drops them.
const HINTS_MAX: usize = 64;

/// The rehearsed world and its edges. Clones are the same world.
#[derive(Clone)]
pub struct Rehearsal {
    stage: Arc<Stage>,
}

struct Stage {
    world: Mutex<World>,
    direction: Mutex<Direction>,
    now: fn() -> Timestamp,
    crashed: Notify,
    hinted: Notify,
    watcher: Mutex<Option<Watcher>>,
}

/// What is about to happen, and what happened.
struct Direction {
    rng: fastrand::Rng,
    faults: Faults,
    calls: Vec<Call>,
    dead: bool,
    hints: VecDeque<Option<InstanceName>>,
    /// Alive as long as somebody holds the installation's lock.
    lock: Weak<()>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number, from 1.
    pub number: u64,
    /// At which edge.
    pub edge: Edge,
    /// The edge's method.
    pub method: &'static str,
    /// On what: `ik-acme`. Empty for looks.
    pub object: String,
    /// How many things it does one after the other; 0 for a call that only reads.
    pub moments: u8,
    /// What went wrong with it.
    pub fault: Option<Fault>,
}

impl Call {
    /// True when it changes something.
    pub fn is_effect(&self) -> bool {
        self.moments > 0
    }
}

/// Sees the world before and after each moment of an effect.
type Watcher = Box<dyn Fn(&World, &World, &Call) + Send>;

/// One thing that an effect does. Several of them are done one after the other, with a moment between them.
type Moment<'a> = &'a (dyn Fn(&mut World, Timestamp) -> Result<(), EdgeError> + Sync);

impl Rehearsal {
    /// A world of its own. The same seed and the same calls give the same course. `now` must go with tokio's clock.
    pub fn new(seed: u64, world: World, now: fn() -> Timestamp) -> Self {
        let direction = Direction {
            rng: fastrand::Rng::with_seed(seed),
            faults: Faults::default(),
            calls: Vec::new(),
            dead: false,
            hints: VecDeque::new(),
            lock: Weak::new(),
        };
        let stage = Stage {
            world: Mutex::new(world),
            direction: Mutex::new(direction),
            now,
            crashed: Notify::new(),
            hinted: Notify::new(),
            watcher: Mutex::default(),
        };
        Self { stage: Arc::new(stage) }
    }

    /// The edges of this world.
    pub fn edges(&self) -> Edges {
        let edge = Arc::new(self.clone());
        Edges {
            engine: edge.clone(),
            database: edge.clone(),
            proxy: edge.clone(),
            authority: edge.clone(),
            archive: edge,
        }
    }

    /// Looks at the world, or changes it behind Innkeeper's back. Jobs whose time came are done before.
    pub fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.stage.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.pass((self.stage.now)());
        work(&mut world)
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.direction().faults = faults;
    }

    /// The calls made since [`Rehearsal::forget_calls`].
    pub fn calls(&self) -> Vec<Call> {
        self.direction().calls.clone()
    }

    /// Counts calls from 1 again.
    pub fn forget_calls(&self) {
        self.direction().calls.clear();
    }

    /// Lets `watcher` see the world before and after everything that Innkeeper does to it.
    pub fn watch(&self, watcher: impl Fn(&World, &World, &Call) + Send + 'static) {
        *self.stage.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(watcher));
    }

    /// Completes when Innkeeper died. Whoever runs it drops it then, whole, and begins anew after
    /// [`Rehearsal::revive`].
    pub async fn crashed(&self) {
        loop {
            let crashed = self.stage.crashed.notified();
            if self.direction().dead {
                return;
            }
            crashed.await;
        }
    }

    /// Innkeeper is started again.
    pub fn revive(&self) {
        self.direction().dead = false;
    }

    fn direction(&self) -> MutexGuard<'_, Direction> {
        self.stage.direction.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look: what `see` reads, from one moment of the world.
    async fn look<T>(
        &self,
        edge: Edge,
        method: &'static str,
        see: impl Fn(&World, Timestamp) -> Result<T, EdgeError> + Send,
    ) -> Result<T, EdgeError> {
        let going = self.begin(edge, method, String::new(), 0).await?;
        let seen = self.with(|world| see(world, (self.stage.now)()));
        if let Some(Fault::Stale(age)) = going.call.fault {
            tokio::time::sleep(age).await;
            self.alive().await;
        }
        going.strike(self, 1, true).await?;
        seen
    }

    /// An effect: its moments, one after the other.
    async fn effect(
        &self,
        edge: Edge,
        method: &'static str,
        object: &str,
        moments: &[Moment<'_>],
    ) -> Result<(), EdgeError> {
        let going = self.begin(edge, method, object.to_owned(), moments.len()).await?;
        for (done, moment) in moments.iter().enumerate() {
            going.strike(self, done, false).await?;
            self.alive().await;
            self.done(moment, &going.call)?;
            tokio::time::sleep(going.pause).await;
        }
        self.alive().await;
        going.strike(self, moments.len(), true).await
    }

    fn done(&self, moment: Moment<'_>, call: &Call) -> Result<(), EdgeError> {
        let watcher = self.stage.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        self.with(|world| {
            let before = watcher.as_ref().map(|_| world.clone());
            let result = moment(world, (self.stage.now)());
            if let (Some(watcher), Some(before)) = (watcher.as_ref(), &before) {
                watcher(before, world, call);
            }
            result
        })
    }

    /// Counts the call and decides what goes wrong with it.
    async fn begin(
        &self,
        edge: Edge,
        method: &'static str,
        object: String,
        moments: usize,
    ) -> Result<Going, EdgeError> {
        self.alive().await;
        let (going, latency, down) = {
            let mut direction = self.direction();
            let Direction { rng, faults, calls, .. } = &mut *direction;
            let number = calls.len() as u64 + 1;
            let moments = u8::try_from(moments).unwrap_or(u8::MAX);
            let fault = faults.draw(number, moments, rng);
            let down = faults.down.contains(&edge);
            let latency = Duration::from_millis(rng.u64(1..=LATENCY_MS_MAX));
            let call = Call { number, edge, method, object, moments, fault };
            calls.push(call.clone());
            (Going { call, pause: latency / (u32::from(moments) + 1) }, latency, down)
        };
        tokio::time::sleep(going.pause.min(latency)).await;
        if let Some(Fault::Delay(delay)) = going.call.fault {
            tokio::time::sleep(delay).await;
        }
        self.alive().await;
        if down {
            return Err(going.error(ErrorKind::Unreachable));
        }
        if going.call.fault.is_some_and(|fault| matches!(fault, Fault::Strike { after: 0, .. })) {
            going.strike(self, 0, false).await?;
        }
        Ok(going)
    }

    /// Never returns once Innkeeper died.
    async fn alive(&self) {
        if self.direction().dead {
            std::future::pending::<()>().await;
        }
    }

    async fn crash(&self) {
        self.direction().dead = true;
        self.stage.crashed.notify_waiters();
        std::future::pending::<()>().await;
    }

    /// Tells whoever waits for changes, as Docker's events do.
    fn hint(&self, instance: Option<InstanceName>) {
        let mut direction = self.direction();
        if direction.hints.len() < HINTS_MAX {
            direction.hints.push_back(instance);
        }
        drop(direction);
        self.stage.hinted.notify_one();
    }
}

/// A call on its way.
struct Going {
    call: Call,
    pause: Duration,
}

impl Going {
    /// Strikes when it is time: `done` moments are done, and whether these are all.
    async fn strike(&self, rehearsal: &Rehearsal, done: usize, all: bool) -> Result<(), EdgeError> {
        let Some(Fault::Strike { after, how }) = self.call.fault else { return Ok(()) };
        if usize::from(after) != done && !(all && usize::from(after) > done) {
            return Ok(());
        }
        match how {
            Strike::Error(kind) => Err(self.error(kind)),
            Strike::Crash => {
                rehearsal.crash().await;
                Ok(())
            }
        }
    }

    fn error(&self, kind: ErrorKind) -> EdgeError {
        let Call { edge, method, .. } = &self.call;
        EdgeError::plain(*edge, kind, format!("rehearsed fault: {method} at {edge} fails"))
    }
}

/// Compares ownership marks, as every effect does before it touches an object that exists.
///
/// # Errors
/// `Conflict` unless the object is the same part of the same instance.
fn claim(owner: &Owner, tag: &Tag, edge: Edge, thing: &str) -> Result<(), EdgeError> {
    claim_part(owner, (&tag.instance, tag.uid, tag.component), edge, thing)
}

fn claim_part(
    owner: &Owner,
    (instance, uid, component): (&InstanceName, Uid, Component),
    edge: Edge,
    thing: &str,
) -> Result<(), EdgeError> {
    match owner {
        Owner::Ours(found) if found.instance == *instance && found.uid == uid && found.component == component => Ok(()),
        Owner::Ours(found) => {
            Err(conflict(edge, thing, &format!("instance {} with uid {}", found.instance, found.uid)))
        }
        Owner::Foreign(whose) => Err(conflict(edge, thing, whose)),
    }
}

fn conflict(edge: Edge, thing: &str, whose: &str) -> EdgeError {
    EdgeError::plain(edge, ErrorKind::Conflict, format!("{thing} is not this instance's ({whose})"))
}

fn failed(edge: Edge, text: impl Into<String>) -> EdgeError {
    EdgeError::plain(edge, ErrorKind::Failed, text)
}

fn refused(edge: Edge, text: impl Into<String>) -> EdgeError {
    EdgeError::plain(edge, ErrorKind::Refused, text)
}
