//! The end that takes the keys that are offered.

use std::time::{Duration, Instant};

use skip_client::{Advice, KeyId, SystemId, matches_remote};

use crate::consumer::Observation;
use crate::handoff::message::{Answer, Ask, Status};
use crate::journal::Level;
use crate::state::Stage;
use crate::tunnel::{Desk, Memory, Role, Stopped, Tunnel, key_id, later};

fn lost(code: &str) -> Answer {
    Answer::Lost { code: code.to_owned() }
}

fn refused(code: &str) -> Answer {
    Answer::Refused { code: code.to_owned() }
}

impl Tunnel {
    /// Handles a request of the initiator.
    pub(crate) fn respond(&self, desk: &mut Desk, ask: &Ask) -> Answer {
        match self.role(desk) {
            Ok(Role::Responder) => {}
            Ok(Role::Initiator) => return refused("not_responder"),
            Err(Stopped) => return later("role"),
        }
        // without a record this may be a number that was taken before; the first of all is taken for what it is
        let is_first = matches!(ask, Ask::Offer { counter: 1, .. });
        let must_agree = match desk.memory {
            Memory::Kept => false,
            Memory::New => !is_first,
            Memory::Lost => true,
        };
        if must_agree && self.agree_anew(desk).is_err() {
            return later("state");
        }
        match ask {
            Ask::Offer {
                counter,
                key_id,
                local_system_id,
            } => self.take_offer(desk, *counter, key_id, local_system_id),
            Ask::Confirm { counter } => self.take_confirmation(desk, *counter),
            Ask::Abandon { counter } => self.take_abandonment(desk, *counter),
            Ask::Status | Ask::Rotate => refused("not_responder"),
        }
    }

    /// Looks after the gateway, and after keys that nobody has confirmed.
    pub(crate) fn watch(&self, desk: &mut Desk) -> Duration {
        let observation = self.look(desk);
        let step = self.watch_steps(desk, &observation);
        if step.is_err() {
            return desk.wait_after_failure();
        }
        if desk.record.stage == Stage::Idle {
            desk.backoff.reset();
        }
        self.plan.pace.check_every
    }

    fn watch_steps(&self, desk: &mut Desk, observation: &Observation) -> Result<(), Stopped> {
        match desk.record.stage {
            Stage::Retiring => self.retire(desk)?,
            Stage::Prepared => {
                let since = *desk.unsure_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.plan.pace.confirm_within {
                    desk.unsure_since = Some(Instant::now());
                    self.find_out(desk, observation)?;
                }
            }
            _ => {}
        }
        let lost_keys = Self::is_other_instance(&desk.record, observation);
        let wanted = self.is_wanted() || lost_keys || desk.record.stage == Stage::Unclear;
        let asked_lately = desk
            .asked
            .is_some_and(|asked| asked.elapsed() < self.plan.pace.confirm_within);
        if wanted && !asked_lately {
            if lost_keys {
                self.did(Level::Warn, "gateway-restarted", &desk.record, &[]);
            }
            let answer = self.ask(desk, "rotate-now", Ask::Rotate)?;
            if answer != Answer::Coming {
                let code = answer.code().unwrap_or(answer.name());
                return Err(self.failed("rotate-now", code, &"the initiator does not rotate", desk));
            }
            self.did(Level::Info, "rotate-now", &desk.record, &[("answer", &answer.name())]);
            desk.asked = Some(Instant::now());
            self.no_longer_wanted();
        }
        Ok(())
    }

