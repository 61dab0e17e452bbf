//! Warnings about connections that work: the texts of [`ConnectionInfo::warnings`](crate::ConnectionInfo::warnings).

/// `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384` was agreed on.
pub(crate) const RSA_CERTIFICATE: &str =
    "the cipher suite is not in Table 1 of the draft: the Key Provider has an RSA certificate";
