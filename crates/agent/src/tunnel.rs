//! One tunnel: what is known of it, and who may change that.
//!
//! The order that survives every loss: the initiator fetches a fresh key and offers its keyId; the responder fetches
//! the same key, prepares its gateway and says so; the initiator installs and activates the key and confirms; both take
//! the old key out. Each message may be repeated by its counter. Until the key is seen in use, nobody drops the old one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use skip_client::{BitLength, Key, KeyId, SystemId};

use crate::backoff::Backoff;
use crate::consumer::{Consumer, Observation};
use crate::handoff::message::{Answer, Ask, Request, Status};
use crate::journal::{Field, Level};
use crate::metrics::FAILURES;
use crate::ports::Ports;
use crate::state::{Current, Loaded, Record, Stage};

/// Who begins a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Asks its Key Provider for fresh keys and offers them.
    Initiator,
    /// Takes the keys that are offered.
    Responder,
}

impl Role {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
        }
    }

    /// What both ends come to when they compare the ids of their Key Providers: the smaller one, byte by byte, begins.
    #[must_use]
    pub fn agreed(local: &str, remote: &str) -> Option<Self> {
        match local.as_bytes().cmp(remote.as_bytes()) {
            std::cmp::Ordering::Less => Some(Self::Initiator),
            std::cmp::Ordering::Greater => Some(Self::Responder),
            std::cmp::Ordering::Equal => None,
        }
    }
}

/// What happens when no fresh key can be had for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenTooOld {
    /// The tunnel goes on with the old key, and the log warns.
    Keep,
    /// The tunnel is taken down until there is a fresh key.
    TakeDown,
}

/// How often things are done; the same for all tunnels of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub check_every: Duration,
    pub retry_first: Duration,
    pub retry_longest: Duration,
    /// How long a responder waits for the confirmation before it asks.
    pub confirm_within: Duration,
}

/// What the configuration says of a tunnel, but for its gateway.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub name: String,
    pub remote: SystemId,
    /// `None`: agreed by the ids.
    pub role: Option<Role>,
    pub interval: Duration,
    pub jitter: Duration,
    pub size: Option<BitLength>,
    pub max_key_age: Option<Duration>,
    pub when_too_old: WhenTooOld,
    pub pace: Pace,
}

/// A tunnel that the agent cares for.
pub(crate) struct Tunnel {
    pub plan: Plan,
    pub(crate) ports: Ports,
    desk: Mutex<Desk>,
    /// Somebody wants a fresh key as soon as possible.
    wanted: AtomicBool,
    /// Its next turn comes before the waits after failures have ended.
    urgent: AtomicBool,
    /// Another configuration has taken it over.
    closed: AtomicBool,
    /// When the peer last asked for a fresh key.
    asked: Mutex<Option<Instant>>,
    face: Mutex<Face>,
}

/// What can be seen of a tunnel without waiting for what is being done to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Face {
    pub record: Record,
    pub role: Option<Role>,
    pub observation: Option<Observation>,
    pub rotations: u64,
    /// The last failure: when (for people), the step, and what happened.
    pub failure: Option<(String, &'static str, String)>,
    /// Failures in a row.
    pub failures: u32,
}

/// What belongs to whoever works on the tunnel.
pub(crate) struct Desk {
    pub record: Record,
    /// The record is not on disk as it is here.
    pub unsaved: bool,
    pub memory: Memory,
    pub consumer: Box<dyn Consumer>,
    /// The key of the record's counter, while it is not in use yet.
    pub next: Option<Key>,
    pub in_use: Option<Key>,
    pub role: Option<Role>,
    pub backoff: Backoff,
    pub not_before: Option<Instant>,
    /// Which part of the jitter the next rotation takes.
    pub part: f64,
    pub down_seen: u32,
    pub heal: Backoff,
    pub heal_not_before: Option<Instant>,
    pub warned_old: bool,
    /// Responder: since when a prepared key waits for its confirmation.
    pub unsure_since: Option<Instant>,
    /// Responder: the old key was put back although nobody knows which one the peer uses.
    pub put_back: bool,
    /// Responder: when it last asked for a rotation.
    pub asked: Option<Instant>,
    pub rotations: u64,
}

