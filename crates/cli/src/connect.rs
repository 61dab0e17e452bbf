//! Builds a client from the options.

use std::path::Path;

use skip_client::probe::Probe;
use skip_client::{Client, ClientBuilder, Error, Psk, Result};
use zeroize::Zeroizing;

use crate::args::Connection;
use crate::prompt;

/// Creates the client for `url` and its fallbacks, without sending anything yet.
pub(crate) fn client(url: &str, options: &Connection) -> Result<Client> {
    build(url, options, ClientBuilder::build)
}

/// The same for doctor.
pub(crate) fn probe(url: &str, options: &Connection) -> Result<Probe> {
    build(url, options, ClientBuilder::probe)
}

/// Builds, and asks for the password on the terminal if it is needed and was not given.
fn build<T>(url: &str, options: &Connection, build: impl Fn(ClientBuilder) -> Result<T>) -> Result<T> {
    let password = password(options)?;
    let with = |password: Option<&Zeroizing<Vec<u8>>>| {
        let builder = builder(url, options)?;
        build(match password {
            Some(password) => builder.key_password(password.as_slice()),
            None => builder,
        })
    };
    match with(password.as_ref()) {
        Err(error) if error.field() == Some("key_password") && password.is_none() && can_ask(options) => {
            let file = options.key.as_deref().or(options.cert.as_deref());
            match prompt::password(file.unwrap_or(Path::new("the private key"))) {
                Some(password) => with(Some(&password)),
                None => Err(error),
            }
        }
        outcome => outcome,
    }
}

/// Whether no file with the password was given, and all others can be read twice, which a pipe cannot.
fn can_ask(options: &Connection) -> bool {
    let files = [&options.cert, &options.key, &options.ca].into_iter().flatten();
    options.key_password_file.is_none()
        && files
            .into_iter()
            .all(|path| path.is_file() || path == Path::new("system"))
}

/// The password in the environment. It is not an argument, which other users could read in the list of processes.
fn password(options: &Connection) -> Result<Option<Zeroizing<Vec<u8>>>> {
    const VARIABLE: &str = "SKIP_KEY_PASSWORD";
    let given = std::env::var_os(VARIABLE).filter(|value| !value.is_empty() && options.key_password_file.is_none());
    let Some(given) = given.map(|value| Zeroizing::new(value.into_encoded_bytes())) else {
        return Ok(None);
    };
    if given.ends_with(b"\n") {
        let hint = "set it with \"$(...)\" or without the last line break";
        return Err(Error::invalid_argument(VARIABLE, "ends with a line feed", hint));
    }
    Ok(Some(given))
}

/// The options of a client for `url` and its fallbacks; a password only if it is in a file.
fn builder(url: &str, options: &Connection) -> Result<ClientBuilder> {
    let mut builder = Client::builder(url)?;
    for other in &options.fallback {
        builder = builder.or_url(other)?;
    }
    builder = match options.ca.as_deref() {
        Some(ca) if ca == Path::new("system") => builder.ca_system(),
        Some(ca) => builder.ca_file(ca),
        None => builder,
    };
    if let Some(cert) = &options.cert {
        builder = builder.cert_file(cert);
    }
    if let Some(key) = &options.key {
        builder = builder.key_file(key);
    }
    if let Some(file) = &options.key_password_file {
        builder = builder.key_password_file(file);
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
        (None, Some(digits), None, None) => {
            Psk::from_hex(with_identity("--psk-hex")?, digits.as_bytes()).map_err(|error| error.about("--psk-hex"))
        }
        (None, None, Some(text), None) => {
            Psk::from_text(with_identity("--psk-text")?, text).map_err(|error| error.about("--psk-text"))
        }
        (None, None, None, Some(text)) => Psk::from_base64(with_identity("--psk-base64")?, text.as_bytes())
            .map_err(|error| error.about("--psk-base64")),
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
