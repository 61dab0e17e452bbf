//! The way of outcomes from the threads to an event loop.

#[cfg(unix)]
use std::io::Write;
use std::mem;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};

use pyo3::prelude::*;
use skip_client::Error;
use skip_client::fork::Process;

use super::lock;

pub enum Answer {
    Capabilities(Arc<skip_client::Capabilities>),
    Key(skip_client::Key),
    Entropy(skip_client::Entropy),
}

/// The outcome of a call. An unclaimed secret is wiped on drop.
pub enum Outcome {
    Answered(Result<Answer, Error>),
    /// Cancelled while queued.
    NotAsked,
    Panicked,
}

/// The outcomes for one event loop. Locked only briefly, and never while Python code runs.
pub struct Results {
    pending: Mutex<Pending>,
    /// The process that created it. A child has a copy that would wake the parent's loop.
    process: Process,
}

impl Default for Results {
    fn default() -> Self {
        Self {
            pending: Mutex::default(),
            process: Process::current(),
        }
    }
}

#[derive(Default)]
pub struct Pending {
    pub outcomes: Vec<(usize, Outcome)>,
    pub wake_up: Option<Arc<WakeUp>>,
    /// No further calls will be made.
    pub retired: bool,
}

/// Wakes an event loop.
pub enum WakeUp {
    #[cfg(unix)]
    Pipe(UnixStream),
    Callable(Py<PyAny>),
}

impl Results {
    pub fn pending(&self) -> MutexGuard<'_, Pending> {
        lock(&self.pending)
    }

    pub fn put(&self, future: usize, outcome: Outcome) {
        let mut pending = self.pending();
        // without it the loop has ended, and no results are awaited
        let Some(wake_up) = pending.wake_up.clone() else { return };
        pending.outcomes.push((future, outcome));
        let is_first = pending.outcomes.len() == 1;
        drop(pending);
        if is_first {
            self.wake(&wake_up);
        }
    }

    fn wake(&self, wake_up: &WakeUp) {
        match wake_up {
            // if full, it wakes the loop anyway; if broken, the loop has ended
            #[cfg(unix)]
            WakeUp::Pipe(pipe) => drop((&mut &*pipe).write(&[0])),
            WakeUp::Callable(call) => {
                let called = Python::try_attach(|py| call.call0(py).is_ok());
                if called != Some(true) {
                    self.shut();
                }
            }
        }
    }

    /// Records that no further calls will be made.
    pub fn retire(&self) {
        if !self.process.is_current() {
            return;
        }
        let mut pending = self.pending();
        pending.retired = true;
        let wake_up = pending.wake_up.clone();
        drop(pending);
        if let Some(wake_up) = wake_up {
            self.wake(&wake_up);
        }
    }

    /// Drops all present and future outcomes: the loop has ended.
    pub fn shut(&self) {
        if !self.process.is_current() {
            return;
        }
        let mut pending = self.pending();
        let old = (mem::take(&mut pending.outcomes), pending.wake_up.take());
        drop(pending);
        drop(old);
    }
}
