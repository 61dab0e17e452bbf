//! The initiator of rotations.

use std::time::{Duration, Instant};

use skip_client::SystemId;

use super::{RotationState, Stopped, Tunnel, key_id};
use crate::consumer::{ConsumerError, Observation};
use crate::handoff::message::{Answer, Ask};
use crate::journal::Level;
use crate::plan::Role;
use crate::state::InitiatorStage::{Confirming, Installing, Offered};
use crate::state::{MAX_COUNTER, Stage};

/// More steps than a rotation has, so that a peer cannot keep a worker busy.
const STEPS: usize = 12;

impl Tunnel {
    /// Continues the rotation in progress, or starts one that is due.
    pub(crate) fn initiate(&self, rotation: &mut RotationState) -> Duration {
        let observation = self.look(rotation);
        self.notice(rotation, &observation, Role::Initiator);
        for _ in 0..STEPS {
            let step = match rotation.record.stage {
                Stage::Idle => match self.until_due(rotation) {
                    Some(wait) => return wait,
                    None => self.fetch(rotation, &observation),
                },
                Stage::Unclear => self.fetch(rotation, &observation),
                Stage::Initiator(Offered) if rotation.keys.next.is_some() => self.offer(rotation),
                Stage::Initiator(Offered) => self.give_up_after_restart(rotation),
                Stage::Initiator(Installing) if rotation.keys.next.is_some() => self.install(rotation, &observation),
                Stage::Initiator(Installing) => self.settle_after_restart(rotation, &observation),
                Stage::Initiator(Confirming) => self.confirm(rotation),
                Stage::Retiring => self.retire(rotation).inspect(|()| {
                    // observations from now on are of the new key
                    self.look(rotation);
                }),
                // this end used to be the responder, under another configuration
                Stage::Responder(_) => {
                    rotation.record.stage = Stage::Unclear;
                    Ok(())
                }
            };
            if step.is_err() {
                return rotation.retry.wait_after_failure();
            }
        }
        rotation.retry.wait_after_failure()
    }

    /// The time until the next rotation; `None`: now.
    fn until_due(&self, rotation: &RotationState) -> Option<Duration> {
        if self.is_wanted() {
            return None;
        }
        // without a key, or after a reboot, at once
        let age = self.key_age(&rotation.record)?;
        let early = self.plan.jitter.mul_f64(rotation.jitter_part);
        let wait = self.plan.interval.saturating_sub(early).saturating_sub(age);
        (!wait.is_zero()).then_some(wait)
    }

    /// When the next attempt or rotation is due.
    pub(super) fn next_attempt(&self, rotation: &RotationState) -> Option<Instant> {
        let now = Instant::now();
        if let Some(at) = rotation.retry.not_before.filter(|at| *at > now) {
            return Some(at);
        }
        let rests = rotation.role == Some(Role::Initiator) && rotation.record.stage == Stage::Idle;
        rests.then(|| now + self.until_due(rotation).unwrap_or_default())
    }

    /// Fetches a fresh key under the next number, but only if it can be used, so that no key is wasted.
    fn fetch(&self, rotation: &mut RotationState, observation: &Observation) -> Result<(), Stopped> {
        self.could_take(rotation, observation, "fetch", Role::Initiator)?;
        // reveals a full disk or a missing folder before a key is spent
        self.could_save(rotation, "fetch")?;
        self.did(Level::Debug, "fetch", &rotation.record, &[("state", &"begin")]);
        let key = self.ask_provider(rotation, |keys| keys.new_key(&self.plan.remote, self.plan.size));
        let key = key.map_err(|error| self.failed("fetch", error.code().as_str(), &error, rotation))?;
        if key.key_id().as_str().starts_with('-') {
            let what = "the keyId begins with a hyphen, which programs take for an option";
            return Err(self.failed("fetch", "malformed_response", &what, rotation));
        }
        if rotation.record.counter >= MAX_COUNTER {
            self.did(
                Level::Warn,
                "agree",
                &rotation.record,
                &[("error", &"the number is at its end")],
            );
            rotation.record.counter = 0;
        }
        rotation.record.counter += 1;
        rotation.record.key_id = Some(key.key_id().as_str().to_owned());
        rotation.record.stage = Stage::Initiator(Offered);
        let bits = key.bits();
        // kept even if the record cannot be saved: the next turn tries to save it again and requests no other key
        rotation.keys.next = Some(key);
        rotation.unsaved = true;
        self.save(rotation, "fetch")?;
        self.did(Level::Info, "fetch", &rotation.record, &[("bits", &bits)]);
        Ok(())
    }

