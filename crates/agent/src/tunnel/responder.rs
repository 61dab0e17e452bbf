//! The responder of rotations.

use std::time::{Duration, Instant};

use skip_client::{Advice, KeyId, SystemId, matches_remote};

use super::{Memory, RotationState, Stopped, Tunnel, key_id, later};
use crate::consumer::Observation;
use crate::handoff::message::{Answer, Ask, Status};
use crate::journal::Level;
use crate::plan::Role;
use crate::state::InitiatorStage::{Installing, Offered};
use crate::state::ResponderStage::{Failed, Prepared, Taking, Untaken};
use crate::state::{Stage, is_plausible};

fn lost(code: &str) -> Answer {
    Answer::Lost { code: code.to_owned() }
}

fn refused(code: &str) -> Answer {
    Answer::Refused { code: code.to_owned() }
}

impl Tunnel {
    /// Handles a request from the initiator.
    pub(crate) fn respond(&self, rotation: &mut RotationState, ask: &Ask) -> Answer {
        match self.role(rotation) {
            Ok(Role::Responder) => {}
            Ok(Role::Initiator) => {
                let what = "both ends begin: set role = \"responder\" at one of them";
                self.failed("role", "not_responder", &what, rotation);
                return refused("not_responder");
            }
            Err(Stopped) => return later("role"),
        }
        // without a record this number may have been used before, unless it is the first of all
        let is_first = matches!(ask, Ask::Offer { counter: 1, .. });
        let must_agree = match rotation.memory {
            // a number that jumps, or restarts after the maximum, is accepted only if the initiator confirms it
            Memory::Kept => ask
                .counter()
                .is_some_and(|counter| !is_plausible(rotation.record.counter, counter)),
            Memory::New => !is_first,
            Memory::Lost => true,
        };
        if must_agree && self.agree_anew(rotation).is_err() {
            return later("state");
        }
        if ask
            .counter()
            .is_some_and(|counter| !is_plausible(rotation.record.counter, counter))
        {
            self.failed(
                "agree",
                "counter_jump",
                &"the number is not near the one that both ends know",
                rotation,
            );
            return refused("counter_jump");
        }
        match ask {
            Ask::Offer {
                counter,
                key_id,
                local_system_id,
            } => self.take_offer(rotation, *counter, key_id, local_system_id),
            Ask::Confirm { counter } => self.take_confirmation(rotation, *counter),
            Ask::Abandon { counter } => self.take_abandonment(rotation, *counter),
            Ask::Status | Ask::Rotate => refused("not_responder"),
        }
    }

    /// Monitors the gateway, and keys awaiting confirmation.
    pub(crate) fn watch(&self, rotation: &mut RotationState) -> Duration {
        let observation = self.look(rotation);
        self.notice(rotation, &observation, Role::Responder);
        let step = self.watch_steps(rotation, &observation);
        if step.is_err() {
            return rotation.retry.wait_after_failure();
        }
        if rotation.record.stage == Stage::Idle {
            rotation.retry.backoff.reset();
        }
        self.plan.pace.check_every
    }

    fn watch_steps(&self, rotation: &mut RotationState, observation: &Observation) -> Result<(), Stopped> {
        match rotation.record.stage {
            Stage::Retiring => self.retire(rotation)?,
            Stage::Responder(Prepared) => {
                let since = *rotation.responder.unsure_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.plan.pace.confirm_within {
                    rotation.responder.unsure_since = Some(Instant::now());
                    self.find_out(rotation, observation)?;
                }
            }
            _ => {}
        }
        let lost_keys = Self::is_other_instance(&rotation.record, observation);
        // also reveals that both ends are responders, so that nobody would ever start
        let never_had_one = rotation.record.current.is_none()
            && rotation.record.stage == Stage::Idle
            && self.started.elapsed() >= self.plan.pace.confirm_within;
        let wanted = self.is_wanted() || lost_keys || never_had_one || rotation.record.stage == Stage::Unclear;
        let asked_lately = rotation
            .responder
            .asked_rotation
            .is_some_and(|asked| asked.elapsed() < self.plan.pace.confirm_within);
        if wanted && !asked_lately {
            if lost_keys {
                self.did(Level::Warn, "gateway-restarted", &rotation.record, &[]);
            }
            let answer = self.ask(rotation, "rotate-now", Ask::Rotate)?;
            if answer != Answer::Coming {
                let code = answer.code().unwrap_or(answer.name());
                let what = if code == "not_initiator" {
                    "both ends are responders: set role = \"initiator\" at one of them"
                } else {
                    "the initiator does not rotate"
                };
                return Err(self.failed("rotate-now", code, &what, rotation));
            }
            self.did(
                Level::Info,
                "rotate-now",
                &rotation.record,
                &[("answer", &answer.name())],
            );
            rotation.responder.asked_rotation = Some(Instant::now());
            self.no_longer_wanted();
        }
        Ok(())
    }

