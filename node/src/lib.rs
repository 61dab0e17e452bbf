//! The WebAssembly half of the npm package `skip-client`: conversions of types and errors, and no rule of the protocol.
//!
//! Messages come and secrets go through one buffer that is wiped after each use (buffer.rs): what wasm-bindgen copies in or out
//! by itself would stay in memory.

mod buffer;
mod error;
mod exchange;
mod ikev2;
mod json;
mod validate;
