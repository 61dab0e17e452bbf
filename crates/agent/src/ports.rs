//! The outside world of a tunnel, as traits: all its effects go through one of these (and through
//! [`Consumer`](crate::consumer::Consumer), [`Store`] and [`Clock`]), so that a test can stop an agent at any step.

use std::sync::Arc;

use skip_client::{BitLength, Key, KeyId, SystemId};

use crate::clock::Clock;
use crate::handoff::Link;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::state::Store;

/// The Key Provider of a site.
pub(crate) trait Keys: Send + Sync {
    fn local_system_id(&self) -> skip_client::Result<String>;
    fn new_key(&self, remote: &SystemId, size: Option<BitLength>) -> skip_client::Result<Key>;
    fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> skip_client::Result<Key>;
}

/// All ports of one tunnel.
#[derive(Clone)]
pub(crate) struct Ports {
    pub keys: Arc<dyn Keys>,
    pub link: Arc<dyn Link>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub journal: Arc<Journal>,
    pub metrics: Arc<Metrics>,
}
