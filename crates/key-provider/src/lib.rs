//! A pair of SKIP Key Providers for development and tests.
//!
//! [`KeyProviderPair`] starts two Key Providers in this process, Alice and Bob. They speak HTTPS over TLS 1.2 and 1.3
//! with certificates of a fresh test authority, and on ports of their own with pre-shared keys ([`Psk`]). They serve
//! all six methods of Table 2 of draft-cisco-skip-02, and can be told at any time to behave like the odd Key Providers
//! of the field ([`Quirk`]) or like broken ones ([`Fault`]).
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
//! There is no network between the two: both ends derive a key with HKDF-SHA384 from a secret that is made at start,
//! the keyId, both ids and the size. Neither keeps a key. The issuer gives it in the answer that makes it, the peer
//! once by its keyId within [`PairOptions::key_lifetime`]; what is remembered is the keyId.
//!
//! Buffers with a key (the bytes, the digits, the body) are wiped when they are dropped, the body once hyper has handed
//! its last byte to TLS. By their sources (nothing was measured), hyper queues a body without a copy of its own, and
//! rustls and OpenSSL encrypt their copies in place, so that what these leave is ciphertext. The shared secret stays in
//! memory that aws-lc owns until the pair is dropped; the copies of the pre-shared keys are wiped then.
//!
//! Not for production: whoever can read this process has every key, and idle connections are never closed.

mod body;
mod certificate_listener;
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

pub use options::{PairOptions, SideOptions, StartError, StartProblem};
pub use pair::{Endpoint, KeyProviderPair, Stats};
pub use psk::{DEFAULT_IDENTITY, random_psk};
pub use skip_client::Psk;
pub use switches::{Fault, Quirk, UnknownName};