    fn take_offer(
        &self,
        rotation: &mut RotationState,
        counter: u64,
        key_id: &KeyId,
        local_system_id: &SystemId,
    ) -> Answer {
        let record = &rotation.record;
        if counter < record.counter {
            return Answer::Stale { last: record.counter };
        }
        if counter == record.counter {
            let in_use = record
                .current
                .as_ref()
                .is_some_and(|current| current.counter == counter);
            return match record.stage {
                Stage::Unclear | Stage::Responder(Failed | Taking) => lost("new_key"),
                // the same number for another key: one end's counter has gone back
                _ if record.key_id.as_deref() != Some(key_id.as_str()) => Answer::Stale { last: record.counter },
                Stage::Responder(Prepared) => Answer::Prepared,
                Stage::Idle | Stage::Retiring if in_use => Answer::Prepared,
                Stage::Responder(Untaken) => self.take(rotation, key_id, local_system_id),
                _ => lost("new_key"),
            };
        }
        // draft 4.1.1: the ID of the initiator's Key Provider; the configuration may have a pattern for it
        if !matches_remote([self.plan.remote.as_str()], local_system_id.as_str()) {
            let what = "the initiator's key provider is not the remote of this tunnel";
            self.failed("take", "wrong_system_id", &what, rotation);
            return refused("wrong_system_id");
        }
        rotation.memory = Memory::Kept;
        let before = rotation.record.clone();
        rotation.record.counter = counter;
        rotation.record.key_id = Some(key_id.as_str().to_owned());
        rotation.record.stage = Stage::Responder(Untaken);
        // the previous key was never confirmed but may be in use: it stays in the gateway until one is confirmed
        rotation.keys.next = None;
        rotation.responder.put_back = false;
        rotation.responder.unsure_since = None;
        let answer = self.take(rotation, key_id, local_system_id);
        if rotation.record.stage == Stage::Responder(Untaken) && rotation.unsaved {
            rotation.record = before;
        }
        answer
    }

    /// Fetches the key and prepares the gateway. Every repetition of the number gets the same answer.
    fn take(&self, rotation: &mut RotationState, key_id: &KeyId, initiator: &SystemId) -> Answer {
        rotation.unsaved = true;
        let observation = self.look(rotation);
        // the Key Provider hands out the key once, so it is asked only when the gateway can take the key
        if self
            .could_take(rotation, &observation, "take", Role::Responder)
            .is_err()
        {
            return later("gateway");
        }
        rotation.record.stage = Stage::Responder(Taking);
        if self.save(rotation, "take").is_err() {
            rotation.record.stage = Stage::Responder(Untaken);
            return later("state");
        }
        self.did(Level::Debug, "take", &rotation.record, &[("state", &"begin")]);
        let key = match self.ask_provider(rotation, |keys| keys.key_by_id(key_id, initiator)) {
            Ok(key) => key,
            Err(error) => {
                let code = error.code().as_str();
                self.failed("take", code, &error, rotation);
                let again = error.advice() == Advice::SameRequest;
                rotation.record.stage = if again {
                    Stage::Responder(Untaken)
                } else {
                    Stage::Responder(Failed)
                };
                // if this is not saved, the record still says "taking", so the key is never requested again
                return match self.save(rotation, "take") {
                    Ok(()) if again => later(code),
                    Ok(()) | Err(Stopped) => {
                        rotation.record.stage = Stage::Responder(Failed);
                        lost(code)
                    }
                };
            }
        };
        self.did(Level::Info, "take", &rotation.record, &[("bits", &key.bits())]);
        if let Some(size) = self.plan.size.filter(|size| size.bits() != key.bits()) {
            let what = format_args!("the key has {} bits, and `size` is {}", key.bits(), size.bits());
            self.failed("take", "size_mismatch", &what, rotation);
            rotation.record.stage = Stage::Responder(Failed);
            let _ = self.save(rotation, "take");
            return lost("size_mismatch");
        }
        self.did(Level::Debug, "prepare", &rotation.record, &[("state", &"begin")]);
        let prepared = self.gateway().prepare(&key);
        if let Err(error) = prepared {
            self.failed("prepare", "gateway", &error, rotation);
            return self.cannot_use(rotation, key_id);
        }
        rotation.keys.next = Some(key);
        rotation.record.stage = Stage::Responder(Prepared);
        rotation.record.instance = observation.instance;
        rotation.responder.unsure_since = Some(Instant::now());
        if self.save(rotation, "prepare").is_err() {
            return self.cannot_use(rotation, key_id);
        }
        self.did(Level::Info, "prepare", &rotation.record, &[]);
        Answer::Prepared
    }

    fn cannot_use(&self, rotation: &mut RotationState, key_id: &KeyId) -> Answer {
        let taken_back = self.gateway().abandon(key_id, rotation.keys.in_use.as_ref());
        if let Err(error) = taken_back {
            self.failed("abandon", "gateway", &error, rotation);
        }
        rotation.keys.next = None;
        rotation.record.stage = Stage::Responder(Failed);
        let _ = self.save(rotation, "prepare");
        lost("gateway")
    }

