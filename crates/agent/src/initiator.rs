//! The end that begins a rotation.

use std::time::{Duration, Instant};

use skip_client::SystemId;

use crate::consumer::{ConsumerError, Observation};
use crate::handoff::message::{Answer, Ask};
use crate::journal::Level;
use crate::state::Stage;
use crate::tunnel::{Desk, Stopped, Tunnel, key_id};

/// More steps than a rotation has, so that a peer cannot keep a worker busy.
const STEPS: usize = 12;
/// How often a gateway must say that its tunnel is down before a fresh key is tried.
const DOWN_TWICE: u32 = 2;

impl Tunnel {
    /// Goes on with the rotation that is under way, or begins one that is due.
    pub(crate) fn initiate(&self, desk: &mut Desk) -> Duration {
        let observation = self.look(desk);
        self.notice(desk, &observation);
        for _ in 0..STEPS {
            let step = match desk.record.stage {
                Stage::Idle => match self.until_due(desk) {
                    Some(wait) => return wait,
                    None => self.fetch(desk, &observation),
                },
                Stage::Unclear => self.fetch(desk, &observation),
                Stage::Offered if desk.next.is_some() => self.offer(desk),
                Stage::Offered => self.give_up_after_restart(desk),
                Stage::Installing if desk.next.is_some() => self.install(desk, &observation),
                Stage::Installing => self.settle_after_restart(desk, &observation),
                Stage::Confirming => self.confirm(desk),
                Stage::Retiring => self.retire(desk),
                // this end was the responder, by another configuration
                Stage::Taking | Stage::Untaken | Stage::Prepared | Stage::Failed => {
                    desk.record.stage = Stage::Unclear;
                    Ok(())
                }
            };
            if step.is_err() {
                return desk.wait_after_failure();
            }
        }
        desk.wait_after_failure()
    }

    /// Looks for reasons to rotate before the time.
    fn notice(&self, desk: &mut Desk, observation: &Observation) {
        // a key that is on its way into the gateway is as good as a fresh one
        let is_coming = matches!(desk.record.stage, Stage::Offered | Stage::Installing);
        if Self::is_other_instance(&desk.record, observation) && !is_coming && !self.is_wanted() {
            self.did(Level::Warn, "gateway-restarted", &desk.record, &[]);
            self.want_rotation();
        }
        let is_down = observation.tunnel_up == Some(false)
            && desk.record.stage == Stage::Idle
            && desk.record.current.is_some()
            && !desk.record.taken_down;
        if !is_down {
            desk.down_seen = 0;
            if observation.tunnel_up == Some(true) {
                desk.heal.reset();
            }
            return;
        }
        desk.down_seen += 1;
        let may_heal = desk.heal_not_before.is_none_or(|at| at <= Instant::now());
        if desk.down_seen >= DOWN_TWICE && may_heal {
            desk.heal_not_before = Some(Instant::now() + desk.heal.next());
            self.did(Level::Warn, "tunnel-down", &desk.record, &[]);
            self.want_rotation();
        }
    }

    /// How long until the next rotation; `None`: now.
    fn until_due(&self, desk: &Desk) -> Option<Duration> {
        if self.is_wanted() {
            return None;
        }
        // without a key, or after the machine was started anew, at once
        let age = self.key_age(&desk.record)?;
        let early = self.plan.jitter.mul_f64(desk.part);
        let wait = self.plan.interval.saturating_sub(early).saturating_sub(age);
        (!wait.is_zero()).then_some(wait)
    }

    /// A fresh key, under the next number.
    fn fetch(&self, desk: &mut Desk, observation: &Observation) -> Result<(), Stopped> {
        if !observation.reachable {
            // a key would be used up for nothing
            return Err(self.failed("fetch", "gateway", &"the gateway cannot be reached", desk));
        }
        self.did(Level::Debug, "fetch", &desk.record, &[("state", &"begin")]);
        let key = self.ports.keys.new_key(&self.plan.remote, self.plan.size);
        let key = key.map_err(|error| self.failed("fetch", error.code().as_str(), &error, desk))?;
        let before = desk.record.clone();
        desk.record.counter += 1;
        desk.record.key_id = Some(key.key_id().as_str().to_owned());
        desk.record.stage = Stage::Offered;
        if let Err(stopped) = self.save(desk, "fetch") {
            desk.record = before;
            return Err(stopped);
        }
        self.did(Level::Info, "fetch", &desk.record, &[("bits", &key.bits())]);
        desk.next = Some(key);
        self.no_longer_wanted();
        Ok(())
    }

