//! Delivers outcomes on the thread of the event loop.

#[cfg(unix)]
use std::io::Read;
use std::mem;
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use pyo3::intern;
use pyo3::panic::PanicException;
use pyo3::prelude::*;

use super::results::{Answer, Outcome, WakeUp};
use super::{LoopState, Waiting, lock};
use crate::errors::raise;
use crate::messages::Capabilities;
use crate::secrets::{Entropy, Key};

/// Delivers outcomes to a loop. When it is dropped, so are all outcomes that are no longer awaited.
#[pyclass(frozen, module = "skip_client")]
pub struct Inbox {
    pub(super) state: Arc<LoopState>,
    #[cfg(unix)]
    pub(super) pipe: UnixStream,
}

#[pymethods]
impl Inbox {
    /// A descriptor that becomes readable when there are outcomes to deliver.
    #[cfg(unix)]
    fn fileno(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }

    /// The same for a loop that cannot wait for a descriptor.
    #[cfg(not(unix))]
    #[allow(clippy::unused_self)]
    fn fileno(&self) -> PyResult<i32> {
        Err(pyo3::exceptions::PyNotImplementedError::new_err("no descriptor here"))
    }

    /// Sets a callback that is called, from any thread, when there are outcomes to deliver.
    fn wake_by(&self, call: Py<PyAny>) {
        let wake_up = Arc::new(WakeUp::Callable(call));
        let old = self.state.results.pending().wake_up.replace(wake_up);
        drop(old);
    }

    /// Completes the futures of all outcomes; returns whether these were the last ever.
    fn deliver(&self, py: Python<'_>) -> bool {
        // first, so that later outcomes wake the loop again
        #[cfg(unix)]
        while (&mut &self.pipe).read(&mut [0; 64]).is_ok_and(|n| n == 64) {}
        let mut pending = self.state.results.pending();
        let outcomes = mem::take(&mut pending.outcomes);
        let retired = pending.retired;
        drop(pending);
        for (address, outcome) in outcomes {
            let waiting = lock(&self.state.waiting).remove(&address);
            if let Some(Waiting { future, .. }) = waiting
                && let Err(error) = settle(future.bind(py), outcome)
            {
                error.write_unraisable(py, Some(future.bind(py)));
            }
        }
        let all = retired && lock(&self.state.waiting).is_empty();
        if all {
            self.state.results.shut();
        }
        all
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.state.results.shut();
        let waiting = mem::take(&mut *lock(&self.state.waiting));
        drop(waiting);
    }
}

/// Completes a future. The outcome is dropped if its task was cancelled.
fn settle(future: &Bound<'_, PyAny>, outcome: Outcome) -> PyResult<()> {
    let py = future.py();
    if future.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    let answer = match outcome {
        Outcome::Answered(Ok(Answer::Key(key))) => Py::new(py, Key::from(key))?.into_any(),
        Outcome::Answered(Ok(Answer::Entropy(entropy))) => Py::new(py, Entropy::from(entropy))?.into_any(),
        Outcome::Answered(Ok(Answer::Capabilities(found))) => Py::new(py, Capabilities::from(&*found))?.into_any(),
        Outcome::Answered(Err(error)) => return set_exception(future, raise(py, &error)),
        Outcome::Panicked => return set_exception(future, PanicException::new_err("a call panicked")),
        // its future is cancelled, or is about to be
        Outcome::NotAsked => return Ok(()),
    };
    future.call_method1(intern!(py, "set_result"), (answer,)).map(drop)
}

fn set_exception(future: &Bound<'_, PyAny>, error: PyErr) -> PyResult<()> {
    let py = future.py();
    future
        .call_method1(intern!(py, "set_exception"), (error.into_value(py),))
        .map(drop)
}
