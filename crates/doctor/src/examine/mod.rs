//! The examination: groups of checks, one after the other.

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
    /// The checks to make; empty: all that concern the profile. Their controls are asked for too.
    pub only: Vec<Id>,
    /// How many keys may be taken.
    pub budget: u32,
    /// Ends it from another thread; the report then has what was found by then.
    pub cancel: CancelToken,
    /// Asked in the calling thread at least every 100 ms; `true` ends it.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
    /// How remedies name the options of the client.
    pub spelling: &'a dyn Spelling,
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
            only: Vec::new(),
            budget: Self::BUDGET,
            cancel: CancelToken::new(),
            interrupted: None,
            spelling: &Canonical,
        }
    }

    /// The checks that it makes, in the order of the report.
    #[must_use]
    pub fn checks(&self) -> Vec<Id> {
        let mut all = self.profile.checks(self.peer.is_some());
        all.retain(|id| self.only.is_empty() || self.only.contains(id));
        all
    }

    /// How many keys it takes at most.
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
    session.enter(Group::Tls);
    if tls::run(&mut session) {
        session.enter(Group::Capabilities);
        capabilities::run(&mut session);
        if examination.peer.is_some() {
            peer::connect(&mut session);
        }
        if session.is_down {
            // one cause, said once
            let why = session.why_not(Control::Service).unwrap_or_default();
            session.skip_all(&why);
        } else {
            behind_tls(&mut session);
        }
    }
    session.end()
}

/// What needs an answering service.
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
