//! The native library under the Kotlin and Swift packages: conversions of types and errors, and no rule of the
//! protocol.
//!
//! Nothing here is public to users. The packages have hand-written APIs that call this: a small number of coarse
//! functions that block and can be cancelled with a token.

mod allocator;
mod client;
mod errors;
mod ikev2;
mod jvm;
mod log;
mod messages;
mod secrets;

uniffi::setup_scaffolding!();