    /// Tells the responder the keyId, until it has prepared or cannot.
    fn offer(&self, desk: &mut Desk) -> Result<(), Stopped> {
        let Some(key_id) = desk.next.as_ref().map(|key| key.key_id().clone()) else {
            return Err(Stopped);
        };
        let local = self.ports.keys.local_system_id().and_then(|id| SystemId::new(&id));
        let local_system_id = local.map_err(|error| self.failed("offer", error.code().as_str(), &error, desk))?;
        let ask = Ask::Offer {
            counter: desk.record.counter,
            key_id,
            local_system_id,
        };
        let answer = self.ask(desk, "offer", ask)?;
        match answer {
            Answer::Prepared => {
                self.did(Level::Info, "offer", &desk.record, &[("answer", &answer.name())]);
                desk.record.stage = Stage::Installing;
                if let Err(stopped) = self.save(desk, "offer") {
                    desk.record.stage = Stage::Offered;
                    return Err(stopped);
                }
                Ok(())
            }
            Answer::Stale { last } => {
                // nobody has asked for the key of a stale offer: it may be offered again under a number that is new to both
                self.did(
                    Level::Warn,
                    "offer",
                    &desk.record,
                    &[("answer", &answer.name()), ("last", &last)],
                );
                desk.record.counter = desk.record.counter.max(last) + 1;
                self.save(desk, "offer")
            }
            Answer::Lost { ref code } => {
                let stopped = self.failed("offer", code, &"the responder cannot use this key", desk);
                self.drop_next(desk)?;
                Err(stopped)
            }
            other => {
                let code = other.code().unwrap_or(other.name());
                Err(self.failed("offer", code, &"the responder has not prepared", desk))
            }
        }
    }

    /// The own gateway. From the first call on it may use the key, whatever the call says.
    fn install(&self, desk: &mut Desk, observation: &Observation) -> Result<(), Stopped> {
        let Some(key) = desk.next.take() else {
            return Err(Stopped);
        };
        self.did(Level::Debug, "install", &desk.record, &[("state", &"begin")]);
        let mut step = "install";
        let mut done = desk.consumer.prepare(&key);
        if done.is_ok() {
            self.did(Level::Info, "install", &desk.record, &[]);
            self.did(Level::Debug, "activate", &desk.record, &[("state", &"begin")]);
            step = "activate";
            done = desk.consumer.activate(&key);
        }
        desk.next = Some(key);
        match done {
            Ok(()) => self.installed(desk, observation),
            Err(error) => return Err(self.take_back(desk, step, &error)),
        }
        Ok(())
    }

    fn installed(&self, desk: &mut Desk, observation: &Observation) {
        desk.record.instance.clone_from(&observation.instance);
        self.make_current(desk);
        desk.record.stage = Stage::Confirming;
        desk.heal.reset();
        self.did(Level::Info, "activate", &desk.record, &[]);
    }

