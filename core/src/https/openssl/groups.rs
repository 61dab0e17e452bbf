//! Which groups of the key exchange a hello offers, and for which it sends a share: each share costs as much as the rest of the hello.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContextBuilder};
use skip_tls_psk::set_groups;

use crate::https::Options;

/// Post-quantum key exchange (draft 8: MAY) comes first, with a share for those who lack it, so that nobody needs a second hello. OpenSSL
/// before 3.5 reads only the second list, and with a FIPS provider perhaps only the third.
const GROUPS: [&str; 3] = [
    "?*X25519MLKEM768:?*X25519:?P-256:?P-384",
    "X25519:P-256:P-384",
    "P-256:P-384",
];

/// The group that a Key Provider took last time, and the list that sends the share of no other. The others stay on offer, for one more
/// round trip.
const SHARES: [(&str, &CStr); 2] = [
    ("X25519MLKEM768", c"?*X25519MLKEM768:?X25519:?P-256:?P-384"),
    ("x25519", c"?X25519MLKEM768:?*X25519:?P-256:?P-384"),
];

/// Sets the groups of all hellos.
pub(super) fn offer(context: &mut SslContextBuilder, options: &Options) -> Result<(), ErrorStack> {
    let [post_quantum, classic, fips] = GROUPS;
    let first = if options.post_quantum { post_quantum } else { classic };
    context
        .set_groups_list(first)
        .or_else(|_| context.set_groups_list(classic))
        .or_else(|_| context.set_groups_list(fips))
}

/// The group that a Key Provider took last time.
pub(super) struct LastGroup(AtomicUsize);

impl LastGroup {
    pub fn new() -> Self {
        Self(AtomicUsize::new(SHARES.len()))
    }

    /// Sends the share of that group alone.
    pub fn share(&self, ssl: &mut Ssl, options: &Options) {
        // without post-quantum groups there is one share anyway
        if let Some((_, groups)) = SHARES
            .get(self.0.load(Ordering::Relaxed))
            .filter(|_| options.post_quantum)
        {
            // OpenSSL before 3.5 does not read such lists, and has one share only
            let _ = set_groups(ssl, groups);
        }
    }

    pub fn remember(&self, group: Option<&str>) {
        let taken = SHARES.iter().position(|(name, _)| group == Some(*name));
        self.0.store(taken.unwrap_or(SHARES.len()), Ordering::Relaxed);
    }
}