    fn take_offer(&self, desk: &mut Desk, counter: u64, key_id: &KeyId, local_system_id: &SystemId) -> Answer {
        let record = &desk.record;
        if counter < record.counter {
            return Answer::Stale { last: record.counter };
        }
        if counter == record.counter {
            let in_use = record
                .current
                .as_ref()
                .is_some_and(|current| current.counter == counter);
            return match record.stage {
                Stage::Unclear | Stage::Failed | Stage::Taking => lost("new_key"),
                // the same number for another key: somebody's counter has gone back
                _ if record.key_id.as_deref() != Some(key_id.as_str()) => Answer::Stale { last: record.counter },
                Stage::Prepared => Answer::Prepared,
                Stage::Idle | Stage::Retiring if in_use => Answer::Prepared,
                Stage::Untaken => self.take(desk, key_id, local_system_id),
                _ => lost("new_key"),
            };
        }
        // draft 4.1.1: the id of the initiator's Key Provider; the configuration may have a pattern for it
        if !matches_remote([self.plan.remote.as_str()], local_system_id.as_str()) {
            let what = "the initiator's key provider is not the remote of this tunnel";
            self.failed("take", "wrong_system_id", &what, desk);
            return refused("wrong_system_id");
        }
        desk.memory = Memory::Kept;
        let before = desk.record.clone();
        desk.record.counter = counter;
        desk.record.key_id = Some(key_id.as_str().to_owned());
        desk.record.stage = Stage::Untaken;
        // the key before was never confirmed, and may be the one in use: it stays in the gateway until one is
        desk.next = None;
        desk.put_back = false;
        desk.unsure_since = None;
        let answer = self.take(desk, key_id, local_system_id);
        if desk.record.stage == Stage::Untaken && desk.unsaved {
            desk.record = before;
        }
        answer
    }

    /// Fetches the key and prepares the gateway. A number that was taken is answered the same way ever after.
    fn take(&self, desk: &mut Desk, key_id: &KeyId, initiator: &SystemId) -> Answer {
        desk.unsaved = true;
        let observation = self.look(desk);
        if !observation.reachable {
            // the Key Provider gives the key once, so it is asked when the gateway can have it
            self.failed("take", "gateway", &"the gateway cannot be reached", desk);
            return later("gateway");
        }
        desk.record.stage = Stage::Taking;
        if self.save(desk, "take").is_err() {
            desk.record.stage = Stage::Untaken;
            return later("state");
        }
        self.did(Level::Debug, "take", &desk.record, &[("state", &"begin")]);
        let key = match self.ports.keys.key_by_id(key_id, initiator) {
            Ok(key) => key,
            Err(error) => {
                let code = error.code().as_str();
                self.failed("take", code, &error, desk);
                let again = error.advice() == Advice::SameRequest;
                desk.record.stage = if again { Stage::Untaken } else { Stage::Failed };
                // when this is not saved, the record says "taking", which is never asked again
                return match self.save(desk, "take") {
                    Ok(()) if again => later(code),
                    Ok(()) | Err(Stopped) => {
                        desk.record.stage = Stage::Failed;
                        lost(code)
                    }
                };
            }
        };
        self.did(Level::Info, "take", &desk.record, &[("bits", &key.bits())]);
        self.did(Level::Debug, "prepare", &desk.record, &[("state", &"begin")]);
        let prepared = desk.consumer.prepare(&key);
        if let Err(error) = prepared {
            self.failed("prepare", "gateway", &error, desk);
            return self.cannot_use(desk, key_id);
        }
        desk.next = Some(key);
        desk.record.stage = Stage::Prepared;
        desk.record.instance = observation.instance;
        desk.unsure_since = Some(Instant::now());
        if self.save(desk, "prepare").is_err() {
            return self.cannot_use(desk, key_id);
        }
        self.did(Level::Info, "prepare", &desk.record, &[]);
        Answer::Prepared
    }

    fn cannot_use(&self, desk: &mut Desk, key_id: &KeyId) -> Answer {
        let taken_back = desk.consumer.abandon(key_id, desk.in_use.as_ref());
        if let Err(error) = taken_back {
            self.failed("abandon", "gateway", &error, desk);
        }
        desk.next = None;
        desk.record.stage = Stage::Failed;
        let _ = self.save(desk, "prepare");
        lost("gateway")
    }

    fn take_confirmation(&self, desk: &mut Desk, counter: u64) -> Answer {
        let record = &desk.record;
        if record
            .current
            .as_ref()
            .is_some_and(|current| current.counter == counter)
        {
            return if Self::is_other_instance(&desk.record.clone(), &self.look(desk)) {
                lost("gateway_restarted")
            } else {
                Answer::Confirmed
            };
        }
        if record.counter != counter || !matches!(record.stage, Stage::Prepared) {
            return lost("new_key");
        }
        let observation = self.look(desk);
        if Self::is_other_instance(&desk.record, &observation) {
            return lost("gateway_restarted");
        }
        if desk.put_back {
            let again = desk.next.as_ref().map(|key| desk.consumer.prepare(key));
            match again {
                Some(Ok(())) => desk.put_back = false,
                Some(Err(error)) => {
                    self.failed("prepare", "gateway", &error, desk);
                    return later("gateway");
                }
                None => return lost("new_key"),
            }
        }
        match self.settle(desk) {
            Err(Stopped) if desk.unsaved => later("state"),
            // keys that stay behind are taken out later
            Ok(()) | Err(Stopped) => Answer::Confirmed,
        }
    }

