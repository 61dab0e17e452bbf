//! Ctrl-C and the end that a service manager asks for.

use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};

use skip_client::CancelToken;

/// Every [`Interrupt`] that is waiting now. Signals belong to the process, so there is one list for it.
static WAITING: Mutex<Vec<(u64, CancelToken)>> = Mutex::new(Vec::new());
static CHANGED: Condvar = Condvar::new();
static HANDLER: Once = Once::new();

/// Notices SIGINT, SIGTERM and SIGHUP from [`Interrupt::listen`] on.
pub(crate) struct Interrupt {
    token: CancelToken,
}

impl Interrupt {
    /// Does not touch the process's signal handlers yet: reading stdin must stay easy to end.
    pub fn new() -> Self {
        Self {
            token: CancelToken::new(),
        }
    }

    /// From now on a signal cancels the token instead of ending the process. Best effort: if there can be no handler,
    /// the signal acts as it did before.
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

    /// Whether a signal came.
    pub fn happened(&self) -> bool {
        self.token.is_cancelled()
    }
}

/// While this lives, signals are noticed.
pub(crate) struct Listening<'a> {
    id: u64,
    token: &'a CancelToken,
}

impl Listening<'_> {
    /// Ends calls to a Key Provider when a signal comes.
    pub fn token(&self) -> &CancelToken {
        self.token
    }

    /// Blocks until a signal comes.
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
