//! The client: what callers use.

use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::bits::BitLength;
use crate::capabilities::Capabilities;
use crate::entropy::Entropy;
use crate::error::{Error, ErrorCode, Result};
use crate::https::{ClientCert, Https, Probe, TlsOptions, TlsVersion};
use crate::key::Key;
use crate::key_id::KeyId;
#[cfg(feature = "psk")]
use crate::psk::Psk;
use crate::request::{Request, RequestKind};
use crate::response::{Answer, parse_response};
use crate::system_id::SystemId;
use crate::transport::{CancelToken, ConnectionInfo, Control, Transport, TransportError};

/// How long a Key Provider that could not be reached is tried last instead of first.
const REST: Duration = Duration::from_secs(30);
/// The longest single wait that a Key Provider may ask for.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(30);

/// A client of one Key Provider, or of several in order of preference. Blocking; one client serves many threads at once.
///
/// ```no_run
/// use skip_client::Client;
/// let kp = Client::builder("https://kp-alice:8443")?.ca_pem(std::fs::read("ca.pem")?).build()?;
/// let key = kp.new_key(&"Bob".parse()?)?;
/// println!("tell the other end: {}", key.key_id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    providers: Vec<Provider>,
    options: Options,
}

struct Provider {
    transport: Box<dyn Transport>,
    /// State is kept for each endpoint: draft 4.1.1 lets a localSystemID be unique for a connection only.
    capabilities: RwLock<Option<Arc<Capabilities>>>,
    unreachable_since: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Options {
    connect_timeout: Duration,
    timeout: Duration,
    lenient: bool,
    check_remote: bool,
    wait_when_busy: Duration,
}

impl Client {
    /// Begins a client for the Key Provider at `url`: `https://host[:port][/path]`, where host is a name or an address.
    ///
    /// # Errors
    /// `invalid_argument` when this is not an `https://` URL of a host.
    pub fn builder(url: &str) -> Result<ClientBuilder> {
        ClientBuilder::new().or_url(url)
    }

    /// Begins a client over a transport of the caller's own.
    pub fn over(transport: Box<dyn Transport>) -> ClientBuilder {
        ClientBuilder::new().or_over(transport)
    }

    /// What the KP offers (draft 4.1): fetched once, then remembered.
    ///
    /// # Errors
    /// Any code of the network's and the provider's sides.
    pub fn capabilities(&self) -> Result<Arc<Capabilities>> {
        self.call().capabilities()
    }

    /// What the KP offers now; the answer is remembered instead of the earlier one.
    ///
    /// # Errors
    /// Any code of the network's and the provider's sides.
    pub fn refresh_capabilities(&self) -> Result<Arc<Capabilities>> {
        self.call().refresh_capabilities()
    }

    /// A fresh key of the KP's default length, shared with the KP `remote` (draft 4.2); for another length see [`Call::size`].
    ///
    /// # Errors
    /// Any code. With [`Error::advice`] `new_key`, the key of this request may be gone at both ends: ask for another.
    pub fn new_key(&self, remote: &SystemId) -> Result<Key> {
        self.call().new_key(remote)
    }

    /// The key that the initiator got from the KP `remote` under `key_id` (draft 4.2). A KP gives it once.
    ///
    /// # Errors
    /// Any code. With [`Error::advice`] `new_key`, the initiator has to ask for another key.
    pub fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        self.call().key_by_id(key_id, remote)
    }

    /// Random bytes of at least `bits` bits, or of the KP's default of 256 bits (draft 4.3).
    ///
    /// # Errors
    /// Any code.
    pub fn entropy(&self, bits: Option<BitLength>) -> Result<Entropy> {
        self.call().entropy(bits)
    }

