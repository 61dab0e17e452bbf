//! Ctrl-C, and termination by a service manager.

use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};

use skip_client::CancelToken;

/// Every [`Interrupt`] that is currently waiting. Signals belong to the process, so there is a single list.
static WAITING: Mutex<Vec<(u64, CancelToken)>> = Mutex::new(Vec::new());
static CHANGED: Condvar = Condvar::new();
static HANDLER: Once = Once::new();

/// Watches for SIGINT, SIGTERM and SIGHUP once [`Interrupt::listen`] has been called.
pub(crate) struct Interrupt {
    token: CancelToken,
}

impl Interrupt {
    /// Leaves the process's signal handlers alone for now, so that Ctrl-C still works while reading stdin.
    pub fn new() -> Self {
        Self {
            token: CancelToken::new(),
        }
    }

    /// From now on a signal cancels the token instead of ending the process. Best effort: without a handler, the signal
    /// acts as before.
    pub fn listen(&self) -> Listening<'_> {
        HANDLER.call_once(|| {
            // an error only means that there is no handler
            let _ = ctrlc::set_handler(|| {
                for (_, token) in waiting().iter() {
                    token.cancel();
                }
                CHANGED.notify_all();
            });
        });
        let mut waiting = waiting();
        let id = waiting.iter().map(|(id, _)| id + 1).max().unwrap_or(0);
        waiting.push((id, self.token.clone()));
        Listening { id, token: &self.token }
    }

    /// Whether a signal has arrived.
    pub fn happened(&self) -> bool {
        self.token.is_cancelled()
    }
}

/// Signals are handled while this is alive.
pub(crate) struct Listening<'a> {
    id: u64,
    token: &'a CancelToken,
}

impl Listening<'_> {
    /// Cancels calls to a Key Provider when a signal arrives.
    pub fn token(&self) -> &CancelToken {
        self.token
    }

    /// Blocks until a signal arrives.
    pub fn wait(&self) {
        let mut guard = waiting();
        while !self.token.is_cancelled() {
            guard = CHANGED.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        waiting().retain(|(id, _)| *id != self.id);
    }
}

fn waiting() -> MutexGuard<'static, Vec<(u64, CancelToken)>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}
