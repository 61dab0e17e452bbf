//! Arguments that break a rule.

#[cfg(feature = "https")]
use std::io;
#[cfg(feature = "https")]
use std::path::Path;

use super::{Error, Remedy};
#[cfg(feature = "https")]
use crate::options::OPTIONS;
use crate::redact::given;
#[cfg(feature = "https")]
use crate::redact::looks_like;

/// Arguments.
impl Error {
    pub(crate) fn system_id(rule: &'static str) -> Self {
        Self::invalid_argument("remoteSystemID", rule, Remedy::OneRemote)
    }

    pub(crate) fn remote_is_pattern() -> Self {
        Self::invalid_argument(
            "remoteSystemID",
            "is a pattern, and a pattern names no Key Provider",
            Remedy::OneRemote,
        )
    }

    pub(crate) fn key_id(lenient: bool) -> Self {
        if lenient {
            Self::invalid_argument(
                "keyId",
                "must have 1 to 255 characters of A-Z, a-z, 0-9, '.', '_', '~' and '-'",
                Remedy::KeyIdAsReceived,
            )
        } else {
            Self::invalid_argument(
                "keyId",
                "must be hexadecimal, of even length, 2 to 512 digits",
                Remedy::Set {
                    when: "pass the keyId on exactly as the initiator received it; for a Key Provider with other keyIds",
                    option: "lenient",
                    value: "true",
                },
            )
        }
    }

    pub(crate) fn wiped() -> Self {
        Self::invalid_argument("secret", "was wiped", Remedy::ReadBeforeWiping)
    }

    pub(crate) fn bit_length(bits: &str) -> Self {
        let bits = given(bits);
        Self::invalid_argument(
            "size",
            format_args!("must be a multiple of 8 from 8 to 65536 bits, not {bits}"),
            Remedy::LengthInBits,
        )
        .saw(bits.to_owned())
    }

    pub(crate) fn not_bits() -> Self {
        Self::invalid_argument("size", "must be a number of bits", Remedy::Example("256"))
    }

    pub(crate) fn export_format(names: Vec<&'static str>) -> Self {
        Self::invalid_argument("format", "is not known", Remedy::OneOf(names))
    }

    pub(crate) fn message_kind(names: Vec<&'static str>) -> Self {
        Self::invalid_argument("kind", "is no kind of message", Remedy::OneOf(names))
    }

    pub(crate) fn export_size(format: &'static str, rule: &'static str) -> Self {
        Self::invalid_argument("format", format_args!("{format} {rule}"), Remedy::KeyOfThatSize)
    }

    pub(crate) fn export_key_id(format: &'static str, rule: &'static str) -> Self {
        Self::invalid_argument("format", format_args!("{format} {rule}"), Remedy::OtherFormatOrKey)
    }

    pub(crate) fn ikev2(rule: &'static str) -> Self {
        Self::invalid_argument("payload", rule, Remedy::WholePayload)
    }
}

/// Arguments of a client.
#[cfg(feature = "https")]
impl Error {
    pub(crate) fn utf_16(field: &str) -> Self {
        Self::invalid_argument(
            field,
            "is UTF-16, as some editors on Windows write it",
            Remedy::SaveAsUtf8,
        )
    }

    pub(crate) fn psk(rule: &'static str, remedy: Remedy) -> Self {
        Self::invalid_argument("psk", format_args!("the key {rule}"), remedy)
    }

    pub(crate) fn psk_identity() -> Self {
        Self::invalid_argument(
            "psk",
            "the identity must have 1 to 128 bytes of UTF-8, without line feeds or other control characters",
            Remedy::IdentityAsProviderKnowsIt,
        )
    }

    pub(crate) fn psk_file(rule: &'static str, remedy: Remedy) -> Self {
        Self::invalid_argument("psk", format_args!("the file {rule}"), remedy)
    }

    pub(crate) fn url(rule: &'static str) -> Self {
        Self::invalid_argument("url", rule, Remedy::Example("https://kp-alice:8443"))
    }

    pub(crate) const AUTHORITY_RULE: &str =
        "must name a host (IPv6 in brackets, other scripts in their xn-- form) and a port from 1 to 65535";
    pub(crate) const NUMBER_RULE: &str =
        "must have an IPv4 address as four decimal numbers, like 127.0.0.1: no other form is read as an address";

    pub(crate) fn no_url() -> Self {
        Self::url("must name at least one Key Provider")
    }

    pub(crate) fn unknown_option(name: &str) -> Self {
        Self::invalid_argument(name, "is not an option of a client", Remedy::OneOfTheOptions)
    }

    pub(crate) fn not_utf_8(name: &str) -> Self {
        Self::invalid_argument(name, "is not UTF-8", "strings are UTF-8 without a BOM")
    }

