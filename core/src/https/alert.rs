//! The meaning of TLS alerts, for both libraries. The numbers are from RFC 8446, 6.

use crate::error::Error;
use crate::options::TlsVersion;

/// The error for an alert in a handshake with certificates and these TLS versions. Alerts about a client certificate
/// are handled by [`Shown`](super::client_certificate::Shown).
pub(super) fn explain(alert: u8, versions: TlsVersion) -> Error {
    match alert {
        PROTOCOL_VERSION => Error::tls_version(versions),
        HANDSHAKE_FAILURE | INSUFFICIENT_SECURITY => Error::tls_no_shared_suite(),
        UNRECOGNISED_NAME => Error::tls_unrecognised_name(),
        _ => Error::tls_alert(name(alert)),
    }
}

/// Whether this alert means that the peer rejected this client, and so accepted no request from it. In TLS 1.3 it
/// arrives after the first request was sent, because the peer verifies a client's certificate last.
pub(super) fn refuses_client(alert: u8) -> bool {
    matches!(alert, HANDSHAKE_FAILURE | ILLEGAL_PARAMETER | DECRYPT_ERROR) || is_about_certificates(alert)
}

/// Whether this alert is about a certificate, and nothing else.
pub(super) fn is_about_certificates(alert: u8) -> bool {
    matches!(alert, 41..=46 | 48 | 49 | CERTIFICATE_REQUIRED)
}

pub(super) const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
pub(super) const DECRYPT_ERROR: u8 = 51;
pub(super) const PROTOCOL_VERSION: u8 = 70;
pub(super) const INSUFFICIENT_SECURITY: u8 = 71;
#[cfg(feature = "psk")]
pub(super) const INAPPROPRIATE_FALLBACK: u8 = 86;
pub(super) const UNRECOGNISED_NAME: u8 = 112;
const CERTIFICATE_REQUIRED: u8 = 116;

/// The name in the RFC.
pub(super) fn name(alert: u8) -> &'static str {
    match alert {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "an unknown alert",
    }
}
