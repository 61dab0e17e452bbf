//! The client and the cancel token.

use std::collections::HashMap;
use std::sync::Arc;

use skip_client::options::parse_seconds;
use skip_client::{BitLength, Call, Client, ClientBuilder, KeyId, Psk, SystemId};

use crate::errors::{CoreLanguage, Result};
use crate::messages::{CoreCapabilities, CoreConnection};
use crate::secrets::{CoreEntropyAnswer, CoreKeyAnswer};

/// The options of a client.
#[derive(uniffi::Record)]
pub struct CoreOptions {
    ca_pem: Option<Vec<u8>>,
    ca_system: bool,
    client_cert_pem: Option<Vec<u8>>,
    client_key_pem: Option<Vec<u8>>,
    key_password: Option<String>,
    psk: Option<Arc<CorePsk>>,
    /// The identity that selects a line of the file `psk`.
    psk_identity: Option<String>,
    /// Paths of credentials, by the names of their options; read again when the files change.
    files: HashMap<String, String>,
    /// The other options of the core's table, by name, as text.
    settings: HashMap<String, String>,
}

/// The options of a single call.
#[derive(uniffi::Record)]
pub struct CoreCall {
    /// The timeout in seconds, instead of the client's.
    timeout: Option<String>,
    cancel: Option<Arc<CoreCancel>>,
}

impl CoreCall {
    pub(crate) fn new(timeout: Option<String>, cancel: Arc<CoreCancel>) -> Self {
        Self {
            timeout,
            cancel: Some(cancel),
        }
    }
}

/// A TLS pre-shared key; wiped when the last reference is dropped.
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

/// Cancels calls from another thread.
#[derive(uniffi::Object)]
pub struct CoreCancel(skip_client::CancelToken);

#[uniffi::export]
impl CoreCancel {
    /// Creates a token that is not cancelled.
    #[uniffi::constructor]
    pub fn new() -> Self {
        Self(skip_client::CancelToken::new())
    }

    /// Cancels every call that uses this token, now or later.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// A client of one Key Provider, or of several in order of preference.
#[derive(uniffi::Object)]
pub struct CoreClient {
    client: Client,
    language: CoreLanguage,
}

#[uniffi::export]
impl CoreClient {
    /// Creates a client, with a language's names in errors. Does not connect yet.
    #[uniffi::constructor]
    pub fn new(urls: Vec<String>, options: CoreOptions, language: CoreLanguage) -> Result<Self> {
        let client = builder(&urls, options).and_then(ClientBuilder::build);
        client
            .map(|client| Self { client, language })
            .map_err(|error| language.error(&error))
    }

    /// The Key Provider's capabilities.
    pub fn capabilities(&self, refresh: bool, call: CoreCall) -> Result<CoreCapabilities> {
        let capabilities = self.ask(&call, |call| {
            if refresh {
                call.refresh_capabilities()
            } else {
                call.capabilities()
            }
        })?;
        Ok(CoreCapabilities::from(capabilities.as_ref()))
    }

    /// A fresh key.
    pub fn new_key(&self, remote: String, size: Option<i64>, call: CoreCall) -> Result<CoreKeyAnswer> {
        let key = self.ask(&call, |call| {
            let remote = SystemId::new(&remote)?;
            match bits(size)? {
                Some(size) => call.size(size).new_key(&remote),
                None => call.new_key(&remote),
            }
        });
        key.map(CoreKeyAnswer::from)
    }

    /// The key with a keyId.
    pub fn key_by_id(&self, key_id: String, remote: String, call: CoreCall) -> Result<CoreKeyAnswer> {
        let key = self.ask(&call, |call| {
            let id = KeyId::parse(&key_id, self.client.rules())?;
            call.key_by_id(&id, &SystemId::new(&remote)?)
        });
        key.map(CoreKeyAnswer::from)
    }

    /// Random bytes.
    pub fn entropy(&self, bits: Option<i64>, call: CoreCall) -> Result<CoreEntropyAnswer> {
        let entropy = self.ask(&call, |call| {
            let bits = self::bits(bits).map_err(|error| error.about("bits"))?;
            call.entropy(bits)
        });
        entropy.map(CoreEntropyAnswer::from)
    }

    /// Information about the last connection.
    pub fn connection(&self) -> Option<CoreConnection> {
        self.client.connection().map(CoreConnection::from)
    }

    /// Cancels the running calls and all later ones. The languages use the name `close` themselves.
    pub fn shut_down(&self) {
        self.client.close();
    }
}

impl CoreClient {
    fn ask<T>(&self, options: &CoreCall, ask: impl FnOnce(Call<'_>) -> skip_client::Result<T>) -> Result<T> {
        let mut call = self.client.call();
        if let Some(token) = &options.cancel {
            call = call.cancel(&token.0);
        }
        let timeout = options.timeout.as_deref();
        let timeout = timeout.map(|text| parse_seconds("timeout", text, false)).transpose();
        let answer = timeout.and_then(|timeout| {
            ask(match timeout {
                Some(timeout) => call.timeout(timeout),
                None => call,
            })
        });
        answer.map_err(|error| self.language.error(&error))
    }
}

fn builder(urls: &[String], options: CoreOptions) -> skip_client::Result<ClientBuilder> {
    let mut builder = Client::of_urls(urls)?;
    if let Some(pem) = options.ca_pem {
        builder = builder.ca_pem(pem);
    }
    if options.ca_system {
        builder = builder.ca_system();
    }
    if options.client_cert_pem.is_some() || options.client_key_pem.is_some() {
        // the core rejects one without the other
        let [cert, key] = [options.client_cert_pem, options.client_key_pem].map(Option::unwrap_or_default);
        builder = builder.client_cert_pem(cert, key);
    }
    if let Some(password) = options.key_password {
        builder = builder.key_password(password);
    }
    if let Some(psk) = options.psk {
        builder = builder.psk(psk.0.clone());
    }
    for (name, path) in options.files {
        builder = match name.as_str() {
            "psk" => builder.psk_file(path, options.psk_identity.as_deref()),
            _ => builder.set_file(&name, path)?,
        };
    }
    let mut settings = options.settings.iter();
    settings.try_fold(builder, |builder, (name, value)| builder.set(name, value))
}

fn bits(bits: Option<i64>) -> skip_client::Result<Option<BitLength>> {
    bits.map(|bits| bits.to_string().parse()).transpose()
}
