//! What all checks share: connections, the budget, what was seen so far, and the growing report.

use std::time::{Duration, Instant};

use openssl::rand::rand_bytes;
use openssl::sha::Sha256;
use skip_client::{CancelToken, Capabilities, Control, Error, ErrorCode, Probe, ProbeConnection, ProbeReply, Secret};

use crate::catalogue::{Group, Id, Level};
use crate::report::{Check, Keys, Outcome, Report, Sample};
use crate::statistics::Counts;

use super::{Examination, Progress};

/// After so many replies that did not come, a Key Provider is not asked for that any more: patience has an end.
const PATIENCE: u32 = 4;

/// One of the two Key Providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Here,
    Peer,
}

/// What is kept of the requests to one Key Provider.
#[derive(Default)]
struct Kept {
    connection: Option<ProbeConnection>,
    /// Requests in a row that were not answered in time: for keys, for entropy, for the rest.
    unanswered: [u32; 3],
}

pub(super) struct Session<'a> {
    examination: &'a Examination<'a>,
    progress: &'a mut dyn FnMut(Progress<'_>),
    began: Instant,
    report: Report,
    ids: Vec<Id>,
    trace: Vec<String>,
    here: Kept,
    peer: Kept,
    pub capabilities: Option<Capabilities>,
    pub peer_capabilities: Option<Capabilities>,
    pub seen: Seen,
}

/// What all replies together show. Of secrets only salted hashes and counts are kept.
pub(super) struct Seen {
    salt: [u8; 32],
    /// Hashes of keys.
    keys: Vec<Secret>,
    key_ids: Vec<String>,
    pub key_counts: Counts,
    pub weak_key: bool,
    pub html_error: Option<u16>,
    pub empty_error: Option<u16>,
    pub errors: u32,
    pub secret_in_error: Option<u16>,
}

impl Seen {
    fn new() -> Self {
        let mut salt = [0; 32];
        // without random numbers the hashes are only unsalted
        let _ = rand_bytes(&mut salt);
        Self {
            salt,
            keys: Vec::new(),
            key_ids: Vec::new(),
            key_counts: Counts::new(),
            weak_key: false,
            html_error: None,
            empty_error: None,
            errors: 0,
            secret_in_error: None,
        }
    }

    /// Takes note of a fresh key.
    pub fn key(&mut self, key_id: &str, key: &Secret) {
        let mut hash = Sha256::new();
        hash.update(&self.salt);
        hash.update(key.expose());
        self.keys.push(Secret::copy_of(&hash.finish()));
        self.key_ids.push(key_id.to_ascii_lowercase());
        self.key_counts.add(key.expose());
    }

    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many keys equal an earlier one.
    pub fn repeated_keys(&self) -> usize {
        let repeats = |(at, hash): &(usize, &Secret)| self.keys[..*at].iter().any(|earlier| earlier == *hash);
        self.keys.iter().enumerate().filter(repeats).count()
    }

    /// How many keyIds equal an earlier one.
    pub fn repeated_key_ids(&self) -> usize {
        let mut sorted: Vec<_> = self.key_ids.iter().collect();
        sorted.sort_unstable();
        sorted.windows(2).filter(|pair| pair[0] == pair[1]).count()
    }
}

/// Why a request for a key was not sent.
pub(super) enum NotAsked {
    /// The budget is used up.
    Budget,
    /// It was sent, or could not be, and no reply came.
    Failed(Error),
}

