//! Builds a client from the options.

use std::path::Path;

use skip_client::{Client, ClientBuilder, Error, Psk, Result};

use crate::args::Connection;

/// Creates the client for `url` and its fallbacks, without sending anything yet.
pub(crate) fn client(url: &str, options: &Connection) -> Result<Client> {
    builder(url, options)?.build()
}

/// The options of a client for `url` and its fallbacks.
pub(crate) fn builder(url: &str, options: &Connection) -> Result<ClientBuilder> {
    let mut builder = Client::builder(url)?;
    for other in &options.fallback {
        builder = builder.or_url(other)?;
    }
    builder = match options.ca.as_deref() {
        Some(ca) if ca == Path::new("system") => builder.ca_system(),
        Some(ca) => builder.ca_file(ca),
        None => builder,
    };
    if let (Some(cert), Some(key)) = (&options.cert, &options.key) {
        builder = builder.client_cert_files(cert, key);
    }
    options.settings.apply(psk(builder, options)?)
}

/// The builder with the pre-shared key, if there is one.
fn psk(builder: ClientBuilder, options: &Connection) -> Result<ClientBuilder> {
    let identity = options.psk_identity.as_deref();
    let with_identity = |option: &str| {
        identity.ok_or_else(|| Error::invalid_argument(option, "needs an identity", "give --psk-identity as well"))
    };
    let psk = match (
        &options.psk_file,
        &options.psk_hex,
        &options.psk_text,
        &options.psk_base64,
    ) {
        (None, None, None, None) if identity.is_none() => return Ok(builder),
        (Some(file), None, None, None) => return Ok(builder.psk_file(file, identity)),
        (None, Some(digits), None, None) => Psk::from_hex(with_identity("--psk-hex")?, digits.as_bytes()),
        (None, None, Some(text), None) => Psk::from_text(with_identity("--psk-text")?, text),
        (None, None, None, Some(text)) => Psk::from_base64(with_identity("--psk-base64")?, text.as_bytes()),
        (None, None, None, None) => Err(Error::invalid_argument(
            "--psk-identity",
            "has no key",
            "give --psk-file, --psk-hex, --psk-text or --psk-base64, or set one of SKIP_PSK_HEX, SKIP_PSK_TEXT, SKIP_PSK_BASE64",
        )),
        _ => Err(Error::invalid_argument(
            "--psk-file",
            "is not the only key",
            "give one of --psk-file, --psk-hex, --psk-text and --psk-base64; variables of the environment count",
        )),
    };
    Ok(builder.psk(psk?))
}
