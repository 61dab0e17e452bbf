//! The JSON of responses, written once into a buffer that is wiped when the last byte was sent.

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::switches::{Fault, Quirk, Snapshot};

/// The length of the extra member of `huge-body`, in bytes.
const HUGE: usize = 10_000_000;

/// Hexadecimal digits that may be a secret.
pub(crate) type Digits = Zeroizing<Vec<u8>>;

/// A 200 response, as parts to send in order.
pub(crate) type Parts = Vec<Bytes>;

/// The members of a response.
pub(crate) enum Message<'a> {
    /// `number` differs in each response.
    Capabilities {
        id: &'a str,
        remotes: &'a [String],
        number: u64,
    },
    Key {
        key_id: &'a [u8],
        key: &'a Digits,
    },
    Entropy {
        random_str: &'a Digits,
        bits: u32,
    },
}

/// Hexadecimal digits of `bytes`, in the case set by the switches.
pub(crate) fn digits(bytes: &[u8], switches: Snapshot) -> Digits {
    let mut out = Zeroizing::new(vec![0; bytes.len() * 2]);
    // cannot fail: the buffer has the right length
    let _ = if switches.quirk(Quirk::UppercaseHex) {
        base16ct::upper::encode(bytes, &mut out).map(|_| ())
    } else {
        base16ct::lower::encode(bytes, &mut out).map(|_| ())
    };
    out
}

/// Applies the faults to the digits; `bytes` is the requested length, `is_key` distinguishes key from randomStr.
pub(crate) fn spoil(digits: &mut Digits, bytes: usize, is_key: bool, switches: Snapshot) {
    if switches.fault(Fault::WrongSize) {
        let length = match (is_key, bytes) {
            (true, 8) => 16,
            (false, 0..=8) => bytes.saturating_sub(1),
            _ => 8,
        };
        let mut other = Zeroizing::new(vec![b'5'; length * 2]);
        let same = other.len().min(digits.len());
        other[..same].copy_from_slice(&digits[..same]);
        *digits = other;
    }
    if switches.fault(Fault::AllZeroKey) {
        digits.fill(b'0');
    }
    if switches.fault(Fault::NotHex)
        && let Some(first) = digits.first_mut()
    {
        *first = b'g';
    }
    if switches.fault(Fault::OddKey) {
        digits.pop();
    }
}

