//! Encoded secrets: every buffer is allocated at its final size and wiped on drop.

use base64ct::{Base64, Encoding as _};
use skip_client::{Error, Result, Secret};
use zeroize::Zeroizing;

/// Text that holds a secret.
pub(crate) type SecretBytes = Zeroizing<Vec<u8>>;

/// Base64 with padding.
pub(crate) fn base64(secret: &Secret) -> Result<SecretBytes> {
    let mut out = Zeroizing::new(vec![0; secret.len().div_ceil(3) * 4]);
    Base64::encode(secret.expose(), &mut out).map_err(|_| too_long())?;
    Ok(out)
}

/// The concatenated parts.
pub(crate) fn joined(parts: &[&[u8]]) -> SecretBytes {
    let mut out = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// `bytes` as a line: with one line feed at the end.
pub(crate) fn line(bytes: &[u8]) -> SecretBytes {
    if bytes.ends_with(b"\n") {
        joined(&[bytes])
    } else {
        joined(&[bytes, b"\n"])
    }
}

/// The object `{"keyId", "bits", "key"}` on a line.
pub(crate) fn key_json(key_id: &str, bits: u32, secret: &Secret) -> Result<SecretBytes> {
    let id = serde_json::Value::from(key_id).to_string();
    let head = format!("{{\"keyId\":{id},\"bits\":{bits},\"key\":\"");
    Ok(joined(&[head.as_bytes(), &secret.hex()?, b"\"}\n"]))
}

/// The object `{"bits", "randomStr"}` on a line.
pub(crate) fn entropy_json(bits: u32, secret: &Secret) -> Result<SecretBytes> {
    let head = format!("{{\"bits\":{bits},\"randomStr\":\"");
    Ok(joined(&[head.as_bytes(), &secret.hex()?, b"\"}\n"]))
}

/// The encoders only fail if the buffer has the wrong length.
fn too_long() -> Error {
    Error::invalid_argument("--format", "the secret is too long to be written", "")
}

#[cfg(test)]
mod tests {
    use super::{base64, entropy_json, key_json, line};
    use skip_client::Secret;

    #[test]
    fn encodings_are_the_usual_ones() {
        for length in 0..=64u8 {
            let secret = Secret::copy_of(&(0..length).collect::<Vec<u8>>());
            let text = base64(&secret).expect("fits");
            assert_eq!(text.len(), usize::from(length).div_ceil(3) * 4);
        }
        let secret = Secret::copy_of(&[0xfb, 0xff, 0x00, 0x1a]);
        assert_eq!(*base64(&secret).expect("fits"), b"+/8AGg==");
    }

    #[test]
    fn objects_have_the_members_of_the_api() {
        let secret = Secret::copy_of(&[1, 2]);
        assert_eq!(
            *key_json("aB", 16, &secret).expect("fits"),
            *b"{\"keyId\":\"aB\",\"bits\":16,\"key\":\"0102\"}\n"
        );
        assert_eq!(
            *entropy_json(16, &secret).expect("fits"),
            *b"{\"bits\":16,\"randomStr\":\"0102\"}\n"
        );
        assert_eq!(*line(b"a\n"), *b"a\n");
        assert_eq!(*line(b"a"), *b"a\n");
    }
}
