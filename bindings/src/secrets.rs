//! Keys and random bytes, which are only copied to buffers that the caller owns and wipes.
//!
//! Unsafe in two places: that buffer is an address, because `UniFFI` passes bytes only as copies that are not wiped.

use std::sync::Arc;

use skip_client::residue::clear_after_copy;
use skip_client::{Entropy, ExportFormat, Key, KeyId, Secret};

use crate::errors::Result;
use crate::messages::{CoreProblem, problems};

/// A key; wiped when the last reference is dropped.
#[derive(uniffi::Object)]
pub struct CoreKey(Key);

/// Random bytes; wiped when the last reference is dropped.
#[derive(uniffi::Object)]
pub struct CoreEntropy(Entropy);

/// A key and its public properties, in one result.
#[derive(uniffi::Record)]
pub struct CoreKeyAnswer {
    pub(crate) handle: Arc<CoreKey>,
    pub(crate) key_id: String,
    pub(crate) bits: u32,
    pub(crate) fingerprint: String,
    pub(crate) warnings: Vec<CoreProblem>,
}

/// Random bytes and their public properties, in one result.
#[derive(uniffi::Record)]
pub struct CoreEntropyAnswer {
    handle: Arc<CoreEntropy>,
    bits: u32,
    length: u32,
    warnings: Vec<CoreProblem>,
}

impl From<Key> for CoreKeyAnswer {
    fn from(key: Key) -> Self {
        Self::of(Arc::new(CoreKey(key)))
    }
}

impl CoreKeyAnswer {
    fn of(handle: Arc<CoreKey>) -> Self {
        let key = &handle.0;
        Self {
            key_id: key.key_id().as_str().to_owned(),
            bits: key.bits(),
            fingerprint: key.fingerprint(),
            warnings: problems(key.warnings()),
            handle,
        }
    }
}

impl From<Entropy> for CoreEntropyAnswer {
    fn from(entropy: Entropy) -> Self {
        Self {
            bits: entropy.bits(),
            length: length(entropy.secret().expose()),
            warnings: problems(entropy.warnings()),
            handle: Arc::new(CoreEntropy(entropy)),
        }
    }
}

#[uniffi::export]
impl CoreKey {
    /// The key with its public properties.
    pub fn describe(self: Arc<Self>) -> CoreKeyAnswer {
        CoreKeyAnswer::of(self)
    }

    /// Whether the bytes are equal, in constant time.
    pub fn equals_key(&self, other: Arc<CoreKey>) -> bool {
        self.0 == other.0
    }

    /// Copies the key to `address`, where the caller has space for `capacity` bytes; returns its length in bytes. If
    /// there is less space, nothing is copied.
    pub fn write_to(&self, address: u64, capacity: u32) -> u32 {
        copy_out(self.0.secret().expose(), address, capacity)
    }

    /// The same for an export format.
    pub fn export_to(&self, format: String, address: u64, capacity: u32) -> Result<u32> {
        let format: ExportFormat = format.parse()?;
        Ok(copy_out(&self.0.export(format)?, address, capacity))
    }
}

#[uniffi::export]
impl CoreEntropy {
    /// As [`CoreKey::write_to`].
    pub fn write_to(&self, address: u64, capacity: u32) -> u32 {
        copy_out(self.0.secret().expose(), address, capacity)
    }
}

/// A key of the caller's own, `length` bytes at `address`.
#[uniffi::export]
pub fn key_of(key_id: String, address: u64, length: u32) -> Result<CoreKeyAnswer> {
    Ok(Key::new(KeyId::lenient(&key_id)?, copy_in(address, length)).into())
}

/// Random bytes of the caller's own, `length` bytes at `address`, of full entropy.
#[uniffi::export]
pub fn entropy_of(address: u64, length: u32) -> CoreEntropyAnswer {
    Entropy::new(length.saturating_mul(8), copy_in(address, length)).into()
}

/// The names of the export formats.
#[uniffi::export]
pub fn export_formats() -> Vec<String> {
    ExportFormat::ALL.map(|format| format.as_str().to_owned()).to_vec()
}

fn length(bytes: &[u8]) -> u32 {
    // keys and exported forms are far below 4 GiB
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Copies to memory of the caller, if there is enough; returns the length.
#[allow(unsafe_code)]
pub(crate) fn copy_out(bytes: &[u8], address: u64, capacity: u32) -> u32 {
    let length = length(bytes);
    if length <= capacity
        && let Ok(address) = usize::try_from(address)
        && address != 0
    {
        let room = std::ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: the hand-written layers, the only callers, pass the address of memory that they allocated with that
        // capacity and keep until this returns; it is new, so it does not overlap with the secret
        clear_after_copy(|| unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), room, bytes.len()) });
    }
    length
}

fn copy_in(address: u64, length: u32) -> Secret {
    lent(address, length, Secret::copy_of)
}

/// Reads memory of the caller.
#[allow(unsafe_code)]
pub(crate) fn lent<T>(address: u64, length: u32, read: impl FnOnce(&[u8]) -> T) -> T {
    match (usize::try_from(address), usize::try_from(length)) {
        (Ok(address), Ok(length)) if address != 0 && length != 0 => {
            let room = std::ptr::with_exposed_provenance::<u8>(address);
            // SAFETY: the hand-written layers, the only callers, pass the address of memory that they filled with that many
            // bytes and keep until this returns
            read(unsafe { std::slice::from_raw_parts(room, length) })
        }
        _ => read(&[]),
    }
}
