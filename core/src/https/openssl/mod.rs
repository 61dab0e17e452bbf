//! TLS by OpenSSL: pre-shared keys, which rustls does not support, and the legacy suite of Table 1. Also opens private keys that are
//! encrypted with a password.

#[cfg(test)]
mod downgrade;
mod fallback;
mod groups;
mod legacy;
mod password;
mod psk;
mod stream;

use openssl::error::ErrorStack;
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion};
use skip_tls_psk::{CLEANSE_PLAINTEXT, prepare};

use crate::error::Error;
use crate::options::{Options, TlsVersion};

pub(super) use legacy::Legacy;
pub(super) use password::open as open_with_password;
pub use password::read_private_key;
pub(super) use psk::WithPsk;

/// The settings that all contexts share.
fn context(options: &Options, versions: TlsVersion) -> Result<SslContextBuilder, ErrorStack> {
    // best effort: if the program has used OpenSSL before, its memory functions can no longer be changed
    let _ = prepare();
    let mut context = SslContext::builder(SslMethod::tls_client())?;
    let (lowest, highest) = match versions {
        TlsVersion::Auto => (SslVersion::TLS1_2, SslVersion::TLS1_3),
        TlsVersion::Tls12 => (SslVersion::TLS1_2, SslVersion::TLS1_2),
        TlsVersion::Tls13 => (SslVersion::TLS1_3, SslVersion::TLS1_3),
    };
    context.set_min_proto_version(Some(lowest))?;
    context.set_max_proto_version(Some(highest))?;
    // HTTP handles streams that end without close_notify
    context.set_options(
        SslOptions::IGNORE_UNEXPECTED_EOF
            | SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::NO_TICKET
            | CLEANSE_PLAINTEXT,
    );
    // draft 4.2.2: a key is given once, so nothing is stored that would enable early data
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_mode(SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::AUTO_RETRY);
    groups::offer(&mut context, options)?;
    Ok(context)
}

/// OpenSSL rejects settings that are the same for every client: its configuration forbids them.
#[allow(clippy::needless_pass_by_value)] // for map_err
fn setup_failed(errors: ErrorStack) -> Error {
    Error::openssl_configuration(errors.errors().first().and_then(openssl::error::Error::reason))
}
