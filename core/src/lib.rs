//! Client for the Secure Key Integration Protocol (SKIP, draft-cisco-skip-02).
//!
//! Two encryptors get the same quantum-safe key from two Key Providers (KP). The initiator asks its KP for a fresh key and passes the
//! keyId on; the responder asks its own KP for the key of that keyId. Lengths are in bits.
//!
//! # Fetching a key
//!
//! A [`Client`] is blocking, can be shared between threads and pools connections. It is created by a [`ClientBuilder`], whose [options]
//! are the same in every language of the project.
//!
//! ```no_run
//! use skip_client::{BitLength, Client, KeyId};
//!
//! // at the initiator, with certificates
//! let kp = Client::builder("https://kp-alice:8443")?
//!     .ca_pem(std::fs::read("ca.pem")?)
//!     .client_cert_pem(std::fs::read("me.pem")?, std::fs::read("me.key")?)
//!     .build()?;
//! let key = kp.call().size(BitLength::new(256)?).new_key(&"Bob".parse()?)?;
//! println!("tell the responder: {}", key.key_id());
//!
//! // at the responder
//! let kp = Client::builder("https://kp-bob:8443")?.ca_pem(std::fs::read("ca.pem")?).build()?;
//! let key = kp.key_by_id(&KeyId::new("1726e9AE76234FB1dd1283d4dca1911e")?, &"Alice".parse()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When it fails
//!
//! Every failure is an [`Error`]: a stable [`ErrorCode`], the side at fault, a hint, and [`Advice`] on what to request next so that both
//! ends get the same key. For front ends, [`error`] has the same as data.
//!
//! ```
//! use skip_client::{Advice, BitLength, ErrorCode};
//!
//! let error = BitLength::new(250).unwrap_err();
//! assert_eq!(error.code(), ErrorCode::InvalidArgument);
//! assert_eq!(error.advice(), Advice::No);
//! assert_eq!(error.field(), Some("size"));
//! assert_eq!(error.to_string(), "size: must be a multiple of 8 from 8 to 65536 bits, not 250");
//! ```
//!
//! # Without I/O
//!
//! A [`TypedRequest`] describes what to send and parses the reply, over any transport; [`validate`](fn@validate) lists everything that
//! is wrong with a message. Neither uses sockets, clocks, files or threads, and both build for WebAssembly.
//!
//! ```
//! use skip_client::{Headers, MessageKind, Rules, TypedRequest, validate};
//!
//! let request = TypedRequest::key_by_id(&"1726e9AE".parse()?, &"Alice".parse()?)?;
//! assert_eq!(request.request().target(), "/key/1726e9AE?remoteSystemID=Alice");
//!
//! let body = br#"{"keyId": "1726e9AE", "key": "ad229dfb8a276e74c1f3b6e09a1852aa"}"#;
//! let key = request.parse(200, &Headers::default(), body, Rules::Strict)?;
//! assert_eq!(key.bits(), 128);
//!
//! let problems = validate(MessageKind::Key, br#"{"keyId": "xyz"}"#, Rules::Strict);
//! assert!(problems.iter().any(|problem| problem.path == "/key"));
//! # Ok::<(), skip_client::Error>(())
//! ```
//!
//! # Exporting a key
//!
//! [`Key::export`] writes a key in the formats of strongSwan, `WireGuard` and others; [`ikev2`] has the payloads that carry a keyId
//! between `IKEv2` peers. A key is wiped on drop and never shown by `Debug`.
//!
//! # Log
//!
//! Lines for the program's log go through the crate [`log`](https://docs.rs/log) with the target `skip_client`: new connections (debug),
//! retries and weaker handshakes (info), another Key Provider and warnings about a connection (warn). None contains a secret.
//!
//! # Features
//!
//! * `https` (default): the client, and TLS with certificates by rustls.
//! * `psk`: TLS with pre-shared keys by the system's OpenSSL (3.0 or later), and the option `legacy`.
//! * `psk-vendored`: the same with a bundled OpenSSL.
//! * `tokio`: `AsyncClient`, the same client for tokio.
//! * `ureq`: `transport::UreqTransport`, over an agent of ureq that you configure.
//! * `probe`: [`probe`], for programs that examine a Key Provider.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bits;
mod capabilities;
#[cfg(feature = "https")]
mod client;
#[cfg(feature = "https")]
pub mod credentials;
mod entropy;
pub mod error;
mod export;
#[doc(hidden)] // for the bindings, whose own state a child process must not share
#[cfg(feature = "https")]
pub mod fork;
#[cfg(feature = "https")]
mod harden;
mod hex;
#[cfg(feature = "https")]
mod https;
pub mod ikev2;
mod json;
mod key;
mod key_id;
#[doc(hidden)] // for the bindings, which pass the lines on
#[cfg(feature = "https")]
pub mod logging;
pub mod options;
#[cfg_attr(not(all(unix, feature = "https", not(miri))), path = "heap.rs")]
mod pages;
mod problem;
#[cfg(feature = "probe")]
pub mod probe {
    //! Low-level access to a Key Provider, for programs that examine one.
    pub use crate::https::{Ending, HelloAnswer, Probe, ProbeConnection, ProbeReply};
}
#[cfg(feature = "https")]
pub mod process {
    //! The current process: protection of its memory, and the TLS libraries linked into it.
    pub use crate::harden::{Hardening, harden_process, lock_memory};
    pub use crate::tls_library::{TlsLibrary, tls_libraries};
}
#[cfg(feature = "https")]
mod psk;
mod redact;
mod remote_system_ids;
mod request;
#[doc(hidden)] // for the bindings, which copy keys to buffers of their callers
pub mod residue;
mod response;
mod schema;
mod secret;
mod system_id;
#[cfg(feature = "https")]
mod system_id_index;
#[cfg(feature = "https")]
mod tls_library;
#[cfg(feature = "https")]
pub mod transport;
mod typed_request;
mod validate;

pub use bits::BitLength;
pub use capabilities::Capabilities;
#[cfg(feature = "tokio")]
pub use client::{AsyncCall, AsyncClient};
#[cfg(feature = "https")]
pub use client::{Call, Client, ClientBuilder};
pub use entropy::Entropy;
pub use error::{Advice, Error, ErrorCode, Result, Side};
pub use export::ExportFormat;
#[cfg(feature = "https")]
#[doc(hidden)] // for the agent's own TLS; the types are of rustls, which may change
pub use https::Pin;
#[cfg(all(feature = "https", fuzzing))]
pub use https::fuzz_reply;
#[cfg(feature = "psk")]
#[doc(hidden)] // likewise
pub use https::read_private_key;
pub use key::Key;
pub use key_id::KeyId;
#[cfg(feature = "https")]
pub use options::TlsVersion;
pub use problem::{Problem, Rules, Severity};
#[cfg(feature = "https")]
pub use psk::{Psk, PskForm};
pub use remote_system_ids::RemoteSystemIds;
pub use request::{Request, RequestKind};
pub use response::{Answer, Headers, parse_response};
pub use schema::{SchemaStyle, schema};
pub use secret::Secret;
pub use system_id::{SystemId, matches_remote};
#[cfg(feature = "https")]
pub use transport::{CancelToken, ConnectionInfo};
pub use typed_request::TypedRequest;
pub use validate::{MessageKind, is_valid, validate};
