//! Tracks whether a Key Provider or peer answers, and what to do when it answers again.

use std::sync::{Mutex, PoisonError};

use crate::report::ReachReport;

/// Called when an endpoint answers again after a failure, to end the waits after failures.
pub(crate) type OnRecovery = Box<dyn Fn(&str) + Send + Sync>;

/// The latest outcome of requests to one Key Provider or peer.
pub(crate) struct Reach {
    name: String,
    last: Mutex<Option<Result<(), String>>>,
    on_recovery: OnRecovery,
}

impl Reach {
    pub fn new(name: &str, on_recovery: OnRecovery) -> Self {
        Self {
            name: name.to_owned(),
            last: Mutex::default(),
            on_recovery,
        }
    }

    /// For an endpoint that is checked only once.
    pub fn unwatched(name: &str) -> Self {
        Self::new(name, Box::new(|_| {}))
    }

    /// Records an outcome; the error is one line.
    pub fn note(&self, outcome: Result<(), String>) {
        let is_ok = outcome.is_ok();
        let before = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(outcome);
        if is_ok && matches!(before, Some(Err(_))) {
            (self.on_recovery)(&self.name);
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn report(&self) -> ReachReport {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ReachReport {
            name: self.name.clone(),
            reachable: last.as_ref().map(Result::is_ok),
            last_failure: last.and_then(Result::err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reach;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_recovery_is_reported_once() {
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let reach = Reach::new(
            "kp",
            Box::new(move |name| {
                assert_eq!(name, "kp");
                count.fetch_add(1, Ordering::SeqCst);
            }),
        );
        assert_eq!(reach.report().reachable, None);
        for outcome in [Ok(()), Err("no".to_owned()), Err("no".to_owned()), Ok(()), Ok(())] {
            reach.note(outcome);
        }
        assert_eq!(told.load(Ordering::SeqCst), 1);
        reach.note(Err("cannot connect".to_owned()));
        assert_eq!(reach.report().last_failure.as_deref(), Some("cannot connect"));
    }
}
