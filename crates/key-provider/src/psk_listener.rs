//! The listeners for pre-shared keys, using OpenSSL, because rustls does not support them.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslMode, SslOptions, SslVersion};
use skip_client::Psk;
use skip_tls_psk::{CLEANSE_PLAINTEXT, Find, accept, prepare, set_dh_auto, set_identity_hint};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::error::StartError;
use crate::listener::{Acceptor, TlsStream};
use crate::switches::{Quirk, Snapshot, Versions};

/// The TLS 1.2 suites in order of preference: forward secrecy and GCM first.
const SUITES: &str = "DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA384:PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA";

/// Plain PSK, without an ephemeral key exchange.
const PLAIN_SUITES: &str = "PSK-AES256-GCM-SHA384";

/// Available in current OpenSSL only at its lowest security level.
const NULL_SUITES: &str = "PSK-NULL-SHA384:PSK-NULL-SHA256";

const GCM_SUITES: &str = "DHE-PSK-AES256-GCM-SHA384:PSK-AES256-GCM-SHA384";
/// The suites of a server in Python, in its order.
const GCM_SUITES_PLAIN_FIRST: &str = "PSK-AES256-GCM-SHA384:DHE-PSK-AES256-GCM-SHA384";

/// The first of these lists that is supported by the OpenSSL in use: ML-KEM came with 3.5.
const GROUPS: [&str; 2] = ["X25519MLKEM768:X25519:P-256:P-384", "X25519:P-256:P-384"];

/// Accepts clients that have one of the keys. There is no certificate.
#[derive(Clone)]
pub(crate) struct PskAcceptor(Arc<Shared>);

struct Shared {
    find: Arc<Find>,
    suites: Option<String>,
    /// cached, because switches seldom change
    latest: Mutex<Option<(Style, SslContext)>>,
}

/// The effect of the switches on a handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Style {
    versions: Versions,
    is_classic: bool,
    has_hint: bool,
    has_old_tls: bool,
    suites: Suites,
}

/// The choice of TLS 1.2 suites.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Suites {
    Usual,
    Gcm,
    GcmPlainFirst,
    Plain,
    WithNull,
}

impl PskAcceptor {
    /// Accepts these keys; `suites` replaces the TLS 1.2 suites.
    pub(crate) fn new(psks: &[Psk], suites: Option<&str>) -> Result<Self, StartError> {
        let keys: HashMap<Vec<u8>, skip_tls_psk::Psk> = psks
            .iter()
            .map(|psk| {
                let identity = psk.identity().as_bytes();
                (identity.to_vec(), skip_tls_psk::Psk::new(identity, psk.key().expose()))
            })
            .collect();
        let shared = Shared {
            find: Arc::new(move |identity: &[u8]| keys.get(identity).cloned()),
            suites: suites.map(str::to_owned),
            latest: Mutex::default(),
        };
        // invalid settings fail at start, not for the first client
        shared
            .context(Snapshot::default())
            .map_err(|error| StartError::because("cannot listen with pre-shared keys (see psk_ciphers)", error))?;
        Ok(Self(Arc::new(shared)))
    }
}

impl Acceptor for PskAcceptor {
    type Stream = SslStream<TcpStream>;

    async fn handshake(&self, tcp: TcpStream, switches: Snapshot) -> io::Result<Self::Stream> {
        let context = self.0.context(switches)?;
        let ssl = Ssl::new(&context)?;
        let mut stream = SslStream::new(ssl, tcp)?;
        Pin::new(&mut stream).accept().await.map_err(io::Error::other)?;
        Ok(stream)
    }
}

impl TlsStream for SslStream<TcpStream> {
    fn tcp(&mut self) -> &mut TcpStream {
        self.get_mut()
    }
}

impl Shared {
    fn context(&self, switches: Snapshot) -> Result<SslContext, ErrorStack> {
        let style = Style::of(switches);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, context)) = &*latest
            && *known == style
        {
            return Ok(context.clone());
        }
        let context = self.build(style)?;
        *latest = Some((style, context.clone()));
        Ok(context)
    }

    fn build(&self, style: Style) -> Result<SslContext, ErrorStack> {
        prepare();
        let mut context = SslContext::builder(SslMethod::tls_server())?;
        // hyper may retry a partial write from a different address
        context.set_mode(SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE);
        context.set_options(CLEANSE_PLAINTEXT | SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_RENEGOTIATION);
        // both bounds are set here, so that openssl.cnf cannot change them
        context.set_min_proto_version(Some(style.oldest()))?;
        context.set_max_proto_version(Some(style.newest()))?;
        if style.has_old_tls || style.suites == Suites::WithNull {
            context.set_security_level(0);
        }
        match (&self.suites, style.suites) {
            (Some(suites), _) => context.set_cipher_list(suites)?,
            (None, Suites::Usual) => context.set_cipher_list(SUITES)?,
            (None, Suites::Gcm) => context.set_cipher_list(GCM_SUITES)?,
            (None, Suites::GcmPlainFirst) => context.set_cipher_list(GCM_SUITES_PLAIN_FIRST)?,
            (None, Suites::Plain) => context.set_cipher_list(PLAIN_SUITES)?,
            (None, Suites::WithNull) => context.set_cipher_list(&format!("{SUITES}:{NULL_SUITES}"))?,
        }
        let [best, without_ml_kem] = GROUPS;
        context
            .set_groups_list(best)
            .or_else(|_| context.set_groups_list(without_ml_kem))?;
        if style.suites != Suites::GcmPlainFirst {
            set_dh_auto(&mut context)?;
        }
        if style.has_hint {
            set_identity_hint(&mut context, c"skip-key-provider")?;
        }
        accept(&mut context, Arc::clone(&self.find), style.is_classic)?;
        Ok(context.build())
    }
}

impl Style {
    fn of(switches: Snapshot) -> Self {
        let suites = match () {
            () if switches.quirk(Quirk::PskNoDh) => Suites::GcmPlainFirst,
            () if switches.quirk(Quirk::NoForwardSecrecy) => Suites::Plain,
            () if switches.quirk(Quirk::PskGcmOnly) => Suites::Gcm,
            () if switches.quirk(Quirk::NullSuites) => Suites::WithNull,
            () => Suites::Usual,
        };
        let is_tls12 = matches!(suites, Suites::Gcm | Suites::Plain);
        Self {
            versions: if is_tls12 { Versions::Tls12 } else { switches.versions() },
            is_classic: suites == Suites::GcmPlainFirst || switches.quirk(Quirk::ClassicPsk),
            has_hint: switches.quirk(Quirk::PskIdentityHint),
            has_old_tls: switches.quirk(Quirk::OldTls),
            suites,
        }
    }

    fn oldest(self) -> SslVersion {
        match self.versions {
            Versions::Both | Versions::Tls12 if self.has_old_tls => SslVersion::TLS1,
            Versions::Both | Versions::Tls12 => SslVersion::TLS1_2,
            Versions::Tls13 => SslVersion::TLS1_3,
        }
    }

    fn newest(self) -> SslVersion {
        match self.versions {
            Versions::Both | Versions::Tls13 => SslVersion::TLS1_3,
            Versions::Tls12 => SslVersion::TLS1_2,
        }
    }
}
