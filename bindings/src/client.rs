//! The client, and the token that ends its calls.

use std::sync::Arc;
use std::time::Duration;

use skip_client::{BitLength, Call, Client, ClientBuilder, Error, KeyId, Psk, SystemId, TlsVersion};

use crate::errors::Result;
use crate::messages::{CoreCapabilities, CoreConnection};
use crate::secrets::{CoreEntropyAnswer, CoreKeyAnswer};

/// Everything that can be chosen for a client; times in milliseconds.
#[derive(uniffi::Record)]
pub struct CoreOptions {
    ca_pem: Option<Vec<u8>>,
    ca_system: bool,
    client_cert_pem: Option<Vec<u8>>,
    client_key_pem: Option<Vec<u8>>,
    psk: Option<Arc<CorePsk>>,
    pin: Option<String>,
    server_name: Option<String>,
    tls: String,
    proxy: Option<String>,
    connect_timeout: i64,
    timeout: i64,
    wait_when_busy: i64,
    strict: bool,
    check_remote: bool,
}

/// A pre-shared key of TLS; wiped when the last reference to it goes.
#[derive(uniffi::Object)]
pub struct CorePsk(Psk);

#[uniffi::export]
impl CorePsk {
    /// A key in hexadecimal.
    #[uniffi::constructor]
    pub fn from_hex(identity: String, digits: String) -> Result<Self> {
        Ok(Self(Psk::from_hex(&identity, digits.as_bytes())?))
    }

    /// A key that is the text itself.
    #[uniffi::constructor]
    pub fn from_text(identity: String, text: String) -> Result<Self> {
        Ok(Self(Psk::from_text(&identity, &text)?))
    }

    /// A key in base64.
    #[uniffi::constructor]
    pub fn from_base64(identity: String, text: String) -> Result<Self> {
        Ok(Self(Psk::from_base64(&identity, text.as_bytes())?))
    }

    /// A key of bytes.
    #[uniffi::constructor]
    pub fn from_bytes(identity: String, key: Vec<u8>) -> Result<Self> {
        Ok(Self(Psk::from_bytes(&identity, &key)?))
    }

    /// The key of a file's content.
    #[uniffi::constructor]
    pub fn from_file_content(content: Vec<u8>, identity: Option<String>) -> Result<Self> {
        Ok(Self(Psk::from_file_content(&content, identity.as_deref())?))
    }

    /// The identity, which TLS sends in the clear.
    pub fn identity(&self) -> String {
        self.0.identity().to_owned()
    }
}

/// Ends calls from another thread.
#[derive(uniffi::Object)]
pub struct CoreCancel(skip_client::CancelToken);

#[uniffi::export]
impl CoreCancel {
    /// A token that was not used yet.
    #[uniffi::constructor]
    pub fn new() -> Self {
        Self(skip_client::CancelToken::new())
    }

    /// Ends every call that was given this token, running or later.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// A client of one Key Provider, or of several in order of preference.
#[derive(uniffi::Object)]
pub struct CoreClient(Client);

#[uniffi::export]
impl CoreClient {
    /// A client; nothing is connected yet.
    #[uniffi::constructor]
    pub fn new(urls: Vec<String>, options: CoreOptions) -> Result<Self> {
        Ok(Self(builder(&urls, options)?.build()?))
    }

    /// What the Key Provider offers.
    pub fn capabilities(&self, refresh: bool, cancel: Option<Arc<CoreCancel>>) -> Result<CoreCapabilities> {
        let call = self.call(cancel.as_deref());
        let capabilities = if refresh {
            call.refresh_capabilities()
        } else {
            call.capabilities()
        }?;
        Ok(CoreCapabilities::from(capabilities.as_ref()))
    }

    /// A fresh key.
    pub fn new_key(&self, remote: String, size: Option<i64>, cancel: Option<Arc<CoreCancel>>) -> Result<CoreKeyAnswer> {
        let remote = SystemId::new(&remote)?;
        let mut call = self.call(cancel.as_deref());
        if let Some(size) = bits(size)? {
            call = call.size(size);
        }
        Ok(call.new_key(&remote)?.into())
    }

    /// The key for a keyId.
    pub fn key_by_id(&self, key_id: String, remote: String, cancel: Option<Arc<CoreCancel>>) -> Result<CoreKeyAnswer> {
        let remote = SystemId::new(&remote)?;
        let id = KeyId::parse(&key_id, self.0.rules())?;
        Ok(self.call(cancel.as_deref()).key_by_id(&id, &remote)?.into())
    }

    /// Random bytes.
    pub fn entropy(&self, bits: Option<i64>, cancel: Option<Arc<CoreCancel>>) -> Result<CoreEntropyAnswer> {
        let bits = self::bits(bits)?;
        Ok(self.call(cancel.as_deref()).entropy(bits)?.into())
    }

    /// How the last connection was made.
    pub fn connection(&self) -> Option<CoreConnection> {
        self.0.connection().map(CoreConnection::from)
    }

    /// Ends the running calls and every later one. The name `close` is taken by the languages.
    pub fn shut_down(&self) {
        self.0.close();
    }
}

impl CoreClient {
    fn call<'a>(&'a self, cancel: Option<&'a CoreCancel>) -> Call<'a> {
        match cancel {
            Some(token) => self.0.call().cancel(&token.0),
            None => self.0.call(),
        }
    }
}

fn builder(urls: &[String], options: CoreOptions) -> Result<ClientBuilder> {
    let Some((first, others)) = urls.split_first() else {
        let hint = "for example https://kp-alice:8443";
        return Err(Error::invalid_argument("url", "must name at least one key provider", hint).into());
    };
    let mut builder = Client::builder(first)?;
    for url in others {
        builder = builder.or_url(url)?;
    }
    builder = builder
        .tls(options.tls.parse::<TlsVersion>()?)
        .timeout(milliseconds("timeout", options.timeout)?)
        .connect_timeout(milliseconds("connect_timeout", options.connect_timeout)?)
        .wait_when_busy(milliseconds("wait_when_busy", options.wait_when_busy)?)
        .lenient(!options.strict)
        .check_remote(options.check_remote);
    if let Some(pem) = options.ca_pem {
        builder = builder.ca_pem(pem);
    }
    if options.ca_system {
        builder = builder.ca_system();
    }
    match (options.client_cert_pem, options.client_key_pem) {
        (Some(cert), Some(key)) => builder = builder.client_cert_pem(cert, key),
        (None, None) => {}
        _ => {
            let rule = "must come with its private key, and the private key with its certificate";
            return Err(Error::invalid_argument("client certificate", rule, "give both in PEM form").into());
        }
    }
    if let Some(psk) = options.psk {
        builder = builder.psk(psk.0.clone());
    }
    if let Some(pin) = options.pin {
        builder = builder.pin(&pin);
    }
    if let Some(name) = options.server_name {
        builder = builder.server_name(&name);
    }
    if let Some(proxy) = options.proxy {
        builder = builder.proxy(&proxy);
    }
    Ok(builder)
}

/// A number of bits; what is negative is out of range like what is too large.
fn bits(bits: Option<i64>) -> Result<Option<BitLength>> {
    let bits = bits.map(|bits| BitLength::new(u64::try_from(bits).unwrap_or(u64::MAX)));
    Ok(bits.transpose()?)
}

fn milliseconds(field: &str, time: i64) -> Result<Duration> {
    match u64::try_from(time) {
        Ok(time) => Ok(Duration::from_millis(time)),
        Err(_) => Err(Error::invalid_argument(field, "must not be negative", "for example 10 s").into()),
    }
}