/// What is known of the rotations before this start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The record.
    Kept,
    /// There was no record: a first start, or somebody has removed it.
    New,
    /// The record was broken, and the peer has to be asked for its counter.
    Lost,
}

impl Desk {
    /// The wait after a failure; longer after each.
    pub fn wait_after_failure(&mut self) -> Duration {
        let wait = self.backoff.next();
        self.not_before = Some(Instant::now() + wait);
        wait
    }
}

/// A step that did not succeed; it was logged.
pub(crate) struct Stopped;

impl Tunnel {
    /// The tunnel as it was left, with a gateway that may have been left with other keys.
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
        let face = Face {
            record: record.clone(),
            role: plan.role,
            ..Face::default()
        };
        let pace = plan.pace;
        let desk = Desk {
            record,
            unsaved: false,
            memory,
            consumer,
            next: None,
            in_use: None,
            role: plan.role,
            backoff: Backoff::new(pace.retry_first, pace.retry_longest),
            not_before: None,
            part: fastrand::f64(),
            down_seen: 0,
            heal: Backoff::new(pace.retry_first, pace.retry_longest),
            heal_not_before: None,
            warned_old: false,
            unsure_since: None,
            put_back: false,
            asked: None,
            rotations: 0,
        };
        Self {
            plan,
            ports,
            desk: Mutex::new(desk),
            wanted: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            asked: Mutex::default(),
            face: Mutex::new(face),
        }
    }

    /// Does what is to be done now, and says how long nothing is.
    pub fn turn(&self) -> Duration {
        let mut desk = self.desk();
        let desk = &mut *desk;
        if self.closed.load(Ordering::SeqCst) {
            return self.plan.pace.check_every;
        }
        let wait = self.turn_at(desk);
        self.show(desk);
        wait.clamp(Duration::from_millis(1), self.plan.pace.check_every)
    }

    /// Whether the rotation that was begun, or that is due, is complete.
    pub fn is_settled(&self) -> bool {
        let face = self.face();
        face.rotations > 0 && face.record.stage == Stage::Idle
    }

    /// Asks for a fresh key as soon as the waits after failures allow it.
    pub fn want_rotation(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    /// Asks for a fresh key now.
    pub fn want_rotation_now(&self) {
        self.want_rotation();
        self.urgent.store(true, Ordering::SeqCst);
    }

    /// Whether it should have its turn now.
    pub fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    pub(crate) fn no_longer_wanted(&self) {
        self.wanted.store(false, Ordering::SeqCst);
    }

    /// Ends it, after what is being done now: nothing is done to the gateway or the state any more.
    pub fn close(&self) {
        let mut desk = self.desk();
        self.closed.store(true, Ordering::SeqCst);
        desk.next = None;
        desk.in_use = None;
    }

    /// Handles a request of the peer's agent.
    pub fn handle(&self, ask: &Ask) -> Answer {
        match ask {
            // answered from what can be seen: the peer may ask while this end waits for it
            Ask::Status => {
                let face = self.face();
                Answer::Status(Status {
                    counter: face.record.counter,
                    stage: face.record.stage,
                    current: face.record.current.map(|current| current.counter),
                })
            }
            Ask::Rotate if self.face().role == Some(Role::Responder) => Answer::Refused {
                code: "not_initiator".to_owned(),
            },
            Ask::Rotate => {
                // each makes a fresh key, so a peer gets them at the pace of retries only
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                if asked.is_some_and(|at| at.elapsed() < self.plan.pace.retry_first) {
                    return later("too_often");
                }
                *asked = Some(Instant::now());
                self.want_rotation_now();
                Answer::Coming
            }
            Ask::Offer { .. } | Ask::Confirm { .. } | Ask::Abandon { .. } => {
                let Some(mut desk) = self.desk_within(Duration::from_secs(5)) else {
                    return later("busy");
                };
                let desk = &mut *desk;
                if self.closed.load(Ordering::SeqCst) {
                    return later("busy");
                }
                let answer = self.respond(desk, ask);
                self.show(desk);
                answer
            }
        }
    }

    /// What can be seen now.
    pub fn face(&self) -> Face {
        self.face.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The age of the key in use; `None` without one, or when its age is not known because the machine was started anew.
    pub fn key_age(&self, record: &Record) -> Option<Duration> {
        let current = record.current.as_ref()?;
        let clock = &self.ports.clock;
        (current.boot == clock.boot()).then(|| {
            clock
                .since_boot()
                .saturating_sub(Duration::from_millis(current.since_boot))
        })
    }

    fn turn_at(&self, desk: &mut Desk) -> Duration {
        // also while it waits after failures: they are why keys become old
        self.mind_age(desk);
        let now = Instant::now();
        let urgent = self.urgent.swap(false, Ordering::SeqCst);
        if let Some(not_before) = desk.not_before
            && now < not_before
            && !urgent
        {
            return not_before - now;
        }
        desk.not_before = None;
        if desk.memory == Memory::Lost && self.agree_anew(desk).is_err() {
            return desk.wait_after_failure();
        }
        let Ok(role) = self.role(desk) else {
            return desk.wait_after_failure();
        };
        match role {
            Role::Initiator => self.initiate(desk),
            Role::Responder => self.watch(desk),
        }
    }

    /// Which end this is, agreed with the peer by the ids where the configuration does not say it.
    pub(crate) fn role(&self, desk: &mut Desk) -> Result<Role, Stopped> {
        if let Some(role) = desk.role {
            return Ok(role);
        }
        let local = self
            .ports
            .keys
            .local_system_id()
            .map_err(|error| self.failed("role", error.code().as_str(), &error, desk))?;
        let role = Role::agreed(&local, self.plan.remote.as_str());
        if role.is_none() {
            let what = "remote is the key provider's own id, so that the ends cannot agree on their roles";
            return Err(self.failed("role", "invalid_argument", &what, desk));
        }
        desk.role = role;
        role.ok_or(Stopped)
    }

    /// Asks the peer for its counter, because the own one is lost, and must not go back.
    pub(crate) fn agree_anew(&self, desk: &mut Desk) -> Result<(), Stopped> {
        let status = self.ask(desk, "agree", Ask::Status)?;
        let Answer::Status(status) = status else {
            return Err(self.failed("agree", status.code().unwrap_or(status.name()), &"no status", desk));
        };
        desk.record = Record::default();
        desk.record.counter = status.counter;
        desk.record.stage = Stage::Unclear;
        self.save(desk, "agree")?;
        desk.memory = Memory::Kept;
        self.did(Level::Warn, "agree", &desk.record, &[]);
        Ok(())
    }

    /// The policy for old keys.
    fn mind_age(&self, desk: &mut Desk) {
        let (Some(limit), Some(age)) = (self.plan.max_key_age, self.key_age(&desk.record)) else {
            return;
        };
        if age <= limit {
            return;
        }
        let seconds = age.as_secs();
        match self.plan.when_too_old {
            WhenTooOld::Keep if !desk.warned_old => {
                desk.warned_old = true;
                self.did(
                    Level::Warn,
                    "too-old",
                    &desk.record,
                    &[("age", &seconds), ("policy", &"keep")],
                );
            }
            WhenTooOld::TakeDown if !desk.record.taken_down => match desk.consumer.take_down() {
                Ok(()) => {
                    desk.record.taken_down = true;
                    let _ = self.save(desk, "take-down");
                    self.did(Level::Error, "take-down", &desk.record, &[("age", &seconds)]);
                }
                Err(error) => {
                    self.failed("take-down", "gateway", &error, desk);
                }
            },
            WhenTooOld::Keep | WhenTooOld::TakeDown => {}
        }
    }

    /// What the gateway says; a failure to say anything counts as unreachable.
    pub(crate) fn look(&self, desk: &mut Desk) -> Observation {
        let observation = desk.consumer.observe().unwrap_or_else(|error| {
            self.failed("observe", "gateway", &error, desk);
            Observation::default()
        });
        self.face.lock().unwrap_or_else(PoisonError::into_inner).observation = Some(observation.clone());
        observation
    }

    /// Whether the gateway was started anew since it got its last key.
    pub(crate) fn is_other_instance(record: &Record, observation: &Observation) -> bool {
        record.instance.is_some() && observation.instance.is_some() && record.instance != observation.instance
    }

    /// Makes the key of the record's counter the current one.
    pub(crate) fn make_current(&self, desk: &mut Desk) {
        let record = &mut desk.record;
        let clock = &self.ports.clock;
        record.current = record.key_id.clone().map(|key_id| Current {
            counter: record.counter,
            key_id,
            since_boot: u64::try_from(clock.since_boot().as_millis()).unwrap_or(u64::MAX),
            boot: clock.boot().to_owned(),
            since: clock.wall(),
        });
        record.taken_down = false;
        desk.in_use = desk.next.take();
        desk.unsaved = true;
        desk.warned_old = false;
        desk.put_back = false;
        desk.unsure_since = None;
        desk.part = fastrand::f64();
    }

    /// Takes the other keys out of the gateway; the record's stage must be `Retiring`.
    pub(crate) fn retire(&self, desk: &mut Desk) -> Result<(), Stopped> {
        if let Some(key_id) = desk.record.current.as_ref().and_then(|current| key_id(&current.key_id)) {
            let retired = desk.consumer.retire_others(&key_id);
            if let Err(error) = retired {
                let stopped = self.failed("retire", "gateway", &error, desk);
                self.save_if_changed(desk, "retire")?;
                return Err(stopped);
            }
        }
        desk.record.stage = Stage::Idle;
        self.save(desk, "retire")?;
        desk.backoff.reset();
        desk.rotations += 1;
        self.ports
            .metrics
            .count(crate::metrics::ROTATIONS, &[("tunnel", &self.plan.name)]);
        self.did(Level::Info, "done", &desk.record, &[]);
        Ok(())
    }

    /// Writes the record; what is not on disk has not happened.
    pub(crate) fn save(&self, desk: &mut Desk, step: &'static str) -> Result<(), Stopped> {
        match self.ports.store.save(&self.plan.name, &desk.record) {
            Ok(()) => {
                desk.unsaved = false;
                self.show(desk);
                Ok(())
            }
            Err(error) => Err(self.failed(step, "state", &format_args!("cannot save the state: {error}"), desk)),
        }
    }

    pub(crate) fn save_if_changed(&self, desk: &mut Desk, step: &'static str) -> Result<(), Stopped> {
        if desk.unsaved { self.save(desk, step) } else { Ok(()) }
    }

    /// Asks the peer's agent.
    pub(crate) fn ask(&self, desk: &Desk, step: &'static str, ask: Ask) -> Result<Answer, Stopped> {
        self.did(Level::Debug, step, &desk.record, &[("state", &"begin")]);
        let request = Request {
            tunnel: self.plan.name.clone(),
            ask,
        };
        self.ports
            .link
            .ask(&request)
            .map_err(|error| self.failed(step, error.code, &error, desk))
    }

    /// Logs a step that was done.
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

    /// Logs and counts a step that failed.
    pub(crate) fn failed(&self, step: &'static str, code: &str, what: &dyn std::fmt::Display, desk: &Desk) -> Stopped {
        self.ports
            .metrics
            .count(FAILURES, &[("tunnel", &self.plan.name), ("step", step), ("code", code)]);
        self.did(Level::Warn, step, &desk.record, &[("code", &code), ("error", &what)]);
        let mut face = self.face.lock().unwrap_or_else(PoisonError::into_inner);
        face.failure = Some((self.ports.clock.wall(), step, format!("{code}: {what}")));
        Stopped
    }

    /// Lets others see the record.
    fn show(&self, desk: &Desk) {
        let mut face = self.face.lock().unwrap_or_else(PoisonError::into_inner);
        face.record.clone_from(&desk.record);
        face.role = desk.role;
        face.rotations = desk.rotations;
        face.failures = desk.backoff.failures();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desk_within(&self, patience: Duration) -> Option<MutexGuard<'_, Desk>> {
        let until = Instant::now() + patience;
        loop {
            match self.desk.try_lock() {
                Ok(desk) => return Some(desk),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

/// A keyId that was read from a record: it was valid when it was written.
pub(crate) fn key_id(text: &str) -> Option<KeyId> {
    KeyId::lenient(text).ok()
}

pub(crate) fn later(code: &str) -> Answer {
    Answer::Later { code: code.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn both_ends_agree_on_their_roles() {
        for (a, b) in [("Alice", "Bob"), ("a", "B"), ("KP1", "KP10"), ("é", "e")] {
            let (one, other) = (Role::agreed(a, b), Role::agreed(b, a));
            assert!(one.is_some() && other.is_some() && one != other, "{a} {b}");
        }
        assert_eq!(Role::agreed("x", "x"), None);
    }
}
