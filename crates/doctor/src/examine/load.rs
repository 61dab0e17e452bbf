//! Many connections, many requests at the same time, and how long replies take.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use skip_client::{BitLength, Error, Request, SystemId};

use crate::catalogue::{Group, Id};

use super::message::{Read, read_key};
use super::session::{At, Session, sentence};

/// The parallel requests make keys.
pub(super) const MOST_KEYS: u32 = 10 + 100;

const CONNECTIONS: usize = 50;
const SAMPLES: usize = 40;
/// A slow Key Provider is asked fewer times.
const SAMPLING: Duration = Duration::from_secs(2);
const SLOW_MS: f64 = 500.0;
/// Of each thread.
const STACK: usize = 512 * 1024;

pub(super) fn run(session: &mut Session<'_>, has_keys: bool) {
    connections(session);
    parallel(session, Id::Parallel10, 10, has_keys);
    parallel(session, Id::Parallel100, 100, has_keys);
    session.skip_rest(Group::Load, "The examination was stopped before this check.");
}

/// Early: who examines a slow Key Provider should know soon.
pub(super) fn latency(session: &mut Session<'_>) {
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
                let message = format!("Connection {number} did not come up: {error}.");
                return session.broken(Id::Connections, message);
            }
        }
        if session.is_stopped() {
            return;
        }
    }
    let (probe, cancel) = (session.probe(), session.cancel());
    let answered = thread::scope(|scope| {
        let asking: Vec<_> = open
            .iter_mut()
            .map(|connection| {
                let ask = || connection.send("GET", "/capabilities", &probe.control(cancel, None));
                thread::Builder::new().stack_size(STACK).spawn_scoped(scope, ask)
            })
            .collect();
        let answers = asking.into_iter().flatten().filter_map(|one| one.join().ok()?.ok());
        answers.filter(|reply| reply.response.status == 200).count()
    });
    session.judge(
        Id::Connections,
        answered == CONNECTIONS,
        format!("{CONNECTIONS} connections were open at the same time, and each was answered."),
        format!("Of {CONNECTIONS} open connections, {answered} were answered."),
    );
}

/// What one of the parallel requests brought.
type Brought = (Duration, Result<Option<Read<skip_client::Key>>, Error>);

/// Keys, or capabilities where no key came: each on a connection of its own.
fn parallel(session: &mut Session<'_>, id: Id, number: u32, has_keys: bool) {
    let remote = session
        .report()
        .remote
        .clone()
        .and_then(|remote| SystemId::new(&remote).ok());
    let request = remote
        .filter(|_| has_keys)
        .and_then(|remote| Request::new_key(&remote, Some(BitLength::DEFAULT)).ok());
    let with_keys = request.is_some();
    if with_keys && !session.reserve(number) {
        return session.skip(id, format!("The budget has no room for {number} keys more."));
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
                let control = probe.control(cancel, None);
                let reply = probe
                    .connect(&control)
                    .and_then(|mut connection| connection.send("GET", request.target(), &control));
                let read = reply.map(|reply| {
                    let status = reply.response.status;
                    let read = with_keys.then(|| read_key(request, &reply));
                    (status, read)
                });
                let result = match read {
                    Ok((_, Some(read))) => Ok(Some(read)),
                    Ok((200, None)) => Ok(None),
                    Ok((status, None)) => Err(Error::invalid_argument("status", status, "")),
                    Err(error) => Err(error),
                };
                // the receiver lives until all have sent
                let _ = sender.send((started.elapsed(), result));
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
                // an interruption of the caller ends the workers through the token
                Err(mpsc::RecvTimeoutError::Timeout) => drop(session.is_stopped()),
                Err(mpsc::RecvTimeoutError::Disconnected) => return all,
            }
        }
    });
    finish(session, id, number, with_keys, brought);
}

fn finish(session: &mut Session<'_>, id: Id, number: u32, with_keys: bool, brought: Vec<Brought>) {
    let (mut good, mut refused, mut slowest, mut failure) = (0u32, 0u32, 0f64, None);
    for (took, result) in brought {
        slowest = slowest.max(took.as_secs_f64() * 1000.0);
        match result {
            Ok(None) => good += 1,
            Ok(Some(read)) if (300..500).contains(&read.status) => {
                refused += 1;
                failure.get_or_insert(format!("status {}", read.status));
            }
            Ok(Some(read)) => match (&read.value, &read.error) {
                (Some(key), _) => {
                    good += 1;
                    session.seen.key(key.key_id().as_str(), key.secret());
                    session.sample("key, parallel", took);
                }
                (None, error) => {
                    session.seen.weak_key |= read.is_weak();
                    failure.get_or_insert(error.as_ref().map(ToString::to_string).unwrap_or_default());
                }
            },
            Err(error) => {
                failure.get_or_insert(error.to_string());
            }
        }
    }
    if with_keys {
        session.give_back(refused);
    }
    let what = if with_keys {
        "requests for keys"
    } else {
        "requests for capabilities (no key came before)"
    };
    session.judge(
        id,
        good == number,
        format!("{number} {what} at the same time: all were answered, the slowest after {slowest:.0} ms."),
        format!(
            "{number} {what} at the same time: {good} went well; else: {}.",
            failure.unwrap_or_default()
        ),
    );
}
