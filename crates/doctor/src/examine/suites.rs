//! The cipher suites of TLS 1.2 and older that are offered to a Key Provider, by their IANA names and numbers.

/// A suite with a key of 256 bits.
pub(super) struct Suite {
    pub number: u16,
    pub name: &'static str,
    /// Whether Table 1 recommends it.
    pub recommended: bool,
}

const fn suite(number: u16, name: &'static str, recommended: bool) -> Suite {
    Suite {
        number,
        name,
        recommended,
    }
}

/// With certificates.
pub(super) const CERTIFICATE: &[Suite] = &[
    suite(0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", true),
    suite(0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", false),
    suite(0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", false),
    suite(0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", false),
    suite(0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", false),
    suite(0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384", false),
    suite(0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256", true),
    suite(0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", false),
];

/// With pre-shared keys.
pub(super) const PSK: &[Suite] = &[
    suite(0x00b3, "TLS_DHE_PSK_WITH_AES_256_CBC_SHA384", true),
    suite(0x0091, "TLS_DHE_PSK_WITH_AES_256_CBC_SHA", true),
    suite(0x00ab, "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384", false),
    suite(0x00a9, "TLS_PSK_WITH_AES_256_GCM_SHA384", false),
    suite(0x00af, "TLS_PSK_WITH_AES_256_CBC_SHA384", false),
    suite(0x008d, "TLS_PSK_WITH_AES_256_CBC_SHA", false),
];

/// Whether recorded traffic stays confidential if the server's key leaks.
pub(super) fn has_forward_secrecy(name: &str) -> bool {
    name.starts_with("TLS_DHE_") || name.starts_with("TLS_ECDHE_") || !name.contains("_WITH_")
}

/// Null encryption, anonymous, RC4, DES and 3DES suites, with certificates and with pre-shared keys.
pub(super) const BROKEN: &[u16] = &[
    0x0001, 0x0002, 0x003b, 0xc006, 0xc010, 0x002c, 0x002d, 0x00b0, 0x00b1, 0x00b4, 0x00b5, 0x0034, 0x003a, 0x006c,
    0x006d, 0x00a6, 0x00a7, 0xc018, 0xc019, 0x0003, 0x0004, 0x0005, 0xc007, 0xc011, 0x008a, 0x008e, 0x0006, 0x0008,
    0x0009, 0x0015, 0x000a, 0x0016, 0xc008, 0xc012, 0x008b, 0x008f,
];

/// Suites that a TLS 1.0 or 1.1 server may have.
pub(super) const OLD: &[u16] = &[
    0xc00a, 0xc014, 0x0039, 0x0035, 0xc009, 0xc013, 0x0033, 0x002f, 0x0091, 0x0090, 0x008d, 0x008c, 0x000a, 0x008b,
];
