//! The key exchange groups that a hello offers, and those with a key share: each share is as expensive as the rest of the hello.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContextBuilder};
use skip_tls_psk::set_groups;

use crate::https::Options;

/// Post-quantum key exchange (draft 8: MAY) comes first, with a second share for Key Providers without it, so that no second hello is
/// needed. OpenSSL before 3.5 accepts only the second list, and with a FIPS provider perhaps only the third.
const GROUPS: [&str; 3] = [
    "?*X25519MLKEM768:?*X25519:?P-256:?P-384",
    "X25519:P-256:P-384",
    "P-256:P-384",
];

/// The group that a Key Provider chose last time, and the list that sends only its share. The others are still offered, at the cost of
/// a round trip.
const SHARES: [(&str, &CStr); 2] = [
    ("X25519MLKEM768", c"?*X25519MLKEM768:?X25519:?P-256:?P-384"),
    ("x25519", c"?X25519MLKEM768:?*X25519:?P-256:?P-384"),
];

/// Sets the groups for all hellos.
pub(super) fn offer(context: &mut SslContextBuilder, options: &Options) -> Result<(), ErrorStack> {
    let [post_quantum, classic, fips] = GROUPS;
    let first = if options.post_quantum { post_quantum } else { classic };
    context
        .set_groups_list(first)
        .or_else(|_| context.set_groups_list(classic))
        .or_else(|_| context.set_groups_list(fips))
}

/// The group that a Key Provider chose last time.
pub(super) struct LastGroup(AtomicUsize);

impl LastGroup {
    pub fn new() -> Self {
        Self(AtomicUsize::new(SHARES.len()))
    }

    /// Sends only the share of that group.
    pub fn share(&self, ssl: &mut Ssl, options: &Options) {
        // without post-quantum groups there is one share anyway
        if let Some((_, groups)) = SHARES
            .get(self.0.load(Ordering::Relaxed))
            .filter(|_| options.post_quantum)
        {
            // OpenSSL before 3.5 does not support such lists, and sends only one share
            let _ = set_groups(ssl, groups);
        }
    }

    pub fn remember(&self, group: Option<&str>) {
        let taken = SHARES.iter().position(|(name, _)| group == Some(*name));
        self.0.store(taken.unwrap_or(SHARES.len()), Ordering::Relaxed);
    }
}
