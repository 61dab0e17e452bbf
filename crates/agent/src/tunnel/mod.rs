//! One tunnel and its rotations.
//!
//! The order of steps survives every failure: the initiator fetches a fresh key and offers its keyId; the responder
//! fetches the same key, prepares its gateway and acknowledges; the initiator installs and activates the key and
//! confirms; both remove the old key. Each message carries the rotation's counter and may be repeated. Neither end
//! drops the old key until the new one is seen in use.

mod age;
mod events;
mod health;
mod initiator;
mod responder;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use skip_client::{Key, KeyId};

use crate::backoff::Backoff;
use crate::consumer::{ClearText, Consumer, Observation};
use crate::handoff::message::{Answer, Ask, Request, Status};
use crate::journal::{Field, Level};
use crate::metrics::FAILURES;
use crate::plan::{Pace, Plan, Role, WhenTooOld};
use crate::ports::Ports;
use crate::report::TunnelReport;
use crate::state::{Current, Loaded, Record, Stage};

use self::events::Events;
use self::health::Health;

/// A tunnel managed by the agent.
pub(crate) struct Tunnel {
    pub plan: Plan,
    pub(crate) ports: Ports,
    rotation: Mutex<RotationState>,
    /// Locked for single calls only, never during a request to a Key Provider or the peer, so that the policy for old
    /// keys can always reach the gateway.
    gateway: Mutex<Box<dyn Consumer>>,
    /// A request to a Key Provider is in progress, which may take a long time.
    asks_provider: AtomicBool,
    /// The tunnel was taken down during such a request; the record is updated afterwards.
    taken_down_meanwhile: AtomicBool,
    started: Instant,
    /// A fresh key was requested, as soon as possible.
    wanted: AtomicBool,
    /// The next turn does not wait out the backoff.
    urgent: AtomicBool,
    /// The tunnel was replaced by a reload.
    closed: AtomicBool,
    /// When the peer last asked for a fresh key.
    asked: Mutex<Option<Instant>>,
    snapshot: Mutex<TunnelSnapshot>,
    events: Events,
}

/// A view of the tunnel for other threads, which need not wait for a rotation in progress.
#[derive(Debug, Clone, Default)]
pub(crate) struct TunnelSnapshot {
    pub record: Record,
    pub role: Option<Role>,
    pub observation: Option<Observation>,
    pub rotations: u64,
    /// The last failure: when (for people), in which step, and what happened.
    pub failure: Option<(String, &'static str, String)>,
    /// Consecutive failures.
    pub failures: u32,
    /// When the next attempt or rotation is due.
    pub next: Option<Instant>,
}

/// The state that only the thread working on the tunnel may touch.
pub(crate) struct RotationState {
    pub record: Record,
    /// The record differs from the one on disk.
    pub unsaved: bool,
    pub memory: Memory,
    pub role: Option<Role>,
    pub keys: Keyring,
    pub retry: Retry,
    pub health: Health,
    pub responder: ResponderState,
    /// The fraction of the jitter that applies to the next rotation.
    pub jitter_part: f64,
    pub warned_old: bool,
    /// The last finding about packets that may leave unprotected, so that it is logged once.
    pub clear_text: Option<ClearText>,
    pub rotations: u64,
}

/// The keys held by the agent itself.
#[derive(Default)]
pub(crate) struct Keyring {
    /// The key with the record's counter, until it is in use.
    pub next: Option<Key>,
    pub in_use: Option<Key>,
}

/// The backoff after failures.
pub(crate) struct Retry {
    pub backoff: Backoff,
    pub not_before: Option<Instant>,
}

/// State of a responder.
#[derive(Default)]
pub(crate) struct ResponderState {
    /// Since when a prepared key has been waiting for its confirmation.
    pub unsure_since: Option<Instant>,
    /// The gateway no longer has the prepared key: it is installed again when the initiator confirms it.
    pub put_back: bool,
    /// When this end last asked for a rotation.
    pub asked_rotation: Option<Instant>,
}

/// What this process knows of earlier rotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The record was loaded.
    Kept,
    /// There was no record: this is the first start, or somebody has removed it.
    New,
    /// The record was broken, and the peer must be asked for its counter.
    Lost,
}