    /// The gateway did not take the key, or did not come up with it: back to the old one at both ends, if that is certain.
    fn take_back(&self, desk: &mut Desk, step: &'static str, error: &ConsumerError) -> Stopped {
        let stopped = self.failed(step, "gateway", error, desk);
        let Some(key) = desk.next.take() else {
            return stopped;
        };
        let observation = self.look(desk);
        if observation.key_id.as_ref() == Some(key.key_id()) && observation.tunnel_up == Some(true) {
            desk.next = Some(key);
            self.installed(desk, &observation);
            return stopped;
        }
        let taken_back = desk.consumer.abandon(key.key_id(), desk.in_use.as_ref());
        let certain = match taken_back {
            Ok(()) => desk.in_use.is_some() || observation.key_id.as_ref() != Some(key.key_id()),
            Err(error) => {
                self.failed("abandon", "gateway", &error, desk);
                false
            }
        };
        self.want_rotation();
        if certain {
            desk.record.stage = Stage::Idle;
            if self.save(desk, "abandon").is_ok() {
                self.abandon_at_peer(desk);
            }
        } else {
            desk.record.stage = Stage::Unclear;
            let _ = self.save(desk, "abandon");
        }
        stopped
    }

    /// Best effort: a responder that does not hear of it asks.
    fn abandon_at_peer(&self, desk: &Desk) {
        let counter = desk.record.counter;
        if let Ok(answer) = self.ask(desk, "abandon", Ask::Abandon { counter }) {
            self.did(Level::Info, "abandon", &desk.record, &[("answer", &answer.name())]);
        }
    }

    /// The agent was started anew after it had offered a key: the key is gone, and the own gateway has never seen it.
    fn give_up_after_restart(&self, desk: &mut Desk) -> Result<(), Stopped> {
        let counter = desk.record.counter;
        let answer = self.ask(desk, "abandon", Ask::Abandon { counter })?;
        self.did(Level::Info, "abandon", &desk.record, &[("answer", &answer.name())]);
        if let Answer::Later { code } = &answer {
            // a fresh rotation settles it as well
            self.failed("abandon", code, &"the responder could not take the key back", desk);
        }
        self.drop_next(desk)
    }

    /// The agent was started anew while the gateway was given a key: perhaps the gateway knows how that ended.
    fn settle_after_restart(&self, desk: &mut Desk, observation: &Observation) -> Result<(), Stopped> {
        let in_gateway = observation.key_id.as_ref().map(skip_client::KeyId::as_str);
        let current = desk.record.current.as_ref().map(|current| current.key_id.as_str());
        if in_gateway.is_some() && in_gateway == desk.record.key_id.as_deref() && observation.tunnel_up == Some(true) {
            self.installed(desk, observation);
            return Ok(());
        }
        let old_in_use = in_gateway.is_some() && in_gateway == current && observation.tunnel_up == Some(true);
        let new = desk.record.key_id.as_deref().and_then(key_id);
        if let Some(new) = new
            && old_in_use
            && desk.consumer.abandon(&new, None).is_ok()
        {
            return self.give_up_after_restart(desk);
        }
        desk.record.stage = Stage::Unclear;
        self.did(Level::Warn, "unclear", &desk.record, &[]);
        self.save(desk, "unclear")
    }

    /// Tells the responder that the key is in use.
    fn confirm(&self, desk: &mut Desk) -> Result<(), Stopped> {
        let counter = desk.record.current.as_ref().map_or(0, |current| current.counter);
        let answer = match self.ask(desk, "confirm", Ask::Confirm { counter }) {
            Ok(answer) => answer,
            Err(stopped) => {
                self.save_if_changed(desk, "confirm")?;
                return Err(stopped);
            }
        };
        match answer {
            Answer::Confirmed => {
                self.did(Level::Info, "confirm", &desk.record, &[("answer", &answer.name())]);
                desk.record.stage = Stage::Retiring;
                desk.unsaved = true;
                Ok(())
            }
            Answer::Lost { code } => {
                let stopped = self.failed("confirm", &code, &"the responder has lost this key", desk);
                self.drop_next(desk)?;
                Err(stopped)
            }
            other => {
                self.save_if_changed(desk, "confirm")?;
                let code = other.code().unwrap_or(other.name());
                Err(self.failed("confirm", code, &"the responder has not confirmed", desk))
            }
        }
    }

    /// Ends this rotation; another one is due at once.
    fn drop_next(&self, desk: &mut Desk) -> Result<(), Stopped> {
        desk.next = None;
        desk.record.stage = Stage::Idle;
        self.want_rotation();
        self.save(desk, "abandon")
    }
}
