//! Keys: derived at both ends from a shared secret and the keyId, given once to each side.
//!
//! A keyId has 16 bytes: 6 random, 4 for the issue time (seconds since 1970), 2 for the size (in bytes), and a tag of 4
//! over these and both ids. So the peer learns size and age from the keyId alone, and the tag reveals keyIds that were
//! never issued, or were issued for another peer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{constant_time, hkdf, hmac, rand};
use skip_client::BitLength;
use zeroize::Zeroizing;

/// The bytes encoded by a keyId.
pub(crate) type KeyIdBytes = [u8; 16];

const TAG_AT: usize = 12;

/// State shared by both ends: the secret from which all keys are derived, and a monotonic clock.
pub(crate) struct SharedSecret {
    keys: hkdf::Prk,
    tags: hmac::Key,
    started: (Instant, Duration),
    /// keyIds that were issued in another form, by that form
    aliases: Mutex<HashMap<Vec<u8>, KeyIdBytes>>,
}

/// One end's records: the keyIds that it issued, and those whose keys it delivered.
pub(crate) struct KeyBook {
    lifetime: u64,
    /// keyIds created in the latest second; an older one has a different time
    issued: Mutex<(u32, HashSet<KeyIdBytes>)>,
    /// keyIds already delivered, by the second of their issue, as far back as the lifetime of a key
    given: Mutex<BTreeMap<u32, HashSet<KeyIdBytes>>>,
}

/// Why no key was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// Never issued for these two, already delivered, or expired.
    NotFound,
    /// The random generator or the key derivation failed.
    Internal,
}

impl From<Unspecified> for NoKey {
    fn from(_: Unspecified) -> Self {
        NoKey::Internal
    }
}

impl SharedSecret {
    pub(crate) fn generate() -> Result<Self, Unspecified> {
        let mut secret = Zeroizing::new([0; 48]);
        rand::fill(secret.as_mut())?;
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA384, b"skip-key-provider keys").extract(secret.as_ref());
        rand::fill(secret.as_mut())?;
        Ok(Self {
            keys: prk,
            tags: hmac::Key::new(hmac::HMAC_SHA384, secret.as_ref()),
            aliases: Mutex::default(),
            started: (
                Instant::now(),
                SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            ),
        })
    }

    /// Registers another form of a keyId, known to both ends from now on.
    pub(crate) fn alias(&self, id: &KeyIdBytes, form: Vec<u8>) {
        let mut aliases = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        aliases.insert(form, *id);
    }

    /// The keyId that has this form.
    pub(crate) fn resolve(&self, form: &[u8]) -> Option<KeyIdBytes> {
        let aliases = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        aliases.get(form).copied().or_else(|| form.try_into().ok())
    }

    /// Seconds since 1970.
    fn now(&self) -> u32 {
        let (start, since_epoch) = self.started;
        u32::try_from((since_epoch + start.elapsed()).as_secs()).unwrap_or(u32::MAX)
    }

    fn tag(&self, head: &[u8], issuer: &str, peer: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.tags);
        context.update(head);
        context.update(&names(issuer, peer));
        context.sign()
    }

    /// The one key of this size, for `repeated-keys`.
    pub(crate) fn of_size(&self, bytes: usize) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let mut id = KeyIdBytes::default();
        id[10..12].copy_from_slice(&u16::try_from(bytes).map_err(|_| Unspecified)?.to_be_bytes());
        self.derive(&id, "", "")
    }

    // draft 4.2.1 (MUST NOT): the keyId alone does not reveal the key; it is only the input of a keyed function
    fn derive(&self, id: &KeyIdBytes, issuer: &str, peer: &str) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let bytes = key_bytes(id);
        let mut key = Zeroizing::new(vec![0; bytes]);
        let names = names(issuer, peer);
        let size = (bytes as u64 * 8).to_be_bytes();
        self.keys
            .expand(&[id, &names, &size], OutputLength(bytes))?
            .fill(&mut key)?;
        Ok(key)
    }
}

impl KeyBook {
    pub(crate) fn new(lifetime: Duration) -> Self {
        let part = u64::from(lifetime.subsec_nanos() > 0);
        Self {
            lifetime: lifetime.as_secs().saturating_add(part),
            issued: Mutex::default(),
            given: Mutex::default(),
        }
    }

    /// Creates a key with a fresh keyId. The issuer keeps neither: this is the only time its encryptor gets them.
    pub(crate) fn issue(
        &self,
        secret: &SharedSecret,
        issuer: &str,
        peer: &str,
        size: BitLength,
    ) -> Result<(KeyIdBytes, Zeroizing<Vec<u8>>), NoKey> {
        let bytes = u16::try_from(size.bytes()).map_err(|_| NoKey::Internal)?;
        let mut id = KeyIdBytes::default();
        id[10..12].copy_from_slice(&bytes.to_be_bytes());
        loop {
            rand::fill(&mut id[..6])?;
            let mut made = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
            let now = secret.now();
            if made.0 != now {
                *made = (now, HashSet::new());
            }
            id[6..10].copy_from_slice(&now.to_be_bytes());
            let tag = secret.tag(&id[..TAG_AT], issuer, peer);
            id[TAG_AT..].copy_from_slice(&tag.as_ref()[..4]);
            // draft 4.2.1: a keyId is unique
            if made.1.insert(id) {
                break;
            }
        }
        Ok((id, secret.derive(&id, issuer, peer)?))
    }

