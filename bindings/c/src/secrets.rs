//! Keys and random bytes, which are only copied to buffers that the caller owns and wipes.

use std::ffi::c_char;
use std::ptr;

use skip_client::{Entropy, ExportFormat, Key};

use crate::SkipError;
use crate::border::{Room, Text, fallible, free, lend, object, text};
use crate::messages::SkipProblems;

/// A key and its keyId; wiped when freed.
pub struct SkipKey {
    key: Key,
    id: Text,
    fingerprint: Text,
    warnings: SkipProblems,
}

/// Random bytes; wiped when freed.
pub struct SkipEntropy {
    entropy: Entropy,
    warnings: SkipProblems,
}

/// The keyId, as spelled by the Key Provider for a fresh key, and by the caller for a key requested by keyId.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_key_id(key: *const SkipKey, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(key.as_ref().map(|key| &key.id), length) }
}

/// The length of the key in bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_key_bits(key: *const SkipKey) -> u32 {
    // SAFETY: NULL or a live handle
    unsafe { key.as_ref() }.map_or(0, |key| key.key.bits())
}

/// Eight hexadecimal digits that match at both ends if the keys do. Intended for people, not for programs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_key_fingerprint(key: *const SkipKey, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(key.as_ref().map(|key| &key.fingerprint), length) }
}

/// Copies the key's bytes to `buffer` and stores their number in `length`. If the buffer is NULL, only the length is
/// stored; if it is too small, nothing is written and an error is returned.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_key_copy(
    key: *const SkipKey,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> *mut SkipError {
    let room = Room::new(buffer, capacity, length);
    // SAFETY: NULL or a live handle; the caller's buffer; NULL or room for a length
    unsafe { fallible(|| room.fill(object("key", key)?.key.secret().expose())) }
}

/// Copies the key in an export format: "hex", "base64", "raw", "strongswan", "libreswan", "vyos", "wireguard", "wpa" or
/// "cisco". Buffer and length are as in skip_key_copy; not NUL-terminated.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_key_export(
    key: *const SkipKey,
    format: *const c_char,
    format_length: usize,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> *mut SkipError {
    let room = Room::new(buffer, capacity, length);
    // SAFETY: NULL or a live handle; a string; the caller's buffer; NULL or room for a length
    unsafe {
        fallible(|| {
            let format: ExportFormat = text("format", format, format_length)?.parse()?;
            room.fill(&object("key", key)?.key.export(format)?)
        })
    }
}

/// Whether two keys have the same bytes, in constant time; keyIds are not compared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_key_equal(one: *const SkipKey, other: *const SkipKey) -> bool {
    // SAFETY: NULL or live handles
    match unsafe { (one.as_ref(), other.as_ref()) } {
        (Some(one), Some(other)) => one.key == other.key,
        _ => false,
    }
}

/// Warnings about the reply, which is valid; owned by the key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_key_warnings(key: *const SkipKey) -> *const SkipProblems {
    // SAFETY: NULL or a live handle
    unsafe { key.as_ref() }.map_or(ptr::null(), |key| &raw const key.warnings)
}

/// Wipes and frees a key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_key_free(key: *mut SkipKey) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(key) }
}

/// The entropy in bits that the Key Provider claims (minentropy), at least as much as was requested.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_entropy_bits(entropy: *const SkipEntropy) -> u32 {
    // SAFETY: NULL or a live handle
    unsafe { entropy.as_ref() }.map_or(0, |entropy| entropy.entropy.bits())
}

/// Copies the random bytes; buffer and length are as in skip_key_copy.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_entropy_copy(
    entropy: *const SkipEntropy,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> *mut SkipError {
    let room = Room::new(buffer, capacity, length);
    // SAFETY: NULL or a live handle; the caller's buffer; NULL or room for a length
    unsafe { fallible(|| room.fill(object("entropy", entropy)?.entropy.secret().expose())) }
}

/// Warnings about the reply, which is valid; owned by the entropy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_entropy_warnings(entropy: *const SkipEntropy) -> *const SkipProblems {
    // SAFETY: NULL or a live handle
    unsafe { entropy.as_ref() }.map_or(ptr::null(), |entropy| &raw const entropy.warnings)
}

/// Wipes and frees random bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_entropy_free(entropy: *mut SkipEntropy) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(entropy) }
}

impl From<Key> for SkipKey {
    fn from(key: Key) -> Self {
        Self {
            id: Text::new(key.key_id().as_str()),
            fingerprint: Text::new(&key.fingerprint()),
            warnings: SkipProblems::from(key.warnings()),
            key,
        }
    }
}

impl From<Entropy> for SkipEntropy {
    fn from(entropy: Entropy) -> Self {
        Self {
            warnings: SkipProblems::from(entropy.warnings()),
            entropy,
        }
    }
}
