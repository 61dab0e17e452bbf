//! The state shared by all checks: connections, the budget, observations so far, and the growing report.

use std::time::{Duration, Instant};

use openssl::rand::rand_bytes;
use openssl::sha::Sha256;
use skip_client::probe::{Probe, ProbeConnection, ProbeReply};
use skip_client::transport::Control as Deadlines;
use skip_client::{CancelToken, Capabilities, Error, ErrorCode, Request, Rules, Secret, parse_response};

use crate::catalogue::{Control, Group, Id, Level};
use crate::report::{Check, Keys, Outcome, Report, Sample};
use crate::statistics::Counts;

use super::{Examination, Progress};

/// After this many missing responses, a Key Provider is not asked for the same thing again.
const PATIENCE: u32 = 4;

/// One of the two Key Providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Here,
    Peer,
}

/// The state of the requests to one Key Provider.
#[derive(Default)]
struct Kept {
    connection: Option<ProbeConnection>,
    /// Consecutive requests that timed out: for keys, for entropy, for the rest.
    unanswered: [u32; 3],
}

pub(super) struct Session<'a> {
    examination: &'a Examination<'a>,
    progress: &'a mut dyn FnMut(Progress<'_>),
    began: Instant,
    report: Report,
    ids: Vec<Id>,
    trace: Vec<String>,
    /// The Key Provider's text in its latest error, redacted.
    said: String,
    /// Whether to show the message of the check being added although it passed.
    remark: bool,
    here: Kept,
    peer: Kept,
    /// For each control: established, or why not.
    controls: [Option<Result<(), String>>; Control::COUNT],
    /// The group whose checks are shown as they complete; checks of later groups wait for theirs.
    shown: Option<Group>,
    told: Vec<Id>,
    /// Why no more keys are requested: the Key Provider has run out of them.
    exhausted: Option<String>,
    /// Whether the latest request was sent.
    sent: bool,
    /// Whether the service behind TLS does not respond at all, so that nothing else is requested.
    pub is_down: bool,
    pub tls13: Option<skip_client::ConnectionInfo>,
    /// A usual size that was served.
    pub served_size: Option<u64>,
    /// Content-Type of the capabilities, without parameters.
    pub content_type: Option<String>,
    pub capabilities: Option<Capabilities>,
    pub peer_capabilities: Option<Capabilities>,
    pub seen: Seen,
}

/// What all responses together show. Of secrets, only salted hashes and counts are kept.
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
        // without random numbers the hashes are merely unsalted
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

    /// Records a fresh key.
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

    /// The number of keys that equal an earlier one.
    pub fn repeated_keys(&self) -> usize {
        let repeats = |(at, hash): &(usize, &Secret)| self.keys[..*at].iter().any(|earlier| earlier == *hash);
        self.keys.iter().enumerate().filter(repeats).count()
    }

    /// The number of keyIds that equal an earlier one.
    pub fn repeated_key_ids(&self) -> usize {
        let mut sorted: Vec<_> = self.key_ids.iter().collect();
        sorted.sort_unstable();
        sorted.windows(2).filter(|pair| pair[0] == pair[1]).count()
    }
}

/// Why a request for a key has no response.
pub(super) enum NotAsked {
    /// It was not sent: the budget is used up, or the Key Provider has no more keys.
    NoKeys(String),
    /// It could not be sent, or got no response.
    Failed(Error),
}