    /// Offers the keyId to the responder until it has prepared or cannot.
    fn offer(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        // write ahead: every step is on disk before the next
        self.save_if_changed(rotation, "fetch")?;
        let Some(key_id) = rotation.keys.next.as_ref().map(|key| key.key_id().clone()) else {
            return Err(Stopped);
        };
        let local = self.ask_provider(rotation, |keys| keys.local_system_id());
        let local = local.and_then(|id| SystemId::new(&id));
        let local_system_id = local.map_err(|error| self.failed("offer", error.code().as_str(), &error, rotation))?;
        let ask = Ask::Offer {
            counter: rotation.record.counter,
            key_id,
            local_system_id,
        };
        let answer = self.ask(rotation, "offer", ask)?;
        match answer {
            Answer::Prepared => {
                self.did(Level::Info, "offer", &rotation.record, &[("answer", &answer.name())]);
                // not before: a request that came while this key was on offer needs no other one
                self.no_longer_wanted();
                rotation.record.stage = Stage::Initiator(Installing);
                if let Err(stopped) = self.save(rotation, "offer") {
                    rotation.record.stage = Stage::Initiator(Offered);
                    return Err(stopped);
                }
                Ok(())
            }
            Answer::Stale { last } => {
                // nobody has fetched the key of a stale offer, so it may be offered again under a number that is new to
                // both
                self.did(
                    Level::Warn,
                    "offer",
                    &rotation.record,
                    &[("answer", &answer.name()), ("last", &last)],
                );
                let next = rotation.record.counter.max(last) + 1;
                // after the maximum both restart at 1
                rotation.record.counter = if next > MAX_COUNTER { 1 } else { next };
                self.save(rotation, "offer")
            }
            Answer::Lost { ref code } => {
                let stopped = self.failed("offer", code, &"the responder cannot use this key", rotation);
                self.drop_next(rotation)?;
                Err(stopped)
            }
            other => {
                let code = other.code().unwrap_or(other.name());
                Err(self.failed("offer", code, &"the responder has not prepared", rotation))
            }
        }
    }

    /// Installs the key in this end's gateway, which may use it from the first call on, whatever the call returns.
    fn install(&self, rotation: &mut RotationState, observation: &Observation) -> Result<(), Stopped> {
        let Some(key) = rotation.keys.next.take() else {
            return Err(Stopped);
        };
        self.did(Level::Debug, "install", &rotation.record, &[("state", &"begin")]);
        let mut step = "install";
        let mut done = self.gateway().prepare(&key);
        if done.is_ok() {
            self.did(Level::Info, "install", &rotation.record, &[]);
            self.did(Level::Debug, "activate", &rotation.record, &[("state", &"begin")]);
            step = "activate";
            done = self.gateway().activate(&key);
        }
        rotation.keys.next = Some(key);
        match done {
            Ok(()) => self.installed(rotation, observation),
            Err(error) => return Err(self.take_back(rotation, step, &error)),
        }
        Ok(())
    }

    fn installed(&self, rotation: &mut RotationState, observation: &Observation) {
        rotation.record.instance.clone_from(&observation.instance);
        self.make_current(rotation);
        rotation.record.stage = Stage::Initiator(Confirming);
        rotation.health.came_up();
        self.did(Level::Info, "activate", &rotation.record, &[]);
    }

