//! A TLS pre-shared key and its identity (RFC 4279), in the common formats.

use std::borrow::Cow;
use std::fmt;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::error::{Error, Remedy, Result};
use crate::secret::Secret;

/// RFC 4279, 5.3: the length that every implementation supports; OpenSSL truncates longer identities.
const IDENTITY_LIMIT: usize = 128;
/// OpenSSL's limit in TLS 1.2.
const KEY_LIMIT: usize = 256;
/// Shorter keys can be guessed, or will be by a quantum computer.
const KEY_FLOOR: usize = 16;

/// An identity and a key shared by a client and a Key Provider, used by TLS instead of certificates (draft 3, Table 1).
///
/// There is one constructor for each encoding, and nothing is guessed: `31323334` is four bytes as hexadecimal and eight as text. The
/// key is wiped on drop and never shown.
#[derive(Clone)]
pub struct Psk {
    identity: Box<str>,
    key: Secret,
}

/// How a file contains a pre-shared key. Nothing is guessed: the same characters are another key as text than as hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PskForm {
    /// Lines `identity:hex`, or `hex` alone: see [`Psk::from_file_content`].
    #[default]
    Lines,
    /// The content is the key itself, as text; a line ending after it is not part of it.
    Text,
    /// The content is the key in base64; a line ending after it is not part of it.
    Base64,
}

impl Psk {
    /// Creates one from a hexadecimal key: an even number of digits of either case, 2 to 512, without separators.
    ///
    /// # Errors
    /// `invalid_argument` if the key has another form, or the identity is not 1 to 128 bytes of UTF-8 without control characters.
    pub fn from_hex(identity: &str, digits: &[u8]) -> Result<Self> {
        let key = Secret::from_hex(digits)
            .ok_or_else(|| Error::psk("must be hexadecimal, of even length", Remedy::NameFormOfPsk))?;
        Self::new(identity, key)
    }

    /// Creates one whose key is the text itself, in UTF-8: 1 to 256 bytes. Routers call this a key of type 0.
    ///
    /// # Errors
    /// The same as [`Psk::from_hex`].
    pub fn from_text(identity: &str, text: &str) -> Result<Self> {
        Self::from_bytes(identity, text.as_bytes())
    }

    /// Creates one from a base64 key (standard alphabet, with padding) of 1 to 256 bytes.
    ///
    /// # Errors
    /// The same as [`Psk::from_hex`].
    pub fn from_base64(identity: &str, text: &[u8]) -> Result<Self> {
        let mut bytes = Zeroizing::new(vec![0; text.len() / 4 * 3 + 3]);
        let key = Base64::decode(text, &mut bytes)
            .map(Secret::copy_of)
            .map_err(|_| Error::psk("must be base64 with padding", Remedy::NameFormOfPsk))?;
        Self::new(identity, key)
    }

    /// Creates one from a raw key of 1 to 256 bytes.
    ///
    /// # Errors
    /// The same as [`Psk::from_hex`].
    pub fn from_bytes(identity: &str, key: &[u8]) -> Result<Self> {
        Self::new(identity, Secret::copy_of(key))
    }

