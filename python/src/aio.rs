//! Calls for asyncio: made by threads that never hold the GIL; the event loop's thread delivers the results in batches.

use std::collections::{HashMap, VecDeque};
use std::io;
#[cfg(unix)]
use std::io::{Read, Write};
use std::mem;
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use skip_client::fork::{PerProcess, Process};
use skip_client::{BitLength, CancelToken, Error, KeyId, SystemId};

use crate::arguments::bits;
use crate::client::{Client, call_timeout, system_id};
use crate::errors::raise;
use crate::messages::Capabilities;
use crate::secrets::{Entropy, Key};

/// The number of concurrent calls of a client, the size of its connection pool; the others are queued.
const LIMIT: usize = 128;
/// The maximum number of concurrent calls that started within the last [`YOUTH`].
const YOUNG_AT_ONCE: usize = 8;
/// The maximum duration of a call to a nearby Key Provider.
const YOUTH: Duration = Duration::from_millis(1);

enum Question {
    Capabilities { refresh: bool },
    NewKey(SystemId, Option<BitLength>),
    KeyById(KeyId, SystemId),
    Entropy(Option<BitLength>),
}

enum Answer {
    Capabilities(Arc<skip_client::Capabilities>),
    Key(skip_client::Key),
    Entropy(skip_client::Entropy),
}

/// The outcome of a call. An unclaimed secret is wiped on drop.
enum Outcome {
    Answered(Result<Answer, Error>),
    /// Cancelled while queued.
    NotAsked,
    Panicked,
}

/// A queued call, identified by the address of its future, which lives until the outcome is delivered.
struct Job {
    question: Question,
    timeout: Option<Duration>,
    token: CancelToken,
    future: usize,
    mailbox: Arc<Mailbox>,
}

impl Job {
    fn run(self, client: &skip_client::Client) {
        let outcome = if self.token.is_cancelled() {
            Outcome::NotAsked
        } else {
            panic::catch_unwind(AssertUnwindSafe(|| self.ask(client))).map_or(Outcome::Panicked, Outcome::Answered)
        };
        self.mailbox.put(self.future, outcome);
    }

    fn ask(&self, client: &skip_client::Client) -> Result<Answer, Error> {
        let mut call = client.call().cancel(&self.token);
        if let Some(timeout) = self.timeout {
            call = call.timeout(timeout);
        }
        match &self.question {
            Question::Capabilities { refresh: true } => call.refresh_capabilities().map(Answer::Capabilities),
            Question::Capabilities { refresh: false } => call.capabilities().map(Answer::Capabilities),
            Question::NewKey(remote, Some(size)) => call.size(*size).new_key(remote).map(Answer::Key),
            Question::NewKey(remote, None) => call.new_key(remote).map(Answer::Key),
            Question::KeyById(id, remote) => call.key_by_id(id, remote).map(Answer::Key),
            Question::Entropy(bits) => call.entropy(*bits).map(Answer::Entropy),
        }
    }
}

/// The threads of a client, created when there are more jobs than idle threads.
///
/// Of the calls that started within the last millisecond, only a few run at once: more of them would cost more in context
/// switches than they gain. An older call is waiting for the Key Provider and does not count.
struct Crew {
    client: Arc<skip_client::Client>,
    /// A child process has none of its parent's threads.
    state: PerProcess<Mutex<State>>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Recently started calls, oldest first.
    young: VecDeque<(Instant, ThreadId)>,
    idle: Vec<Thread>,
    /// Waits until a young call is old, because jobs are queued.
    watcher: Option<Thread>,
    /// The number of threads woken or created for a job but not running yet.
    coming: usize,
    count: usize,
    ended: bool,
}

impl State {
    fn has_room(&mut self, now: Instant) -> bool {
        while self.young.front().is_some_and(|(begun, _)| now - *begun >= YOUTH) {
            self.young.pop_front();
        }
        // jobs that are left when the client is closed fail at once
        self.ended || self.young.len() + self.coming < YOUNG_AT_ONCE
    }

    /// Whether no thread would start a job as soon as there is capacity.
    fn needs_watcher(&self) -> bool {
        !self.jobs.is_empty() && self.watcher.is_none() && self.coming == 0
    }
}

impl Crew {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(self.state.get())
    }

    fn submit(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut state = self.state();
        if state.ended {
            drop(state);
            // the client is closed, so this fails immediately
            job.run(&self.client);
            return Ok(());
        }
        state.jobs.push_back(job);
        if (state.has_room(Instant::now()) || state.needs_watcher())
            && let Err(error) = self.call_thread(&mut state)
            && state.count == 0
        {
            state.jobs.pop_back();
            return Err(error);
        }
        Ok(())
    }

    /// Wakes or creates another thread for a job, if the limits allow it.
    fn call_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        // the most recently idle one: its connection and stack are still warm
        if let Some(idle) = state.idle.pop() {
            idle.unpark();
        } else if state.count < LIMIT {
            let crew = Arc::clone(self);
            let work = move || {
                let mut job = crew.next(true);
                while let Some(found) = job {
                    found.run(&crew.client);
                    job = crew.next(false);
                }
            };
            thread::Builder::new().name("skip-client".into()).spawn(work)?;
            state.count += 1;
        } else {
            return Ok(());
        }
        state.coming += 1;
        Ok(())
    }

    /// The next job of the calling thread; `None` if it should end. `called`: whether it was just created or woken for one.
    fn next(self: &Arc<Self>, called: bool) -> Option<Job> {
        let me = thread::current();
        let mut state = self.state();
        if called {
            state.coming -= 1;
        } else {
            state.young.retain(|(_, thread)| *thread != me.id());
        }
        loop {
            let now = Instant::now();
            if state.has_room(now)
                && let Some(job) = state.jobs.pop_front()
            {
                state.young.push_back((now, me.id()));
                if state.needs_watcher() {
                    // without one, the first available thread continues
                    let _ = self.call_thread(&mut state);
                }
                return Some(job);
            }
            if state.ended {
                return None;
            }
            if state.needs_watcher() {
                let until = state.young.front().map_or(now, |(begun, _)| *begun) + YOUTH;
                state.watcher = Some(me.clone());
                drop(state);
                thread::park_timeout(until - now);
                state = self.state();
                state.watcher = None;
            } else {
                state.idle.push(me.clone());
                drop(state);
                thread::park();
                state = self.state();
                if let Some(at) = state.idle.iter().position(|idle| idle.id() == me.id()) {
                    // not woken for a job
                    state.idle.remove(at);
                } else {
                    state.coming = state.coming.saturating_sub(1);
                }
            }
        }
    }

    /// Ends the threads when no jobs are left.
    fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let idle = mem::take(&mut state.idle);
        let watcher = state.watcher.clone();
        drop(state);
        for thread in idle.into_iter().chain(watcher) {
            thread.unpark();
        }
    }
}