    /// One call with options of its own.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        Call {
            client: self,
            size: None,
            timeout: self.options.timeout,
            cancel: None,
            interrupted: None,
        }
    }

    /// How the last connection was made; `None` before the first one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionInfo> {
        self.providers.iter().find_map(|p| p.transport.connection())
    }

    /// Whether known deviations of real Key Providers are accepted.
    #[must_use]
    pub fn is_lenient(&self) -> bool {
        self.options.lenient
    }

    /// Closes the idle connections and ends the running calls; later calls fail with `invalid_argument`.
    pub fn close(&self) {
        for provider in &self.providers {
            provider.transport.close();
        }
    }

    /// The providers in order of preference; those that could not be reached lately come last.
    fn in_order(&self) -> Vec<&Provider> {
        if let [only] = self.providers.as_slice() {
            return vec![only];
        }
        let (ready, resting): (Vec<_>, Vec<_>) = self.providers.iter().partition(|p| !p.is_resting());
        ready.into_iter().chain(resting).collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls: Vec<_> = self.providers.iter().map(|p| p.transport.url()).collect();
        f.debug_struct("Client").field("urls", &urls).finish_non_exhaustive()
    }
}

/// One call, with options that differ from the client's.
pub struct Call<'a> {
    client: &'a Client,
    size: Option<BitLength>,
    timeout: Duration,
    cancel: Option<&'a CancelToken>,
    interrupted: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Call<'a> {
    /// The size of the fresh key, in bits; for [`Call::new_key`] only.
    #[must_use]
    pub fn size(mut self, bits: BitLength) -> Self {
        self.size = Some(bits);
        self
    }

    /// The time that the whole call may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Ends the call when the token is cancelled: `connection_lost`, with the advice that fits what was sent by then.
    #[must_use]
    pub fn cancel(mut self, token: &'a CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Asked in this thread after an interrupted system call and at least every 100 ms of waiting; `true` cancels the call.
    #[must_use]
    pub fn interrupted(mut self, ask: &'a dyn Fn() -> bool) -> Self {
        self.interrupted = Some(ask);
        self
    }

    /// See [`Client::capabilities`].
    ///
    /// # Errors
    /// As there.
    pub fn capabilities(&self) -> Result<Arc<Capabilities>> {
        self.on_first(|provider, call| match provider.remembered() {
            Some(capabilities) => Ok(capabilities),
            None => provider.fetch_capabilities(call),
        })
    }

    /// See [`Client::refresh_capabilities`].
    ///
    /// # Errors
    /// As there.
    pub fn refresh_capabilities(&self) -> Result<Arc<Capabilities>> {
        self.on_first(Provider::fetch_capabilities)
    }

    /// See [`Client::new_key`].
    ///
    /// # Errors
    /// As there.
    pub fn new_key(&self, remote: &SystemId) -> Result<Key> {
        let request = Request::new_key(remote, self.size)?;
        self.key(&request, remote)
    }

    /// See [`Client::key_by_id`].
    ///
    /// # Errors
    /// As there.
    pub fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        let request = Request::key_by_id(key_id, remote)?;
        self.key(&request, remote)
    }

    /// See [`Client::entropy`].
    ///
    /// # Errors
    /// As there.
    pub fn entropy(&self, bits: Option<BitLength>) -> Result<Entropy> {
        let request = Request::entropy(bits);
        self.on_first(|provider, call| {
            provider.check_offer(&request, None, call)?;
            match provider.ask(&request, call)? {
                Answer::Entropy(entropy) => Ok(entropy),
                Answer::Capabilities(_) | Answer::Key(_) => unreachable!("the answer is of the request's kind"),
            }
        })
    }

    fn key(&self, request: &Request, remote: &SystemId) -> Result<Key> {
        self.on_first(|provider, call| {
            provider.check_offer(request, Some(remote), call)?;
            match provider.ask(request, call)? {
                Answer::Key(key) => Ok(key),
                Answer::Capabilities(_) | Answer::Entropy(_) => unreachable!("the answer is of the request's kind"),
            }
        })
    }

    /// Does something at the first provider that can be reached. The next one is asked only while no byte of a request has gone out.
    fn on_first<T>(
        &self,
        ask: impl Fn(&Provider, &Running<'_>) -> std::result::Result<T, TransportError>,
    ) -> Result<T> {
        let never = CancelToken::new();
        let started = Instant::now();
        let deadline = started
            .checked_add(self.timeout)
            .ok_or_else(|| Error::timeout("timeout"))?;
        let mut last = None;
        for provider in self.client.in_order() {
            let connect_deadline = Instant::now().checked_add(self.client.options.connect_timeout);
            let control = Control {
                deadline,
                connect_deadline: connect_deadline.ok_or_else(|| Error::timeout("connect_timeout"))?,
                cancel: self.cancel.unwrap_or(&never),
                interrupted: self.interrupted,
            };
            match ask(
                provider,
                &Running {
                    control: &control,
                    options: &self.client.options,
                },
            ) {
                Ok(answer) => {
                    provider.rest(false);
                    return Ok(answer);
                }
                Err(failed) if failed.is_unreachable() => {
                    provider.rest(true);
                    last = Some(failed.error);
                    if control.check().is_err() {
                        break;
                    }
                }
                Err(failed) => return Err(failed.error),
            }
        }
        // a builder makes no client without a provider
        Err(last.unwrap_or_else(Error::client_closed))
    }
}

