//! The configuration: a TOML file, read as a whole, with every mistake named.

mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use skip_client::{BitLength, Client, SystemId};
use toml::de::DeTable;

use crate::consumer::ConsumerConfig;
use crate::consumer::command::check_program;
use crate::journal::{Level, LogFormat};
use crate::names::is_name;
use crate::plan::{Pace, Plan, Role, WhenTooOld};

pub use crate::reader::Mistake;
use crate::reader::{At, Found, Mistakes, Table, similar};
pub(crate) use settings::{Settings, Toml};

/// More than any configuration needs: 10,000 tunnels have about 3 MB.
const MAX_BYTES: u64 = 16 << 20;

/// All that an agent is told.
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

/// The table `hand-off`: how peers' agents reach this one, and how it shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandOffTable {
    pub listen: SocketAddr,
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
    /// The name that peers expect in this agent's certificate; not checked unless given.
    pub certificate_name: Option<String>,
    pub answer_within: Duration,
}

/// A table `key-provider.NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderTable {
    pub urls: Vec<String>,
    /// `None`: no CA; `system`: the system's store.
    pub ca: Option<PathBuf>,
    pub cert: Option<(PathBuf, PathBuf)>,
    pub psk_file: Option<PathBuf>,
    pub psk_identity: Option<String>,
    pub settings: Settings,
}

/// A table `peer.NAME`: the agent at another site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerTable {
    /// `host:port`
    pub address: String,
    /// The name that its certificate has.
    pub certificate_name: String,
}

/// A table `tunnel.NAME`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TunnelTable {
    pub plan: Plan,
    pub provider: String,
    pub peer: String,
    pub consumer: ConsumerConfig,
}

/// Why a configuration cannot be used: every mistake that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one, in the order of the file.
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
    /// Reads a configuration and looks at the files that it names. Relative names begin at the configuration's folder.
    ///
    /// # Errors
    /// Every mistake, each with its line.
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
        let trusted = is_trusted(path).map_err(|rule| of_file(rule, "it names programs that the agent runs"));
        match (Self::read_text(&file, &text, folder, true), trusted) {
            (outcome, Ok(())) => outcome,
            (Ok(_), Err(error)) => Err(error),
            (Err(mut all), Err(error)) => {
                all.mistakes.splice(..0, error.mistakes);
                Err(all)
            }
        }
    }

    /// The state folder that a configuration names, also when the rest of it is broken.
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

    /// As [`Config::load`], of a text that is already there.
    ///
    /// # Errors
    /// As there.
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
        let hand_off = document.table("hand-off", files.mistakes);
        let hand_off = hand_off.map(|table| hand_off_table(table, &mut files)).or_else(|| {
            let hint = "a table [hand-off] with listen, ca, cert and key";
            files.mistakes.add(&document.at("hand-off"), "is missing", hint);
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
        let peers = named(document.tables("peer", files.mistakes), &mut files, peer_table);
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

    /// The folder where the agent keeps what it must remember, and its status socket.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.agent.state
    }

    /// The form of the log, and how much of it there is.
    #[must_use]
    pub fn log(&self) -> (Level, LogFormat) {
        (self.agent.log_level, self.agent.log_format)
    }
}

const DEFAULT_PACE: Pace = Pace {
    check_every: Duration::from_secs(10),
    retry_first: Duration::from_secs(1),
    retry_longest: Duration::from_mins(5),
    confirm_within: Duration::from_secs(30),
};

/// Names that others refer to.
struct Names {
    providers: BTreeSet<String>,
    peers: BTreeSet<String>,
}

/// Looks at the files that a configuration names.
struct Files<'a, 'i> {
    folder: &'a Path,
    /// Whether their contents are looked at as well.
    look_inside: bool,
    mistakes: &'a mut Mistakes<'i>,
}

/// What a file is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Certificates,
    PrivateKey,
    Psk,
}