    /// The key of the record's counter is in use.
    fn settle(&self, desk: &mut Desk) -> Result<(), Stopped> {
        self.make_current(desk);
        desk.record.stage = Stage::Retiring;
        self.did(Level::Info, "confirm", &desk.record, &[]);
        self.retire(desk)
    }

    fn take_abandonment(&self, desk: &mut Desk, counter: u64) -> Answer {
        let record = &desk.record;
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
            // its offer may still be on the way, and must find a number that was used
            desk.record.counter = counter;
            desk.record.key_id = None;
            desk.record.stage = Stage::Failed;
            return match self.save(desk, "abandon") {
                Ok(()) => Answer::Abandoned,
                Err(Stopped) => later("state"),
            };
        }
        match self.put_away(desk) {
            Ok(()) => Answer::Abandoned,
            Err(Stopped) => later("gateway"),
        }
    }

    /// Takes the key of the record's counter out of the gateway, since nobody will use it.
    fn put_away(&self, desk: &mut Desk) -> Result<(), Stopped> {
        if matches!(desk.record.stage, Stage::Prepared | Stage::Taking)
            && let Some(key_id) = desk.record.key_id.as_deref().and_then(key_id)
        {
            let abandoned = desk.consumer.abandon(&key_id, desk.in_use.as_ref());
            abandoned.map_err(|error| self.failed("abandon", "gateway", &error, desk))?;
        }
        desk.next = None;
        desk.put_back = false;
        desk.unsure_since = None;
        desk.record.stage = Stage::Failed;
        self.save(desk, "abandon")?;
        self.did(Level::Info, "abandon", &desk.record, &[]);
        Ok(())
    }

    /// A prepared key was not confirmed in time: the initiator knows what became of it; without it, the gateway may.
    fn find_out(&self, desk: &mut Desk, observation: &Observation) -> Result<(), Stopped> {
        let asked = self.ask(desk, "ask-status", Ask::Status);
        let status = match asked {
            Ok(Answer::Status(status)) => status,
            Ok(other) => {
                let code = other.code().unwrap_or(other.name());
                return Err(self.failed("ask-status", code, &"no status", desk));
            }
            Err(stopped) => {
                if observation.reachable && observation.tunnel_up == Some(false) {
                    self.try_other_key(desk)?;
                }
                return Err(stopped);
            }
        };
        let counter = desk.record.counter;
        match status {
            Status { current: Some(n), .. } if n == counter => {
                // what the confirmation does, put-back keys included
                self.take_confirmation(desk, counter);
                Ok(())
            }
            Status {
                stage: Stage::Unclear, ..
            } => Ok(()),
            Status { counter: n, stage, .. }
                if n > counter || n == counter && !matches!(stage, Stage::Offered | Stage::Installing) =>
            {
                self.put_away(desk)
            }
            Status { counter: n, .. } if n < counter => {
                self.want_rotation();
                Ok(())
            }
            Status { .. } => Ok(()),
        }
    }

    /// The tunnel is down, and nobody says which of two keys the initiator's gateway has: tries the other one. A gateway
    /// that holds both is none the worse for it.
    fn try_other_key(&self, desk: &mut Desk) -> Result<(), Stopped> {
        let (Some(next), Some(in_use)) = (&desk.next, &desk.in_use) else {
            return Ok(());
        };
        let tried = if desk.put_back {
            desk.consumer.prepare(next)
        } else {
            desk.consumer.abandon(next.key_id(), Some(in_use))
        };
        tried.map_err(|error| self.failed("try-other-key", "gateway", &error, desk))?;
        desk.put_back = !desk.put_back;
        self.did(Level::Warn, "try-other-key", &desk.record, &[("old", &desk.put_back)]);
        Ok(())
    }
}
