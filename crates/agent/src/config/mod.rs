//! The configuration: a TOML file, read as a whole, so that every mistake is reported at once.

mod files;
mod settings;
mod tunnel;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use skip_client::error::{FrontEnd, Spelling as _};
use skip_client::{Client, Pin, PskForm};
use toml::de::DeTable;

use crate::consumer::ConsumerConfig;
use crate::journal::{Level, LogFormat};
use crate::names::is_name;
use crate::plan::{Pace, Plan};

use self::files::{Content, Files};
use self::tunnel::{overwritten, shared_targets, tunnel_table};
use crate::files::check_trusted;
pub use crate::reader::Mistake;
use crate::reader::{Found, Mistakes, Table};
pub(crate) use settings::Settings;

/// More than any configuration needs: one with 10,000 tunnels has about 3 MB.
const MAX_BYTES: u64 = 16 << 20;

/// The configuration of an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub(crate) agent: AgentTable,
    pub(crate) hand_off: HandOffTable,
    pub(crate) providers: BTreeMap<String, ProviderTable>,
    pub(crate) peers: BTreeMap<String, PeerTable>,
    pub(crate) tunnels: Vec<TunnelTable>,
}

/// The table `agent`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgentTable {
    pub state: PathBuf,
    pub metrics: Option<SocketAddr>,
    pub log_level: Level,
    pub log_format: LogFormat,
    pub workers: usize,
    pub pace: Pace,
}

/// The table `hand-off`: the address on which peers reach this agent, and its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandOffTable {
    pub listen: SocketAddr,
    /// `None` if all peers are pinned.
    pub ca: Option<PathBuf>,
    pub cert: PathBuf,
    pub key: PathBuf,
    pub key_password_file: Option<PathBuf>,
    /// The name that peers expect in this agent's certificate; not checked if absent.
    pub certificate_name: Option<String>,
    pub answer_within: Duration,
}

/// A table `key-provider.NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderTable {
    pub urls: Vec<String>,
    /// `None`: no CA; `system`: the system's trust store.
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    /// `None` if the certificate is PKCS#12, which includes it.
    pub key: Option<PathBuf>,
    pub key_password_file: Option<PathBuf>,
    pub psk_file: Option<PathBuf>,
    pub psk_identity: Option<String>,
    pub psk_form: PskForm,
    pub settings: Settings,
}

/// A table `peer.NAME`: the agent at another site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerTable {
    /// `host:port`
    pub address: String,
    pub identity: Identity,
}

/// How a peer is recognized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// By this name in a certificate of the CA.
    Name(String),
    /// By this public key, whatever else its certificate says.
    Pin(Pin),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Pin(pin) => write!(f, "the key {pin}"),
        }
    }
}

/// A table `tunnel.NAME`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TunnelTable {
    pub plan: Plan,
    pub provider: String,
    pub peer: String,
    pub consumer: ConsumerConfig,
}