impl<'a> Session<'a> {
    pub fn begin(examination: &'a Examination<'a>, progress: &'a mut dyn FnMut(Progress<'_>)) -> Self {
        let ids = examination.checks();
        let keys = Keys {
            budget: examination.budget,
            at_most: examination.most_keys(),
            used: 0,
        };
        progress(Progress::Begins {
            checks: ids.len(),
            most_keys: keys.at_most,
        });
        Self {
            examination,
            progress,
            began: Instant::now(),
            report: Report {
                profile: examination.profile,
                url: examination.probe.url().to_owned(),
                peer: examination.peer.as_ref().map(|peer| peer.url().to_owned()),
                remote: examination.remote.as_ref().map(|remote| remote.as_str().to_owned()),
                connection: None,
                keys,
                checks: Vec::new(),
                latency: Vec::new(),
                seconds: 0.0,
                stopped: false,
            },
            ids,
            trace: Vec::new(),
            here: Kept::default(),
            peer: Kept::default(),
            capabilities: None,
            peer_capabilities: None,
            seen: Seen::new(),
        }
    }

    /// The whole report, in the order of the catalogue; what was not reached says why.
    pub fn end(mut self) -> Report {
        self.report.stopped = self.is_stopped();
        let reason = if self.report.stopped {
            "The examination was stopped before this check."
        } else if self.failed(Id::PeerConnect) {
            "There is no connection to the peer."
        } else {
            "It was not reached."
        };
        // without a connection there is nothing to list
        let listed = if self.failed(Id::Connect) {
            Vec::new()
        } else {
            self.ids.clone()
        };
        for id in listed {
            if !self.is_done(id) {
                self.add(id, Outcome::Skip, reason.into(), None);
            }
        }
        self.report
            .checks
            .sort_by_key(|check| Id::ALL.iter().position(|id| *id == check.id));
        self.report.seconds = self.began.elapsed().as_secs_f64();
        self.report
    }

    pub fn is_done(&self, id: Id) -> bool {
        self.report.checks.iter().any(|check| check.id == id)
    }

    pub fn failed(&self, id: Id) -> bool {
        self.report
            .checks
            .iter()
            .any(|check| check.id == id && check.result == Outcome::Fail)
    }

    pub fn probe(&self) -> &'a Probe {
        &self.examination.probe
    }

    pub fn probe_at(&self, at: At) -> &'a Probe {
        match (at, &self.examination.peer) {
            (At::Peer, Some(peer)) => peer,
            _ => &self.examination.probe,
        }
    }

    pub fn examination(&self) -> &'a Examination<'a> {
        self.examination
    }

    pub fn report(&mut self) -> &mut Report {
        &mut self.report
    }

    pub fn cancel(&self) -> &'a CancelToken {
        &self.examination.cancel
    }

    /// Whether it has to end. Asks the caller, so that an interruption between requests counts too.
    pub fn is_stopped(&self) -> bool {
        if self.examination.interrupted.is_some_and(|ask| ask()) {
            self.cancel().cancel();
        }
        self.cancel().is_cancelled()
    }

    pub fn pass(&mut self, id: Id, message: impl Into<String>) {
        self.add(id, Outcome::Pass, message.into(), None);
    }

    pub fn skip(&mut self, id: Id, message: impl Into<String>) {
        self.add(id, Outcome::Skip, message.into(), None);
    }

    /// Skips all checks of a group that have no result yet.
    pub fn skip_rest(&mut self, group: Group, message: &str) {
        for id in self.ids.clone() {
            if id.group() == group && !self.is_done(id) {
                self.skip(id, message);
            }
        }
    }

    /// It is not as it should be: a failure or a warning, by its level in the profile.
    pub fn broken(&mut self, id: Id, message: impl Into<String>) {
        self.add(id, self.weight(id), message.into(), None);
    }

    /// It is not as it should be, but the draft allows it.
    pub fn warn(&mut self, id: Id, message: impl Into<String>) {
        self.add(id, Outcome::Warn, message.into(), None);
    }

    /// As `broken`, with a remedy that fits better than the general one.
    pub fn broken_with(&mut self, id: Id, message: impl Into<String>, remedy: &str) {
        self.add(id, self.weight(id), message.into(), Some(remedy));
    }

    /// Passes or is broken.
    pub fn judge(&mut self, id: Id, good: bool, if_good: impl Into<String>, if_bad: impl Into<String>) {
        if good {
            self.pass(id, if_good);
        } else {
            self.broken(id, if_bad);
        }
    }

    fn weight(&self, id: Id) -> Outcome {
        match self.examination.profile.level(id) {
            Some(Level::Must) if !self.examination.profile.forgives(id) => Outcome::Fail,
            _ => Outcome::Warn,
        }
    }

    fn add(&mut self, id: Id, result: Outcome, message: String, remedy: Option<&str>) {
        let evidence = std::mem::take(&mut self.trace);
        // the first word counts: what follows is said of everything that has none
        if self.is_done(id) {
            return;
        }
        let Some(level) = self.examination.profile.level(id).filter(|_| self.ids.contains(&id)) else {
            return;
        };
        // what a stopped run found last may come from being stopped
        let (result, message) = if self.is_stopped() && matches!(result, Outcome::Fail | Outcome::Warn) {
            (Outcome::Skip, "The examination was stopped during this check.".into())
        } else {
            (result, message)
        };
        let remedy = match result {
            Outcome::Fail | Outcome::Warn => sentence(remedy.filter(|text| !text.is_empty()).unwrap_or(id.remedy())),
            Outcome::Pass | Outcome::Skip => String::new(),
        };
        self.report.checks.push(Check {
            id,
            level,
            result,
            message,
            remedy,
            evidence,
        });
        if let Some(check) = self.report.checks.last() {
            (self.progress)(Progress::Done(check));
        }
    }

    /// A line of evidence. It must not hold anything of a reply but numbers and types.
    pub fn note(&mut self, line: String) {
        self.trace.push(line);
    }

    pub fn control(&self, at: At) -> Control<'a> {
        self.probe_at(at).control(self.cancel(), self.examination.interrupted)
    }

    /// As `control`, but waits for less than the caller would.
    pub fn short_control(&self, at: At, longest: Duration) -> Control<'a> {
        self.control(at).until(Instant::now() + longest)
    }

    /// A fresh connection.
    pub fn connect(&mut self, at: At) -> Result<ProbeConnection, Error> {
        let started = Instant::now();
        let connection = self.probe_at(at).connect(&self.control(at))?;
        self.sample("connect", started.elapsed());
        Ok(connection)
    }

    pub fn sample(&mut self, kind: &'static str, took: Duration) {
        self.report.latency.push(Sample {
            kind,
            ms: took.as_secs_f64() * 1000.0,
        });
    }

    /// One request that can make no key. `shown` is what reports call it.
    pub fn ask(&mut self, at: At, method: &str, target: &str, shown: &str) -> Result<ProbeReply, Error> {
        let mut kept = std::mem::take(self.kept(at));
        let reply = self.ask_with(&mut kept, at, method, target, shown);
        *self.kept(at) = kept;
        reply
    }

    /// One request that may make a key, for which there must be room in the budget. What is refused made none; what
    /// is lost may have.
    pub fn ask_key(&mut self, at: At, method: &str, target: &str, shown: &str) -> Result<ProbeReply, NotAsked> {
        if !self.reserve(1) {
            return Err(NotAsked::Budget);
        }
        let reply = self.ask(at, method, target, shown);
        if reply
            .as_ref()
            .is_ok_and(|reply| (300..500).contains(&reply.response.status))
        {
            self.give_back(1);
        }
        reply.map_err(NotAsked::Failed)
    }

    /// Takes room for so many keys.
    pub fn reserve(&mut self, keys: u32) -> bool {
        let fits = self.report.keys.used + keys <= self.report.keys.budget;
        if fits {
            self.report.keys.used += keys;
        }
        fits
    }

    pub fn give_back(&mut self, keys: u32) {
        self.report.keys.used -= keys;
    }

    fn kept(&mut self, at: At) -> &mut Kept {
        match at {
            At::Here => &mut self.here,
            At::Peer => &mut self.peer,
        }
    }

    fn ask_with(
        &mut self,
        kept: &mut Kept,
        at: At,
        method: &str,
        target: &str,
        shown: &str,
    ) -> Result<ProbeReply, Error> {
        let side = if at == At::Peer { "peer: " } else { "" };
        let kind = match target {
            _ if target.starts_with("/key") => 0,
            _ if target.starts_with("/entropy") => 1,
            _ => 2,
        };
        if kept.unanswered[kind] >= PATIENCE {
            self.note(format!(
                "{side}{method} {shown}: not asked, as earlier requests were not answered in time"
            ));
            return Err(gave_up());
        }
        // a connection that is closed already costs no request
        let mut connection = match usable(kept.connection.take()) {
            Some(connection) => connection,
            None => self.connect(at)?,
        };
        let started = Instant::now();
        let reply = connection.send(method, target, &self.control(at));
        let took = started.elapsed();
        match &reply {
            Ok(reply) => {
                kept.unanswered[kind] = 0;
                let status = reply.response.status;
                self.note(format!(
                    "{side}{method} {shown}: {status} after {:.1} ms",
                    took.as_secs_f64() * 1000.0
                ));
                self.look_at_error(reply, target);
                if reply.keeps_alive {
                    kept.connection = Some(connection);
                }
            }
            Err(error) => {
                if error.code() == ErrorCode::TimedOut {
                    kept.unanswered[kind] += 1;
                }
                self.note(format!("{side}{method} {shown}: {error}"));
            }
        }
        reply
    }

    /// What an error's body looks like. Nothing of it is kept.
    fn look_at_error(&mut self, reply: &ProbeReply, target: &str) {
        let status = reply.response.status;
        if status < 400 {
            return;
        }
        self.seen.errors += 1;
        let body = reply.response.body.as_slice();
        let content_type = reply.response.headers.content_type.as_deref().unwrap_or_default();
        if content_type.to_ascii_lowercase().contains("html") || body.trim_ascii_start().starts_with(b"<") {
            self.seen.html_error.get_or_insert(status);
        } else if body.trim_ascii().is_empty() {
            self.seen.empty_error.get_or_insert(status);
        }
        // a keyId of the request may come back
        let of_request = |run: &[u8]| {
            target
                .as_bytes()
                .windows(run.len())
                .any(|part| part.eq_ignore_ascii_case(run))
        };
        if body
            .split(|byte| !byte.is_ascii_hexdigit())
            .any(|run| run.len() >= 16 && !of_request(run))
        {
            self.seen.secret_in_error.get_or_insert(status);
        }
    }
}

/// A kept connection, if it can still be used.
fn usable(mut kept: Option<ProbeConnection>) -> Option<ProbeConnection> {
    let usable = kept.as_mut().is_some_and(ProbeConnection::is_usable);
    kept.filter(|_| usable)
}

fn gave_up() -> Error {
    Error::invalid_argument(
        "doctor",
        "earlier requests were not answered in time",
        "check the Key Provider's load and log",
    )
}

/// The text of an error as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    // names that begin small stay as they are
    let word = text.split([' ', ':']).next().unwrap_or_default();
    let capital = word.chars().skip(1).all(|c| c.is_ascii_lowercase());
    let mut out = if capital {
        first.to_uppercase().to_string()
    } else {
        first.to_string()
    };
    out.push_str(chars.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}
