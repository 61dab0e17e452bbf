//! Threads that can be stopped.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Waits for a thread to end. `false`: it is still running, and is left alone.
pub(crate) fn join_until(thread: JoinHandle<()>, until: Instant) -> bool {
    wait_until(|| thread.is_finished(), until) && thread.join().is_ok()
}

/// Waits for something at the end of the agent. `false`: the time is over.
pub(crate) fn wait_until(is_done: impl Fn() -> bool, until: Instant) -> bool {
    while !is_done() {
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

/// How long a thread may take to finish on shutdown. The state on disk is consistent even if it does not.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// A thread that runs a task repeatedly. Dropping it stops the thread.
pub(crate) struct Ticker {
    ended: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// `every` returns the time until the next run.
    ///
    /// # Errors
    /// No thread can be started; in one line.
    pub fn start(
        name: &str,
        every: impl Fn() -> Duration + Send + 'static,
        mut act: impl FnMut() + Send + 'static,
    ) -> Result<Self, String> {
        let ended: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let for_thread = Arc::clone(&ended);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .stack_size(1 << 20)
            .spawn(move || {
                let (ended, wake) = &*for_thread;
                loop {
                    let is_ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                    let waited = wake.wait_timeout_while(is_ended, every(), |is_ended| !*is_ended);
                    if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                        return;
                    }
                    act();
                }
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self {
            ended,
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        let (ended, wake) = &*self.ended;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
        if let Some(thread) = self.thread.take() {
            join_until(thread, Instant::now() + STOP_WITHIN);
        }
    }
}
