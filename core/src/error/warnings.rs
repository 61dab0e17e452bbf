//! Warnings about connections that work: the texts of [`ConnectionInfo::warnings`](crate::ConnectionInfo::warnings).

/// `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384` was negotiated.
pub(crate) const RSA_CERTIFICATE: &str =
    "the cipher suite is not in Table 1 of the draft: the Key Provider has an RSA certificate";

/// Credentials files have changed, and the previous content remains in use.
pub(crate) fn credentials_not_renewed(error: &super::Error) -> String {
    format!("the changed credentials cannot be used, so the earlier ones still are: {error}")
}

/// TLS 1.2 was negotiated after a fallback from TLS 1.3.
#[cfg(feature = "psk")]
pub(crate) const FALLBACK: &str = "TLS 1.2 was negotiated by a fallback: the Key Provider does not take the hello that also offers TLS 1.3, \
                                   or somebody on the path broke it";

#[cfg(feature = "psk")]
pub(crate) fn no_forward_secrecy(suite: &str) -> String {
    format!("{suite} has no forward secrecy: who learns the pre-shared key can read recorded traffic, keys included")
}

#[cfg(feature = "psk")]
pub(crate) fn bound_to_sha256(suite: &str) -> String {
    format!("{suite} is not in Table 1 of the draft: the Key Provider binds pre-shared keys to SHA-256")
}

#[cfg(feature = "psk")]
pub(crate) const SHORT_PSK: &str =
    "the pre-shared key has fewer than 128 bits, which can be guessed: use 256 random bits";
