//! The examination: groups of checks, one after the other.

mod capabilities;
mod entropy;
mod http;
mod key;
mod load;
mod message;
mod overall;
mod peer;
mod session;
mod suites;
mod tls;

use skip_client::{CancelToken, Probe, SystemId};

use crate::catalogue::Id;
use crate::profile::Profile;
use crate::report::{Check, Report};

use session::Session;

/// What to examine, and how far.
pub struct Examination<'a> {
    /// The Key Provider.
    pub probe: Probe,
    /// The Key Provider at the other end.
    pub peer: Option<Probe>,
    /// The remote to ask keys for; unless given, what the peer calls itself, or the first id that the capabilities
    /// list.
    pub remote: Option<SystemId>,
    /// What matters.
    pub profile: Profile,
    /// How many keys may be taken.
    pub budget: u32,
    /// Ends it from another thread; the report then has what was found by then.
    pub cancel: CancelToken,
    /// Asked in the calling thread at least every 100 ms; `true` ends it.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
}

impl Examination<'_> {
    /// Keys that it may take unless told otherwise.
    pub const BUDGET: u32 = 200;

    /// An examination of one Key Provider, by the draft.
    #[must_use]
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            peer: None,
            remote: None,
            profile: Profile::default(),
            budget: Self::BUDGET,
            cancel: CancelToken::new(),
            interrupted: None,
        }
    }

    /// The checks that it makes, in the order of the report.
    #[must_use]
    pub fn checks(&self) -> Vec<Id> {
        self.profile.checks(self.peer.is_some())
    }

    /// How many keys it takes at most.
    #[must_use]
    pub fn most_keys(&self) -> u32 {
        let peer = if self.peer.is_some() { peer::MOST_KEYS } else { 0 };
        self.budget
            .min(http::MOST_KEYS + key::MOST_KEYS + peer + load::MOST_KEYS)
    }
}

/// What happens meanwhile.
pub enum Progress<'a> {
    /// It begins.
    Begins {
        /// How many checks there are.
        checks: usize,
        /// How many keys it takes at most.
        most_keys: u32,
    },
    /// A check is done.
    Done(&'a Check),
}

/// Examines. Whatever goes wrong is in the report.
pub fn examine(examination: &Examination<'_>, progress: &mut dyn FnMut(Progress<'_>)) -> Report {
    let mut session = Session::begin(examination, progress);
    if tls::run(&mut session) {
        capabilities::run(&mut session);
        if examination.peer.is_some() {
            peer::connect(&mut session);
        }
        load::latency(&mut session);
        http::run(&mut session);
        let sample = key::run(&mut session);
        if examination.peer.is_some() {
            peer::run(&mut session, sample.as_ref());
        }
        entropy::run(&mut session);
        load::run(&mut session, sample.is_some());
        overall::run(&mut session);
    }
    session.end()
}