/// Why a configuration cannot be used: every mistake found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one, in file order.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.mistakes.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a configuration and checks the files it names. Relative paths start at the configuration's folder.
    ///
    /// # Errors
    /// Every mistake, with its line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = read(path).map_err(|why| ConfigError {
            mistakes: vec![Mistake {
                file: file.clone(),
                line: 1,
                field: String::new(),
                rule: format!("cannot be read: {why}"),
                hint: String::new(),
            }],
        })?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let of_file = |rule: String, hint: &str| ConfigError {
            mistakes: vec![Mistake {
                file: file.clone(),
                line: 1,
                field: String::new(),
                rule,
                hint: hint.to_owned(),
            }],
        };
        let trusted = check_trusted(path).map_err(|rule| of_file(rule, "it names programs that the agent runs"));
        match (Self::read_text(&file, &text, folder, true), trusted) {
            (outcome, Ok(())) => outcome,
            (Ok(_), Err(error)) => Err(error),
            (Err(mut all), Err(error)) => {
                all.mistakes.splice(..0, error.mistakes);
                Err(all)
            }
        }
    }

    /// The state folder that a configuration names, even if the rest of it is broken.
    #[must_use]
    pub fn state_folder(path: &Path) -> Option<PathBuf> {
        let text = read(path).ok()?;
        let (document, _) = DeTable::parse_recoverable(&text);
        let state = document
            .get_ref()
            .get("agent")?
            .get_ref()
            .get("state")?
            .get_ref()
            .as_str()?;
        Some(path.parent().unwrap_or_else(|| Path::new("")).join(state))
    }

    /// Like [`Config::load`], for text that has already been read.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn of_text(file: &str, text: &str, folder: &Path) -> Result<Self, ConfigError> {
        Self::read_text(file, text, folder, false)
    }

    fn read_text(file: &str, text: &str, folder: &Path, look_inside: bool) -> Result<Self, ConfigError> {
        let mut mistakes = Mistakes::new(file, text);
        let mut document = mistakes.document();
        if !mistakes.is_empty() {
            return Err(ConfigError {
                mistakes: mistakes.into_inner(),
            });
        }
        let mut files = Files {
            folder,
            look_inside,
            found: vec![PathBuf::from(file)],
            mistakes: &mut mistakes,
        };
        let agent = document.table("agent", files.mistakes);
        let agent = agent.map(|table| agent_table(table, &mut files)).or_else(|| {
            files.mistakes.add(
                &document.at("agent"),
                "is missing",
                "a table [agent] with state = \"FOLDER\"",
            );
            None
        });
        let pace = agent
            .as_ref()
            .and_then(Option::as_ref)
            .map_or(DEFAULT_PACE, |agent| agent.pace);
        let providers = named(
            document.tables("key-provider", files.mistakes),
            &mut files,
            provider_table,
        );
        let mut pins = BTreeMap::new();
        let peers = named(
            document.tables("peer", files.mistakes),
            &mut files,
            |name, table, files| peer_table(name, table, &mut pins, files),
        );
        let hand_off = document.table("hand-off", files.mistakes);
        let hand_off = hand_off
            .map(|table| hand_off_table(table, &peers, &mut files))
            .or_else(|| {
                let hint = "a table [hand-off] with listen, cert and key, and a ca unless all peers have a pin";
                files.mistakes.add(&document.at("hand-off"), "is missing", hint);
                None
            });
        let names = Names {
            providers: providers.iter().map(|(name, _)| name.clone()).collect(),
            peers: peers.iter().map(|(name, _)| name.clone()).collect(),
        };
        let tunnels = named(
            document.tables("tunnel", files.mistakes),
            &mut files,
            |name, table, files| tunnel_table(name, table, pace, &names, files),
        );
        document.finish(files.mistakes);
        shared_targets(&tunnels, files.mistakes);
        let state = agent
            .as_ref()
            .and_then(Option::as_ref)
            .map(|agent| agent.state.as_path());
        overwritten(&tunnels, state, &files.found, files.mistakes);
        let good =
            |list: Vec<(String, Option<_>)>| list.into_iter().filter_map(|(name, it)| Some((name, it?))).collect();
        match (agent.flatten(), hand_off.flatten()) {
            (Some(agent), Some(hand_off)) if mistakes.is_empty() => Ok(Self {
                agent,
                hand_off,
                providers: good(providers),
                peers: peers.into_iter().filter_map(|(name, it)| Some((name, it?))).collect(),
                tunnels: tunnels.into_iter().filter_map(|(_, it)| Some(it?.0)).collect(),
            }),
            _ => Err(ConfigError {
                mistakes: mistakes.into_inner(),
            }),
        }
    }

    /// The folder for the agent's persistent state and its status socket.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.agent.state
    }

    /// The log's format and level.
    #[must_use]
    pub fn log(&self) -> (Level, LogFormat) {
        (self.agent.log_level, self.agent.log_format)
    }
}

/// They wait for disks, peers and gateways, rather than compute.
const WORKERS: usize = 16;

const DEFAULT_PACE: Pace = Pace {
    check_every: Duration::from_secs(10),
    retry_first: Duration::from_secs(1),
    retry_longest: Duration::from_mins(5),
    confirm_within: Duration::from_secs(30),
};

/// Names that tunnels refer to.
struct Names {
    providers: BTreeSet<String>,
    peers: BTreeSet<String>,
}

