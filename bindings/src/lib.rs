//! The native library under the Kotlin and Swift packages: conversions of types and errors, and no rule of the
//! protocol.
//!
//! Nothing here is public to users. The packages have an API written by hand; this is what it calls: few functions that
//! each do much (a call from the JVM costs some 40 us), that block, and that a token ends.

mod allocator;
mod client;
mod errors;
mod ikev2;
mod messages;
mod secrets;

uniffi::setup_scaffolding!();
