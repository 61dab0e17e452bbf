//! The two notify payloads of `IKEv2`.

use skip_client::SystemId;
use skip_client::ikev2::{PpkIdentity, UsePpk};
use wasm_bindgen::prelude::*;

use crate::error::OrThrow;
use crate::exchange::key_id;
use crate::json::{array, member};

/// `USE_PPK`.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn encode_use_ppk(local_system_id: Option<String>, next_payload: u8) -> Result<Vec<u8>, JsValue> {
    let local_system_id = local_system_id.map(|id| SystemId::new(&id)).transpose().or_throw()?;
    Ok(UsePpk { local_system_id }.encode(next_payload))
}

/// The localSystemID of a `USE_PPK`.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn decode_use_ppk(payload: &[u8]) -> Result<Option<String>, JsValue> {
    let payload = UsePpk::decode(payload).or_throw()?;
    Ok(payload.local_system_id.map(|id| id.as_str().to_owned()))
}

/// `PPK_IDENTITY`.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn encode_ppk_identity(id: &str, octets: bool, lenient: bool, next_payload: u8) -> Result<Vec<u8>, JsValue> {
    let id = key_id(id, lenient).or_throw()?;
    let payload = if octets {
        PpkIdentity::octets(&id).or_throw()?
    } else {
        PpkIdentity::text(&id)
    };
    Ok(payload.encode(next_payload))
}

/// What a `PPK_IDENTITY` has, as JSON text.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn decode_ppk_identity(payload: &[u8]) -> Result<String, JsValue> {
    let payload = PpkIdentity::decode(payload).or_throw()?;
    let mut out = String::from("{");
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
}