/// Reads a table of named tables.
fn named<'i, T>(
    tables: Vec<(String, Table<'i>)>,
    files: &mut Files<'_, 'i>,
    mut read: impl FnMut(&str, Table<'i>, &mut Files<'_, 'i>) -> Option<T>,
) -> Vec<(String, Option<T>)> {
    let mut all = Vec::with_capacity(tables.len());
    for (name, table) in tables {
        if !is_name(&name) {
            let rule = "is no name: 1 to 64 letters, digits, '-', '_' and '.', no dot in front";
            files.mistakes.add(&table.at(""), rule, "");
        }
        let it = read(&name, table, files);
        all.push((name, it));
    }
    all
}

fn agent_table(mut table: Table<'_>, files: &mut Files<'_, '_>) -> Option<AgentTable> {
    let mistakes = &mut *files.mistakes;
    let state = table.required_text("state", mistakes);
    let level = Level::NAMES.map(|name| (name, Level::of_name(name).unwrap_or(Level::Info)));
    let log_level = table.choice("log-level", &level, mistakes);
    let formats = [("logfmt", LogFormat::Logfmt), ("json", LogFormat::Json)];
    let log_format = table.choice("log-format", &formats, mistakes);
    let workers = table.number("workers", 1..257, mistakes);
    let mut pace = |name, default| positive(&mut table, name, default, mistakes);
    let pace = Pace {
        check_every: pace("check-every", DEFAULT_PACE.check_every),
        retry_first: pace("retry-first", DEFAULT_PACE.retry_first),
        retry_longest: pace("retry-longest", DEFAULT_PACE.retry_longest),
        confirm_within: pace("confirm-within", DEFAULT_PACE.confirm_within),
    };
    if pace.retry_first > pace.retry_longest {
        let at = table.at(if table.had("retry-first") {
            "retry-first"
        } else {
            "retry-longest"
        });
        mistakes.add(&at, "retry-first must not be above retry-longest", "");
    }
    let metrics = table.text("metrics", mistakes);
    let metrics = files.address(metrics, true);
    table.finish(files.mistakes);
    Some(AgentTable {
        state: files.folder.join(state?.value),
        metrics,
        log_level: log_level.unwrap_or(Level::Info),
        log_format: log_format.unwrap_or(LogFormat::Logfmt),
        workers: workers.map_or(WORKERS, |found| usize::try_from(found.value).unwrap_or(WORKERS)),
        pace,
    })
}

/// A non-zero duration, or the default.
fn positive(table: &mut Table<'_>, name: &'static str, default: Duration, mistakes: &mut Mistakes<'_>) -> Duration {
    match table.duration(name, mistakes) {
        Some(found) if found.value.is_zero() => {
            mistakes.add(&found.at, "must be more than nothing", "");
            default
        }
        Some(found) => found.value,
        None => default,
    }
}

fn hand_off_table(
    mut table: Table<'_>,
    peers: &[(String, Option<PeerTable>)],
    files: &mut Files<'_, '_>,
) -> Option<HandOffTable> {
    let listen = table.required_text("listen", files.mistakes);
    let ca = table.text("ca", files.mistakes);
    let [cert, key] = ["cert", "key"].map(|name| table.required_text(name, files.mistakes));
    let key_password_file = table.text("key-password-file", files.mistakes);
    let is_named = |peer: &PeerTable| matches!(peer.identity, Identity::Name(_));
    let named = peers.iter().filter(|(_, peer)| peer.as_ref().is_some_and(is_named));
    let named: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
    if !table.had("ca") && (peers.is_empty() || !named.is_empty()) {
        let hint = format!("the CA of the peers that have no pin: {}", named.join(", "));
        files.mistakes.add(&table.at("ca"), "is missing", hint);
    }
    let listen = files.address(listen, false);
    let ca = files.file(ca, Content::Certificates);
    let cert = files.file(cert, Content::Certificates);
    let key = files.file(key, Content::of_key(key_password_file.is_some()));
    let key_password_file = files.file(key_password_file, Content::Sealed);
    if files.look_inside
        && let (Some(key), Some(password)) = (&key, &key_password_file)
        && let Ok(pem) = crate::files::read(key)
        && let Err(error) = skip_client::read_private_key(&pem, Some(password), |_| Ok(()))
    {
        let at = table.at(&FrontEnd::Agent.name(error.field().unwrap_or("key")));
        files.mistakes.add(&at, error.what(), error.hint_in(&FrontEnd::Agent));
    }
    let certificate_name = table.text("certificate-name", files.mistakes);
    let answer_within = positive(&mut table, "answer-within", Duration::from_mins(1), files.mistakes);
    table.finish(files.mistakes);
    Some(HandOffTable {
        listen: listen?,
        ca,
        cert: cert?,
        key: key?,
        key_password_file,
        certificate_name: certificate_name.map(|found| found.value),
        answer_within,
    })
}

fn provider_table(_: &str, mut table: Table<'_>, files: &mut Files<'_, '_>) -> Option<ProviderTable> {
    let urls = urls(&mut table, files.mistakes);
    let ca = table.text("ca", files.mistakes);
    let ca = match ca {
        Some(found) if found.value == "system" => Some(PathBuf::from("system")),
        other => files.file(other, Content::Certificates),
    };
    let cert = table.text("cert", files.mistakes);
    let key = table.text("key", files.mistakes);
    let key_password_file = table.text("key-password-file", files.mistakes);
    let (has_cert, has_key) = (cert.is_some(), key.is_some());
    let is_sealed = key_password_file.is_some();
    let at_cert = table.at("cert");
    // without a key of its own it must be PKCS#12
    let of_cert = if is_sealed && !has_key {
        Content::Sealed
    } else {
        Content::Certificates
    };
    let cert = files.file(cert, of_cert);
    let key = files.file(key, Content::of_key(is_sealed));
    let key_password_file = files.file(key_password_file, Content::Sealed);
    if files.look_inside
        && let (Some(cert), Some(password)) = (&cert, &key_password_file)
        && let Err(error) = opened(cert, key.as_deref(), password)
    {
        let at = error
            .field()
            .map_or(at_cert, |field| table.at(&FrontEnd::Agent.name(field)));
        files.mistakes.add(&at, error.what(), error.hint_in(&FrontEnd::Agent));
    }
    if has_cert != has_key && !(has_cert && is_sealed) {
        let missing = if has_cert { "key" } else { "cert" };
        files.mistakes.add(
            &table.at(missing),
            "is missing",
            "a client certificate needs cert and key",
        );
    }
    let settings = Settings::read(&mut table, files.mistakes);
    let psk_file = table.text("psk-file", files.mistakes);
    let has_psk = psk_file.is_some();
    let psk_file = files.file(psk_file, Content::Psk);
    let psk_identity = table.text("psk-identity", files.mistakes);
    if has_psk == (ca.is_some() || settings.has("pin") || has_cert) {
        let rule = if has_psk {
            "has both a pre-shared key and certificates"
        } else {
            "does not say whom to trust"
        };
        files
            .mistakes
            .add(&table.at(""), rule, "give psk-file, or ca or pin (and cert with key)");
    }
    let forms = [
        ("hex", PskForm::Lines),
        ("text", PskForm::Text),
        ("base64", PskForm::Base64),
    ];
    let psk_form = table.choice("psk-form", &forms, files.mistakes);
    if !has_psk && (psk_identity.is_some() || psk_form.is_some()) {
        let hint = "psk-identity chooses a line of it, psk-form says how the key is written there";
        files.mistakes.add(&table.at("psk-file"), "is missing", hint);
    }
    let psk_form = psk_form.unwrap_or_default();
    if psk_form != PskForm::Lines && psk_identity.is_none() {
        let hint = "a file with a key as text or base64 does not contain it";
        files.mistakes.add(&table.at("psk-identity"), "is missing", hint);
    }
    table.finish(files.mistakes);
    Some(ProviderTable {
        urls: urls?,
        ca,
        cert,
        key,
        key_password_file,
        psk_file,
        psk_identity: psk_identity.map(|found| found.value),
        psk_form,
        settings,
    })
}

/// Opens a client certificate with its password, as the client will.
fn opened(cert: &Path, key: Option<&Path>, password: &Path) -> skip_client::Result<()> {
    // any pin will do: nothing is connected
    let pin = format!("sha256/{}=", "A".repeat(43));
    let mut builder = Client::builder("https://localhost")?.pin(&pin).cert_file(cert);
    if let Some(key) = key {
        builder = builder.key_file(key);
    }
    builder.key_password_file(password).build().map(drop)
}

/// `url`, or `urls` in order of preference.
fn urls(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<Vec<String>> {
    let one = table.text("url", mistakes);
    let several = table.texts("urls", mistakes);
    let (list, at) = match (one, several) {
        (Some(one), None) => (vec![one.value], one.at),
        (None, Some(several)) if !several.value.is_empty() => (several.value, several.at),
        (None, Some(several)) => {
            mistakes.add(&several.at, "must not be empty", "");
            return None;
        }
        (Some(one), Some(_)) => {
            mistakes.add(&one.at, "stands beside urls", "give one of them");
            return None;
        }
        (None, None) => {
            mistakes.add(
                &table.at("url"),
                "is missing",
                "for example url = \"https://kp-alice:8443\"",
            );
            return None;
        }
    };
    for url in &list {
        if let Err(error) = Client::builder(url) {
            let message = error.what().to_owned();
            mistakes.add(&at, message, error.hint_in(&FrontEnd::Agent));
        }
    }
    Some(list)
}

/// `pins`: those of other peers.
fn peer_table(
    name: &str,
    mut table: Table<'_>,
    pins: &mut BTreeMap<Pin, String>,
    files: &mut Files<'_, '_>,
) -> Option<PeerTable> {
    let address = table.required_text("address", files.mistakes);
    let certificate_name = table.text("certificate-name", files.mistakes);
    let pin = table.text("pin", files.mistakes);
    if let Some(found) = &address {
        let port = found
            .value
            .rsplit_once(':')
            .and_then(|(host, port)| (!host.is_empty()).then_some(port));
        if port
            .and_then(|port| port.parse::<u16>().ok())
            .is_none_or(|port| port == 0)
        {
            let hint = "for example \"agent.site-b.example:7464\" or \"[2001:db8::1]:7464\"";
            files.mistakes.add(&found.at, "must be a host and a port", hint);
        }
    }
    let identity = if table.had("pin") {
        if let Some(name) = certificate_name {
            let hint = "give one of them: with a pin, the names in the certificate do not matter";
            files.mistakes.add(&name.at, "stands beside pin", hint);
        }
        pin.and_then(|found| pinned(name, &found, pins, files.mistakes))
            .map(Identity::Pin)
    } else {
        let at = certificate_name
            .as_ref()
            .map_or_else(|| table.at(""), |found| found.at.clone());
        let certificate_name = certificate_name.map_or_else(|| name.to_owned(), |found| found.value);
        if rustls::pki_types::ServerName::try_from(certificate_name.as_str()).is_err() {
            let rule = "certificate-name (or the peer's own name) must be a DNS name or an address";
            files
                .mistakes
                .add(&at, rule, "as the peer's certificate has it in its subjectAltName");
        }
        Some(Identity::Name(certificate_name))
    };
    table.finish(files.mistakes);
    Some(PeerTable {
        address: address?.value,
        identity: identity?,
    })
}

/// A pin that no other peer has: two peers with the same key could not be told apart.
fn pinned(
    name: &str,
    found: &Found<String>,
    pins: &mut BTreeMap<Pin, String>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Pin> {
    match Pin::parse(&found.value) {
        Ok(pin) => {
            if let Some(other) = pins.insert(pin, name.to_owned()) {
                let rule = format!("is that of peer.{other} already");
                mistakes.add(&found.at, rule, "each peer needs its own key");
            }
            Some(pin)
        }
        Err(error) => {
            mistakes.add(&found.at, error.what(), error.hint_in(&FrontEnd::Agent));
            None
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let meta = fs::metadata(path).map_err(|error| error.to_string())?;
    if meta.len() > MAX_BYTES {
        return Err("it is larger than 16 MiB".to_owned());
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
