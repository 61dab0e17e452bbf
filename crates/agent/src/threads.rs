//! Ending threads.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Waits for the end of a thread. `false`: it goes on, and is left alone.
pub(crate) fn join_until(thread: JoinHandle<()>, until: Instant) -> bool {
    while !thread.is_finished() {
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    thread.join().is_ok()
}