/// A call that is under way.
struct Running<'a> {
    control: &'a Control<'a>,
    options: &'a Options,
}

impl TransportError {
    /// Whether another Key Provider may be asked instead: this one was never reached.
    fn is_unreachable(&self) -> bool {
        !self.sent
            && matches!(
                self.error.code(),
                ErrorCode::ConnectFailed | ErrorCode::TlsFailed | ErrorCode::TimedOut
            )
    }
}

impl Provider {
    fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            capabilities: RwLock::default(),
            unreachable_since: Mutex::default(),
        }
    }

    fn is_resting(&self) -> bool {
        self.unreachable_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|since| since.elapsed() < REST)
    }

    fn rest(&self, unreachable: bool) {
        *self.unreachable_since.lock().unwrap_or_else(PoisonError::into_inner) = unreachable.then(Instant::now);
    }

    fn remembered(&self) -> Option<Arc<Capabilities>> {
        self.capabilities.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fetch_capabilities(&self, call: &Running<'_>) -> std::result::Result<Arc<Capabilities>, TransportError> {
        match self.ask(&Request::capabilities(), call)? {
            Answer::Capabilities(capabilities) => {
                let capabilities = Arc::new(capabilities);
                *self.capabilities.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&capabilities));
                Ok(capabilities)
            }
            Answer::Key(_) | Answer::Entropy(_) => unreachable!("the answer is of the request's kind"),
        }
    }

    /// Refuses what the KP says it does not offer, before a key is used up for nothing. A `no` from memory is asked again.
    fn check_offer(
        &self,
        request: &Request,
        remote: Option<&SystemId>,
        call: &Running<'_>,
    ) -> std::result::Result<(), TransportError> {
        if !call.options.check_remote {
            return Ok(());
        }
        let refusal = |capabilities: &Capabilities| match (request.kind(), remote) {
            (RequestKind::Entropy, _) if !capabilities.supports_entropy() => Some(Error::not_supported("entropy")),
            (RequestKind::NewKey | RequestKind::KeyById, _) if !capabilities.supports_key() => {
                Some(Error::not_supported("keys"))
            }
            // draft 4.1.2: the list names the KPs, or patterns of them, that share keys with this one
            (_, Some(remote)) if !capabilities.matches_remote(remote.as_str()) => Some(Error::unknown_remote()),
            _ => None,
        };
        if self
            .remembered()
            .is_some_and(|capabilities| refusal(&capabilities).is_none())
        {
            return Ok(());
        }
        let capabilities = self.fetch_capabilities(call)?;
        refusal(&capabilities).map_or(Ok(()), |error| Err(TransportError { error, sent: true }))
    }

    /// One request and its answer; a busy KP is asked again only for as long as the caller wants to wait.
    fn ask(&self, request: &Request, call: &Running<'_>) -> std::result::Result<Answer, TransportError> {
        let mut patience = call.options.wait_when_busy;
        loop {
            let response = self.transport.exchange(request, call.control)?;
            let parsed = parse_response(
                request,
                response.status,
                &response.headers,
                response.body.as_slice(),
                call.options.lenient,
            );
            let error = match parsed {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = retry_after(response.headers.retry_after.as_deref());
            let in_time = Instant::now()
                .checked_add(pause)
                .is_some_and(|until| until < call.control.deadline);
            if error.code() != ErrorCode::Busy || patience < pause || !in_time || pause_ended(pause, call.control) {
                return Err(TransportError { error, sent: true });
            }
            patience -= pause;
        }
    }
}