impl Retry {
    fn new(pace: &Pace) -> Self {
        Self {
            backoff: Backoff::new(pace.retry_first, pace.retry_longest),
            not_before: None,
        }
    }

    /// The wait after a failure, longer each time.
    pub fn wait_after_failure(&mut self) -> Duration {
        let wait = self.backoff.next();
        self.not_before = Some(Instant::now() + wait);
        wait
    }
}

/// A step failed, which has been logged.
pub(crate) struct Stopped;

impl Tunnel {
    /// Restores the tunnel from its record. The gateway may have been left with other keys.
    pub fn open(plan: Plan, ports: Ports, consumer: Box<dyn Consumer>) -> Self {
        let (record, memory) = match ports.store.load(&plan.name) {
            Loaded::Nothing => (Record::default(), Memory::New),
            Loaded::Found(record) => (record, Memory::Kept),
            Loaded::Broken(why) => {
                let fields: [Field<'_>; 2] = [("tunnel", &plan.name), ("why", &why)];
                ports.journal.event(Level::Error, "state", &fields);
                (Record::default(), Memory::Lost)
            }
        };
        let snapshot = TunnelSnapshot {
            record: record.clone(),
            role: plan.role,
            ..TunnelSnapshot::default()
        };
        let rotation = RotationState {
            record,
            unsaved: false,
            memory,
            role: plan.role,
            keys: Keyring::default(),
            retry: Retry::new(&plan.pace),
            health: Health::new(&plan.pace),
            responder: ResponderState::default(),
            jitter_part: fastrand::f64(),
            warned_old: false,
            clear_text: None,
            rotations: 0,
        };
        Self {
            plan,
            ports,
            rotation: Mutex::new(rotation),
            gateway: Mutex::new(consumer),
            asks_provider: AtomicBool::new(false),
            taken_down_meanwhile: AtomicBool::new(false),
            started: Instant::now(),
            wanted: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            asked: Mutex::default(),
            snapshot: Mutex::new(snapshot),
            events: Events::default(),
        }
    }

    /// Runs everything that is due; returns the time until the next turn.
    pub fn turn(&self) -> Duration {
        let mut rotation = self.rotation();
        if self.closed.load(Ordering::SeqCst) {
            return self.plan.pace.check_every;
        }
        let wait = self.turn_at(&mut rotation);
        self.show(&rotation);
        drop(rotation);
        self.tell_events();
        wait.clamp(Duration::from_millis(1), self.plan.pace.check_every)
    }

    /// Whether packets may leave unprotected when the policy for old keys takes the tunnel down; `None`: there is no
    /// such policy, or the operator rules this out.
    pub fn clear_text(&self) -> Option<ClearText> {
        let asked = self.plan.when_too_old == WhenTooOld::TakeDown && !self.plan.clear_text_closed;
        asked.then(|| self.gateway().clear_text())
    }

    /// Whether any rotation begun or due is complete.
    pub fn is_settled(&self) -> bool {
        let snapshot = self.snapshot();
        snapshot.rotations > 0 && snapshot.record.stage == Stage::Idle
    }

    /// Requests a fresh key, without cutting the backoff short.
    pub fn want_rotation(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    /// Requests a fresh key now.
    pub fn want_rotation_now(&self) {
        self.want_rotation();
        self.urgent.store(true, Ordering::SeqCst);
    }

    /// Whether it should get its turn now.
    pub fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst)
    }