/// Writes a message, modified by the switches.
pub(crate) fn write(message: &Message<'_>, switches: Snapshot) -> Parts {
    let secret = match message {
        Message::Capabilities { .. } => 0,
        Message::Key { key, .. } => key.len(),
        Message::Entropy { random_str, .. } => random_str.len(),
    };
    // no reallocation once a secret is written: room for two of them, ids and the extra members
    let room = match message {
        Message::Capabilities { id, remotes, .. } => {
            6 * (id.len() + remotes.iter().map(|r| r.len() + 3).sum::<usize>())
        }
        _ => 2 * secret,
    };
    let mut out = Writer(Zeroizing::new(Vec::with_capacity(room + 1024)));
    let twice = switches.fault(Fault::DuplicateMember);
    let whole = !switches.fault(Fault::MissingMember);
    match message {
        Message::Capabilities { id, remotes, number } => {
            let flag: &[u8] = if switches.fault(Fault::FalseFlags) {
                b"false"
            } else {
                b"true"
            };
            out.member("entropy", flag);
            out.member("key", flag);
            if twice {
                out.member("key", flag);
            }
            let algorithm = match () {
                () if switches.quirk(Quirk::LongAlgorithm) => {
                    "HKDF-SHA384 from a secret of both Key Providers".to_owned()
                }
                () if switches.fault(Fault::UnstableCapabilities) => format!("HKDF {number}"),
                () => "HKDF-SHA384".to_owned(),
            };
            out.text_member("algorithm", algorithm.as_bytes());
            out.name("localSystemID");
            string(&mut out.0, id);
            if whole {
                out.name("remoteSystemID");
                for (n, remote) in remotes.iter().enumerate() {
                    out.0.push(if n == 0 { b'[' } else { b',' });
                    string(&mut out.0, remote);
                }
                out.0.push(b']');
            }
        }
        Message::Key { key_id, key } => {
            if whole {
                out.text_member("keyId", key_id);
            }
            out.text_member("key", key);
            if twice {
                out.text_member("key", key);
            }
        }
        Message::Entropy { random_str, bits } => {
            out.text_member("randomStr", random_str);
            if twice {
                out.text_member("randomStr", random_str);
            }
            if whole {
                out.member("minentropy", bits.to_string().as_bytes());
            }
        }
    }
    if switches.quirk(Quirk::ExtraMembers) {
        out.text_member("vendor", b"skip-key-provider");
        out.member("extension", br#"{"version":[1,2.5e3,null],"nested":{"key":false}}"#);
    }
    if switches.fault(Fault::NotUtf8) {
        out.text_member("note", b"not utf-8: \xff\xfe");
    }
    finish(out, switches)
}

/// An error body. Never contains an id, a keyId or a secret.
pub(crate) fn error(text: &str) -> Bytes {
    let mut out = br#"{"error":"#.to_vec();
    string(&mut out, text);
    out.push(b'}');
    out.into()
}

/// An error body that leaks a secret, for `echo-key-in-error`.
pub(crate) fn leaking_error(secret: &Digits) -> Bytes {
    let mut out = Writer(Zeroizing::new(Vec::with_capacity(secret.len() + 64)));
    out.name("error");
    out.0.extend_from_slice(b"\"cannot store key ");
    out.0.extend_from_slice(secret);
    out.0.extend_from_slice(b"\"}");
    wiped(out.0)
}

fn finish(mut out: Writer, switches: Snapshot) -> Parts {
    let mut parts = Parts::new();
    if switches.fault(Fault::HugeBody) {
        const PADDING: &[u8] = &[b'x'; 50_000];
        out.name("padding");
        out.0.push(b'"');
        parts.push(wiped(out.0));
        parts.extend((0..HUGE / PADDING.len()).map(|_| Bytes::from_static(PADDING)));
        out = Writer(Zeroizing::new(b"\"".to_vec()));
    }
    out.0.push(b'}');
    if switches.fault(Fault::TruncatedJson) {
        let half = out.0.len() / 2;
        out.0.truncate(half);
    }
    parts.push(wiped(out.0));
    parts
}

fn wiped(buffer: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(buffer)
}

struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    fn name(&mut self, name: &str) {
        let start: &[u8] = if self.0.is_empty() { b"{\"" } else { b",\"" };
        self.0.extend_from_slice(start);
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn member(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    /// Appends a member whose text needs no escapes.
    fn text_member(&mut self, name: &str, text: &[u8]) {
        self.name(name);
        self.0.push(b'"');
        self.0.extend_from_slice(text);
        self.0.push(b'"');
    }
}

/// Appends a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1F => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::{Message, digits, error, write};
    use crate::switches::Snapshot;

    #[test]
    fn messages_are_json() {
        let switches = Snapshot::default();
        let remotes = ["Bob \"B\"\\".to_owned(), "KP_*".to_owned()];
        let capabilities = Message::Capabilities {
            id: "Zürich",
            remotes: &remotes,
            number: 0,
        };
        let json: serde_json::Value = serde_json::from_slice(&write(&capabilities, switches)[0]).expect("JSON");
        assert_eq!(json["localSystemID"], "Zürich");
        assert_eq!(json["remoteSystemID"][0], "Bob \"B\"\\");
        let (key_id, key) = (digits(&[0xAB], switches), digits(&[1, 2], switches));
        let message = Message::Key {
            key_id: &key_id,
            key: &key,
        };
        assert_eq!(&write(&message, switches)[0][..], br#"{"keyId":"ab","key":"0102"}"#);
        let json: serde_json::Value = serde_json::from_slice(&error("a \"b\"\n")).expect("JSON");
        assert_eq!(json["error"], "a \"b\"\n");
    }
}
