//! The `IKEv2` payloads that carry ids between the encryptors (draft 5).

use skip_client::ikev2::{PpkIdentity, UsePpk};
use skip_client::{KeyId, SystemId};

use crate::errors::Result;

/// A `USE_PPK` payload.
#[uniffi::export]
pub fn encode_use_ppk(local_system_id: Option<String>, next_payload: u8) -> Result<Vec<u8>> {
    let local_system_id = local_system_id.map(|id| SystemId::new(&id)).transpose()?;
    Ok(UsePpk { local_system_id }.encode(next_payload))
}

/// The localSystemID of a `USE_PPK` payload.
#[uniffi::export]
pub fn decode_use_ppk(payload: Vec<u8>) -> Result<Option<String>> {
    let payload = UsePpk::decode(&payload)?;
    Ok(payload.local_system_id.map(|id| id.as_str().to_owned()))
}

/// A `PPK_IDENTITY` payload for a keyId: as text, or as the octets of its digits.
#[uniffi::export]
pub fn encode_ppk_identity(key_id: String, as_octets: bool, next_payload: u8) -> Result<Vec<u8>> {
    let key_id = KeyId::lenient(&key_id)?;
    let identity = if as_octets {
        PpkIdentity::octets(&key_id)?
    } else {
        PpkIdentity::text(&key_id)
    };
    Ok(identity.encode(next_payload))
}

/// The keyId of a `PPK_IDENTITY` payload.
#[uniffi::export]
pub fn decode_ppk_identity(payload: Vec<u8>, as_octets: bool) -> Result<String> {
    let identity = PpkIdentity::decode(&payload)?;
    let key_id = if as_octets {
        identity.key_id_of_octets()
    } else {
        identity.key_id()
    }?;
    Ok(key_id.as_str().to_owned())
}
