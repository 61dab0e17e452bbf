//! Keys for the JVM, where passing a string or a record takes longer than a request on an open
//! connection: arguments and result are in memory of the caller.

use std::sync::Arc;

use crate::client::{CoreCall, CoreCancel, CoreClient};
use crate::errors::Result;
use crate::secrets::{CoreKey, CoreKeyAnswer, copy_out, lent};

#[uniffi::export]
impl CoreClient {
    /// As `new_key`, or as `key_by_id` if there is a keyId. The `capacity` bytes at `address` begin
    /// with the arguments: the strings remote, keyId, size and timeout, each after its length in
    /// bytes (a big-endian `i32`; -1 for none).
    ///
    /// They are replaced with the result: the key's bits, an `i32`, and keyId and fingerprint, in
    /// the same form. The `i32` is -1 if the reply has warnings or the result does not fit: then
    /// [`CoreKey::describe`] has everything.
    pub fn ask_key(&self, address: u64, capacity: u32, cancel: Arc<CoreCancel>) -> Result<Arc<CoreKey>> {
        let [remote, key_id, size, timeout] = lent(address, capacity, texts);
        let remote = remote.unwrap_or_default();
        let call = CoreCall::new(timeout, cancel);
        let answer = match key_id {
            Some(key_id) => self.key_by_id(key_id, remote, call),
            None => self.new_key(remote, size.and_then(|size| size.parse().ok()), call),
        }?;
        let short = short(&answer).filter(|short| short.len() <= capacity as usize);
        copy_out(&short.unwrap_or_else(|| NONE.to_be_bytes().to_vec()), address, capacity);
        Ok(answer.handle)
    }
}

const NONE: i32 = -1;

/// Reads the arguments; those beyond the end are absent.
fn texts<const N: usize>(mut bytes: &[u8]) -> [Option<String>; N] {
    std::array::from_fn(|_| {
        let (length, rest) = bytes.split_first_chunk()?;
        bytes = rest;
        let (text, rest) = rest.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
        bytes = rest;
        String::from_utf8(text.to_vec()).ok()
    })
}

/// The result in its short form.
fn short(answer: &CoreKeyAnswer) -> Option<Vec<u8>> {
    if !answer.warnings.is_empty() {
        return None;
    }
    let mut bytes = i32::try_from(answer.bits).ok()?.to_be_bytes().to_vec();
    for text in [&answer.key_id, &answer.fingerprint] {
        bytes.extend(i32::try_from(text.len()).ok()?.to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::texts;

    #[test]
    fn texts_end_where_their_lengths_say() {
        let bytes = b"\0\0\0\x03Bob\xff\xff\xff\xff\0\0\0\0\0\0\0\x09short";
        let read: [_; 5] = texts(bytes);
        assert_eq!(read, [Some("Bob".to_owned()), None, Some(String::new()), None, None]);
        for end in 0..bytes.len() {
            let _: [_; 4] = texts(&bytes[..end]);
        }
    }
}
