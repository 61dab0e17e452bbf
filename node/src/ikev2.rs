//! The two notify payloads of `IKEv2`. They pass through the buffer, as messages do.

use skip_client::SystemId;
use skip_client::ikev2::{PpkIdentity, UsePpk};
use wasm_bindgen::prelude::*;

use crate::buffer;
use crate::error::OrThrow;
use crate::exchange::key_id;
use crate::json::{array, member};

/// Leaves a `USE_PPK` in the buffer, and returns its length. `ids` is the localSystemID, or empty.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn encode_use_ppk(ids: Vec<String>, next_payload: u8) -> Result<usize, JsValue> {
    let local_system_id = ids.first().map(|id| SystemId::new(id)).transpose().or_throw()?;
    Ok(left(&UsePpk { local_system_id }.encode(next_payload)))
}

/// Leaves a `PPK_IDENTITY` in the buffer, and returns its length. `ids` is the keyId.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn encode_ppk_identity(ids: Vec<String>, octets: bool, lenient: bool, next_payload: u8) -> Result<usize, JsValue> {
    let id = key_id(ids.first().map_or("", String::as_str), lenient).or_throw()?;
    let payload = if octets {
        PpkIdentity::octets(&id).or_throw()?
    } else {
        PpkIdentity::text(&id)
    };
    Ok(left(&payload.encode(next_payload)))
}

fn left(payload: &[u8]) -> usize {
    buffer::leave(payload);
    payload.len()
}

/// Reads the payload in the buffer, a `USE_PPK` or a `PPK_IDENTITY`: what it has, as JSON text.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn decode_payload(use_ppk: bool, reserved: usize, length: usize) -> Result<String, JsValue> {
    let mut out = String::from("{");
    buffer::read(reserved, length, |payload| {
        if use_ppk {
            if let Some(id) = UsePpk::decode(payload)?.local_system_id {
                member(&mut out, "localSystemId", id.as_str());
            }
            return Ok(());
        }
        let payload = PpkIdentity::decode(payload)?;
        if let Ok(id) = payload.key_id() {
            member(&mut out, "keyId", id.as_str());
        }
        if let Ok(id) = payload.key_id_of_octets() {
            member(&mut out, "keyIdOfOctets", id.as_str());
        }
        if !out.ends_with('{') {
            out.push(',');
        }
        out.push_str("\"identity\":");
        array(&mut out, payload.identity(), |out, octet| {
            out.push_str(&octet.to_string());
        });
        Ok(())
    })
    .or_throw()?;
    out.push('}');
    Ok(out)
}
