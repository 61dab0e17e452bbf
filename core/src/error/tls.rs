//! Failed TLS handshakes.

use std::borrow::Cow;

use super::{Advice, Error, ErrorCode, Remedy};
use crate::options::TlsVersion;

/// Errors of TLS with certificates.
impl Error {
    fn tls(message: impl Into<Cow<'static, str>>, remedy: impl Into<Remedy>) -> Self {
        Self::new(ErrorCode::TlsFailed, Advice::No, message, remedy)
    }

    /// `issuer`: the name of the CA that would have to be trusted.
    pub(crate) fn tls_unknown_issuer(issuer: &str) -> Self {
        Self::tls(
            format!("the Key Provider's certificate does not come from a CA that was given: its issuer is {issuer}"),
            Remedy::TrustIssuer,
        )
        .saw(issuer.to_owned())
    }

    pub(crate) fn tls_self_signed() -> Self {
        Self::tls("the Key Provider's certificate is self-signed", Remedy::PinAlone)
    }

    pub(crate) fn tls_wrong_name(presented: &[String]) -> Self {
        if presented.is_empty() {
            return Self::tls(
                "the Key Provider's certificate does not name the host",
                Remedy::OrPin("a common name does not count: have it issued with a subjectAltName"),
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

    pub(crate) fn tls_address_as_dns_name(address: &str) -> Self {
        Self::tls(
            format!("the Key Provider's certificate has {address} as a DNS name, where an address does not count"),
            Remedy::OrPin("have it issued with the address as an IP address of the subjectAltName (IP:, not DNS:)"),
        )
        .saw(address.to_owned())
    }

    pub(crate) fn tls_expired(when: &str) -> Self {
        Self::tls(
            format!("the Key Provider's certificate has expired ({when})"),
            Remedy::RenewCertificate,
        )
        .saw(when.to_owned())
    }

    pub(crate) fn tls_issuer_expired(issuer: &str, when: &str) -> Self {
        Self::tls(
            format!("a CA certificate in the Key Provider's chain has expired ({issuer}, {when})"),
            Remedy::RenewIssuer,
        )
        .saw(issuer.to_owned())
    }

    pub(crate) fn tls_not_yet_valid(when: &str) -> Self {
        Self::tls(
            format!("the Key Provider's certificate is not valid yet ({when})"),
            Remedy::CheckClocks,
        )
        .saw(when.to_owned())
    }

    pub(crate) fn tls_issuer_not_yet_valid(issuer: &str, when: &str) -> Self {
        Self::tls(
            format!("a CA certificate in the Key Provider's chain is not valid yet ({issuer}, {when})"),
            Remedy::CheckClocks,
        )
        .saw(issuer.to_owned())
    }

    /// `issuer`: the CA whose extended key usage forbids it; `None` if it is the certificate's own.
    pub(crate) fn tls_wrong_purpose(issuer: Option<&str>) -> Self {
        let what = match issuer {
            None => {
                "the Key Provider's certificate is not for servers: its extended key usage lacks serverAuth".to_owned()
            }
            Some(issuer) => format!(
                "a CA in the Key Provider's chain may not issue certificates for servers: the extended key usage of {issuer} lacks serverAuth"
            ),
        };
        Self::tls(
            what,
            Remedy::OrPin("have a server certificate issued (extendedKeyUsage = serverAuth)"),
        )
    }

    pub(crate) fn tls_wrong_key_usage() -> Self {
        Self::tls(
            "the Key Provider's certificate is not for this use: its key usage lacks digitalSignature",
            Remedy::OrPin("have it issued with the key usage digitalSignature"),
        )
    }

    pub(crate) fn tls_critical_extension(id: &str) -> Self {
        Self::tls(
            format!("the Key Provider's certificate has a critical extension that is not known here ({id})"),
            Remedy::WithoutExtension,
        )
        .saw(id.to_owned())
    }

    pub(crate) fn tls_name_constraint() -> Self {
        Self::tls(
            "the CA of the Key Provider may not issue certificates for this name: its name constraints forbid it",
            Remedy::OrPin("have it issued by a CA that may name this host"),
        )
    }

    pub(crate) fn tls_path_length() -> Self {
        Self::tls(
            "the Key Provider's chain has more CAs than one of them allows: its path length constraint forbids it",
            Remedy::OrPin("have it issued by a CA with fewer others between it and the root"),
        )
    }

    pub(crate) fn tls_issuer_is_no_ca(issuer: &str) -> Self {
        Self::tls(
            format!("the Key Provider's certificate was issued by {issuer}, which may not issue certificates (CA:TRUE, keyCertSign)"),
            Remedy::OrPin("have it issued by a CA"),
        )
        .saw(issuer.to_owned())
    }

    pub(crate) fn tls_old_certificate(version: u8, subject: &str) -> Self {
        Self::tls(
            format!(
                "a certificate of the Key Provider has X.509 version {version} ({subject}), and version 3 is needed"
            ),
            Remedy::VersionThree,
        )
        .saw(version.to_string())
    }

    pub(crate) fn tls_small_rsa(bits: usize, subject: &str) -> Self {
        Self::tls(
            format!("a certificate of the Key Provider has an RSA key of {bits} bits ({subject}), which is too short to be safe"),
            Remedy::LargerRsaKey,
        )
        .saw(bits.to_string())
    }

    pub(crate) fn tls_broken_hash(hash: &'static str, subject: &str) -> Self {
        Self::tls(
            format!("a certificate of the Key Provider is signed with {hash} ({subject}), which is broken"),
            Remedy::OrPin("have it issued again, signed with SHA-256 or SHA-384"),
        )
        .saw(hash)
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
            Remedy::OrPin("have a server certificate issued (CA:FALSE)"),
        )
    }

    pub(crate) fn tls_bad_certificate() -> Self {
        Self::tls(
            "the Key Provider's certificate cannot be read",
            Remedy::CheckCertificate,
        )
    }

    pub(crate) fn tls_client_cert_wanted() -> Self {
        Self::tls("the Key Provider wants a client certificate", Remedy::GiveClientCert)
    }

    /// `alert` is the alert from the Key Provider, `look` what we found in the certificate ourselves.
    pub(crate) fn tls_client_cert_refused(alert: &'static str, look: &str) -> Self {
        Self::tls(
            format!("the Key Provider refused the client certificate ({alert}); {look}"),
            match alert {
                "certificate_expired" => Remedy::CheckClocks,
                "certificate_revoked" => Remedy::ReplaceClientCert,
                _ => Remedy::TrustedClientCert,
            },
        )
        .saw(alert)
    }

    /// `asked`: the versions that were offered.
    pub(crate) fn tls_version(asked: TlsVersion) -> Self {
        match asked.only() {
            None => Self::tls(
                "the Key Provider does not offer the version of TLS asked for, which was 1.3 or 1.2",
                Remedy::UpdateTlsOfProvider,
            ),
            Some(version) => Self::tls(
                format!("the Key Provider does not offer the version of TLS asked for, which was {version} alone"),
                Remedy::AnyTlsVersion,
            )
            .saw(version),
        }
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

    #[cfg(feature = "ureq")]
    pub(crate) fn tls_not_by_agent() -> Self {
        Self::tls(
            "the agent of ureq has no TLS",
            "build ureq with its feature rustls or native-tls",
        )
    }

    pub(crate) fn tls_closed() -> Self {
        Self::tls(
            "the Key Provider closed the connection during the TLS handshake",
            Remedy::CredentialsOrService,
        )
        // it may just be shutting down
        .with_advice(Advice::SameRequest)
    }
}

/// Errors of TLS with a pre-shared key.
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

    /// RFC 7507: the Key Provider supports a higher version than the one offered as a fallback.
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
        .with_advice(Advice::SameRequest)
    }

    pub(crate) fn tls_weak_dh() -> Self {
        Self::tls(
            "the Key Provider's Diffie-Hellman group is too small to be safe",
            Remedy::LargerGroup,
        )
    }
}
