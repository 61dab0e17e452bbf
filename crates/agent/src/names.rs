//! Names of tunnels, peers and Key Providers.

/// Whether `text` is a valid name of a tunnel, a peer or a Key Provider, or a valid code: 1 to 64 letters, digits, `_`,
/// `-` and `.`, not starting with a dot.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.')
}
