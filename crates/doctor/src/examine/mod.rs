//! The examination: groups of checks, one after the other.

mod ask;
mod capabilities;
mod entropy;
mod http;
mod key;
mod load;
mod message;
mod overall;
mod pattern;
mod peer;
mod session;
mod suites;
mod tls;

use skip_client::error::{Canonical, Spelling};
use skip_client::probe::Probe;
use skip_client::{CancelToken, SystemId};

use crate::catalogue::{Control, Group, Id};
use crate::profile::Profile;
use crate::report::{Check, Report};

use session::Session;

/// What to examine, and how thoroughly.
pub struct Examination<'a> {
    /// The Key Provider.
    pub probe: Probe,
    /// The peer's Key Provider.
    pub peer: Option<Probe>,
    /// The remote to request keys for; by default the peer's own name, or the first ID listed in the capabilities.
    pub remote: Option<SystemId>,
    /// The requirements to apply.
    pub profile: Profile,
    /// The checks to run; if empty, all checks of the profile. Their controls run too.
    pub only: Vec<Id>,
    /// How many keys may be consumed.
    pub budget: u32,
    /// Stops the examination from another thread; the report then has the results so far.
    pub cancel: CancelToken,
    /// Polled in the calling thread at least every 100 ms; `true` stops the examination.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
    /// How remedies spell the options of the client.
    pub spelling: &'a dyn Spelling,
}

impl Examination<'_> {
    /// The default budget of keys.
    pub const BUDGET: u32 = 200;

    /// An examination of one Key Provider, by the draft.
    #[must_use]
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            peer: None,
            remote: None,
            profile: Profile::default(),
            only: Vec::new(),
            budget: Self::BUDGET,
            cancel: CancelToken::new(),
            interrupted: None,
            spelling: &Canonical,
        }
    }

    /// The checks that will run, in the order of the report.
    #[must_use]
    pub fn checks(&self) -> Vec<Id> {
        let mut all = self.profile.checks(self.peer.is_some());
        all.retain(|id| self.only.is_empty() || self.only.contains(id));
        all
    }

    /// The maximum number of keys consumed.
    #[must_use]
    pub fn most_keys(&self) -> u32 {
        let checks = self.checks();
        let has_peer = self.peer.is_some();
        let parts = [
            http::most_keys(&checks),
            key::most_keys(&checks),
            if has_peer { peer::most_keys(&checks) } else { 0 },
            load::most_keys(&checks),
        ];
        self.budget.min(parts.iter().sum())
    }
}

/// Progress of an examination.
pub enum Progress<'a> {
    /// The examination begins.
    Begins {
        /// The number of checks.
        checks: usize,
        /// The maximum number of keys consumed.
        most_keys: u32,
    },
    /// A check is done.
    Done(&'a Check),
}

/// Runs the examination. All failures are in the report.
pub fn examine(examination: &Examination<'_>, progress: &mut dyn FnMut(Progress<'_>)) -> Report {
    let mut session = Session::begin(examination, progress);
    session.enter(Group::Tls);
    if tls::run(&mut session) {
        session.enter(Group::Capabilities);
        capabilities::run(&mut session);
        if examination.peer.is_some() {
            peer::connect(&mut session);
        }
        if session.is_down {
            // report a single cause once
            let why = session.why_not(Control::Service).unwrap_or_default();
            session.skip_all(&why);
        } else {
            behind_tls(&mut session);
        }
    }
    session.end()
}

/// Everything that needs a service that responds.
fn behind_tls(session: &mut Session<'_>) {
    let has_peer = session.examination().peer.is_some();
    session.enter(Group::Http);
    http::run(session);
    session.enter(Group::Key);
    let has_keys = key::run(session);
    if has_peer {
        session.enter(Group::Peer);
        peer::run(session);
    }
    session.enter(Group::Entropy);
    entropy::run(session);
    session.enter(Group::Load);
    load::run(session, has_keys);
    session.enter(Group::Overall);
    overall::run(session);
}
