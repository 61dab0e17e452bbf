//! Client for the Secure Key Integration Protocol (SKIP, draft-cisco-skip-02).
//!
//! Two encryptors get the same quantum-safe key from two Key Providers (KP): the initiator asks its KP for a fresh key, passes the keyId
//! on, and the responder asks its own KP for the key of that keyId.
//!
//! * [`Client`]: [`capabilities`](Client::capabilities), [`new_key`](Client::new_key), [`key_by_id`](Client::key_by_id) and
//!   [`entropy`](Client::entropy) over TLS, with certificates (feature `https`) or a pre-shared key, `Psk` (feature `psk`).
//! * [`Request`] and [`parse_response`]: the same without any I/O, for a transport of your own.
//! * [`validate`] and [`schema`]: what is wrong with a message, and the JSON Schemas.
//! * [`ikev2`]: the payloads that carry a `keyId` between `IKEv2` peers.
//!
//! Lengths are in bits. Failures are one type, [`Error`], with a stable [`ErrorCode`], a hint and [`Advice`].

mod bits;
mod capabilities;
#[cfg(feature = "https")]
mod client;
mod entropy;
pub mod error;
mod export;
#[doc(hidden)] // for the bindings, which have state of their own that a child process must not share
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
pub mod options;
#[cfg_attr(not(all(unix, feature = "https", not(miri))), path = "heap.rs")]
mod pages;
mod psk;
mod redact;
mod request;
mod response;
mod schema;
mod secret;
mod system_id;
#[cfg(feature = "https")]
mod tls_library;
#[cfg(feature = "https")]
mod transport;
mod validate;

pub use bits::BitLength;
pub use capabilities::Capabilities;
#[cfg(feature = "tokio")]
pub use client::{AsyncCall, AsyncClient};
#[cfg(feature = "https")]
pub use client::{Call, Client, ClientBuilder};
pub use entropy::Entropy;
pub use error::Explanation;
pub use error::{Advice, Error, ErrorCode, Result, Side};
pub use export::ExportFormat;
#[cfg(feature = "https")]
pub use harden::{Hardening, harden_process, lock_memory};
#[cfg(all(feature = "https", fuzzing))]
pub use https::fuzz_reply;
#[cfg(feature = "https")]
#[doc(hidden)] // for the agent's own TLS; the types are of rustls, which may change
pub use https::read_private_key;
#[cfg(feature = "https")]
pub use https::{Ending, HelloAnswer, Probe, ProbeConnection, ProbeReply};
pub use key::Key;
pub use key_id::KeyId;
#[cfg(feature = "https")]
pub use options::TlsVersion;
pub use psk::Psk;
pub use request::{Request, RequestKind, TypedRequest};
pub use response::{Answer, Headers, parse_response};
pub use schema::{SchemaStyle, schema};
pub use secret::Secret;
pub use system_id::{SystemId, matches_remote};
#[cfg(feature = "https")]
pub use tls_library::{TlsLibrary, tls_libraries};
#[cfg(feature = "https")]
pub use transport::{CancelToken, ConnectionInfo, Control, Ended, Response, Transport, TransportError, WipedBuffer};
pub use validate::{MessageKind, Problem, Rules, Severity, is_valid, validate};
