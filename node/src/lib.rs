//! The WebAssembly half of the npm package `skip-client`: conversions of types and errors, and no rule of the protocol.
//!
//! Messages and secrets pass through one buffer that is wiped after each use (buffer.rs), because copies made by wasm-bindgen
//! would stay in memory.

mod buffer;
mod error;
mod exchange;
mod ikev2;
mod json;
mod validate;

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();