    pub(crate) fn not_a_file_option(name: &str) -> Self {
        let credentials = OPTIONS.iter().filter(|option| option.kind.is_credential());
        let names = credentials.map(|option| option.name).collect();
        Self::invalid_argument(name, "is not an option that takes a file", Remedy::OneOf(names))
    }

    pub(crate) fn not_an_address(option: &'static str) -> Self {
        Self::invalid_argument(
            option,
            "must be an IP address",
            Remedy::Example("192.0.2.1 or 2001:db8::1"),
        )
    }

    /// The address does not belong to this machine, or its family matches no address of the Key Provider.
    pub(crate) fn source_address(rule: &'static str) -> Self {
        Self::invalid_argument(
            "source_address",
            rule,
            "give an address of the interface that leads to it",
        )
    }

    pub(crate) fn legacy_without_forward_secrecy() -> Self {
        let rule = "adds a cipher suite without forward secrecy, which another option refuses";
        Self::invalid_argument("legacy", rule, "give one of the two")
    }

    pub(crate) fn not_a_flag(option: &'static str) -> Self {
        Self::invalid_argument(option, "must be true or false", Remedy::OneOf(vec!["true", "false"]))
    }

    pub(crate) fn not_seconds(option: &str, zero: bool, seen: &str) -> Self {
        let seen = given(seen);
        let least = if zero { "0 or more" } else { "more than 0" };
        Self::invalid_argument(
            option,
            format_args!("must be {least} and at most 31536000 seconds, not {seen}"),
            Remedy::Example("10 or 0.5"),
        )
        .saw(seen.to_owned())
    }

    pub(crate) fn tls_version_argument() -> Self {
        Self::invalid_argument("tls", "must be auto, 1.2 or 1.3", Remedy::AnyTlsVersion)
    }

    pub(crate) fn half_a_client_cert(missing: &'static str) -> Self {
        Self::invalid_argument(missing, "is missing", Remedy::CertAndKey)
    }

    #[cfg(not(feature = "psk"))]
    pub(crate) fn needs_openssl(option: &'static str) -> Self {
        Self::invalid_argument(option, "is not in this build", Remedy::FeaturePsk)
    }

    pub(crate) fn url_with_method() -> Self {
        Self::invalid_argument(
            "url",
            "must be the base URL: /capabilities is appended by the client",
            Remedy::Example("https://kp-alice:8443"),
        )
    }

    pub(crate) fn proxy(rule: &'static str) -> Self {
        Self::invalid_argument("proxy", rule, Remedy::Example("http://proxy:3128"))
    }

    #[cfg(feature = "https")]
    /// The file named by the option `field` cannot be read. A path that looks like a secret is not shown.
    pub(crate) fn unreadable_file(field: &str, path: &Path, error: &io::Error) -> Self {
        let shown = path.to_string_lossy();
        match looks_like(&shown) {
            Some(secret) => Self::invalid_argument(
                field,
                format_args!("must name a file, and looks like {secret}"),
                Remedy::PathOrPem,
            ),
            None => Self::invalid_argument(
                field,
                format_args!("cannot read {}: {}", shown.escape_debug(), error.kind()),
                Remedy::CheckFile,
            ),
        }
    }

    pub(crate) fn bad_pem(field: &'static str, rule: &'static str) -> Self {
        Self::invalid_argument(field, rule, Remedy::PemForm)
    }

    pub(crate) fn other_form(field: &'static str, form: &'static str, command: &'static str) -> Self {
        Self::invalid_argument(field, form, Remedy::Convert(command))
    }

    /// The path is not shown: it may be the password itself.
    pub(crate) fn password_file_unreadable(field: &'static str, error: &io::Error) -> Self {
        Self::invalid_argument(
            field,
            format_args!("the file cannot be read: {}", error.kind()),
            "give the path of a file with the password in its first line",
        )
    }

    pub(crate) fn password_file_empty(field: &'static str) -> Self {
        Self::invalid_argument(
            field,
            "the file has no password in its first line",
            "give a file with the password and nothing else",
        )
    }

    #[cfg(feature = "psk")]
    pub(crate) fn key_password_missing(of: &'static str) -> Self {
        Self::invalid_argument(
            "key_password",
            format_args!("is missing: the {of} is encrypted"),
            "give the password that it was encrypted with",
        )
    }

    #[cfg(feature = "psk")]
    pub(crate) fn key_password_wrong(of: &'static str) -> Self {
        Self::invalid_argument(
            "key_password",
            format_args!("does not open the {of}"),
            "check the password: letter case, and spaces or line feeds around it",
        )
    }

    #[cfg(feature = "psk")]
    pub(crate) fn key_password_form() -> Self {
        Self::invalid_argument(
            "key_password",
            "must have 1 to 1023 bytes, without NUL",
            "give the password that the private key was encrypted with",
        )
    }

