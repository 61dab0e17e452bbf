//! Decides when each tunnel gets its turn, and runs the workers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Inner;
use crate::journal::Level;

/// The longest wait. It bounds how late a turn is after the machine has been asleep.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The Key Provider and the peer of a tunnel. Tunnels that share both are blocked by the same failures.
type Lane = (String, String);

/// When each tunnel is due.
#[derive(Default)]
pub(super) struct Queue {
    by_time: BTreeSet<(Instant, String)>,
    times: HashMap<String, Instant>,
    /// Turns in progress per lane, so that one hanging lane does not take every worker.
    busy: HashMap<Lane, usize>,
    /// Turns that are due but wait for their lane, by the time that they have been due since.
    held: HashMap<Lane, BTreeSet<(Instant, String)>>,
    /// The tunnels in `held`.
    waiting: HashSet<String>,
    running: BTreeSet<String>,
    /// Tunnels woken while their turn is in progress.
    again: BTreeSet<String>,
}

impl Inner {
    /// Gives a tunnel its turn as soon as possible.
    pub fn wake(&self, name: &str) {
        let mut queue = self.queue();
        if queue.running.contains(name) {
            queue.again.insert(name.to_owned());
        } else {
            queue.set(name, Instant::now());
        }
        drop(queue);
        self.changed.notify_one();
    }

    pub(super) fn forget(&self, name: &str) {
        let mut queue = self.queue();
        queue.unset(name);
        if queue.waiting.remove(name) {
            for held in queue.held.values_mut() {
                held.retain(|(_, one)| one != name);
            }
        }
    }

    /// The main loop of a worker.
    pub(super) fn work(&self) {
        while let Some((name, lane)) = self.next() {
            let running = self
                .tunnels
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&name)
                .cloned();
            let wait = running.as_ref().map(|running| {
                // a bug in one gateway's code must not stop the rotations of the others
                panic::catch_unwind(AssertUnwindSafe(|| running.tunnel.turn())).unwrap_or_else(|_| {
                    self.journal.event(Level::Error, "panicked", &[("tunnel", &name)]);
                    running.tunnel.plan.pace.retry_longest
                })
            });
            let mut queue = self.queue();
            queue.running.remove(&name);
            let again = queue.again.remove(&name);
            if let Some(wait) = wait {
                let wait = if again { Duration::ZERO } else { wait };
                queue.set(&name, Instant::now() + wait);
            }
            if let Some(busy) = queue.busy.get_mut(&lane) {
                *busy -= 1;
            }
            queue.release(&lane);
            drop(queue);
            self.changed.notify_one();
        }
    }

    /// The next turn that is due; `None` on shutdown.
    fn next(&self) -> Option<(String, Lane)> {
        let mut queue = self.queue();
        loop {
            if self.is_stopping() {
                return None;
            }
            let now = Instant::now();
            let Some((at, name)) = queue.due(now) else {
                let wait = queue
                    .by_time
                    .first()
                    .map_or(LONGEST_WAIT, |(at, _)| *at - now)
                    .min(LONGEST_WAIT);
                queue = self
                    .changed
                    .wait_timeout(queue, wait)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            };
            let tunnels = self.tunnels.read().unwrap_or_else(PoisonError::into_inner);
            let Some(running) = tunnels.get(&name) else {
                continue;
            };
            let lane = (running.table.provider.clone(), running.table.peer.clone());
            drop(tunnels);
            let most = self.config().agent.workers.div_ceil(2);
            let busy = queue.busy.entry(lane.clone()).or_default();
            if *busy >= most {
                queue.hold(lane, (at, name));
                continue;
            }
            *busy += 1;
            queue.running.insert(name.clone());
            if !queue.by_time.is_empty() {
                self.changed.notify_one();
            }
            return Some((name, lane));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn set(&mut self, name: &str, at: Instant) {
        if self.waiting.contains(name) {
            return; // its turn comes as soon as its lane is free
        }
        self.unset(name);
        self.by_time.insert((at, name.to_owned()));
        self.times.insert(name.to_owned(), at);
    }

    /// Takes the tunnel that has been due for longest.
    fn due(&mut self, now: Instant) -> Option<(Instant, String)> {
        let first = self.by_time.first().filter(|(at, _)| *at <= now).cloned()?;
        self.by_time.remove(&first);
        self.times.remove(&first.1);
        Some(first)
    }

    /// Lets a tunnel that is due wait for its lane.
    fn hold(&mut self, lane: Lane, (at, name): (Instant, String)) {
        self.waiting.insert(name.clone());
        self.held.entry(lane).or_default().insert((at, name));
    }

    /// The next tunnel waiting for this lane gets its turn; it keeps its place among all that are due.
    fn release(&mut self, lane: &Lane) {
        if let Some((at, next)) = self.held.get_mut(lane).and_then(BTreeSet::pop_first) {
            self.waiting.remove(&next);
            self.set(&next, at);
        }
    }

    fn unset(&mut self, name: &str) {
        if let Some(at) = self.times.remove(name) {
            self.by_time.remove(&(at, name.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Queue;

    /// A tunnel that waits for its lane is not overtaken by tunnels that become due later, however often it is checked.
    #[test]
    fn a_waiting_tunnel_keeps_its_place() {
        let lane = || ("kp".to_owned(), "peer".to_owned());
        let mut queue = Queue::default();
        let now = Instant::now();
        for n in 0..3_u32 {
            queue.set(&n.to_string(), now + Duration::from_millis(n.into()));
        }
        for turn in 0..3_u32 {
            // all are checked while the lane is busy
            while let Some(first) = queue.due(now + Duration::from_secs(1)) {
                queue.hold(lane(), first);
            }
            queue.set("late", now + Duration::from_millis(10 + u64::from(turn)));
            queue.release(&lane());
            let (_, first) = queue.due(now + Duration::from_secs(1)).expect("one is due");
            assert_eq!(first, turn.to_string());
        }
    }
}