    /// Delivers the key of a keyId that `issuer` created for `peer`, the owner of these records; only once, unless
    /// `again`.
    pub(crate) fn give(
        &self,
        secret: &SharedSecret,
        id: &KeyIdBytes,
        issuer: &str,
        peer: &str,
        again: bool,
    ) -> Result<Zeroizing<Vec<u8>>, NoKey> {
        let tag = secret.tag(&id[..TAG_AT], issuer, peer);
        constant_time::verify_slices_are_equal(&tag.as_ref()[..4], &id[TAG_AT..]).map_err(|_| NoKey::NotFound)?;
        let made = issue_second(id);
        let now = secret.now();
        if self.is_expired(made, now) {
            return Err(NoKey::NotFound);
        }
        {
            let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            while given
                .first_key_value()
                .is_some_and(|(&second, _)| self.is_expired(second, now))
            {
                given.pop_first();
            }
            // draft 4.2.2 (MUST): a key is given once, then wiped; only its keyId is kept here
            if !given.entry(made).or_default().insert(*id) && !again {
                return Err(NoKey::NotFound);
            }
        }
        Ok(secret.derive(id, issuer, peer)?)
    }

    fn is_expired(&self, made: u32, now: u32) -> bool {
        u64::from(now) > u64::from(made).saturating_add(self.lifetime)
    }
}

/// The size of a key, in bytes, from its keyId.
pub(crate) fn key_bytes(id: &KeyIdBytes) -> usize {
    usize::from(u16::from_be_bytes([id[10], id[11]]))
}

fn issue_second(id: &KeyIdBytes) -> u32 {
    u32::from_be_bytes([id[6], id[7], id[8], id[9]])
}

/// Both ids, each preceded by its length, so that different pairs of ids have different encodings.
fn names(issuer: &str, peer: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(issuer.len() + peer.len() + 16);
    for name in [issuer, peer] {
        out.extend_from_slice(&(name.len() as u64).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
    }
    out
}

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use skip_client::BitLength;

    use super::{KeyBook, NoKey, SharedSecret, key_bytes};

    fn books(lifetime: Duration) -> (SharedSecret, KeyBook, KeyBook) {
        (
            SharedSecret::generate().expect("random"),
            KeyBook::new(lifetime),
            KeyBook::new(lifetime),
        )
    }

    #[test]
    fn both_ends_get_the_same_key_once() {
        let (secret, alice, bob) = books(Duration::from_mins(1));
        for bits in [8, 128, 256, 65_536] {
            let size = BitLength::new(bits).expect("valid");
            let (id, key) = alice.issue(&secret, "Alice", "Bob", size).expect("issued");
            assert_eq!((key_bytes(&id), key.len()), (size.bytes(), size.bytes()));
            let same = bob.give(&secret, &id, "Alice", "Bob", false).expect("given");
            assert!(*same == *key, "both ends differ");
            assert_eq!(
                bob.give(&secret, &id, "Alice", "Bob", false).err(),
                Some(NoKey::NotFound)
            );
        }
    }

    #[test]
    fn a_key_is_bound_to_both_ids_and_every_byte_of_its_id() {
        let (secret, alice, bob) = books(Duration::from_mins(1));
        let (id, _) = alice
            .issue(&secret, "Alice", "Bob", BitLength::DEFAULT)
            .expect("issued");
        for (issuer, peer) in [("Bob", "Alice"), ("Alice", "Eve"), ("Eve", "Bob"), ("AliceB", "ob")] {
            assert_eq!(bob.give(&secret, &id, issuer, peer, false).err(), Some(NoKey::NotFound));
        }
        for at in 0..16 {
            let mut other = id;
            other[at] ^= 1;
            assert_eq!(
                bob.give(&secret, &other, "Alice", "Bob", false).err(),
                Some(NoKey::NotFound)
            );
        }
        assert!(bob.give(&secret, &id, "Alice", "Bob", false).is_ok());
    }

    #[test]
    fn old_keys_are_refused_and_forgotten() {
        let (secret, alice, bob) = books(Duration::ZERO);
        let issue = || {
            alice
                .issue(&secret, "Alice", "Bob", BitLength::DEFAULT)
                .expect("issued")
                .0
        };
        let (given, old) = (issue(), issue());
        assert!(bob.give(&secret, &given, "Alice", "Bob", false).is_ok());
        sleep(Duration::from_millis(2100));
        assert_eq!(
            bob.give(&secret, &old, "Alice", "Bob", false).err(),
            Some(NoKey::NotFound)
        );
        assert!(bob.give(&secret, &issue(), "Alice", "Bob", false).is_ok());
        assert_eq!(bob.given.lock().expect("not poisoned").len(), 1);
    }
}
