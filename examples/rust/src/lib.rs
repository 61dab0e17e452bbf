//! The programs are in `examples/`; their tests are in `tests/`. This library only makes doc tests of the documents' Rust blocks.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/fetch-a-key-from-rust.md")]
pub struct FetchAKeyFromRust;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/psk.md")]
pub struct Psk;