    fn take_confirmation(&self, rotation: &mut RotationState, counter: u64) -> Answer {
        let record = &rotation.record;
        if record
            .current
            .as_ref()
            .is_some_and(|current| current.counter == counter)
        {
            return if Self::is_other_instance(&rotation.record.clone(), &self.look(rotation)) {
                lost("gateway_restarted")
            } else {
                Answer::Confirmed
            };
        }
        if record.counter != counter || !matches!(record.stage, Stage::Responder(Prepared)) {
            return lost("new_key");
        }
        let observation = self.look(rotation);
        if Self::is_other_instance(&rotation.record, &observation) {
            return lost("gateway_restarted");
        }
        if rotation.responder.put_back {
            let again = rotation.keys.next.as_ref().map(|key| self.gateway().prepare(key));
            match again {
                Some(Ok(())) => rotation.responder.put_back = false,
                Some(Err(error)) => {
                    self.failed("prepare", "gateway", &error, rotation);
                    return later("gateway");
                }
                None => return lost("new_key"),
            }
        }
        match self.settle(rotation) {
            Err(Stopped) if rotation.unsaved => later("state"),
            // keys left behind are removed later
            Ok(()) | Err(Stopped) => {
                // observations from now on are of the new key
                self.look(rotation);
                Answer::Confirmed
            }
        }
    }

    /// The key with the record's counter is in use.
    fn settle(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        self.make_current(rotation);
        rotation.record.stage = Stage::Retiring;
        self.did(Level::Info, "confirm", &rotation.record, &[]);
        self.retire(rotation)
    }

    fn take_abandonment(&self, rotation: &mut RotationState, counter: u64) -> Answer {
        let record = &rotation.record;
        if record
            .current
            .as_ref()
            .is_some_and(|current| current.counter == counter)
        {
            return Answer::Confirmed;
        }
        if counter < record.counter {
            return Answer::Abandoned;
        }
        if counter > record.counter {
            // the offer may still be on its way, and must arrive with a used number
            rotation.record.counter = counter;
            rotation.record.key_id = None;
            rotation.record.stage = Stage::Responder(Failed);
            return match self.save(rotation, "abandon") {
                Ok(()) => Answer::Abandoned,
                Err(Stopped) => later("state"),
            };
        }
        match self.put_away(rotation) {
            Ok(()) => Answer::Abandoned,
            Err(Stopped) => later("gateway"),
        }
    }

    /// Removes the key with the record's counter from the gateway, since it will not be used.
    fn put_away(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        if matches!(rotation.record.stage, Stage::Responder(Prepared | Taking))
            && let Some(key_id) = rotation.record.key_id.as_deref().and_then(key_id)
        {
            let abandoned = self.gateway().abandon(&key_id, rotation.keys.in_use.as_ref());
            abandoned.map_err(|error| self.failed("abandon", "gateway", &error, rotation))?;
        }
        rotation.keys.next = None;
        rotation.responder.put_back = false;
        rotation.responder.unsure_since = None;
        rotation.record.stage = Stage::Responder(Failed);
        self.save(rotation, "abandon")?;
        self.did(Level::Info, "abandon", &rotation.record, &[]);
        Ok(())
    }

    /// A prepared key was not confirmed in time: asks the initiator, or failing that the gateway, what became of it.
    fn find_out(&self, rotation: &mut RotationState, observation: &Observation) -> Result<(), Stopped> {
        let asked = self.ask(rotation, "ask-status", Ask::Status);
        let status = match asked {
            Ok(Answer::Status(status)) => status,
            Ok(other) => {
                let code = other.code().unwrap_or(other.name());
                return Err(self.failed("ask-status", code, &"no status", rotation));
            }
            Err(stopped) => {
                if observation.reachable && observation.tunnel_up == Some(false) {
                    self.try_other_key(rotation)?;
                }
                return Err(stopped);
            }
        };
        let counter = rotation.record.counter;
        match status {
            Status { current: Some(n), .. } if n == counter => {
                // the same as for a confirmation, including keys that must be reinstalled
                self.take_confirmation(rotation, counter);
                Ok(())
            }
            Status {
                stage: Stage::Unclear, ..
            } => Ok(()),
            Status { counter: n, stage, .. }
                if n > counter || n == counter && !matches!(stage, Stage::Initiator(Offered | Installing)) =>
            {
                self.put_away(rotation)
            }
            Status { counter: n, .. } if n < counter => {
                self.want_rotation();
                Ok(())
            }
            Status { .. } => Ok(()),
        }
    }

    /// The tunnel is down, and it is unknown which of two keys the initiator's gateway has: tries the other one. This
    /// does no harm to a gateway that holds both.
    fn try_other_key(&self, rotation: &mut RotationState) -> Result<(), Stopped> {
        let (Some(next), Some(in_use)) = (&rotation.keys.next, &rotation.keys.in_use) else {
            return Ok(());
        };
        let tried = if rotation.responder.put_back {
            self.gateway().prepare(next)
        } else {
            self.gateway().abandon(next.key_id(), Some(in_use))
        };
        tried.map_err(|error| self.failed("try-other-key", "gateway", &error, rotation))?;
        rotation.responder.put_back = !rotation.responder.put_back;
        self.did(
            Level::Warn,
            "try-other-key",
            &rotation.record,
            &[("old", &rotation.responder.put_back)],
        );
        Ok(())
    }
}