    /// The gateway did not take the key, or did not come up with it: rolls back to the old one at both ends, if that is
    /// safe.
    fn take_back(&self, rotation: &mut RotationState, step: &'static str, error: &ConsumerError) -> Stopped {
        let stopped = self.failed(step, "gateway", error, rotation);
        let Some(key) = rotation.keys.next.take() else {
            return stopped;
        };
        let observation = self.look(rotation);
        if observation.key_id.as_ref() == Some(key.key_id()) && observation.tunnel_up == Some(true) {
            rotation.keys.next = Some(key);
            self.installed(rotation, &observation);
            return stopped;
        }
        let taken_back = self.gateway().abandon(key.key_id(), rotation.keys.in_use.as_ref());
        let certain = match taken_back {
            Ok(()) => rotation.keys.in_use.is_some() || observation.key_id.as_ref() != Some(key.key_id()),
            Err(error) => {
                self.failed("abandon", "gateway", &error, rotation);
                false
            }
        };
        self.want_rotation();
        if certain {
            rotation.record.stage = Stage::Idle;
            if self.save(rotation, "abandon").is_ok() {
                self.abandon_at_peer(rotation);
            }
        } else {
            rotation.record.stage = Stage::Unclear;
            let _ = self.save(rotation, "abandon");
        }
        stopped
    }

    /// Best effort: a responder that misses this will ask.
    fn abandon_at_peer(&self, rotation: &RotationState) {
        let counter = rotation.record.counter;
        if let Ok(answer) = self.ask(rotation, "abandon", Ask::Abandon { counter }) {
            self.did(Level::Info, "abandon", &rotation.record, &[("answer", &answer.name())]);
        }
    }

    /// The agent restarted after offering a key: the key is lost, and this end's gateway never had it.
    fn give_up_after_restart(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        let counter = rotation.record.counter;
        let answer = self.ask(rotation, "abandon", Ask::Abandon { counter })?;
        self.did(Level::Info, "abandon", &rotation.record, &[("answer", &answer.name())]);
        if let Answer::Later { code } = &answer {
            // a fresh rotation resolves it as well
            self.failed("abandon", code, &"the responder could not take the key back", rotation);
        }
        self.drop_next(rotation)
    }

    /// The agent restarted while installing a key: the gateway may know whether it is in use.
    fn settle_after_restart(&self, rotation: &mut RotationState, observation: &Observation) -> Result<(), Stopped> {
        let in_gateway = observation.key_id.as_ref().map(skip_client::KeyId::as_str);
        let current = rotation.record.current.as_ref().map(|current| current.key_id.as_str());
        if in_gateway.is_some()
            && in_gateway == rotation.record.key_id.as_deref()
            && observation.tunnel_up == Some(true)
        {
            self.installed(rotation, observation);
            return Ok(());
        }
        let old_in_use = in_gateway.is_some() && in_gateway == current && observation.tunnel_up == Some(true);
        let new = rotation.record.key_id.as_deref().and_then(key_id);
        if let Some(new) = new
            && old_in_use
            && self.gateway().abandon(&new, None).is_ok()
        {
            return self.give_up_after_restart(rotation);
        }
        rotation.record.stage = Stage::Unclear;
        self.did(Level::Warn, "unclear", &rotation.record, &[]);
        self.save(rotation, "unclear")
    }

    /// Tells the responder that the key is in use.
    fn confirm(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        let counter = rotation.record.current.as_ref().map_or(0, |current| current.counter);
        let answer = match self.ask(rotation, "confirm", Ask::Confirm { counter }) {
            Ok(answer) => answer,
            Err(stopped) => {
                self.save_if_changed(rotation, "confirm")?;
                return Err(stopped);
            }
        };
        match answer {
            Answer::Confirmed => {
                self.did(Level::Info, "confirm", &rotation.record, &[("answer", &answer.name())]);
                rotation.record.stage = Stage::Retiring;
                rotation.unsaved = true;
                Ok(())
            }
            Answer::Lost { code } => {
                let stopped = self.failed("confirm", &code, &"the responder has lost this key", rotation);
                self.drop_next(rotation)?;
                Err(stopped)
            }
            other => {
                self.save_if_changed(rotation, "confirm")?;
                let code = other.code().unwrap_or(other.name());
                Err(self.failed("confirm", code, &"the responder has not confirmed", rotation))
            }
        }
    }

    /// Ends this rotation; another one is due at once.
    fn drop_next(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        rotation.keys.next = None;
        rotation.record.stage = Stage::Idle;
        self.want_rotation();
        self.save(rotation, "abandon")
    }
}