    #[cfg(feature = "psk")]
    pub(crate) fn unknown_encryption() -> Self {
        Self::other_form(
            "key",
            "is encrypted in a way that OpenSSL does not support here",
            "openssl pkey -in FILE -aes256 -out key.pem",
        )
    }

    #[cfg(feature = "psk")]
    pub(crate) fn unknown_pkcs12_encryption() -> Self {
        Self::other_form(
            "cert",
            "is PKCS#12 with an encryption that is no longer safe, such as RC2",
            "openssl pkcs12 -legacy -in FILE -noenc -out client.pem; give that file as both the certificate and its key",
        )
    }

    #[cfg(feature = "psk")]
    pub(crate) fn pkcs12_unreadable() -> Self {
        Self::invalid_argument(
            "cert",
            "is PKCS#12 that cannot be read",
            "check it with openssl pkcs12 -in FILE -info -noout",
        )
    }

    #[cfg(feature = "psk")]
    pub(crate) fn pkcs12_without(lacking: &'static str) -> Self {
        Self::invalid_argument(
            "cert",
            format_args!("is PKCS#12 without a {lacking}"),
            "export it again together with its private key",
        )
    }

    pub(crate) fn client_cert_does_not_fit() -> Self {
        Self::invalid_argument(
            "cert",
            "does not belong to the private key",
            Remedy::KeyOfFirstCertificate,
        )
    }

    pub(crate) fn bad_pin() -> Self {
        Self::invalid_argument("pin", "must be sha256/ and the base64 of 32 bytes", Remedy::PinForm)
    }

    pub(crate) fn server_name() -> Self {
        Self::invalid_argument(
            "server_name",
            "must be a DNS name or an IP address",
            Remedy::NameOfCertificate,
        )
    }

    pub(crate) fn no_trust() -> Self {
        Self::invalid_argument("ca", "nothing says which Key Provider to trust", Remedy::SayWhomToTrust)
    }

    pub(crate) fn private_key() -> Self {
        Self::bad_pem("key", Self::PRIVATE_KEY)
    }

    pub(crate) const PRIVATE_KEY: &str = "must hold one private key in PEM form";

    pub(crate) fn ca_not_x509() -> Self {
        Self::bad_pem("ca", "holds something that is not an X.509 certificate")
    }

    pub(crate) fn no_system_store() -> Self {
        Self::invalid_argument(
            "ca",
            "the system has no certificate store that can be read",
            Remedy::CaInsteadOfSystem,
        )
    }

    /// `reason` is OpenSSL's own text, not a peer's.
    #[cfg(feature = "psk")]
    pub(crate) fn openssl_configuration(reason: Option<&'static str>) -> Self {
        let reason = reason.unwrap_or("it gives no reason");
        Self::invalid_argument(
            "tls",
            format_args!("OpenSSL cannot be used as it is configured ({reason})"),
            Remedy::CheckOpensslConfiguration,
        )
    }

    /// `when` says until or from when the client certificate is valid.
    pub(crate) fn client_cert_expired(when: &str) -> Self {
        Self::invalid_argument("cert", format_args!("has expired ({when})"), Remedy::RenewClientCert)
    }

    pub(crate) fn client_cert_not_yet_valid(when: &str) -> Self {
        Self::invalid_argument(
            "cert",
            format_args!("is not valid yet ({when})"),
            Remedy::RenewClientCert,
        )
    }

    pub(crate) fn client_cert_not_for_clients() -> Self {
        Self::invalid_argument(
            "cert",
            "is not for clients: its extended key usage lacks clientAuth",
            Remedy::ClientCertForClients,
        )
    }

    pub(crate) fn client_cert_old(version: u8) -> Self {
        Self::invalid_argument(
            "cert",
            format_args!("has X.509 version {version}, and version 3 is needed"),
            Remedy::VersionThree,
        )
    }

    pub(crate) fn client_cert_unreadable() -> Self {
        Self::invalid_argument("cert", "must begin with an X.509 certificate", Remedy::PemForm)
    }

    pub(crate) fn client_cert_swapped() -> Self {
        Self::invalid_argument(
            "cert",
            "holds a private key and no certificate: it seems to be swapped with the private key",
            Remedy::CertAndKey,
        )
    }

    pub(crate) fn tls_setup() -> Self {
        Self::invalid_argument("tls", "these options do not go together", Remedy::AnyTlsVersion)
    }

    #[cfg(feature = "probe")]
    pub(crate) fn probe_without_url() -> Self {
        Self::invalid_argument(
            "url",
            "must be given, because a transport of one's own cannot be examined",
            Remedy::Example("https://kp-alice:8443"),
        )
    }

    pub(crate) fn client_closed() -> Self {
        Self::invalid_argument("client", "is closed", Remedy::NewClient)
    }
}