impl Content {
    /// What is wrong with it, and what to do.
    fn check(self, path: &Path) -> Result<(), (String, String)> {
        let content = crate::files::read(path).map_err(|why| (why, String::new()))?;
        let shown = path.display();
        match self {
            Self::Certificates => {
                let mut all = CertificateDer::pem_slice_iter(&content).peekable();
                if all.peek().is_none() || all.any(|one| one.is_err()) {
                    let hint = "-----BEGIN CERTIFICATE----- and what follows it";
                    return Err((format!("{shown} holds no certificate in PEM form"), hint.to_owned()));
                }
                Ok(())
            }
            Self::PrivateKey => skip_client::read_private_key(&content, |_| Ok(()))
                .map_err(|error| (format!("{shown}: {}", error.message()), error.hint().to_owned())),
            // which of several lines is meant is told elsewhere
            Self::Psk => Ok(()),
        }
    }
}

impl Files<'_, '_> {
    fn file(&mut self, found: Option<Found<String>>, content: Content) -> Option<PathBuf> {
        let found = found?;
        let is_secret = content != Content::Certificates;
        let path = self.folder.join(&found.value);
        let meta = match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => {
                self.mistakes
                    .add(&found.at, format_args!("{} is not a file", path.display()), "");
                return None;
            }
            Err(error) => {
                self.mistakes.add(
                    &found.at,
                    format_args!("cannot look at {}: {error}", path.display()),
                    "",
                );
                return None;
            }
        };
        if is_secret && meta.mode() & 0o037 != 0 {
            let rule = format!(
                "{} can be read by others (mode {:o})",
                path.display(),
                meta.mode() & 0o777
            );
            self.mistakes
                .add(&found.at, rule, "chmod 600, or 640 for a group of its own");
        }
        let me = rustix::process::geteuid().as_raw();
        if is_secret && ![0, me].contains(&meta.uid()) {
            let rule = format!("{} belongs to somebody else (user {})", path.display(), meta.uid());
            self.mistakes
                .add(&found.at, rule, "chown it to the user of the agent, or to root");
        }
        if let Err(error) = fs::File::open(&path) {
            self.mistakes
                .add(&found.at, format_args!("cannot read {}: {error}", path.display()), "");
        } else if self.look_inside
            && let Err((rule, hint)) = content.check(&path)
        {
            self.mistakes.add(&found.at, rule, hint);
        }
        Some(path)
    }

    fn address(&mut self, found: Option<Found<String>>, local_only: bool) -> Option<SocketAddr> {
        let found = found?;
        let Ok(address) = found.value.parse::<SocketAddr>() else {
            self.mistakes.add(
                &found.at,
                "must be an IP address and a port",
                "for example \"127.0.0.1:9464\" or \"[::]:7464\"",
            );
            return None;
        };
        if local_only && !is_local(address.ip()) {
            let hint = "a loopback address; let a proxy of yours reach further";
            self.mistakes
                .add(&found.at, "must be an address of this machine only", hint);
            return None;
        }
        Some(address)
    }
}

fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback()
}

/// Reads tables that have names of their own.
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
        workers: workers.map_or(8, |found| usize::try_from(found.value).unwrap_or(8)),
        pace,
    })
}

/// A time that must be more than nothing, or the default.
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

fn hand_off_table(mut table: Table<'_>, files: &mut Files<'_, '_>) -> Option<HandOffTable> {
    let listen = table.required_text("listen", files.mistakes);
    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| table.required_text(name, files.mistakes));
    let listen = files.address(listen, false);
    let ca = files.file(ca, Content::Certificates);
    let cert = files.file(cert, Content::Certificates);
    let key = files.file(key, Content::PrivateKey);
    let certificate_name = table.text("certificate-name", files.mistakes);
    let answer_within = positive(&mut table, "answer-within", Duration::from_mins(1), files.mistakes);
    table.finish(files.mistakes);
    Some(HandOffTable {
        listen: listen?,
        ca: ca?,
        cert: cert?,
        key: key?,
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
    let (has_cert, has_key) = (cert.is_some(), key.is_some());
    let cert = files.file(cert, Content::Certificates);
    let key = files.file(key, Content::PrivateKey);
    if has_cert != has_key {
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
    if psk_identity.is_some() && !has_psk {
        files
            .mistakes
            .add(&table.at("psk-file"), "is missing", "psk-identity chooses a line of it");
    }
    table.finish(files.mistakes);
    Some(ProviderTable {
        urls: urls?,
        ca,
        cert: cert.zip(key),
        psk_file,
        psk_identity: psk_identity.map(|found| found.value),
        settings,
    })
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
            mistakes.add(&at, message, error.hint_in(&Toml));
        }
    }
    Some(list)
}

