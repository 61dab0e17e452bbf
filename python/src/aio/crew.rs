//! The threads that make the calls of a client.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use skip_client::fork::PerProcess;

use super::job::Job;
use super::lock;

/// The number of concurrent calls of a client, the size of its connection pool; the others are queued.
const LIMIT: usize = 128;
/// The maximum number of concurrent calls that started within the time of [`NEARBY`].
const RECENT_AT_ONCE: usize = 8;
/// The longest that a call to a nearby Key Provider takes.
const NEARBY: Duration = Duration::from_millis(1);

/// The threads of a client, created when there are more jobs than idle threads.
///
/// Of the calls that started within the last millisecond, only a few run at once: more of them would cost more in context
/// switches than they gain. An older call is waiting for the Key Provider and does not count.
pub struct Crew {
    pub client: Arc<skip_client::Client>,
    /// A child process has none of its parent's threads.
    state: PerProcess<Mutex<State>>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Recently started calls, oldest first.
    recent: VecDeque<(Instant, ThreadId)>,
    idle: Vec<Thread>,
    /// Waits until a recent call is no longer recent, because jobs are queued.
    watcher: Option<Thread>,
    /// The number of threads woken or created for a job but not running yet.
    starting: usize,
    count: usize,
    ended: bool,
}

impl State {
    fn has_room(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|(begun, _)| now - *begun >= NEARBY) {
            self.recent.pop_front();
        }
        // jobs that are left when the client is closed fail at once
        self.ended || self.recent.len() + self.starting < RECENT_AT_ONCE
    }

    /// Whether no thread would start a job as soon as there is capacity.
    fn needs_watcher(&self) -> bool {
        !self.jobs.is_empty() && self.watcher.is_none() && self.starting == 0
    }
}

impl Crew {
    pub fn new(client: Arc<skip_client::Client>) -> Self {
        Self {
            client,
            state: PerProcess::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(self.state.get())
    }

    pub fn submit(self: &Arc<Self>, job: Job) -> io::Result<()> {
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
        state.starting += 1;
        Ok(())
    }

    /// The next job of the calling thread; `None` if it should end. `called`: whether it was just created or woken for one.
    fn next(self: &Arc<Self>, called: bool) -> Option<Job> {
        let me = thread::current();
        let mut state = self.state();
        if called {
            state.starting -= 1;
        } else {
            state.recent.retain(|(_, thread)| *thread != me.id());
        }
        loop {
            let now = Instant::now();
            if state.has_room(now)
                && let Some(job) = state.jobs.pop_front()
            {
                state.recent.push_back((now, me.id()));
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
                let until = state.recent.front().map_or(now, |(begun, _)| *begun) + NEARBY;
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
                    state.starting = state.starting.saturating_sub(1);
                }
            }
        }
    }

    /// Ends the threads when no jobs are left.
    pub fn end(&self) {
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
