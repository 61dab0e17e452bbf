//! The health of a tunnel, and when it justifies an early rotation.

use std::time::Instant;

use super::{RotationState, Stopped, Tunnel};
use crate::backoff::Backoff;
use crate::consumer::Observation;
use crate::journal::Level;
use crate::plan::{Pace, Role};
use crate::state::{InitiatorStage, Stage};

/// How often a gateway must report its tunnel as down before a fresh key is tried. The initiator is given the chance to
/// notice first.
const INITIATOR_LOOKS: u32 = 2;
const RESPONDER_LOOKS: u32 = 3;

/// The recent health of a tunnel.
pub(crate) struct Health {
    /// Consecutive checks that found it down.
    down_seen: u32,
    /// Backoff between rotations that try to bring it up.
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl Health {
    pub fn new(pace: &Pace) -> Self {
        Self {
            down_seen: 0,
            backoff: Backoff::new(pace.retry_first, pace.retry_longest),
            not_before: None,
        }
    }

    pub fn came_up(&mut self) {
        self.backoff.reset();
    }
}

impl Tunnel {
    /// Looks for reasons to rotate early.
    pub(super) fn notice(&self, rotation: &mut RotationState, observation: &Observation, role: Role) {
        // a key on its way into the gateway is as good as a fresh one
        let is_coming = matches!(
            rotation.record.stage,
            Stage::Initiator(InitiatorStage::Offered | InitiatorStage::Installing)
        );
        let restarted = role == Role::Initiator && Self::is_other_instance(&rotation.record, observation);
        if restarted && !is_coming && !self.is_wanted() {
            self.did(Level::Warn, "gateway-restarted", &rotation.record, &[]);
            self.want_rotation();
        }
        let is_down = observation.tunnel_up == Some(false)
            && rotation.record.stage == Stage::Idle
            && rotation.record.current.is_some()
            && !rotation.record.taken_down;
        let health = &mut rotation.health;
        if !is_down {
            health.down_seen = 0;
            if observation.tunnel_up == Some(true) {
                health.came_up();
            }
            return;
        }
        health.down_seen += 1;
        let looks = match role {
            Role::Initiator => INITIATOR_LOOKS,
            Role::Responder => RESPONDER_LOOKS,
        };
        let may_heal = health.not_before.is_none_or(|at| at <= Instant::now());
        if health.down_seen >= looks && may_heal {
            health.not_before = Some(Instant::now() + health.backoff.next());
            self.did(Level::Warn, "tunnel-down", &rotation.record, &[]);
            self.want_rotation();
        }
    }

    /// Whether the gateway could take a key now, so that one may be requested.
    pub(super) fn could_take(
        &self,
        rotation: &RotationState,
        observation: &Observation,
        step: &'static str,
        role: Role,
    ) -> Result<(), Stopped> {
        if !observation.reachable {
            let why = observation.why_unreachable.as_deref().unwrap_or("it does not answer");
            let what = format_args!("the gateway cannot be reached: {why}");
            return Err(self.failed(step, "gateway", &what, rotation));
        }
        let ready = self.gateway().ready(role == Role::Initiator);
        ready.map_err(|error| self.failed(step, "gateway", &error.with_hint(), rotation))
    }
}