fn peer_table(name: &str, mut table: Table<'_>, files: &mut Files<'_, '_>) -> Option<PeerTable> {
    let address = table.required_text("address", files.mistakes);
    let certificate_name = table.text("certificate-name", files.mistakes);
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
    table.finish(files.mistakes);
    Some(PeerTable {
        address: address?.value,
        certificate_name,
    })
}

fn tunnel_table<'i>(
    name: &str,
    mut table: Table<'i>,
    pace: Pace,
    names: &Names,
    files: &mut Files<'_, 'i>,
) -> Option<(TunnelTable, At)> {
    let mistakes = &mut *files.mistakes;
    let provider = reference("key-provider", &names.providers, &mut table, mistakes);
    let peer = reference("peer", &names.peers, &mut table, mistakes);
    let remote = table.required_text("remote", mistakes);
    let roles = [
        ("initiator", Some(Role::Initiator)),
        ("responder", Some(Role::Responder)),
        ("auto", None),
    ];
    let role = table.choice("role", &roles, mistakes).flatten();
    let remote = remote.and_then(|found| system_id(&found, role, mistakes));
    let interval = positive(&mut table, "interval", Duration::from_hours(1), mistakes);
    let jitter = table.duration("jitter", mistakes);
    if let Some(found) = jitter.as_ref().filter(|found| found.value >= interval) {
        mistakes.add(
            &found.at,
            "must be less than the interval",
            "it is how much earlier a rotation may come",
        );
    }
    let size = table.number("size", 8..65_537, mistakes);
    let size = size.and_then(|found| {
        let bits = BitLength::new(found.value).ok();
        if bits.is_none() {
            mistakes.add(&found.at, "must be a multiple of 8, in bits", "32 bytes are 256");
        }
        bits
    });
    let max_key_age = table.duration("max-key-age", mistakes);
    if let Some(found) = max_key_age.as_ref().filter(|found| found.value <= interval) {
        mistakes.add(
            &found.at,
            "must be more than the interval",
            "three times the interval is a good start",
        );
    }
    let policies = [("keep", WhenTooOld::Keep), ("take-down", WhenTooOld::TakeDown)];
    let when_too_old = table.choice("when-too-old", &policies, mistakes);
    if when_too_old == Some(WhenTooOld::TakeDown) && max_key_age.is_none() {
        mistakes.add(
            &table.at("max-key-age"),
            "is missing",
            "when-too-old = \"take-down\" needs it",
        );
    }
    let then = table.texts("then", mistakes);
    if let Some(found) = &then
        && let Err(rule) = check_program("then", &found.value)
    {
        table.broken(&rule, mistakes);
    }
    let plain_closed = table
        .flag("clear-text-closed", mistakes)
        .is_some_and(|found| found.value);
    let consumer = consumer(&mut table, role, size, mistakes);
    let at = table.at("consumer");
    table.finish(mistakes);
    let tunnel = TunnelTable {
        plan: Plan {
            name: name.to_owned(),
            remote: remote?,
            role,
            interval,
            jitter: jitter.map_or(Duration::ZERO, |found| found.value),
            size,
            max_key_age: max_key_age.map(|found| found.value),
            when_too_old: when_too_old.unwrap_or(WhenTooOld::Keep),
            then: then.map(|found| found.value),
            clear_text_closed: plain_closed,
            pace,
        },
        provider: provider?,
        peer: peer?,
        consumer: consumer?,
    };
    Some((tunnel, at))
}

