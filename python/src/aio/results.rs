//! The way of outcomes from the threads to an event loop.

#[cfg(unix)]
use std::io::Write;
use std::mem;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};

use pyo3::prelude::*;
use skip_client::fork::Process;

use super::job::Outcome;
use super::lock;

/// The outcomes for one event loop. Locked only briefly, and never while Python code runs.
pub struct Mailbox {
    letters: Mutex<Letters>,
    /// The process that created it. A child has a copy whose bell would wake the parent's loop.
    process: Process,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            letters: Mutex::default(),
            process: Process::current(),
        }
    }
}

#[derive(Default)]
pub struct Letters {
    pub outcomes: Vec<(usize, Outcome)>,
    pub bell: Option<Arc<Bell>>,
    /// No further calls will be made.
    pub retired: bool,
}

/// Wakes an event loop.
pub enum Bell {
    #[cfg(unix)]
    Pipe(UnixStream),
    Callable(Py<PyAny>),
}

impl Mailbox {
    pub fn letters(&self) -> MutexGuard<'_, Letters> {
        lock(&self.letters)
    }

    pub fn put(&self, future: usize, outcome: Outcome) {
        let mut letters = self.letters();
        // without a bell the loop has ended, and no results are awaited
        let Some(bell) = letters.bell.clone() else { return };
        letters.outcomes.push((future, outcome));
        let rung = letters.outcomes.len() > 1;
        drop(letters);
        if !rung {
            self.ring(&bell);
        }
    }

    fn ring(&self, bell: &Bell) {
        match bell {
            // if full, it wakes the loop anyway; if broken, the loop has ended
            #[cfg(unix)]
            Bell::Pipe(pipe) => drop((&mut &*pipe).write(&[0])),
            Bell::Callable(call) => {
                let rung = Python::try_attach(|py| call.call0(py).is_ok());
                if rung != Some(true) {
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
        let mut letters = self.letters();
        letters.retired = true;
        let bell = letters.bell.clone();
        drop(letters);
        if let Some(bell) = bell {
            self.ring(&bell);
        }
    }

    /// Drops all present and future outcomes: the loop has ended.
    pub fn shut(&self) {
        if !self.process.is_current() {
            return;
        }
        let mut letters = self.letters();
        let old = (mem::take(&mut letters.outcomes), letters.bell.take());
        drop(letters);
        drop(old);
    }
}
