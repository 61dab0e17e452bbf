//! Any bytes in the place of a reply on the wire: see core/src/https/fuzzing.rs, which runs what was kept as a test.
//!
//! Input (seeds.py writes the same): a byte for the length of the pieces in which it comes, the reply.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| skip_client::fuzz_reply(data));
