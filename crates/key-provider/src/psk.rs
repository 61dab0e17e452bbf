//! Pre-shared keys: generation, and the file `psk.txt` of a pair.

use std::collections::HashSet;
use std::path::Path;

use skip_client::Psk;
use zeroize::Zeroizing;

use crate::error::StartError;
use crate::pki;

/// The default identity of a pair.
pub const DEFAULT_IDENTITY: &str = "encryptor";

/// A pre-shared key of 32 random bytes.
///
/// # Errors
/// If the identity is invalid, or the random generator fails.
pub fn random_psk(identity: &str) -> Result<Psk, StartError> {
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(key.as_mut()).map_err(|e| StartError::because("no random numbers", e))?;
    let psk = Psk::from_bytes(identity, key.as_ref()).map_err(|e| StartError::options(e.to_string()))?;
    check(std::slice::from_ref(&psk))?;
    Ok(psk)
}

/// Checks that a file of lines `identity:hex` can represent all of them unambiguously.
pub(crate) fn check(psks: &[Psk]) -> Result<(), StartError> {
    let mut identities = HashSet::new();
    for identity in psks.iter().map(Psk::identity) {
        let read = Psk::all_of_file_content(format!("{identity}:00").as_bytes());
        if !read.is_ok_and(|read| read.iter().map(Psk::identity).eq([identity])) {
            let what = "an identity must not begin or end with a space, nor look like a comment in psk.txt";
            return Err(StartError::pre_shared_keys(what));
        }
        if !identities.insert(identity) {
            return Err(StartError::pre_shared_keys("each identity must have one key"));
        }
    }
    Ok(())
}

/// Writes `psk.txt`, readable only by its owner.
pub(crate) fn write_file(path: &Path, psks: &[Psk]) -> Result<(), StartError> {
    // allocated in full: growing would leave copies behind
    let room = psks
        .iter()
        .map(|psk| psk.identity().len() + 2 + 2 * psk.key().len())
        .sum();
    let mut text = Zeroizing::new(String::with_capacity(room));
    for psk in psks {
        let hex = Zeroizing::new(base16ct::lower::encode_string(psk.key().expose()));
        for part in [psk.identity(), ":", &hex, "\n"] {
            text.push_str(part);
        }
    }
    pki::write(path, text.as_bytes(), true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use skip_client::Psk;

    use super::{check, random_psk, write_file};

    #[test]
    fn what_a_line_cannot_hold_is_refused() {
        for identity in ["", "a\nb", "a\u{85}b", " a", "a ", "#a", "#61", &"i".repeat(129)] {
            assert!(random_psk(identity).is_err(), "{identity:?}");
        }
        let psk = |identity| random_psk(identity).expect("valid");
        assert!(check(&[psk("a"), psk("A"), psk("a b")]).is_ok());
        assert!(check(&[psk("a"), psk("b"), psk("a")]).is_err());
    }

    #[test]
    fn a_file_is_read_back_whatever_the_identity() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("psk.txt");
        let psks = ["a", "a:b", ":", "x#", "Zug \u{e9}"].map(|identity| random_psk(identity).expect("valid"));
        write_file(&path, &psks).expect("written");
        let read = Psk::all_of_file_content(&fs::read(&path).expect("there")).expect("read");
        assert_eq!(read.len(), psks.len());
        for (one, other) in psks.iter().zip(&read) {
            assert_eq!(one.identity(), other.identity());
            assert!(one.key() == other.key(), "another key");
        }
    }
}
