//! Many connections, many concurrent requests, and response times.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use skip_client::{Error, ErrorCode, Request, SystemId};

use crate::catalogue::{Group, Id};

use super::ask::new_key;
use super::message::{Read, read_key};
use super::session::{At, NotAsked, Session, makes_no_key, sentence};

/// The parallel requests create keys.
pub(super) fn most_keys(checks: &[Id]) -> u32 {
    let keys = |id, number| if checks.contains(&id) { number } else { 0 };
    keys(Id::Parallel10, 10) + keys(Id::Parallel100, 100)
}

const CONNECTIONS: usize = 50;
const SAMPLES: usize = 40;
/// A slow Key Provider gets fewer requests.
const SAMPLING: Duration = Duration::from_secs(2);
const SLOW_MS: f64 = 500.0;
/// The stack size of each thread.
const STACK: usize = 512 * 1024;

pub(super) fn run(session: &mut Session<'_>, has_keys: bool) {
    if session.begins(&[Id::Connections]) {
        connections(session);
    }
    if session.begins(&[Id::Latency]) {
        latency(session);
    }
    if session.begins(&[Id::Parallel10]) {
        parallel(session, Id::Parallel10, 10, has_keys);
    }
    if session.begins(&[Id::Parallel100]) {
        if session.is_broken(Id::Parallel10) {
            session.skip(Id::Parallel100, "10 at the same time were too many (parallel-10).");
        } else {
            parallel(session, Id::Parallel100, 100, has_keys);
        }
    }
    if session.is_stopped() {
        session.skip_rest(Group::Load, "The examination was stopped before this check.");
    }
}

