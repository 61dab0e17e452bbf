//! A cheap probe of a Key Provider, repeated: reports what changed since the previous one.

use std::time::Instant;

use openssl::asn1::Asn1Time;
use openssl::x509::X509;
use skip_client::probe::{Probe, ProbeConnection, ProbeReply};
use skip_client::{Answer, CancelToken, Capabilities, Error, Request, Rules, SystemId, parse_response};

/// A latency is reported again once it has doubled or halved and differs by at least this many milliseconds.
const STEP_MS: f64 = 50.0;

/// Watches one Key Provider.
pub struct Watch {
    probe: Probe,
    remote: Option<SystemId>,
    budget: u32,
    cancel: CancelToken,
    told: [Option<String>; 4],
    latency: Option<f64>,
}

/// A change since the previous probe, or a first observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `reachable`, `certificate`, `latency` or `keys`.
    pub what: &'static str,
    /// The current value; never a secret.
    pub now: String,
    /// Whether keys are available, as far as this value shows.
    pub is_good: bool,
}

const REACHABLE: usize = 0;
const CERTIFICATE: usize = 1;
const LATENCY: usize = 2;
const KEYS: usize = 3;
const NAMES: [&str; 4] = ["reachable", "certificate", "latency", "keys"];

impl Watch {
    /// Each probe consumes one key of `budget` for `remote` (or for the first ID listed in the capabilities); once the
    /// budget is used up, it relies on the capabilities.
    #[must_use]
    pub fn new(probe: Probe, remote: Option<SystemId>, budget: u32, cancel: CancelToken) -> Self {
        Self {
            probe,
            remote,
            budget,
            cancel,
            told: [const { None }; 4],
            latency: None,
        }
    }

    /// Runs one probe.
    pub fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        match self.capabilities() {
            Ok((mut connection, found, ms)) => {
                let info = connection.info();
                let how = format!("yes, {}, {}", info.tls_version, info.cipher_suite);
                self.tell(&mut changes, REACHABLE, how, true);
                self.certificate(&mut changes, &connection);
                self.latency(&mut changes, ms);
                self.keys(&mut changes, &mut connection, &found);
            }
            Err(_) if self.cancel.is_cancelled() => {}
            Err(why) => {
                self.tell(&mut changes, REACHABLE, format!("no: {why}"), false);
                // reported again on recovery
                for what in [LATENCY, KEYS] {
                    self.told[what] = None;
                }
                self.latency = None;
            }
        }
        changes
    }

    fn capabilities(&self) -> Result<(ProbeConnection, Capabilities, f64), String> {
        let deadlines = self.probe.control(&self.cancel, None);
        let said = |error: &Error| error.message().to_owned();
        let mut connection = self.probe.connect(&deadlines).map_err(|error| said(&error))?;
        let started = Instant::now();
        let request = Request::capabilities();
        let reply = connection
            .send("GET", request.target(), &deadlines)
            .map_err(|error| said(&error))?;
        let ms = started.elapsed().as_secs_f64() * 1000.0;
        match read(&request, &reply) {
            Ok(Answer::Capabilities(found)) => Ok((connection, found, ms)),
            Ok(_) => Err("the reply is another message".into()),
            Err(error) => Err(said(&error)),
        }
    }

    fn certificate(&mut self, changes: &mut Vec<Change>, connection: &ProbeConnection) {
        let certificates = connection.certificates();
        let Some(certificate) = certificates.first().and_then(|der| X509::from_der(der).ok()) else {
            return;
        };
        let left = Asn1Time::days_from_now(0).and_then(|now| now.diff(certificate.not_after()));
        if let Ok(left) = left {
            self.tell(
                changes,
                CERTIFICATE,
                format!("{} days left", left.days),
                left.days >= 30,
            );
        }
    }

    fn latency(&mut self, changes: &mut Vec<Change>, ms: f64) {
        let moved = self
            .latency
            .is_none_or(|told| (ms - told).abs() >= STEP_MS && (ms >= told * 2.0 || ms <= told / 2.0));
        if moved {
            self.latency = Some(ms);
            self.tell(changes, LATENCY, format!("{ms:.0} ms"), ms <= 500.0);
        }
    }

    fn keys(&mut self, changes: &mut Vec<Change>, connection: &mut ProbeConnection, found: &Capabilities) {
        let single = |id: &String| SystemId::new(id).ok().filter(|id| !id.is_pattern());
        let remote = self
            .remote
            .clone()
            .or_else(|| found.remote_system_ids().iter().find_map(single));
        let request = remote.and_then(|remote| Request::new_key(&remote, None).ok());
        let (now, is_good) = match request {
            _ if !found.supports_key() => ("not offered, as the capabilities say".to_owned(), false),
            None => ("not asked for: name a remote".to_owned(), true),
            Some(_) if self.budget == 0 => ("not asked for any more: the budget is used up".to_owned(), true),
            Some(request) => {
                self.budget -= 1;
                match self.key(&request, connection) {
                    Ok(()) => ("served".to_owned(), true),
                    Err(_) if self.cancel.is_cancelled() => return,
                    Err(error) => (format!("not served: {}", error.message()), false),
                }
            }
        };
        self.tell(changes, KEYS, now, is_good);
    }

    /// The key is wiped at once.
    fn key(&self, request: &Request, connection: &mut ProbeConnection) -> Result<(), Error> {
        let deadlines = self.probe.control(&self.cancel, None);
        let reply = if connection.is_usable() {
            connection.send("GET", request.target(), &deadlines)?
        } else {
            self.probe
                .connect(&deadlines)?
                .send("GET", request.target(), &deadlines)?
        };
        read(request, &reply).map(drop)
    }

    fn tell(&mut self, changes: &mut Vec<Change>, what: usize, now: String, is_good: bool) {
        if self.told[what].as_ref() != Some(&now) {
            self.told[what] = Some(now.clone());
            changes.push(Change {
                what: NAMES[what],
                now,
                is_good,
            });
        }
    }
}

fn read(request: &Request, reply: &ProbeReply) -> Result<Answer, Error> {
    let response = &reply.response;
    parse_response(
        request,
        response.status,
        &response.headers,
        response.body.as_slice(),
        Rules::Lenient,
    )
}