    /// Reads one key from a file's content: one line `identity:hex` for each identity, or `hex` alone. The last colon of a line is the
    /// separator, with or without spaces around it. `#` starts a comment, unless it is followed by hexadecimal digits and a colon: that
    /// is an identity as escaped by psktool of `GnuTLS`. Empty lines are ignored. `identity` selects a line, or supplies the identity
    /// for a key without one.
    ///
    /// # Errors
    /// The same as [`Psk::from_hex`]; also if the file has no key, none with that identity, or several and `identity` is `None`.
    pub fn from_file_content(content: &[u8], identity: Option<&str>) -> Result<Self> {
        let fits = |line: &Line<'_>| match (&line.identity, identity) {
            (Some(name), Some(wanted)) => **name == *wanted.as_bytes(),
            _ => true,
        };
        let mut fitting = lines(content)?.filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(line), None) => line.read(identity),
            (Some(_), Some(_)) => Err(Error::psk_file("has several keys", Remedy::ChooseIdentity)),
            (None, _) if identity.is_some() => Err(Error::psk_file("has no key of that identity", Remedy::PskFileForm)),
            (None, _) => Err(Error::psk_file("is empty", Remedy::PskFileForm)),
        }
    }

    /// The same for a file of this form; text and base64 need the identity.
    ///
    /// # Errors
    /// The same as [`Psk::from_file_content`]; also if text or base64 has several lines, or no identity is given.
    pub fn from_file_content_as(form: PskForm, content: &[u8], identity: Option<&str>) -> Result<Self> {
        if form == PskForm::Lines {
            return Self::from_file_content(content, identity);
        }
        let content = without_bom(content)?;
        let line = content.strip_suffix(b"\n").unwrap_or(content);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&b'\n') {
            return Err(Error::psk_file("has several lines", Remedy::OneLineOfPsk));
        }
        let identity =
            identity.ok_or_else(|| Error::psk_file("has a key without an identity", Remedy::ChooseIdentity))?;
        match form {
            PskForm::Base64 => Self::from_base64(identity, line),
            _ => Self::from_bytes(identity, line),
        }
    }

    /// Reads all keys from a file's content with lines `identity:hex`; comments and escapes as in [`Psk::from_file_content`].
    ///
    /// # Errors
    /// The same as [`Psk::from_hex`]; also if there is no line, or one without an identity.
    pub fn all_of_file_content(content: &[u8]) -> Result<Vec<Self>> {
        let all = lines(content)?
            .map(|line| line.read(None))
            .collect::<Result<Vec<_>>>()?;
        if all.is_empty() {
            return Err(Error::psk_file("is empty", Remedy::PskFileForm));
        }
        Ok(all)
    }

    /// The identity, which TLS sends in the clear.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The key's bytes.
    #[must_use]
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// Whether the key is shorter than 128 bits; it works, with a warning.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.key.len() < KEY_FLOOR
    }

    fn new(identity: &str, key: Secret) -> Result<Self> {
        // RFC 4279, 5.1 and 5.3; TLS 1.2 would truncate an identity at a NUL, and a trailing newline comes from a shell or an editor
        if identity.is_empty() || identity.len() > IDENTITY_LIMIT || identity.contains(char::is_control) {
            return Err(Error::psk_identity());
        }
        if key.is_empty() || key.len() > KEY_LIMIT {
            return Err(Error::psk("must have 1 to 256 bytes", Remedy::RandomPsk));
        }
        Ok(Self {
            identity: identity.into(),
            key,
        })
    }
}

/// A line of a file.
struct Line<'a> {
    identity: Option<Cow<'a, [u8]>>,
    digits: &'a [u8],
}

/// The lines that contain a key.
fn lines(content: &[u8]) -> Result<impl Iterator<Item = Line<'_>>> {
    Ok(without_bom(content)?.split(|byte| *byte == b'\n').filter_map(line))
}

fn without_bom(content: &[u8]) -> Result<&[u8]> {
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        return Err(Error::utf_16("psk"));
    }
    Ok(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content))
}

/// Parses a line, unless it is empty or a comment.
fn line(text: &[u8]) -> Option<Line<'_>> {
    let text = text.trim_ascii();
    let colon = text.iter().rposition(|byte| *byte == b':');
    let (identity, digits) = match colon {
        Some(colon) => (Some(text[..colon].trim_ascii()), text[colon + 1..].trim_ascii()),
        None => (None, text),
    };
    let Some(comment) = text.strip_prefix(b"#") else {
        let identity = identity.map(Cow::Borrowed);
        return (!text.is_empty()).then_some(Line { identity, digits });
    };
    let escaped = &comment[..colon?.saturating_sub(1)];
    let identity = base16ct::mixed::decode_vec(escaped.trim_ascii())
        .ok()
        .filter(|bytes| !bytes.is_empty())?;
    Some(Line {
        identity: Some(Cow::Owned(identity)),
        digits,
    })
}

