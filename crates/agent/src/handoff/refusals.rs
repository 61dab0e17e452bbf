//! Logs refusals, each kind at most once a minute, because anybody can reach the port.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::journal::{Journal, Level};

/// How often a kind of refusal is logged.
const EVERY: Duration = Duration::from_mins(1);

pub(super) struct Refusals {
    journal: Arc<Journal>,
    /// When each kind was last logged, and how many have been suppressed since.
    kinds: Mutex<HashMap<&'static str, (Instant, u64)>>,
}

impl Refusals {
    pub fn new(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            kinds: Mutex::default(),
        }
    }

    pub fn note(&self, reason: &'static str, ip: IpAddr, why: &dyn Display) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let not_logged = match kinds.get_mut(reason) {
            Some((at, count)) if at.elapsed() < EVERY => {
                *count += 1;
                return;
            }
            Some((_, count)) => *count,
            None => 0,
        };
        kinds.insert(reason, (Instant::now(), 0));
        drop(kinds);
        let (ip, why) = (ip.to_string(), why.to_string());
        let fields = [
            ("code", &reason as _),
            ("address", &ip as _),
            ("error", &why as _),
            ("not_logged", &not_logged as _),
        ];
        self.journal.event(Level::Warn, "hand-off", &fields);
    }
}
