//! The `IKEv2` payloads that carry ids between the encryptors (draft 5).

use std::ffi::c_char;

use skip_client::ikev2::{PpkIdentity, UsePpk};
use skip_client::{KeyId, SystemId};

use crate::SkipError;
use crate::border::{Room, bytes, fallible, optional_text, text};

/// Encodes a USE_PPK payload with a localSystemID, or an empty one as in RFC 8784 if it is NULL. `next_payload` is the
/// type of the payload that follows, 0 for none. Buffer and length are as in skip_key_copy.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_ikev2_encode_use_ppk(
    local_system_id: *const c_char,
    local_system_id_length: usize,
    next_payload: u8,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> *mut SkipError {
    let room = Room::new(buffer, capacity, length);
    // SAFETY: NULL or a string; the caller's buffer; NULL or room for a length
    unsafe {
        fallible(|| {
            let id = optional_text("localSystemID", local_system_id, local_system_id_length)?;
            let local_system_id = id.map(SystemId::new).transpose()?;
            room.fill(&UsePpk { local_system_id }.encode(next_payload))
        })
    }
}

/// Decodes the localSystemID of one complete USE_PPK payload; the length is 0 if it has none. Not NUL-terminated.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_ikev2_decode_use_ppk(
    payload: *const u8,
    payload_length: usize,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> *mut SkipError {
    let room = Room::new(buffer, capacity, length);
    // SAFETY: bytes; the caller's buffer; NULL or room for a length
    unsafe {
        fallible(|| {
            let payload = UsePpk::decode(bytes("payload", payload.cast(), payload_length)?)?;
            room.fill(payload.local_system_id.as_ref().map_or("", SystemId::as_str).as_bytes())
        })
    }
}

/// Encodes a PPK_IDENTITY payload with a keyId: as its text, which every known implementation accepts, or with
/// `as_octets` as the octets encoded by its hexadecimal digits.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_ikev2_encode_ppk_identity(
    key_id: *const c_char,
    key_id_length: usize,
    as_octets: bool,
    next_payload: u8,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> *mut SkipError {
    let room = Room::new(buffer, capacity, length);
    // SAFETY: a string; the caller's buffer; NULL or room for a length
    unsafe {
        fallible(|| {
            let key_id = KeyId::lenient(text("keyId", key_id, key_id_length)?)?;
            let identity = if as_octets {
                PpkIdentity::octets(&key_id)?
            } else {
                PpkIdentity::text(&key_id)
            };
            room.fill(&identity.encode(next_payload))
        })
    }
}

/// Decodes the keyId of one complete PPK_IDENTITY payload; with `as_octets` its octets are converted to lower-case
/// hexadecimal. Not NUL-terminated.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_ikev2_decode_ppk_identity(
    payload: *const u8,
    payload_length: usize,
    as_octets: bool,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> *mut SkipError {
    let room = Room::new(buffer, capacity, length);
    // SAFETY: bytes; the caller's buffer; NULL or room for a length
    unsafe {
        fallible(|| {
            let identity = PpkIdentity::decode(bytes("payload", payload.cast(), payload_length)?)?;
            let key_id = if as_octets {
                identity.key_id_of_octets()
            } else {
                identity.key_id()
            }?;
            room.fill(key_id.as_str().as_bytes())
        })
    }
}