    /// Ends the backoff, because the cause of the failures may be gone. `false` if there is none.
    pub fn end_wait(&self) -> bool {
        let waits = self.snapshot().failures > 0;
        if waits {
            self.urgent.store(true, Ordering::SeqCst);
        }
        waits
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    pub(crate) fn no_longer_wanted(&self) {
        self.wanted.store(false, Ordering::SeqCst);
    }

    /// Closes the tunnel after its current work: neither the gateway nor the state is changed any more.
    pub fn close(&self) {
        let mut rotation = self.rotation();
        self.closed.store(true, Ordering::SeqCst);
        rotation.keys.next = None;
        rotation.keys.in_use = None;
    }

    /// Handles a request from the peer.
    pub fn handle(&self, ask: &Ask) -> Answer {
        match ask {
            // answered from the snapshot, since the peer may ask while this end waits for it
            Ask::Status => {
                let snapshot = self.snapshot();
                Answer::Status(Status {
                    counter: snapshot.record.counter,
                    stage: snapshot.record.stage,
                    current: snapshot.record.current.map(|current| current.counter),
                })
            }
            Ask::Rotate if self.snapshot().role == Some(Role::Responder) => {
                let what = "both ends are responders: set role = \"initiator\" at one of them";
                self.failed_at("role", "not_initiator", &what, &self.snapshot().record);
                Answer::Refused {
                    code: "not_initiator".to_owned(),
                }
            }
            Ask::Rotate => {
                // each one creates a fresh key, so a peer gets them only at the pace of retries
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                if asked.is_some_and(|at| at.elapsed() < self.plan.pace.retry_first) {
                    return later("too_often");
                }
                *asked = Some(Instant::now());
                self.want_rotation_now();
                Answer::Coming
            }
            Ask::Offer { .. } | Ask::Confirm { .. } | Ask::Abandon { .. } => {
                let Some(mut rotation) = self.rotation_within(Duration::from_secs(5)) else {
                    return later("busy");
                };
                let rotation = &mut *rotation;
                if self.closed.load(Ordering::SeqCst) {
                    return later("busy");
                }
                let answer = self.respond(rotation, ask);
                self.show(rotation);
                answer
            }
        }
    }

    /// This tunnel's part of the agent's report.
    pub fn report(&self, peer: &str) -> TunnelReport {
        let snapshot = self.snapshot();
        let current = snapshot.record.current.as_ref();
        let seen = snapshot.observation.as_ref();
        TunnelReport {
            name: self.plan.name.clone(),
            peer: peer.to_owned(),
            role: snapshot.role.map(|role| role.as_str().to_owned()),
            stage: snapshot.record.stage.as_str().to_owned(),
            counter: snapshot.record.counter,
            key_id: current.map(|current| current.key_id.clone()),
            since: current.map(|current| current.since.clone()),
            age: self.key_age(&snapshot.record).map(|age| age.as_secs()),
            reachable: seen.map(|seen| seen.reachable),
            up: seen.and_then(|seen| seen.tunnel_up),
            taken_down: snapshot.record.taken_down,
            rotations: snapshot.rotations,
            failures: snapshot.failures,
            next: snapshot
                .next
                .map(|at| at.saturating_duration_since(Instant::now()).as_secs()),
            last_failure: snapshot.failure.map(|(when, step, what)| [when, step.to_owned(), what]),
        }
    }

    /// The current snapshot.
    pub fn snapshot(&self) -> TunnelSnapshot {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn turn_at(&self, rotation: &mut RotationState) -> Duration {
        self.warn_of_clear_text(rotation);
        // also during the backoff: failures are why keys become old
        self.mind_age(rotation);
        let now = Instant::now();
        let urgent = self.urgent.swap(false, Ordering::SeqCst);
        if let Some(not_before) = rotation.retry.not_before
            && now < not_before
            && !urgent
        {
            return not_before - now;
        }
        rotation.retry.not_before = None;
        if rotation.memory == Memory::Lost && self.agree_anew(rotation).is_err() {
            return rotation.retry.wait_after_failure();
        }
        let Ok(role) = self.role(rotation) else {
            return rotation.retry.wait_after_failure();
        };
        match role {
            Role::Initiator => self.initiate(rotation),
            Role::Responder => self.watch(rotation),
        }
    }

    /// This end's role, agreed with the peer by comparing IDs unless configured.
    pub(crate) fn role(&self, rotation: &mut RotationState) -> Result<Role, Stopped> {
        if let Some(role) = rotation.role {
            return Ok(role);
        }
        let local = self
            .ask_provider(rotation, |keys| keys.local_system_id())
            .map_err(|error| self.failed("role", error.code().as_str(), &error, rotation))?;
        let role = Role::agreed(&local, self.plan.remote.as_str());
        if role.is_none() {
            let what = "remote is the key provider's own id, so that the ends cannot agree on their roles";
            return Err(self.failed("role", "invalid_argument", &what, rotation));
        }
        rotation.role = role;
        role.ok_or(Stopped)
    }

    /// Asks the peer for its counter, because this end's is lost or implausible and must not go back by itself.
    pub(crate) fn agree_anew(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        let status = self.ask(rotation, "agree", Ask::Status)?;
        let Answer::Status(status) = status else {
            return Err(self.failed("agree", status.code().unwrap_or(status.name()), &"no status", rotation));
        };
        rotation.record.counter = status.counter;
        rotation.record.stage = Stage::Unclear;
        rotation.record.key_id = None;
        self.save(rotation, "agree")?;
        rotation.memory = Memory::Kept;
        self.did(Level::Warn, "agree", &rotation.record, &[]);
        Ok(())
    }

    /// Observes the gateway. One without a usable answer counts as unreachable.
    pub(crate) fn look(&self, rotation: &mut RotationState) -> Observation {
        let observation = self.gateway().observe().unwrap_or_else(|error| {
            self.failed("observe", "gateway", &error, rotation);
            Observation::default()
        });
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).observation = Some(observation.clone());
        observation
    }

    /// Whether the gateway has restarted since it got its last key.
    pub(crate) fn is_other_instance(record: &Record, observation: &Observation) -> bool {
        record.instance.is_some() && observation.instance.is_some() && record.instance != observation.instance
    }

    /// Makes the key with the record's counter the current one.
    pub(crate) fn make_current(&self, rotation: &mut RotationState) {
        let record = &mut rotation.record;
        let clock = &self.ports.clock;
        record.current = record.key_id.clone().map(|key_id| Current {
            counter: record.counter,
            key_id,
            since_boot: u64::try_from(clock.since_boot().as_millis()).unwrap_or(u64::MAX),
            boot: clock.boot().to_owned(),
            since: clock.wall(),
        });
        record.taken_down = false;
        rotation.keys.in_use = rotation.keys.next.take();
        rotation.unsaved = true;
        rotation.warned_old = false;
        rotation.responder.put_back = false;
        rotation.responder.unsure_since = None;
        rotation.jitter_part = fastrand::f64();
    }

    /// Removes the other keys from the gateway; the record's stage must be `Retiring`.
    pub(crate) fn retire(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        if let Some(key_id) = rotation
            .record
            .current
            .as_ref()
            .and_then(|current| key_id(&current.key_id))
        {
            let retired = self.gateway().retire_others(&key_id);
            if let Err(error) = retired {
                let stopped = self.failed("retire", "gateway", &error, rotation);
                self.save_if_changed(rotation, "retire")?;
                return Err(stopped);
            }
        }
        rotation.record.stage = Stage::Idle;
        self.save(rotation, "retire")?;
        rotation.retry.backoff.reset();
        rotation.rotations += 1;
        self.ports
            .metrics
            .count(crate::metrics::ROTATIONS, &[("tunnel", &self.plan.name)]);
        self.did(Level::Info, "done", &rotation.record, &[]);
        self.happened("done");
        Ok(())
    }

    /// Writes the record, which must be on disk before the next step.
    pub(crate) fn save(&self, rotation: &mut RotationState, step: &'static str) -> Result<(), Stopped> {
        match self.ports.store.save(&self.plan.name, &rotation.record) {
            Ok(()) => {
                rotation.unsaved = false;
                self.show(rotation);
                Ok(())
            }
            Err(error) => Err(self.cannot_save(step, &error, rotation)),
        }
    }

    /// Whether [`Self::save`] would work, before something is spent that must be saved.
    pub(crate) fn could_save(&self, rotation: &RotationState, step: &'static str) -> Result<(), Stopped> {
        let could = self.ports.store.can_save(&self.plan.name);
        could.map_err(|error| self.cannot_save(step, &error, rotation))
    }

    fn cannot_save(&self, step: &'static str, error: &std::io::Error, rotation: &RotationState) -> Stopped {
        self.failed(step, "state", &format_args!("cannot save the state: {error}"), rotation)
    }

    pub(crate) fn save_if_changed(&self, rotation: &mut RotationState, step: &'static str) -> Result<(), Stopped> {
        if rotation.unsaved {
            self.save(rotation, step)
        } else {
            Ok(())
        }
    }

    /// Sends a request to the peer.
    pub(crate) fn ask(&self, rotation: &RotationState, step: &'static str, ask: Ask) -> Result<Answer, Stopped> {
        self.did(Level::Debug, step, &rotation.record, &[("state", &"begin")]);
        let request = Request {
            tunnel: self.plan.name.clone(),
            ask,
        };
        self.ports
            .link
            .ask(&request)
            .map_err(|error| self.failed(step, error.code, &error, rotation))
    }

    /// Logs a completed step.
    pub(crate) fn did(&self, level: Level, step: &'static str, record: &Record, more: &[Field<'_>]) {
        let key_id = record.key_id.as_deref().unwrap_or("-");
        let mut fields: Vec<Field<'_>> = vec![
            ("tunnel", &self.plan.name),
            ("counter", &record.counter),
            ("key_id", &key_id),
        ];
        fields.extend_from_slice(more);
        self.ports.journal.event(level, step, &fields);
    }

    /// Logs and counts a failed step.
    pub(crate) fn failed(
        &self,
        step: &'static str,
        code: &str,
        what: &dyn std::fmt::Display,
        rotation: &RotationState,
    ) -> Stopped {
        self.failed_at(step, code, what, &rotation.record)
    }

    fn failed_at(&self, step: &'static str, code: &str, what: &dyn std::fmt::Display, record: &Record) -> Stopped {
        self.ports
            .metrics
            .count(FAILURES, &[("tunnel", &self.plan.name), ("step", step), ("code", code)]);
        let what = what.to_string();
        self.did(Level::Warn, step, record, &[("code", &code), ("error", &what)]);
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        snapshot.failure = Some((self.ports.clock.wall(), step, format!("{code}: {what}")));
        Stopped
    }

    /// Publishes the record for other threads.
    fn show(&self, rotation: &RotationState) {
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        snapshot.record.clone_from(&rotation.record);
        snapshot.role = rotation.role;
        snapshot.rotations = rotation.rotations;
        snapshot.failures = rotation.retry.backoff.failures();
        snapshot.next = self.next_attempt(rotation);
    }

    fn gateway(&self) -> MutexGuard<'_, Box<dyn Consumer>> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rotation(&self) -> MutexGuard<'_, RotationState> {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rotation_within(&self, patience: Duration) -> Option<MutexGuard<'_, RotationState>> {
        let until = Instant::now() + patience;
        loop {
            match self.rotation.try_lock() {
                Ok(rotation) => return Some(rotation),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

/// A keyId from a record; it was valid when it was written.
pub(crate) fn key_id(text: &str) -> Option<KeyId> {
    KeyId::lenient(text).ok()
}

pub(crate) fn later(code: &str) -> Answer {
    Answer::Later { code: code.to_owned() }
}
