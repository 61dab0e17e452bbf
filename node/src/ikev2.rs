//! The two notify payloads of `IKEv2`. They pass through the buffer, as messages do.

use skip_client::SystemId;
use skip_client::ikev2::{PpkIdentity, UsePpk};
use wasm_bindgen::prelude::*;

use crate::buffer;
use crate::error::text;
use crate::exchange::key_id;
use crate::json::{array, member};

/// Leaves a `USE_PPK` in the buffer, and returns its length. Unless `named`, it has no localSystemID.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn encode_use_ppk(named: bool, local_system_id: &str, next_payload: u8) -> String {
    let id = named.then(|| SystemId::new(local_system_id)).transpose();
    text(id.map(|local_system_id| buffer::leave(&UsePpk { local_system_id }.encode(next_payload))))
}

/// Leaves a `PPK_IDENTITY` in the buffer, and returns its length.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn encode_ppk_identity(id: &str, octets: bool, lenient: bool, next_payload: u8) -> String {
    let payload = key_id(id, lenient).and_then(|id| {
        if octets {
            PpkIdentity::octets(&id)
        } else {
            Ok(PpkIdentity::text(&id))
        }
    });
    text(payload.map(|payload| buffer::leave(&payload.encode(next_payload))))
}

/// Reads the payload in the buffer, a `USE_PPK` or a `PPK_IDENTITY`: what it has, as JSON text.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn decode_payload(use_ppk: bool, reserved: usize, length: usize) -> String {
    text(buffer::read(reserved, length, |payload| {
        let mut out = String::from("{");
        if use_ppk {
            if let Some(id) = UsePpk::decode(payload)?.local_system_id {
                member(&mut out, "localSystemId", id.as_str());
            }
            out.push('}');
            return Ok(out);
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
        out.push('}');
        Ok(out)
    }))
}
