//! The `IKEv2` notify payloads that SKIP uses (draft 5; RFC 8784).
//!
//! Both are complete payloads, starting with the next-payload byte: protocol id 0, no SPI.

use crate::error::{Error, Result};
use crate::key_id::KeyId;
use crate::system_id::SystemId;

/// Notify message type of [`UsePpk`].
pub const USE_PPK: u16 = 16435;
/// Notify message type of [`PpkIdentity`].
pub const PPK_IDENTITY: u16 = 16436;

/// `PPK_ID_FIXED`, the type of a PPK identity that the peer looks up verbatim.
const PPK_ID_FIXED: u8 = 2;
/// Next payload, flags, length, protocol id, SPI size, notify message type.
const HEADER: usize = 8;

/// `USE_PPK`: the sender wants to use a PPK. In SKIP (draft 5, step 3) it carries the localSystemID of the sender's KP; peers that
/// only implement RFC 8784 leave it empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsePpk {
    /// The localSystemID, if present.
    pub local_system_id: Option<SystemId>,
}

impl UsePpk {
    /// Encodes the payload; `next_payload` is the type of the payload that follows it (0: none).
    #[must_use]
    pub fn encode(&self, next_payload: u8) -> Vec<u8> {
        notify(
            next_payload,
            USE_PPK,
            self.local_system_id.as_ref().map_or("", SystemId::as_str).as_bytes(),
        )
    }

    /// Decodes one complete payload.
    ///
    /// # Errors
    /// `invalid_argument` if it is not a `USE_PPK` notify payload of exactly that length, or its data is not an id.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        let data = data_of(payload, USE_PPK)?;
        if data.is_empty() {
            return Ok(Self::default());
        }
        let id = std::str::from_utf8(data).map_err(|_| Error::ikev2("has a localSystemID that is not UTF-8"))?;
        Ok(Self {
            local_system_id: Some(SystemId::new(id)?),
        })
    }
}

/// `PPK_IDENTITY`: identifies the PPK (draft 5, step 6), as `PPK_ID_FIXED` followed by the keyId.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpkIdentity {
    /// The identity's octets: the keyId's text, or its decoded hexadecimal digits.
    identity: Vec<u8>,
}

impl PpkIdentity {
    /// Uses the keyId as text, exactly as the Key Provider spelled it. All known implementations accept this form.
    #[must_use]
    pub fn text(key_id: &KeyId) -> Self {
        Self {
            identity: key_id.as_str().as_bytes().to_vec(),
        }
    }

    /// Uses the octets encoded by the keyId's hexadecimal digits. strongSwan truncates such an identity at a zero octet.
    ///
    /// # Errors
    /// `invalid_argument` if the keyId is not hexadecimal.
    pub fn octets(key_id: &KeyId) -> Result<Self> {
        let identity = key_id
            .octets()
            .ok_or_else(|| Error::ikev2("needs a hexadecimal keyId for its octets"))?;
        Ok(Self { identity })
    }

    /// The identity as sent on the wire.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// The keyId, if the identity is its text.
    ///
    /// # Errors
    /// `invalid_argument` if it is not (it may be octets: see [`PpkIdentity::key_id_of_octets`]).
    pub fn key_id(&self) -> Result<KeyId> {
        std::str::from_utf8(&self.identity)
            .map_err(|_| Error::ikev2("has an identity that is not text"))
            .and_then(KeyId::lenient)
    }

    /// The keyId in lower-case hexadecimal, for an identity that consists of its octets.
    ///
    /// # Errors
    /// `invalid_argument` if there are more than 256 octets.
    pub fn key_id_of_octets(&self) -> Result<KeyId> {
        KeyId::new(&base16ct::lower::encode_string(&self.identity))
    }

    /// Encodes the payload; `next_payload` is the type of the payload that follows it (0: none).
    #[must_use]
    pub fn encode(&self, next_payload: u8) -> Vec<u8> {
        let mut data = vec![PPK_ID_FIXED];
        data.extend_from_slice(&self.identity);
        notify(next_payload, PPK_IDENTITY, &data)
    }

    /// Decodes one complete payload.
    ///
    /// # Errors
    /// `invalid_argument` if it is not a `PPK_IDENTITY` notify payload of exactly that length with a non-empty `PPK_ID_FIXED`.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        match data_of(payload, PPK_IDENTITY)? {
            [PPK_ID_FIXED, identity @ ..] if !identity.is_empty() => Ok(Self {
                identity: identity.to_vec(),
            }),
            [PPK_ID_FIXED] | [] => Err(Error::ikev2("has no identity")),
            _ => Err(Error::ikev2("has a PPK_ID type other than 2 (PPK_ID_FIXED)")),
        }
    }
}

/// Encodes a notify payload (RFC 7296, 3.10) without SPI. Data can have at most 65,527 octets; ids and keyIds are much shorter.
fn notify(next_payload: u8, kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + data.len()).unwrap_or(u16::MAX);
    let mut payload = Vec::with_capacity(HEADER + data.len());
    payload.extend_from_slice(&[next_payload, 0]);
    payload.extend_from_slice(&length.to_be_bytes());
    payload.extend_from_slice(&[0, 0]);
    payload.extend_from_slice(&kind.to_be_bytes());
    payload.extend_from_slice(data);
    payload
}

fn data_of(payload: &[u8], kind: u16) -> Result<&[u8]> {
    let [_next, _flags, l0, l1, protocol, spi_size, k0, k1, data @ ..] = payload else {
        return Err(Error::ikev2("is shorter than a notify payload's 8 octets"));
    };
    if usize::from(u16::from_be_bytes([*l0, *l1])) != payload.len() {
        return Err(Error::ikev2("has a length field that is not its length"));
    }
    if *protocol != 0 || *spi_size != 0 {
        return Err(Error::ikev2("has a protocol id or an SPI, and must have none"));
    }
    if u16::from_be_bytes([*k0, *k1]) != kind {
        return Err(Error::ikev2("is a notification of another type"));
    }
    Ok(data)
}
