//! What an examination found.

use skip_client::ConnectionInfo;

use crate::catalogue::{Id, Level};
use crate::profile::Profile;

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be.
    Pass,
    /// A MUST is not met.
    Fail,
    /// Something that is no MUST is not met, or a MUST that the device does without.
    Warn,
    /// It could not be found out; the message says why.
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

/// One check and what became of it. Texts are ours: nothing of a reply is in them but numbers, ids and names of suites,
/// except for `provider_text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which.
    pub id: Id,
    /// How much it weighs in the profile.
    pub level: Level,
    /// What became of it.
    pub result: Outcome,
    /// What was found, in a sentence or two.
    pub message: String,
    /// What to do; empty when it passed.
    pub remedy: String,
    /// Whether it passed with something to know, so that the message is shown all the same.
    pub remark: bool,
    /// What the Key Provider wrote in its own error (status 500 and above), redacted as
    /// [`Error::provider_text`](skip_client::Error::provider_text); empty when it wrote nothing.
    pub provider_text: String,
    /// The requests that were made for it, and what came.
    pub evidence: Vec<String>,
}

/// The judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No MUST failed.
    Pass,
    /// A MUST failed.
    Fail,
    /// There was no connection to one of the Key Providers.
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

/// Keys that the examination takes from the Key Providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// How many it may take.
    pub budget: u32,
    /// How many it takes at most.
    pub at_most: u32,
    /// How many may have been made for it.
    pub used: u32,
}

/// How long one reply took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// `connect`, `capabilities`, `key`, `key by keyId`, `entropy`, or `key, parallel`.
    pub kind: &'static str,
    /// Milliseconds.
    pub ms: f64,
}

/// What an examination found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// For whom.
    pub profile: Profile,
    /// Which Key Provider.
    pub url: String,
    /// Its peer.
    pub peer: Option<String>,
    /// The remote that keys were asked for.
    pub remote: Option<String>,
    /// How it was connected.
    pub connection: Option<ConnectionInfo>,
    /// The keys it took.
    pub keys: Keys,
    /// In the order of the catalogue.
    pub checks: Vec<Check>,
    /// How long replies took.
    pub latency: Vec<Sample>,
    /// How long all of it took, in seconds.
    pub seconds: f64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl Report {
    /// The judgement.
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
