//! The policy for keys that have become too old. It must not wait for a Key Provider that hangs, since that is a reason
//! for keys to become old.

use std::sync::atomic::Ordering;
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

use super::{RotationState, Tunnel};
use crate::consumer::ClearText;
use crate::journal::Level;
use crate::plan::WhenTooOld;
use crate::ports::Keys;
use crate::state::{Record, ResponderStage, Stage};

impl Tunnel {
    /// The age of the key in use; `None` without a key, or if the age is unknown because the machine has rebooted
    /// since.
    pub fn key_age(&self, record: &Record) -> Option<Duration> {
        let current = record.current.as_ref()?;
        let clock = &self.ports.clock;
        (current.boot == clock.boot()).then(|| {
            clock
                .since_boot()
                .saturating_sub(Duration::from_millis(current.since_boot))
        })
    }

    /// Applies the policy. Called regularly by a dedicated thread.
    pub fn enforce_age(&self) {
        if self.plan.max_key_age.is_none() || self.excess_age(&self.snapshot().record).is_none() {
            return;
        }
        match self.rotation.try_lock() {
            Ok(mut rotation) => self.enforce_age_between_turns(&mut rotation),
            Err(TryLockError::Poisoned(poisoned)) => self.enforce_age_between_turns(&mut poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => self.enforce_age_during_provider_call(),
        }
    }

    fn enforce_age_between_turns(&self, rotation: &mut RotationState) {
        if !self.closed.load(Ordering::SeqCst) {
            self.mind_age(rotation);
            self.show(rotation);
        }
    }

    /// A worker is asking a Key Provider. All other calls have their own short deadlines and are waited for.
    fn enforce_age_during_provider_call(&self) {
        let record = self.snapshot().record;
        let Some(age) = self.excess_age(&record) else {
            return;
        };
        if self.plan.when_too_old != WhenTooOld::TakeDown || record.taken_down {
            return;
        }
        let mut gateway = self.gateway();
        // checked under the lock: once its call has returned, the worker owns the gateway again
        if !self.asks_provider.load(Ordering::SeqCst) || self.closed.load(Ordering::SeqCst) {
            return;
        }
        let taken_down = gateway.take_down();
        if taken_down.is_ok() {
            self.taken_down_meanwhile.store(true, Ordering::SeqCst);
            let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            snapshot.record.taken_down = true;
        }
        drop(gateway);
        match taken_down {
            Ok(()) => {
                self.did(Level::Error, "take-down", &record, &[("age", &age.as_secs())]);
                self.happened("take-down");
            }
            Err(error) => {
                self.failed_at("take-down", "gateway", &error, &record);
            }
        }
    }

    /// Calls the Key Provider, which may take until its deadline; the policy for old keys may act meanwhile.
    pub(super) fn ask_provider<T>(&self, rotation: &mut RotationState, ask: impl FnOnce(&dyn Keys) -> T) -> T {
        self.show(rotation);
        self.asks_provider.store(true, Ordering::SeqCst);
        let outcome = ask(&*self.ports.keys);
        {
            let _gateway = self.gateway();
            self.asks_provider.store(false, Ordering::SeqCst);
        }
        if self.taken_down_meanwhile.swap(false, Ordering::SeqCst) {
            rotation.record.taken_down = true;
            rotation.unsaved = true;
        }
        outcome
    }

    pub(super) fn mind_age(&self, rotation: &mut RotationState) {
        let Some(age) = self.excess_age(&rotation.record) else {
            return;
        };
        let seconds = age.as_secs();
        match self.plan.when_too_old {
            WhenTooOld::Keep if !rotation.warned_old => {
                rotation.warned_old = true;
                let fields = [("age", &seconds as _), ("policy", &"keep" as _)];
                self.did(Level::Warn, "too-old", &rotation.record, &fields);
            }
            WhenTooOld::TakeDown if !rotation.record.taken_down => {
                let taken_down = self.gateway().take_down();
                match taken_down {
                    Ok(()) => {
                        rotation.record.taken_down = true;
                        // the prepared key was removed with the others
                        rotation.responder.put_back =
                            rotation.record.stage == Stage::Responder(ResponderStage::Prepared);
                        let _ = self.save(rotation, "take-down");
                        self.did(Level::Error, "take-down", &rotation.record, &[("age", &seconds)]);
                        self.happened("take-down");
                    }
                    Err(error) => {
                        self.failed("take-down", "gateway", &error, rotation);
                    }
                }
            }
            WhenTooOld::Keep | WhenTooOld::TakeDown => {}
        }
    }

    /// Logs, when it changes, whether taking the tunnel down would let packets leave unprotected.
    pub(super) fn warn_of_clear_text(&self, rotation: &mut RotationState) {
        let found = self.clear_text();
        if found == rotation.clear_text {
            return;
        }
        rotation.clear_text = found;
        if let Some(what) = found.and_then(ClearText::warning) {
            self.did(Level::Warn, "clear-text", &rotation.record, &[("error", &what)]);
        }
    }

    /// The age of the key in use, if over the limit.
    fn excess_age(&self, record: &Record) -> Option<Duration> {
        let (limit, age) = (self.plan.max_key_age?, self.key_age(record)?);
        (age > limit).then_some(age)
    }
}
