//! The result of an examination.

use skip_client::ConnectionInfo;

use crate::catalogue::{Id, Level};
use crate::profile::Profile;

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The requirement is met.
    Pass,
    /// A MUST is not met.
    Fail,
    /// Something less than a MUST is not met, or a MUST that the device does without.
    Warn,
    /// Undetermined; the message says why.
    Skip,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Fail, Self::Warn, Self::Skip];

    /// `pass`, `fail`, `warn` or `skip`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skip => "skip",
        }
    }
}

/// A check and its outcome. The texts are ours: of a response they contain only numbers, IDs and names of suites,
/// except for `provider_text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The check.
    pub id: Id,
    /// Its weight in the profile.
    pub level: Level,
    /// Its outcome.
    pub result: Outcome,
    /// The finding, in a sentence or two.
    pub message: String,
    /// What to do; empty if it passed.
    pub remedy: String,
    /// Whether it passed with a remark, so that the message is shown anyway.
    pub remark: bool,
    /// The Key Provider's text in its own error (status 500 and above), redacted like
    /// [`Error::provider_text`](skip_client::Error::provider_text); may be empty.
    pub provider_text: String,
    /// The requests made for it, and the responses.
    pub evidence: Vec<String>,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No MUST failed.
    Pass,
    /// A MUST failed.
    Fail,
    /// One of the Key Providers could not be connected to.
    NoConnection,
}

impl Verdict {
    /// `pass`, `fail` or `no-connection`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NoConnection => "no-connection",
        }
    }

    /// 0, 1 or 3.
    #[must_use]
    pub const fn exit_status(self) -> i32 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::NoConnection => 3,
        }
    }
}

/// The keys that the examination takes from the Key Providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// How many it may consume.
    pub budget: u32,
    /// The maximum for the selected checks.
    pub at_most: u32,
    /// How many may have been created for it.
    pub used: u32,
}

/// One response time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// `connect`, `capabilities`, `key`, `key by keyId`, `entropy`, or `key, parallel`.
    pub kind: &'static str,
    /// Milliseconds.
    pub ms: f64,
}

/// The result of an examination.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The profile that was applied.
    pub profile: Profile,
    /// The Key Provider.
    pub url: String,
    /// Its peer.
    pub peer: Option<String>,
    /// The remote that keys were requested for.
    pub remote: Option<String>,
    /// The TLS connection.
    pub connection: Option<ConnectionInfo>,
    /// The keys consumed.
    pub keys: Keys,
    /// In the order of the catalogue.
    pub checks: Vec<Check>,
    /// The response times.
    pub latency: Vec<Sample>,
    /// The total duration in seconds.
    pub seconds: f64,
    /// Whether it was stopped early.
    pub stopped: bool,
}

impl Report {
    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let failed = |check: &&Check| check.result == Outcome::Fail;
        let unreachable = |check: &Check| matches!(check.id, Id::Connect | Id::PeerConnect);
        let mut failures = self.checks.iter().filter(failed).peekable();
        if failures.peek().is_none() {
            Verdict::Pass
        } else if failures.any(unreachable) {
            Verdict::NoConnection
        } else {
            Verdict::Fail
        }
    }

    /// How many checks had this result.
    #[must_use]
    pub fn count(&self, result: Outcome) -> usize {
        self.checks.iter().filter(|check| check.result == result).count()
    }
}
