//! Calls for asyncio: made by threads that never hold the GIL; the event loop's thread delivers the results in batches.

mod crew;
mod inbox;
mod job;
mod results;

use std::collections::HashMap;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use skip_client::CancelToken;

use crate::arguments::bits;
use crate::client::{Client, call_timeout, system_id};
use crate::logs;
use crate::secrets::{Entropy, Key};

use crew::Crew;
pub use inbox::Inbox;
use job::{Job, Question};
use results::Results;
#[cfg(unix)]
use results::WakeUp;

/// The state shared by the outbox and inbox of one loop.
#[derive(Default)]
struct LoopState {
    results: Arc<Results>,
    waiting: Mutex<HashMap<usize, Waiting>>,
}

struct Waiting {
    future: Py<PyAny>,
    token: CancelToken,
}

/// The threads of one client.
#[pyclass(frozen, module = "skip_client")]
pub struct Threads(Arc<Crew>);

#[pymethods]
impl Threads {
    #[new]
    fn new(client: &Client) -> Self {
        Self(Arc::new(Crew::new(Arc::clone(&client.0))))
    }

    /// Creates the outbox and inbox of a loop, which creates futures with `create_future`.
    #[cfg_attr(not(unix), allow(clippy::unnecessary_wraps))]
    fn at_loop(&self, create_future: Py<PyAny>) -> PyResult<(Calls, Inbox)> {
        let state = Arc::new(LoopState::default());
        #[cfg(unix)]
        let pipe = {
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            writer.set_nonblocking(true)?;
            state.results.pending().wake_up = Some(Arc::new(WakeUp::Pipe(writer)));
            reader
        };
        let calls = Calls {
            crew: Arc::clone(&self.0),
            state: Arc::clone(&state),
            create_future,
        };
        let inbox = Inbox {
            state,
            #[cfg(unix)]
            pipe,
        };
        Ok((calls, inbox))
    }

    fn end(&self) {
        self.0.end();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Accepts calls from the coroutines of one loop. When it is dropped, the inbox learns that no other calls will follow.
#[pyclass(frozen, module = "skip_client")]
pub struct Calls {
    crew: Arc<Crew>,
    state: Arc<LoopState>,
    create_future: Py<PyAny>,
}

#[pymethods]
impl Calls {
    #[pyo3(signature = (refresh, timeout=None))]
    fn capabilities(&self, py: Python<'_>, refresh: bool, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        self.submit(py, Question::Capabilities { refresh }, timeout)
    }

    #[pyo3(signature = (remote, size, timeout=None))]
    fn new_key(
        &self,
        remote: &Bound<'_, PyAny>,
        size: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        let question = Question::NewKey(system_id(remote)?, bits("size", size)?);
        self.submit(remote.py(), question, timeout)
    }

    #[pyo3(signature = (key_id, remote, timeout=None))]
    fn key_by_id(
        &self,
        key_id: &Bound<'_, PyAny>,
        remote: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        let py = remote.py();
        let remote = system_id(remote)?;
        let id = crate::client::key_id(&self.crew.client, key_id)?;
        self.submit(py, Question::KeyById(id, remote), timeout)
    }

    #[pyo3(signature = (bits, timeout=None))]
    fn entropy(&self, py: Python<'_>, bits: Option<&Bound<'_, PyAny>>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let question = Question::Entropy(crate::arguments::bits("bits", bits)?);
        self.submit(py, question, timeout)
    }

    /// Cancels the call of this future, or wipes a result that has just arrived.
    fn cancel(&self, future: &Bound<'_, PyAny>) {
        let token = lock(&self.state.waiting)
            .get(&future.as_ptr().addr())
            .map(|waiting| waiting.token.clone());
        if let Some(token) = token {
            token.cancel();
        } else if let Ok(result) = future.call_method0(intern!(future.py(), "result")) {
            // tracebacks keep the future alive longer than its result is needed
            if let Ok(key) = result.cast::<Key>() {
                key.get().wipe();
            } else if let Ok(entropy) = result.cast::<Entropy>() {
                entropy.get().wipe();
            }
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.create_future)
    }
}

impl Calls {
    /// Queues a call; returns the future of its result.
    fn submit(&self, py: Python<'_>, question: Question, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let timeout = call_timeout(py, timeout)?;
        logs::follow_level(py)?;
        let future = self.create_future.call0(py)?;
        let token = CancelToken::new();
        let address = future.as_ptr().addr();
        let waiting = Waiting {
            future: future.clone_ref(py),
            token: token.clone(),
        };
        lock(&self.state.waiting).insert(address, waiting);
        let job = Job {
            question,
            timeout,
            token,
            future: address,
            results: Arc::clone(&self.state.results),
        };
        if let Err(error) = self.crew.submit(job) {
            let waiting = lock(&self.state.waiting).remove(&address);
            drop(waiting);
            return Err(error.into());
        }
        Ok(future)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.state.results.retire();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