fn system_id(found: &Found<String>, role: Option<Role>, mistakes: &mut Mistakes<'_>) -> Option<SystemId> {
    match SystemId::new(&found.value) {
        Ok(id) if id.is_pattern() && role != Some(Role::Responder) => {
            let hint = "give the id of one key provider; a responder may have a pattern";
            mistakes.add(&found.at, "is a pattern, and a pattern names no key provider", hint);
            None
        }
        Ok(id) => Some(id),
        Err(error) => {
            let message = error.what().to_owned();
            mistakes.add(&found.at, message, error.hint_in(&Toml));
            None
        }
    }
}

/// The name of another table.
fn reference(
    name: &'static str,
    known: &BTreeSet<String>,
    table: &mut Table<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<String> {
    let found = table.required_text(name, mistakes)?;
    if known.contains(&found.value) {
        return Some(found.value);
    }
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut hint = similar(&found.value, &names);
    if hint.is_empty() {
        hint = format!("a table [{name}.NAME] makes one");
    }
    mistakes.add(&found.at, format_args!("there is no {name} of this name"), hint);
    None
}

fn consumer(
    table: &mut Table<'_>,
    role: Option<Role>,
    size: Option<BitLength>,
    mistakes: &mut Mistakes<'_>,
) -> Option<ConsumerConfig> {
    let Some(mut consumer) = table.table("consumer", mistakes) else {
        if !table.had("consumer") {
            let hint = "which gateway takes the keys: consumer = { type = \"file\", … }";
            mistakes.add(&table.at("consumer"), "is missing", hint);
        }
        return None;
    };
    let kind = consumer.required_text("type", mistakes)?;
    if !ConsumerConfig::TYPES.contains(&kind.value.as_str()) {
        let types = ConsumerConfig::TYPES.join(", ");
        mistakes.add(
            &kind.at,
            format_args!("must be one of {types}"),
            similar(&kind.value, &ConsumerConfig::TYPES),
        );
        return None;
    }
    let config = ConsumerConfig::read(&kind.value, &mut consumer, mistakes);
    if let Some(config) = &config {
        let mut rules = config.check(size.map(BitLength::bits)).err().unwrap_or_default();
        if role == Some(Role::Initiator)
            && let Err(rule) = config.check_initiator()
        {
            rules = format!("{rules}\n{rule}");
        }
        let (of_size, rules): (Vec<&str>, Vec<&str>) = rules
            .lines()
            .filter(|rule| !rule.is_empty())
            .partition(|rule| rule.starts_with("size:"));
        consumer.broken(&rules.join("\n"), mistakes);
        // a size that is wrong in itself was named already
        if size.is_some() || !table.had("size") {
            table.broken(&of_size.join("\n"), mistakes);
        }
    }
    consumer.finish(mistakes);
    config
}

/// Two tunnels that write the same thing would destroy each other's keys.
fn shared_targets(tunnels: &[(String, Option<(TunnelTable, At)>)], mistakes: &mut Mistakes<'_>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, tunnel) in tunnels {
        let Some((tunnel, at)) = tunnel else { continue };
        let Some(target) = tunnel.consumer.target() else {
            continue;
        };
        if let Some(other) = seen.get(&target) {
            let rule = format!("{target} is that of tunnel.{other} already");
            mistakes.add(at, rule, "each tunnel needs its own");
        } else {
            seen.insert(target, name);
        }
    }
}

/// Whether nobody but its owner and root can change the file: it names programs to run.
fn is_trusted(path: &Path) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let me = rustix::process::geteuid().as_raw();
    for path in [path, folder.unwrap_or_else(|| Path::new("."))] {
        let Ok(meta) = fs::metadata(path) else { continue };
        // in a folder like /tmp nobody can replace another one's file
        let is_sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
        if meta.mode() & 0o002 != 0 && !is_sticky {
            return Err(format!("{} can be changed by anybody (chmod o-w)", path.display()));
        }
        if meta.is_file() && ![0, me].contains(&meta.uid()) {
            return Err(format!(
                "{} belongs to somebody else (user {})",
                path.display(),
                meta.uid()
            ));
        }
    }
    Ok(())
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
