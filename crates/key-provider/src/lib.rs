//! A pair of SKIP Key Providers for development and tests.
//!
//! [`KeyProviderPair`] starts two Key Providers in this process, Alice and Bob. They speak HTTPS over TLS 1.2 and 1.3
//! with certificates of a new test CA, and on separate ports with pre-shared keys ([`Psk`]). They support all six
//! methods of Table 2 of draft-cisco-skip-02, and can be switched at any time to behave like real Key Providers with
//! quirks ([`Quirk`]) or like broken ones ([`Fault`]).
//!
//! ```
//! use skip_key_provider::{Fault, KeyProviderPair, PairOptions};
//!
//! let pair = KeyProviderPair::start(PairOptions::default())?;
//! println!("{} trusts {}", pair.alice().url, pair.ca().display());
//! pair.set_faults(&[Fault::NotHex]);
//! assert_eq!(pair.stats().keys_issued, 0);
//! # Ok::<(), skip_key_provider::StartError>(())
//! ```
//!
//! # Keys
//! The two do not communicate: both derive a key with HKDF-SHA384 from a secret created at start, the keyId, both ids
//! and the size. Neither stores a key. The issuer returns it when it is created, the peer once by its keyId within
//! [`PairOptions::key_lifetime`]; only the keyId is kept.
//!
//! Buffers with a key (the bytes, the digits, the body) are wiped on drop, the body once hyper has passed its last byte
//! to TLS. According to their sources (this was not measured), hyper queues a body without copying it, and rustls and
//! OpenSSL encrypt their copies in place, so only ciphertext is left behind. The shared secret stays in memory owned by
//! aws-lc until the pair is dropped; the copies of the pre-shared keys are wiped then.
//!
//! Not for production: anyone who can read this process's memory has every key, and idle connections are never closed.

mod body;
mod certificate_listener;
mod error;
mod keys;
mod listener;
mod message;
mod options;
mod pair;
mod pki;
mod psk;
mod psk_listener;
mod query;
mod service;
mod switches;

pub use error::{StartError, StartProblem};
pub use options::{PairOptions, SideOptions};
pub use pair::{Endpoint, KeyProviderPair, Stats};
pub use psk::{DEFAULT_IDENTITY, random_psk};
pub use skip_client::Psk;
pub use switches::{Fault, Quirk, UnknownName};