impl Line<'_> {
    /// The key of the line, with this identity if the line has none.
    fn read(&self, identity: Option<&str>) -> Result<Psk> {
        match (self.identity.as_deref().map(std::str::from_utf8), identity) {
            (Some(Ok(name)), _) | (None, Some(name)) => Psk::from_hex(name, self.digits),
            (Some(Err(_)), _) => Err(Error::psk_file(
                "has an identity that is not UTF-8",
                Remedy::PskFileForm,
            )),
            (None, None) => Err(Error::psk_file("has a key without an identity", Remedy::ChooseIdentity)),
        }
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Psk")
            .field("identity", &self.identity)
            .field("key", &self.key)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Psk, PskForm};
    use crate::error::ErrorCode;

    #[test]
    fn each_form_gives_the_same_key() {
        let psk = Psk::from_hex("router", b"6D61726b").expect("valid");
        assert_eq!((psk.identity(), psk.key().expose()), ("router", &b"mark"[..]));
        for same in [
            Psk::from_text("router", "mark"),
            Psk::from_base64("router", b"bWFyaw=="),
            Psk::from_bytes("router", b"mark"),
            Psk::from_file_content(b"router:6d61726b\n", None),
            Psk::from_file_content(b"\r\n6d61726b\r\n", Some("router")),
            Psk::from_file_content(b"a:00\nrouter:6d61726b\nb:01", Some("router")),
            Psk::from_file_content(
                b"\xef\xbb\xbf# for site B: until May\r\n\r\n router : 6d61726b \r\n#",
                None,
            ),
            Psk::from_file_content(b"#726f75746572:6d61726b", None),
            Psk::from_file_content(b"#726F75746572:6d61726b\n#613a62:00", Some("router")),
        ] {
            let same = same.expect("valid");
            assert_eq!((same.identity(), same.key()), (psk.identity(), psk.key()));
        }
        let with_colons = Psk::from_file_content(b"urn:kp:1:00ff", None).expect("valid");
        assert_eq!(with_colons.identity(), "urn:kp:1");
        let all = Psk::all_of_file_content(b"a:00\n\nb:01\n").expect("valid");
        assert_eq!(all.iter().map(Psk::identity).collect::<Vec<_>>(), ["a", "b"]);
        assert!(Psk::all_of_file_content(b"a:00\n01").is_err() && Psk::all_of_file_content(b"\n").is_err());
    }

    #[test]
    fn a_file_can_be_the_key_itself() {
        let read = |form, content: &[u8]| Psk::from_file_content_as(form, content, Some("router"));
        for (form, content) in [
            (PskForm::Lines, &b"router:6d61726b"[..]),
            (PskForm::Text, b"mark"),
            (PskForm::Text, b"mark\r\n"),
            (PskForm::Text, b"\xef\xbb\xbfmark\n"),
            (PskForm::Base64, b"bWFyaw==\n"),
        ] {
            assert_eq!(read(form, content).expect("valid").key().expose(), b"mark", "{form:?}");
        }
        // spaces and colons are characters like others
        assert_eq!(read(PskForm::Text, b" a:b ").expect("valid").key().expose(), b" a:b ");
        for (form, content) in [
            (PskForm::Text, &b"mark\n\n"[..]),
            (PskForm::Text, b"\n"),
            (PskForm::Base64, b"mark\nbook"),
        ] {
            assert!(read(form, content).is_err(), "{form:?}");
        }
        assert!(Psk::from_file_content_as(PskForm::Text, b"mark", None).is_err());
    }

    #[test]
    fn what_breaks_a_rule_is_refused_and_not_shown() {
        let long = "x".repeat(129);
        for bad in [
            Psk::from_hex("", b"00"),
            Psk::from_hex("a\0b", b"00"),
            Psk::from_hex("router\n", b"00"),
            Psk::from_hex("a\u{85}b", b"00"),
            Psk::from_hex(&long, b"00"),
            Psk::from_hex("a", b""),
            Psk::from_hex("a", b"marker"),
            Psk::from_hex("a", b"0x00"),
            Psk::from_hex("a", b"00:ff"),
            Psk::from_hex("a", &[b'0'; 514]),
            Psk::from_text("a", ""),
            Psk::from_base64("a", b"marker"),
            Psk::from_base64("a", b"bWFyaw"),
            Psk::from_bytes("a", &[1; 257]),
            Psk::from_file_content(b"", None),
            Psk::from_file_content(b"6d61", None),
            Psk::from_file_content(b"a:00\nb:01", None),
            Psk::from_file_content(b"a:00\nb:01", Some("c")),
            Psk::from_file_content(b"a:00\na:01", Some("a")),
            Psk::from_file_content(b"\xff:00", None),
            Psk::from_file_content(b":00", None),
            Psk::from_file_content(b"# a comment", None),
            Psk::from_file_content(b"\xff\xfea\0:\x000\x000\0", None),
            Psk::from_file_content(b"#0a:00", None),
        ] {
            let error = bad.expect_err("invalid");
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert!(!format!("{error:?}").contains("marker"));
        }
        assert!(Psk::from_hex(&long[..128], &[b'0'; 512]).is_ok());
    }

    #[test]
    fn debug_shows_the_identity_only() {
        let shown = format!("{:?}", Psk::from_text("router", "marker").expect("valid"));
        assert!(shown.contains("router") && !shown.contains("marker"), "{shown}");
    }
}