pub(super) const NO_BUDGET: &str = "The budget of keys is used up.";

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
            said: String::new(),
            remark: false,
            here: Kept::default(),
            peer: Kept::default(),
            controls: [const { None }; Control::COUNT],
            shown: None,
            told: Vec::new(),
            exhausted: None,
            sent: false,
            is_down: false,
            tls13: None,
            served_size: None,
            content_type: None,
            capabilities: None,
            peer_capabilities: None,
            seen: Seen::new(),
        }
    }

    /// The complete report, in the order of the catalogue, with reasons for what was not reached.
    pub fn end(mut self) -> Report {
        self.report.stopped = self.is_stopped();
        let reason = if self.report.stopped {
            "The examination was stopped before this check."
        } else {
            "It was not reached."
        };
        // without a connection there is nothing to list
        if self.has(Control::Connection) {
            for id in self.ids.clone() {
                self.skip(id, reason);
            }
        }
        for group in Group::ALL {
            self.enter(group);
        }
        self.report
            .checks
            .sort_by_key(|check| Id::ALL.iter().position(|id| *id == check.id));
        self.report.seconds = self.began.elapsed().as_secs_f64();
        self.report
    }

    /// Shows the completed checks of this group, and from now on each one as it completes.
    pub fn enter(&mut self, group: Group) {
        self.shown = Some(group);
        for check in self.report.checks.iter().filter(|check| check.id.group() == group) {
            if !self.told.contains(&check.id) {
                self.told.push(check.id);
                (self.progress)(Progress::Done(check));
            }
        }
    }

    fn is_done(&self, id: Id) -> bool {
        self.report.checks.iter().any(|check| check.id == id)
    }

    /// Whether this check has a finding.
    pub fn is_broken(&self, id: Id) -> bool {
        let is_finding = |check: &Check| matches!(check.result, Outcome::Fail | Outcome::Warn);
        self.report
            .checks
            .iter()
            .any(|check| check.id == id && is_finding(check))
    }

    /// Whether one of these is requested and has no result yet.
    pub fn wants(&self, ids: &[Id]) -> bool {
        ids.iter().any(|id| self.ids.contains(id) && !self.is_done(*id))
    }

    /// Like `wants`, for all checks of a group.
    pub fn wants_any_of(&self, group: Group) -> bool {
        self.ids.iter().any(|id| id.group() == group && !self.is_done(*id))
    }

    /// Whether any of these checks can be probed. Those without their control are skipped with its reason.
    pub fn begins(&mut self, ids: &[Id]) -> bool {
        for id in ids.iter().filter(|id| self.wants(&[**id])).copied().collect::<Vec<_>>() {
            if let Some(Err(why)) = &self.controls[id.control() as usize] {
                let why = why.clone();
                self.skip(id, why);
            }
        }
        self.wants(ids)
    }

    /// Records that a control succeeded.
    pub fn establish(&mut self, control: Control) {
        self.controls[control as usize] = Some(Ok(()));
    }

    /// Records that a control failed; the first reason is kept.
    pub fn lose(&mut self, control: Control, why: impl Into<String>) {
        self.controls[control as usize].get_or_insert(Err(why.into()));
    }

    pub fn has(&self, control: Control) -> bool {
        matches!(self.controls[control as usize], Some(Ok(())))
    }

    /// Why the control failed.
    pub fn why_not(&self, control: Control) -> Option<String> {
        match &self.controls[control as usize] {
            Some(Err(why)) => Some(why.clone()),
            _ => None,
        }
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

    /// The remedy for an error, with option names as the front end spells them.
    pub fn hint(&self, error: &Error) -> String {
        error.hint_in(self.examination.spelling)
    }

    /// An option of the client, as the front end spells it.
    pub fn option(&self, name: &str) -> String {
        self.examination.spelling.name(name)
    }

    /// Whether to stop. Polls the caller, so that interruptions between requests count too.
    pub fn is_stopped(&self) -> bool {
        if self.examination.interrupted.is_some_and(|ask| ask()) {
            self.cancel().cancel();
        }
        self.cancel().is_cancelled()
    }

    pub fn pass(&mut self, id: Id, message: impl Into<String>) {
        self.add(id, Outcome::Pass, message.into(), None);
    }

    /// Passes with a message worth showing.
    pub fn pass_with_remark(&mut self, id: Id, message: impl Into<String>) {
        self.remark = true;
        self.add(id, Outcome::Pass, message.into(), None);
        self.remark = false;
    }

    pub fn skip(&mut self, id: Id, message: impl Into<String>) {
        self.add(id, Outcome::Skip, message.into(), None);
    }

    /// Skips all checks of a group that have no result yet.
    pub fn skip_rest(&mut self, group: Group, message: &str) {
        for id in self.ids.clone() {
            if id.group() == group {
                self.skip(id, message);
            }
        }
    }

    /// Skips all checks that have no result yet.
    pub fn skip_all(&mut self, message: &str) {
        for id in self.ids.clone() {
            self.skip(id, message);
        }
    }

    /// Reports a violation: a failure or a warning, by its level in the profile.
    pub fn broken(&mut self, id: Id, message: impl Into<String>) {
        self.add(id, self.weight(id), message.into(), None);
    }

    /// Reports a deficiency that the draft allows.
    pub fn warn(&mut self, id: Id, message: impl Into<String>) {
        self.add(id, Outcome::Warn, message.into(), None);
    }

    /// Like `broken`, with a more specific remedy.
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

    /// Like `judge`, with a more specific remedy.
    pub fn judge_with(&mut self, id: Id, good: bool, if_good: String, if_bad: String, remedy: &str) {
        if good {
            self.pass(id, if_good);
        } else {
            self.broken_with(id, if_bad, remedy);
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
        // the first result counts; later ones only fill gaps
        if self.is_done(id) {
            return;
        }
        // without a connection no other check means anything, so this one is always reported
        let unreachable = result == Outcome::Fail && matches!(id, Id::Connect | Id::PeerConnect);
        let asked = self.ids.contains(&id) || unreachable;
        let Some(level) = self.examination.profile.level(id).filter(|_| asked) else {
            return;
        };
        let (result, message) = match result {
            // the last finding of a stopped run may be due to the stop
            Outcome::Fail | Outcome::Warn if self.is_stopped() => {
                (Outcome::Skip, "The examination was stopped during this check.".into())
            }
            // no pass without a control
            Outcome::Pass if !self.has(id.control()) => (
                Outcome::Skip,
                self.why_not(id.control())
                    .unwrap_or_else(|| format!("Not shown: {}", id.control().description())),
            ),
            result => (result, message),
        };
        let is_finding = matches!(result, Outcome::Fail | Outcome::Warn);
        let remedy = if is_finding {
            sentence(remedy.filter(|text| !text.is_empty()).unwrap_or(id.remedy()))
        } else {
            String::new()
        };
        self.report.checks.push(Check {
            id,
            level,
            result,
            message,
            remedy,
            remark: self.remark && result == Outcome::Pass,
            provider_text: if is_finding {
                std::mem::take(&mut self.said)
            } else {
                String::new()
            },
            evidence,
        });
        if self.shown == Some(id.group()) {
            self.enter(id.group());
        }
    }

    /// Adds a line of evidence, which must not contain anything of a response but numbers and types.
    pub fn note(&mut self, line: String) {
        self.trace.push(line);
    }

    pub fn deadlines(&self, at: At) -> Deadlines<'a> {
        self.probe_at(at).control(self.cancel(), self.examination.interrupted)
    }

    /// Like `deadlines`, but with a lower limit.
    pub fn short_deadlines(&self, at: At, longest: Duration) -> Deadlines<'a> {
        self.deadlines(at).until(Instant::now() + longest)
    }

    /// Opens a new connection.
    pub fn connect(&mut self, at: At) -> Result<ProbeConnection, Error> {
        let started = Instant::now();
        let connection = self.probe_at(at).connect(&self.deadlines(at))?;
        self.sample("connect", started.elapsed());
        Ok(connection)
    }

    pub fn sample(&mut self, kind: &'static str, took: Duration) {
        self.report.latency.push(Sample {
            kind,
            ms: took.as_secs_f64() * 1000.0,
        });
    }

    /// Sends a request that cannot create a key. `shown` is its name in reports.
    pub fn ask(&mut self, at: At, method: &str, target: &str, shown: &str) -> Result<ProbeReply, Error> {
        let mut kept = std::mem::take(self.kept(at));
        let reply = self.ask_with(&mut kept, at, method, target, shown);
        *self.kept(at) = kept;
        reply
    }

    /// Sends a request that may create a key, for which the budget must have room. A request that was refused or never
    /// sent has created none; one without a response may have.
    pub fn ask_key(&mut self, at: At, method: &str, target: &str, shown: &str) -> Result<ProbeReply, NotAsked> {
        if let Some(why) = &self.exhausted {
            return Err(NotAsked::NoKeys(why.clone()));
        }
        if !self.reserve(1) {
            return Err(NotAsked::NoKeys(NO_BUDGET.into()));
        }
        let reply = self.ask(at, method, target, shown);
        let status = reply.as_ref().map_or(0, |reply| reply.response.status);
        if !self.sent || makes_no_key(status) {
            self.give_back(1);
        }
        // it has run out of keys after serving some, which is not a matter of this request
        if matches!(status, 429 | 503) && at == At::Here && self.has(Control::Key) {
            let number = self.seen.keys();
            let why = format!("The Key Provider has no more keys (status {status} after {number} keys).");
            self.exhausted = Some(why.clone());
            return Err(NotAsked::NoKeys(why));
        }
        reply.map_err(NotAsked::Failed)
    }

    /// The target of `GET /key` for this remote, with a query as a client writes it.
    pub fn key_target(remote: &skip_client::SystemId, more: &str) -> Result<String, Error> {
        Ok(Request::new_key(remote, None)?.target().to_owned() + more)
    }

    /// Why there are no more keys.
    pub fn exhausted(&self) -> Option<String> {
        self.exhausted.clone()
    }

    /// Reserves this many keys from the budget.
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
        self.sent = false;
        self.said.clear();
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
        // an already closed connection does not cost a request
        let mut connection = match usable(kept.connection.take()) {
            Some(connection) => connection,
            None => self.connect(at)?,
        };
        self.sent = true;
        let started = Instant::now();
        let reply = connection.send(method, target, &self.deadlines(at));
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
                if let Some(said) = words(reply) {
                    self.note(format!("the Key Provider said: {said}"));
                    self.said = said;
                }
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

    /// Checks the form of an error's body. None of it is kept.
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
        // a keyId from the request may be echoed
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

/// Whether this status means that a request created no key.
pub(super) fn makes_no_key(status: u16) -> bool {
    (300..500).contains(&status) || status == 503
}

/// The Key Provider's text of an internal error, redacted as by the client.
fn words(reply: &ProbeReply) -> Option<String> {
    let response = &reply.response;
    if response.status < 500 {
        return None;
    }
    let error = parse_response(
        &Request::capabilities(),
        response.status,
        &response.headers,
        response.body.as_slice(),
        Rules::Lenient,
    );
    error.err()?.provider_text().map(str::to_owned)
}

/// A kept connection, if still usable.
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
    // names in lower case stay as they are
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
