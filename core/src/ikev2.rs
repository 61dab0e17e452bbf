//! The `IKEv2` notify payloads that SKIP uses (draft 5; RFC 8784).
//!
//! Both are whole payloads, from the next-payload byte on: protocol id 0, no SPI.

use crate::error::{Error, Result};
use crate::key_id::KeyId;
use crate::system_id::SystemId;

/// Notify message type of [`UsePpk`].
pub const USE_PPK: u16 = 16435;
/// Notify message type of [`PpkIdentity`].
pub const PPK_IDENTITY: u16 = 16436;

/// `PPK_ID_FIXED`, the type of a PPK identity that the peer looks up as it stands.
const PPK_ID_FIXED: u8 = 2;
/// Next payload, flags, length, protocol id, SPI size, notify message type.
const HEADER: usize = 8;

/// `USE_PPK`: the sender wants to use a PPK. SKIP (draft 5, step 3) puts the localSystemID of the sender's KP in; peers that only know
/// RFC 8784 leave it empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsePpk {
    /// The localSystemID, if there is one.
    pub local_system_id: Option<SystemId>,
}

impl UsePpk {
    /// The payload, as the next one in the message is of type `next_payload` (0: none).
    #[must_use]
    pub fn encode(&self, next_payload: u8) -> Vec<u8> {
        notify(
            next_payload,
            USE_PPK,
            self.local_system_id.as_ref().map_or("", SystemId::as_str).as_bytes(),
        )
    }

    /// Reads one whole payload.
    ///
    /// # Errors
    /// `invalid_argument` when it is not a `USE_PPK` notify payload of exactly that length, or its data is not an id.
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

/// `PPK_IDENTITY`: which PPK (draft 5, step 6), as `PPK_ID_FIXED` followed by the keyId.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpkIdentity {
    /// The identity's octets: the keyId's text, or the octets that its digits stand for.
    identity: Vec<u8>,
}

impl PpkIdentity {
    /// The keyId as text, exactly as the Key Provider spelled it: the form that every known implementation takes.
    #[must_use]
    pub fn text(key_id: &KeyId) -> Self {
        Self {
            identity: key_id.as_str().as_bytes().to_vec(),
        }
    }

    /// The octets that the keyId's hexadecimal digits stand for. strongSwan cuts such an identity at a zero octet.
    ///
    /// # Errors
    /// `invalid_argument` when the keyId is not hexadecimal.
    pub fn octets(key_id: &KeyId) -> Result<Self> {
        let identity = key_id
            .octets()
            .ok_or_else(|| Error::ikev2("needs a hexadecimal keyId for its octets"))?;
        Ok(Self { identity })
    }

    /// The identity as it is on the wire.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// The keyId, when the identity is one as text.
    ///
    /// # Errors
    /// `invalid_argument` when it is not (it may be octets: see [`PpkIdentity::key_id_of_octets`]).
    pub fn key_id(&self) -> Result<KeyId> {
        std::str::from_utf8(&self.identity)
            .map_err(|_| Error::ikev2("has an identity that is not text"))
            .and_then(KeyId::lenient)
    }

    /// The keyId, when the identity is its octets: lower-case hexadecimal.
    ///
    /// # Errors
    /// `invalid_argument` when there are more than 256 octets.
    pub fn key_id_of_octets(&self) -> Result<KeyId> {
        KeyId::new(&base16ct::lower::encode_string(&self.identity))
    }

    /// The payload, as the next one in the message is of type `next_payload` (0: none).
    #[must_use]
    pub fn encode(&self, next_payload: u8) -> Vec<u8> {
        let mut data = vec![PPK_ID_FIXED];
        data.extend_from_slice(&self.identity);
        notify(next_payload, PPK_IDENTITY, &data)
    }

    /// Reads one whole payload.
    ///
    /// # Errors
    /// `invalid_argument` when it is not a `PPK_IDENTITY` notify payload of exactly that length with a non-empty `PPK_ID_FIXED`.
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

/// A notify payload (RFC 7296, 3.10) without protocol id and SPI. Data has at most 65,527 octets: ids and keyIds are far shorter.
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