/// The outcomes for one event loop. Locked only briefly, and never while Python code runs.
struct Mailbox {
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
struct Letters {
    outcomes: Vec<(usize, Outcome)>,
    bell: Option<Arc<Bell>>,
    /// No further calls will be made.
    retired: bool,
}

/// Wakes an event loop.
enum Bell {
    #[cfg(unix)]
    Pipe(UnixStream),
    Callable(Py<PyAny>),
}

impl Mailbox {
    fn letters(&self) -> MutexGuard<'_, Letters> {
        lock(&self.letters)
    }

    fn put(&self, future: usize, outcome: Outcome) {
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
    fn retire(&self) {
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
    fn shut(&self) {
        if !self.process.is_current() {
            return;
        }
        let mut letters = self.letters();
        let old = (mem::take(&mut letters.outcomes), letters.bell.take());
        drop(letters);
        drop(old);
    }
}

/// The state shared by the outbox and inbox of one loop.
#[derive(Default)]
struct Desk {
    mailbox: Arc<Mailbox>,
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
        Self(Arc::new(Crew {
            client: Arc::clone(&client.0),
            state: PerProcess::default(),
        }))
    }

    /// Creates the outbox and inbox of a loop, which creates futures with `create_future`.
    #[cfg_attr(not(unix), allow(clippy::unnecessary_wraps))]
    fn at_loop(&self, create_future: Py<PyAny>) -> PyResult<(Calls, Inbox)> {
        let desk = Arc::new(Desk::default());
        #[cfg(unix)]
        let pipe = {
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            writer.set_nonblocking(true)?;
            desk.mailbox.letters().bell = Some(Arc::new(Bell::Pipe(writer)));
            reader
        };
        let calls = Calls {
            crew: Arc::clone(&self.0),
            desk: Arc::clone(&desk),
            create_future,
        };
        let inbox = Inbox {
            desk,
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
    desk: Arc<Desk>,
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
        let token = lock(&self.desk.waiting)
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
        let future = self.create_future.call0(py)?;
        let token = CancelToken::new();
        let address = future.as_ptr().addr();
        let waiting = Waiting {
            future: future.clone_ref(py),
            token: token.clone(),
        };
        lock(&self.desk.waiting).insert(address, waiting);
        let job = Job {
            question,
            timeout,
            token,
            future: address,
            mailbox: Arc::clone(&self.desk.mailbox),
        };
        if let Err(error) = self.crew.submit(job) {
            let waiting = lock(&self.desk.waiting).remove(&address);
            drop(waiting);
            return Err(error.into());
        }
        Ok(future)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.desk.mailbox.retire();
    }
}

/// Delivers outcomes to a loop. When it is dropped, so are all outcomes that are no longer awaited.
#[pyclass(frozen, module = "skip_client")]
pub struct Inbox {
    desk: Arc<Desk>,
    #[cfg(unix)]
    pipe: UnixStream,
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
    fn ring_by(&self, call: Py<PyAny>) {
        let bell = Arc::new(Bell::Callable(call));
        let old = self.desk.mailbox.letters().bell.replace(bell);
        drop(old);
    }

    /// Completes the futures of all outcomes; returns whether these were the last ever.
    fn deliver(&self, py: Python<'_>) -> bool {
        // first, so that later outcomes ring again
        #[cfg(unix)]
        while (&mut &self.pipe).read(&mut [0; 64]).is_ok_and(|n| n == 64) {}
        let mut letters = self.desk.mailbox.letters();
        let outcomes = mem::take(&mut letters.outcomes);
        let retired = letters.retired;
        drop(letters);
        for (address, outcome) in outcomes {
            let waiting = lock(&self.desk.waiting).remove(&address);
            if let Some(Waiting { future, .. }) = waiting
                && let Err(error) = settle(future.bind(py), outcome)
            {
                error.write_unraisable(py, Some(future.bind(py)));
            }
        }
        let all = retired && lock(&self.desk.waiting).is_empty();
        if all {
            self.desk.mailbox.shut();
        }
        all
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.desk.mailbox.shut();
        let waiting = mem::take(&mut *lock(&self.desk.waiting));
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
        Outcome::Answered(Ok(Answer::Capabilities(found))) => Py::new(py, Capabilities(found))?.into_any(),
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