fn latency(session: &mut Session<'_>) {
    let began = Instant::now();
    let mut times: Vec<f64> = Vec::new();
    let mut failed = None;
    while times.len() < SAMPLES && (times.len() < 3 || began.elapsed() < SAMPLING) && !session.is_stopped() {
        let started = Instant::now();
        match session.ask(At::Here, "GET", "/capabilities", "/capabilities") {
            Ok(_) => {
                times.push(started.elapsed().as_secs_f64() * 1000.0);
                session.sample("capabilities", started.elapsed());
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    if let Some(error) = failed {
        return session.broken(Id::Latency, sentence(error.message()));
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        times
            .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
            .copied()
    };
    let (Some(median), Some(slow), Some(slowest)) = (at(50), at(95), times.last().copied()) else {
        return;
    };
    let message = format!(
        "{} requests for capabilities: median {median:.1} ms, 95 in 100 within {slow:.1} ms, slowest {slowest:.1} ms.",
        times.len()
    );
    session.judge(Id::Latency, median <= SLOW_MS, message.clone(), message);
}

fn connections(session: &mut Session<'_>) {
    let mut open = Vec::new();
    for number in 1..=CONNECTIONS {
        match session.connect(At::Here) {
            Ok(connection) => open.push(connection),
            Err(error) => {
                let limit = limit(session, &error, false);
                let message = format!("Connection {number}, with {} open, failed: {limit}.", open.len());
                return session.broken(Id::Connections, message);
            }
        }
        if session.is_stopped() {
            return;
        }
    }
    let (probe, cancel) = (session.probe(), session.cancel());
    let replies: Vec<Result<u16, Error>> = thread::scope(|scope| {
        let asking: Vec<_> = open
            .iter_mut()
            .map_while(|connection| {
                let ask = || connection.send("GET", "/capabilities", &probe.control(cancel, None));
                thread::Builder::new().stack_size(STACK).spawn_scoped(scope, ask).ok()
            })
            .collect();
        let replies = asking.into_iter().filter_map(|one| one.join().ok());
        replies.map(|reply| reply.map(|reply| reply.response.status)).collect()
    });
    if replies.len() < CONNECTIONS {
        return session.skip(Id::Connections, NO_THREADS);
    }
    let mut limits = Limits::default();
    for reply in replies {
        match reply {
            Ok(200) => {}
            Ok(status) => limits.hit(format!("status {status}")),
            Err(error) => limits.hit(limit(session, &error, true)),
        }
    }
    session.judge(
        Id::Connections,
        limits.is_empty(),
        format!("{CONNECTIONS} connections were open at the same time, and each was answered."),
        format!("{CONNECTIONS} connections were open at the same time. {limits}."),
    );
}

const NO_THREADS: &str = "This machine cannot start more threads.";

/// Each limit that was hit, and how often.
#[derive(Default)]
struct Limits(BTreeMap<String, u32>);

impl Limits {
    fn hit(&mut self, limit: String) {
        *self.0.entry(limit).or_default() += 1;
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has_status(&self, statuses: [u16; 2]) -> bool {
        statuses
            .iter()
            .any(|status| self.0.contains_key(&format!("status {status}")))
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hit: Vec<String> = self
            .0
            .iter()
            .map(|(limit, times)| format!("{times} times: {limit}"))
            .collect();
        f.write_str(&hit.join("; "))
    }
}

/// The outcome of one of the parallel requests.
struct Brought {
    took: Duration,
    /// Whether the request was sent.
    sent: bool,
    result: Result<Answer, Error>,
}

enum Answer {
    Key(Read<skip_client::Key>),
    /// Capabilities, with this status.
    Status(u16),
}

/// Requests keys in parallel, or capabilities if no keys are served, each on its own connection.
fn parallel(session: &mut Session<'_>, id: Id, number: u32, has_keys: bool) {
    let request = key_request(session).filter(|_| has_keys);
    let with_keys = request.is_some();
    if let Some(why) = session.exhausted().filter(|_| with_keys) {
        return session.skip(id, why);
    }
    if with_keys && !session.reserve(number) {
        return session.skip(id, format!("The budget does not allow {number} more keys."));
    }
    let request = request.unwrap_or_else(Request::capabilities);
    let probe = session.probe();
    let cancel = session.cancel();
    let (sender, receiver) = mpsc::channel::<Brought>();
    let brought: Vec<Brought> = thread::scope(|scope| {
        for _ in 0..number {
            let (sender, request) = (sender.clone(), &request);
            let worker = move || {
                let started = Instant::now();
                let deadlines = probe.control(cancel, None);
                let connected = probe.connect(&deadlines);
                let sent = connected.is_ok();
                let reply = connected.and_then(|mut connection| connection.send("GET", request.target(), &deadlines));
                let result = reply.map(|reply| {
                    if with_keys {
                        Answer::Key(read_key(request, &reply))
                    } else {
                        Answer::Status(reply.response.status)
                    }
                });
                let took = started.elapsed();
                // the receiver outlives all senders
                let _ = sender.send(Brought { took, sent, result });
            };
            if thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, worker)
                .is_err()
            {
                break;
            }
        }
        drop(sender);
        let mut all = Vec::new();
        loop {
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(one) => all.push(one),
                // if the caller interrupts, the token stops the workers
                Err(mpsc::RecvTimeoutError::Timeout) => drop(session.is_stopped()),
                Err(mpsc::RecvTimeoutError::Disconnected) => return all,
            }
        }
    });
    finish(session, id, number, with_keys, brought);
}

fn key_request(session: &mut Session<'_>) -> Option<Request> {
    let remote = session.report().remote.clone()?;
    Request::new_key(&SystemId::new(&remote).ok()?, None).ok()
}

fn finish(session: &mut Session<'_>, id: Id, number: u32, with_keys: bool, brought: Vec<Brought>) {
    let (mut good, mut slowest) = (0u32, 0f64);
    let mut limits = Limits::default();
    let mut no_key = number.saturating_sub(u32::try_from(brought.len()).unwrap_or(number));
    let few_threads = no_key > 0;
    for Brought { took, sent, result } in brought {
        let limit = match result {
            Ok(Answer::Status(200)) => None,
            Ok(Answer::Status(status)) => Some(format!("status {status}")),
            Ok(Answer::Key(read)) => {
                no_key += u32::from(makes_no_key(read.status));
                session.seen.weak_key |= read.is_weak();
                match (&read.value, &read.error) {
                    (Some(key), _) => {
                        session.seen.key(key.key_id().as_str(), key.secret());
                        session.sample("key, parallel", took);
                        None
                    }
                    (None, _) if !read.is_success() => Some(format!("status {}", read.status)),
                    (None, error) => Some(
                        error
                            .as_ref()
                            .map(|error| error.message().to_owned())
                            .unwrap_or_default(),
                    ),
                }
            }
            Err(error) => {
                no_key += u32::from(!sent);
                Some(limit(session, &error, sent))
            }
        };
        match limit {
            None => {
                good += 1;
                slowest = slowest.max(took.as_secs_f64() * 1000.0);
            }
            Some(limit) => limits.hit(limit),
        }
    }
    let what = if with_keys {
        session.give_back(no_key.min(number));
        "requests for keys"
    } else {
        "requests for capabilities (no key was returned before)"
    };
    if few_threads {
        return session.skip(id, NO_THREADS);
    }
    if limits.is_empty() {
        return session.pass(
            id,
            format!("{number} {what} at the same time: all were answered, the slowest after {slowest:.0} ms."),
        );
    }
    // too many at once, or no keys left? A single request tells
    let busy = limits.has_status([429, 503]);
    if let (true, true, Some(request)) = (busy, with_keys, key_request(session)) {
        match new_key(session, At::Here, &request) {
            Err(NotAsked::NoKeys(why)) => return session.skip(id, why),
            Ok(_) | Err(NotAsked::Failed(_)) => {}
        }
    }
    session.broken_with(
        id,
        format!("{number} {what} at the same time: {good} were answered as they should be. {limits}."),
        "handle requests in parallel, accept connections faster (workers, listen backlog), or raise the limit that the message \
         names",
    );
}

/// Which limit was hit, and which side set it.
fn limit(session: &Session<'_>, error: &Error, sent: bool) -> String {
    let deadlines = session.deadlines(At::Here);
    let seconds = |time: Duration| time.as_secs_f64().ceil();
    match (error.code(), sent) {
        (ErrorCode::TimedOut, false) => format!(
            "no connection within {} s, the time that this client allows ({})",
            seconds(deadlines.connect_timeout),
            session.option("connect_timeout")
        ),
        (ErrorCode::TimedOut, true) => format!(
            "no reply within {} s, the time that this client allows ({})",
            seconds(deadlines.deadline.saturating_duration_since(Instant::now())),
            session.option("timeout")
        ),
        (ErrorCode::ConnectFailed, _) => "the connection was refused".into(),
        (ErrorCode::TlsFailed, _) => "the connection was closed during the TLS handshake".into(),
        (ErrorCode::ConnectionLost, _) => "the connection was closed without a reply".into(),
        _ => error.message().to_owned(),
    }
}
