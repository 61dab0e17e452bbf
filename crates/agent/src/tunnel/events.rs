//! The operator's program (`then`), which is told of the events of a tunnel one by one, in their order. It may be slow, so no
//! lock is held and no duty waits while it runs.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Tunnel;
use crate::consumer::command::Program;

/// How long the program may take for one event.
const SECONDS: u64 = 10;

/// The events that it was not told of yet.
#[derive(Default)]
pub(super) struct Events(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<&'static str>,
    /// A thread is telling them.
    is_telling: bool,
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this thread now has to tell them, because there are some and no other does.
    fn begin(&self) -> bool {
        let mut waiting = self.lock();
        let begins = !waiting.is_telling && !waiting.events.is_empty();
        waiting.is_telling |= begins;
        begins
    }

    /// The next event for the thread that tells them; `None` ends this.
    fn next(&self) -> Option<&'static str> {
        let mut waiting = self.lock();
        let next = waiting.events.pop_front();
        waiting.is_telling = next.is_some();
        next
    }
}

impl Tunnel {
    pub(super) fn happened(&self, event: &'static str) {
        if self.plan.then.is_some() {
            self.events.lock().events.push_back(event);
        }
    }

    /// Whether the program has to be told of an event, and no thread does it.
    pub fn has_untold_events(&self) -> bool {
        let waiting = self.events.lock();
        !waiting.is_telling && !waiting.events.is_empty()
    }

    /// Whether the program was told of everything.
    pub fn has_told_everything(&self) -> bool {
        let waiting = self.events.lock();
        !waiting.is_telling && waiting.events.is_empty()
    }

    /// Runs the program for each event, without secrets; its failure changes nothing.
    pub fn tell_events(&self) {
        let Some(run) = &self.plan.then else {
            return;
        };
        if !self.events.begin() {
            return;
        }
        let (program, name) = (Program::new(run, SECONDS), self.plan.name.as_str());
        while let Some(event) = self.events.next() {
            if let Err(error) = program.run(&[event, name], None) {
                self.failed_at("then", "gateway", &error.with_hint(), &self.snapshot().record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Events;

    #[test]
    fn one_thread_at_a_time_tells_all_events_in_order() {
        let events = Events::default();
        assert!(!events.begin());
        events.lock().events.extend(["done", "take-down"]);
        assert!(events.begin());
        assert_eq!(events.next(), Some("done"));
        assert!(!events.begin(), "a second thread tells them");
        events.lock().events.push_back("done again");
        assert_eq!(events.next(), Some("take-down"));
        assert_eq!(events.next(), Some("done again"));
        assert_eq!(events.next(), None);
        assert!(!events.begin());
        events.lock().events.push_back("done");
        assert!(events.begin());
    }
}