/// The seconds of a Retry-After header, at least one, at most 30; a date is read as one second.
fn retry_after(value: Option<&str>) -> Duration {
    let seconds = value.and_then(|v| v.trim().parse::<u64>().ok()).unwrap_or(1).max(1);
    Duration::from_secs(seconds).min(RETRY_AFTER_CAP)
}

/// Waits; `true` when the call has to end before the pause does.
fn pause_ended(pause: Duration, control: &Control<'_>) -> bool {
    const SLICE: Duration = Duration::from_millis(50);
    let until = Instant::now() + pause;
    let (lock, never) = (Mutex::new(()), Condvar::new());
    let mut guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
    while Instant::now() < until {
        if control.check().is_err() {
            return true;
        }
        let slice = SLICE.min(until.saturating_duration_since(Instant::now()));
        guard = never
            .wait_timeout(guard, slice)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
    false
}

/// Options of a client; see [`Client::builder`].
#[must_use]
pub struct ClientBuilder {
    providers: Vec<Source>,
    tls: TlsOptions,
    options: Options,
}

enum Source {
    Url(String),
    Own(Box<dyn Transport>),
}

impl ClientBuilder {
    fn new() -> Self {
        Self {
            providers: Vec::new(),
            tls: TlsOptions::default(),
            options: Options {
                connect_timeout: Duration::from_secs(3),
                timeout: Duration::from_secs(10),
                lenient: false,
                check_remote: true,
                wait_when_busy: Duration::ZERO,
            },
        }
    }

    /// A further Key Provider, asked when those before it cannot be reached.
    ///
    /// # Errors
    /// `invalid_argument` when this is not an `https://` URL of a host.
    pub fn or_url(mut self, url: &str) -> Result<Self> {
        self.providers.push(Source::Url(Https::check_url(url)?));
        Ok(self)
    }

    /// A further Key Provider over a transport of the caller's own.
    pub fn or_over(mut self, transport: Box<dyn Transport>) -> Self {
        self.providers.push(Source::Own(transport));
        self
    }

    /// Certificates of the CAs to trust, in PEM form. May be called several times.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.ca_pem.push(pem.into());
        self
    }

    /// Trusts the system's certificate store as well.
    pub fn ca_system(mut self) -> Self {
        self.tls.ca_system = true;
        self
    }

    /// The client certificate (with its chain) and its private key, in PEM form, for Key Providers that want one.
    pub fn client_cert_pem(mut self, cert_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.tls.client_cert = Some(ClientCert {
            cert_pem: cert_pem.into(),
            key_pem: Zeroizing::new(key_pem.into()),
        });
        self
    }

    /// The public key to trust: `sha256/` and the base64 of SHA-256 over the certificate's `SubjectPublicKeyInfo`. With CAs both must hold;
    /// alone, the pin is the trust, and neither chain nor name nor dates are asked.
    pub fn pin(mut self, pin: &str) -> Self {
        self.tls.pin = Some(pin.into());
        self
    }

    /// The name that the certificate must have, instead of the URL's host.
    pub fn server_name(mut self, name: &str) -> Self {
        self.tls.server_name = Some(name.into());
        self
    }

    /// Proves both sides by a pre-shared key instead of certificates (draft 3, Table 1), with OpenSSL.
    ///
    /// TLS 1.3 with `TLS_AES_256_GCM_SHA384` and TLS 1.2 with DHE are offered first; a Key Provider that refuses both in one hello is
    /// asked again with TLS 1.2 alone, then with a TLS 1.3 key bound to SHA-256, and what worked is remembered. All that is before the
    /// first byte of a request. Suites that are weaker than Table 1 wants are named in [`ConnectionInfo::warnings`].
    #[cfg(feature = "psk")]
    pub fn psk(mut self, psk: Psk) -> Self {
        self.tls.psk = Some(psk);
        self
    }

    /// Also offers `TLS_RSA_WITH_AES_256_CBC_SHA256` to Key Providers with certificates, by OpenSSL instead of rustls. Table 1
    /// recommends that suite, but it has no forward secrecy and is not safe today: off unless switched on.
    #[cfg(feature = "psk")]
    pub fn legacy(mut self, legacy: bool) -> Self {
        self.tls.legacy = legacy;
        self
    }

    /// Which versions of TLS to offer.
    pub fn tls(mut self, versions: TlsVersion) -> Self {
        self.tls.versions = versions;
        self
    }

    /// `http://[user:password@]host[:port]` of a proxy with CONNECT. Proxies of the environment are never used.
    pub fn proxy(mut self, url: &str) -> Self {
        self.tls.proxy = Some(url.into());
        self
    }

    /// The time for name, TCP and TLS of one Key Provider; 3 s unless given.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.connect_timeout = timeout;
        self
    }

    /// The time for a whole call; 10 s unless given.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// Accepts known deviations of real Key Providers; see [`parse_response`](crate::parse_response).
    pub fn lenient(mut self, lenient: bool) -> Self {
        self.options.lenient = lenient;
        self
    }

    /// Whether capabilities are asked before the first key or entropy request, and what they exclude is refused; on unless switched off.
    pub fn check_remote(mut self, check: bool) -> Self {
        self.options.check_remote = check;
        self
    }

    /// How long to wait in all for a KP that is busy (429, 503), asking again after its Retry-After (at most 30 s each); not at all
    /// unless given. The call's timeout still ends it.
    pub fn wait_when_busy(mut self, patience: Duration) -> Self {
        self.options.wait_when_busy = patience;
        self
    }

    /// Instead of a client, what looks at the first Key Provider from outside, for tools that examine one. Nothing is connected yet.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`]; also `invalid_argument` when the first Key Provider has a transport of the caller's own.
    pub fn probe(mut self) -> Result<Probe> {
        self.check_timeouts()?;
        match self.providers.drain(..).next() {
            Some(Source::Url(url)) => Probe::new(&url, self.tls, self.options.connect_timeout, self.options.timeout),
            Some(Source::Own(_)) | None => Err(Error::probe_without_url()),
        }
    }

    /// The client. Nothing is connected yet.
    ///
    /// # Errors
    /// `invalid_argument` for a file that is not PEM, a pin that is none, a timeout of zero, when nothing says whom to trust, or when both
    /// certificates and a pre-shared key do.
    pub fn build(self) -> Result<Client> {
        self.check_timeouts()?;
        let mut providers = Vec::with_capacity(self.providers.len());
        for source in self.providers {
            providers.push(Provider::new(match source {
                Source::Url(url) => Box::new(Https::new(&url, &self.tls)?),
                Source::Own(transport) => transport,
            }));
        }
        Ok(Client {
            providers,
            options: self.options,
        })
    }

    fn check_timeouts(&self) -> Result<()> {
        for (name, timeout) in [
            ("timeout", self.options.timeout),
            ("connect_timeout", self.options.connect_timeout),
        ] {
            if timeout.is_zero() || Instant::now().checked_add(timeout).is_none() {
                return Err(Error::timeout(name));
            }
        }
        Ok(())
    }
}
