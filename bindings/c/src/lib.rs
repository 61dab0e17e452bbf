//! The C interface of skip-client: conversions of types and errors, and no rule of the protocol.
//!
//! Every public function here is declared in `include/skip_client.h` under the same name; its comment is the reference
//! for C programmers. `border.rs` has the shared code.
//!
//! Unsafe because C passes pointers. The caller's obligations are stated once, at the top of the header.
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc, reason = "the header has one contract for all functions")]
#![allow(clippy::doc_markdown, reason = "the comments are those of the header")]

mod border;
mod client;
mod error;
mod ikev2;
mod log;
mod messages;
mod options;
mod secrets;

pub use border::*;
pub use client::*;
pub use error::*;
pub use ikev2::*;
pub use log::*;
pub use messages::*;
pub use options::*;
pub use secrets::*;
