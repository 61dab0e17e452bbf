//! TLS handshakes that failed.

use std::borrow::Cow;

use super::{Advice, Error, ErrorCode, Remedy};

/// What can go wrong in TLS with certificates.
impl Error {
    fn tls(message: impl Into<Cow<'static, str>>, remedy: impl Into<Remedy>) -> Self {
        Self::new(ErrorCode::TlsFailed, Advice::No, message, remedy)
    }

    pub(crate) fn tls_unknown_issuer() -> Self {
        Self::tls(
            "the Key Provider's certificate does not come from a CA that was given",
            Remedy::TrustIssuer,
        )
    }

    pub(crate) fn tls_wrong_name(presented: &[String]) -> Self {
        if presented.is_empty() {
            return Self::tls(
                "the Key Provider's certificate does not name the host",
                Remedy::NameOrPin,
            );
        }
        let names: Vec<&str> = presented.iter().take(5).map(String::as_str).collect();
        Self::tls(
            format!(
                "the Key Provider's certificate is for another name: {}",
                names.join(", ")
            ),
            Remedy::OneOfTheseNames,
        )
        .saw(names.join(", "))
    }

    pub(crate) fn tls_expired() -> Self {
        Self::tls("the Key Provider's certificate has expired", Remedy::RenewCertificate)
    }

    pub(crate) fn tls_not_yet_valid() -> Self {
        Self::tls("the Key Provider's certificate is not valid yet", Remedy::CheckClocks)
    }

    pub(crate) fn tls_other_key() -> Self {
        Self::tls(
            "the Key Provider has another public key than the pinned one",
            Remedy::CheckPin,
        )
    }

    pub(crate) fn tls_ca_as_server() -> Self {
        Self::tls(
            "the Key Provider uses a CA's certificate as its own",
            Remedy::ServerCertificateOrPin,
        )
    }

    pub(crate) fn tls_bad_certificate() -> Self {
        Self::tls(
            "the Key Provider's certificate cannot be accepted",
            Remedy::CheckCertificate,
        )
    }

    pub(crate) fn tls_client_cert_wanted() -> Self {
        Self::tls("the Key Provider wants a client certificate", Remedy::GiveClientCert)
    }

    pub(crate) fn tls_client_cert_refused() -> Self {
        Self::tls(
            "the Key Provider does not accept the client certificate, or its absence",
            Remedy::TrustedClientCert,
        )
    }

    pub(crate) fn tls_version() -> Self {
        Self::tls(
            "the Key Provider does not offer the version of TLS asked for",
            Remedy::TlsVersions,
        )
    }

    pub(crate) fn tls_no_shared_suite() -> Self {
        Self::tls(
            "the Key Provider and this client share no cipher suite",
            Remedy::SuitesOfCertificates,
        )
    }

    pub(crate) fn tls_unrecognised_name() -> Self {
        Self::tls(
            "the Key Provider does not know the name it was called by",
            Remedy::CheckUrlOrName,
        )
    }

    pub(crate) fn tls_alert(alert: &str) -> Self {
        Self::tls(
            format!("the Key Provider ended the TLS handshake: {alert}"),
            Remedy::ReadLog,
        )
        .saw(alert.to_owned())
    }

    pub(crate) fn tls_not_tls() -> Self {
        Self::tls("the server does not speak TLS on this port", Remedy::CheckService)
    }

    pub(crate) fn tls_broken() -> Self {
        Self::tls(
            "the TLS connection broke a rule of the protocol",
            Remedy::CheckMiddleboxes,
        )
    }

    pub(crate) fn tls_closed() -> Self {
        Self::tls(
            "the Key Provider closed the connection during the TLS handshake",
            Remedy::CredentialsOrService,
        )
    }
}

/// What can go wrong in TLS with a pre-shared key.
#[cfg(feature = "psk")]
impl Error {
    pub(crate) fn psk_with(other: &'static str) -> Self {
        Self::invalid_argument(
            other,
            "does not go with a pre-shared key, which proves both sides by itself",
            Remedy::EitherCertificatesOrPsk,
        )
    }

    pub(crate) fn psk_unknown_identity() -> Self {
        Self::tls(
            "the Key Provider does not know this PSK identity",
            Remedy::CheckIdentity,
        )
    }

    pub(crate) fn psk_wrong_key() -> Self {
        Self::tls(
            "the Key Provider has another key for this PSK identity",
            Remedy::CompareKeys,
        )
    }

    pub(crate) fn psk_refused() -> Self {
        Self::tls(
            "the Key Provider refused the pre-shared key: it does not know the identity, or takes no pre-shared keys",
            Remedy::CheckIdentityAndPort,
        )
    }

    pub(crate) fn psk_no_shared_suite(forward_secrecy: bool) -> Self {
        Self::tls(
            "the Key Provider and this client share no cipher suite for pre-shared keys",
            if forward_secrecy {
                Remedy::SuitesOfPskWithForwardSecrecy
            } else {
                Remedy::SuitesOfPsk
            },
        )
    }

    /// RFC 7507: the Key Provider has a higher version than the one that was offered as a fallback.
    pub(crate) fn psk_fallback_refused() -> Self {
        Self::tls(
            "the Key Provider has TLS 1.3, but no handshake with the pre-shared key succeeded there, and it refuses TLS 1.2 as a \
             fallback (inappropriate_fallback)",
            Remedy::Tls12IfKnown,
        )
    }

    pub(crate) fn psk_certificate_instead() -> Self {
        Self::tls(
            "the Key Provider answered with a certificate instead of the pre-shared key",
            Remedy::IdentityPortOrCa,
        )
    }

    pub(crate) fn psk_client_cert_wanted() -> Self {
        Self::tls(
            "the Key Provider wants a client certificate and not a pre-shared key",
            Remedy::CertificateInsteadOfPsk,
        )
    }

    pub(crate) fn psk_closed() -> Self {
        Self::tls(
            "the Key Provider closed the connection during the TLS handshake",
            Remedy::CheckIdentityAndKey,
        )
    }

    pub(crate) fn tls_weak_dh() -> Self {
        Self::tls(
            "the Key Provider's Diffie-Hellman group is too small to be safe",
            Remedy::LargerGroup,
        )
    }
}
