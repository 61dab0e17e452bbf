//! The arguments for clap. Values are parsed where they are used, so that all errors have the same form.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use skip_client::{ErrorCode, ExportFormat};
use skip_key_provider::{Fault, Quirk};

use crate::options::{PeerSettings, Settings};

/// Fetches quantum-safe keys from a SKIP Key Provider (draft-cisco-skip-02).
///
/// Lengths are in bits. A secret is never printed on a terminal unless --show is given.
#[derive(Debug, Parser)]
#[command(
    name = "skip-client", bin_name = "skip-client", version, long_version = long_version(), after_help = AFTER_HELP
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What `--version` prints after the name; `-V` prints only the version.
fn long_version() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let libraries = skip_client::process::tls_libraries();
        let names: Vec<_> = libraries.iter().map(ToString::to_string).collect();
        format!("{}\nTLS: {}", env!("CARGO_PKG_VERSION"), names.join(", "))
    })
}

/// The names accepted by --quirk and --fault, one per line.
fn switches_help() -> String {
    let mut text = String::from("Quirks (--quirk NAME), as in real Key Providers:\n");
    for quirk in Quirk::ALL {
        let _ = writeln!(text, "  {:26}{}", quirk.as_str(), quirk.summary());
    }
    text += "\nFaults (--fault NAME), on /key and /entropy unless said otherwise:\n";
    for fault in Fault::ALL {
        let _ = writeln!(text, "  {:26}{}", fault.as_str(), fault.summary());
    }
    text
}

const AFTER_HELP: &str = "\
Exit status: 0 success; 2 usage error; 3 cannot connect, TLS failed, connection lost or timed out;
4 the Key Provider refused; 5 its reply is invalid (validate: the message is invalid); 130 interrupted;
doctor: 1 a requirement failed, 3 it could not connect.

To see it work without any setup: skip-client demo";

const URL_HELP: &str = "Base URL of the Key Provider, for example https://kp-alice:8443";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a Key Provider supports, and which Key Providers it reaches
    Capabilities(Capabilities),
    /// Request a new key (as the initiator)
    NewKey(NewKey),
    /// Fetch the key with a keyId (as the responder); it is handed out once
    Key(Key),
    /// Request random bytes
    Entropy(Entropy),
    /// Check a message against the draft, without a network
    Validate(Validate),
    /// Examine whether a Key Provider, preferably with its peer, follows the draft
    Doctor(Box<Doctor>),
    /// Run two development Key Providers, Alice and Bob
    Serve(Serve),
    /// Rotate the keys of gateways, in step with the agent at the other end
    Agent(Agent),
    /// Run the whole exchange with two Key Providers in this process
    Demo,
    /// Explain an error code: what happened, why, and what to do
    Explain(Explain),
}

impl Command {
    /// Whether errors are printed as one JSON object.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::Capabilities(args) => args.output.json || args.output.format == Some(PlainFormat::Json),
            Self::NewKey(args) => args.output.json || args.output.format == Some(KeyFormat::Json),
            Self::Key(args) => args.output.json || args.output.format == Some(KeyFormat::Json),
            Self::Entropy(args) => args.output.json || args.output.format == Some(BytesFormat::Json),
            Self::Validate(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Agent(args) => matches!(&args.task, Some(AgentTask::Status(args)) if args.json),
            Self::Serve(_) | Self::Demo | Self::Explain(_) => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code of an error, for example busy; without one, all codes are listed
    #[arg(hide_possible_values = true, value_parser = PossibleValuesParser::new(codes()))]
    pub code: Option<String>,
}

/// Codes that have an explanation.
fn codes() -> Vec<&'static str> {
    let mut all: Vec<&'static str> = ErrorCode::ALL.map(ErrorCode::as_str).to_vec();
    #[cfg(unix)]
    all.extend(skip_client_agent::agent_codes());
    all.dedup();
    all
}

#[derive(Debug, Args)]
pub(crate) struct Capabilities {
    #[arg(env = "SKIP_URL", hide_env_values = true, help = URL_HELP)]
    pub url: String,
    #[command(flatten)]
    pub output: Output<PlainFormat>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct NewKey {
    #[arg(env = "SKIP_URL", hide_env_values = true, help = URL_HELP)]
    pub url: String,
    /// Id of the Key Provider at the other end, as in the capabilities
    #[arg(long, value_name = "ID")]
    pub remote: String,
    /// Length of the key in bits [default: the Key Provider's choice, 256 by the draft]
    #[arg(long, value_name = "BITS")]
    pub size: Option<String>,
    #[command(flatten)]
    pub output: Output<KeyFormat>,
    #[command(flatten)]
    pub secret: Secrecy,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Key {
    /// Base URL of the Key Provider, and the keyId exactly as the initiator received it; the URL may be omitted if `SKIP_URL` is set
    // one argument of two values, so that options may stand between them
    #[arg(value_names = ["URL", "KEYID"], required = true, num_args = 1..=2)]
    pub target: Vec<String>,
    /// Id of the initiator's Key Provider
    #[arg(long, value_name = "ID")]
    pub remote: String,
    #[command(flatten)]
    pub output: Output<KeyFormat>,
    #[command(flatten)]
    pub secret: Secrecy,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Entropy {
    #[arg(env = "SKIP_URL", hide_env_values = true, help = URL_HELP)]
    pub url: String,
    /// Bits of entropy to request [default: the Key Provider's choice, 256 by the draft]
    #[arg(long, value_name = "BITS")]
    pub bits: Option<String>,
    #[command(flatten)]
    pub output: Output<BytesFormat>,
    #[command(flatten)]
    pub secret: Secrecy,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output<F: ValueEnum + Clone + Send + Sync + 'static> {
    /// Output format [default: text; for secrets with -o: json]
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<F>,
    /// Short for --format json; errors are also one JSON object, on stderr
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write to FILE (mode 0600), which must not exist; - is stdout
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Replace FILE if it exists
    #[arg(long, requires = "file")]
    pub force: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Secrecy {
    /// Show the secret: in text output, and in any format on a terminal
    #[arg(long)]
    pub show: bool,
}

/// Output formats without secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    Text,
    Json,
}

/// Output formats of random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BytesFormat {
    /// For people: the length, not the bytes
    Text,
    Json,
    Hex,
    Base64,
    Raw,
}

/// Output formats of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFormat {
    Text,
    Json,
    Export(ExportFormat),
}

impl ValueEnum for KeyFormat {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: OnceLock<Vec<KeyFormat>> = OnceLock::new();
        ALL.get_or_init(|| {
            let exports = ExportFormat::ALL.map(KeyFormat::Export);
            [KeyFormat::Text, KeyFormat::Json].into_iter().chain(exports).collect()
        })
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("For people: keyId, length and fingerprint, not the key"),
            Self::Json => PossibleValue::new("json"),
            Self::Export(format) => PossibleValue::new(format.as_str()),
        })
    }
}

/// Credentials for the other end, if they differ: each encryptor has its own at its own Key Provider.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection with the peer, where it differs")]
pub(crate) struct PeerConnection {
    /// As --ca, for the peer
    #[arg(long, value_name = "FILE", requires = "peer")]
    pub peer_ca: Option<PathBuf>,
    /// As --cert, for the peer
    #[arg(long, value_name = "FILE", requires = "peer")]
    pub peer_cert: Option<PathBuf>,
    /// As --key, for the peer
    #[arg(long, value_name = "FILE", requires_all = ["peer", "peer_cert"])]
    pub peer_key: Option<PathBuf>,
    /// As --key-password-file, for the peer
    #[arg(long, value_name = "FILE", requires_all = ["peer", "peer_cert"])]
    pub peer_key_password_file: Option<PathBuf>,
    /// As --psk-file, for the peer
    #[arg(long, value_name = "FILE", requires = "peer")]
    pub peer_psk_file: Option<PathBuf>,
    /// As --psk-identity, for the peer
    #[arg(long, value_name = "ID", requires = "peer")]
    pub peer_psk_identity: Option<String>,
    /// As --psk-hex, for the peer; visible in the process list, so prefer a file
    #[arg(long, value_name = "HEX", requires = "peer")]
    pub peer_psk_hex: Option<String>,
    #[command(flatten)]
    pub settings: PeerSettings,
}

impl PeerConnection {
    /// The connection to the peer: like the first one, except for the options given here.
    pub fn over(&self, first: &Connection) -> Connection {
        let given = self.peer_psk_file.is_some() || self.peer_psk_identity.is_some() || self.peer_psk_hex.is_some();
        let certificates = self.peer_ca.is_some() || self.peer_cert.is_some();
        let first_has_psk = first.has_psk();
        let is_psk = given || first_has_psk && !certificates;
        // an identity alone picks another line of the first file
        let key_of_first = is_psk && self.peer_psk_file.is_none() && self.peer_psk_hex.is_none();
        let either = |one: &Option<PathBuf>, other: &Option<PathBuf>, first: bool| {
            one.clone().or_else(|| other.clone().filter(|_| first))
        };
        let text = |one: &Option<String>, first: bool| one.clone().filter(|_| first);
        Connection {
            ca: either(&self.peer_ca, &first.ca, !is_psk),
            cert: either(&self.peer_cert, &first.cert, !is_psk),
            // a certificate of the peer comes with its own key, or includes it
            key: either(&self.peer_key, &first.key, !is_psk && self.peer_cert.is_none()),
            key_password_file: either(&self.peer_key_password_file, &first.key_password_file, !is_psk),
            psk_file: either(&self.peer_psk_file, &first.psk_file, key_of_first),
            psk_identity: self
                .peer_psk_identity
                .clone()
                .or_else(|| text(&first.psk_identity, key_of_first)),
            psk_hex: self.peer_psk_hex.clone().or_else(|| text(&first.psk_hex, key_of_first)),
            psk_text: text(&first.psk_text, key_of_first),
            psk_base64: text(&first.psk_base64, key_of_first),
            settings: self.settings.over(&first.settings, is_psk == first_has_psk),
            fallback: Vec::new(),
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Certificates (PEM) of the CAs to trust; "system" is the system's store
    #[arg(long, value_name = "FILE", env = "SKIP_CA", hide_env_values = true)]
    pub ca: Option<PathBuf>,
    /// Client certificate (PEM), or PKCS#12 with both it and its private key
    #[arg(long, value_name = "FILE", env = "SKIP_CERT", hide_env_values = true)]
    pub cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM)
    #[arg(
        long = "key",
        id = "client_key",
        value_name = "FILE",
        env = "SKIP_KEY",
        hide_env_values = true
    )]
    #[arg(requires = "cert")]
    pub key: Option<PathBuf>,
    /// File with the password of an encrypted private key or of PKCS#12 in its first line; or set `SKIP_KEY_PASSWORD`;
    /// if neither is given, you are asked for it on a terminal
    #[arg(long, value_name = "FILE", env = "SKIP_KEY_PASSWORD_FILE", hide_env_values = true)]
    pub key_password_file: Option<PathBuf>,
    /// Pre-shared key instead of certificates: a file with a line identity:hex, or hex alone
    #[arg(long, value_name = "FILE", env = "SKIP_PSK_FILE", hide_env_values = true)]
    pub psk_file: Option<PathBuf>,
    /// Identity of the pre-shared key
    #[arg(long, value_name = "ID", env = "SKIP_PSK_IDENTITY", hide_env_values = true)]
    pub psk_identity: Option<String>,
    /// The pre-shared key in hexadecimal; visible in the process list, so prefer a file or
    /// the environment
    #[arg(long, value_name = "HEX", env = "SKIP_PSK_HEX", hide_env_values = true)]
    pub psk_hex: Option<String>,
    /// The pre-shared key as text, as entered on a router; prefer the environment for the same reason
    #[arg(long, value_name = "TEXT", env = "SKIP_PSK_TEXT", hide_env_values = true)]
    pub psk_text: Option<String>,
    /// The pre-shared key in base64; prefer the environment for the same reason
    #[arg(long, value_name = "BASE64", env = "SKIP_PSK_BASE64", hide_env_values = true)]
    pub psk_base64: Option<String>,
    /// Another Key Provider of the same site, tried if the previous one cannot be reached (may be repeated)
    #[arg(
        long,
        value_name = "URL",
        env = "SKIP_FALLBACK",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    pub fallback: Vec<String>,
    #[command(flatten)]
    pub settings: Settings,
}

impl Connection {
    fn has_psk(&self) -> bool {
        let texts = [&self.psk_hex, &self.psk_text, &self.psk_base64];
        self.psk_file.is_some() || texts.into_iter().any(Option::is_some)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The kind of message
    #[arg(value_enum)]
    pub kind: Kind,
    /// A file with one JSON message; - is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: PathBuf,
    /// The rules: those of this project, or only those of the draft's published schema
    #[arg(long, value_enum, default_value_t = Schema::Strict)]
    pub schema: Schema,
    /// Accept the deviations that --lenient accepts from a Key Provider
    #[arg(long, conflicts_with = "schema")]
    pub lenient: bool,
    /// One JSON object: {"valid", "problems"}
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Capabilities,
    Key,
    Entropy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Schema {
    Strict,
    AsPublished,
}

#[derive(Debug, Args)]
#[command(after_help = DOCTOR_HELP)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Doctor {
    #[arg(env = "SKIP_URL", hide_env_values = true, required_unless_present = "list", help = URL_HELP)]
    pub url: Option<String>,
    /// Base URL of the Key Provider at the other end; the same connection options apply, unless --peer-... is given
    #[arg(long, value_name = "URL")]
    pub peer: Option<String>,
    /// The remote to request keys for [default: the peer's id, or the first id in the capabilities]
    #[arg(long, value_name = "ID")]
    pub remote: Option<String>,
    /// The requirements: draft, ios-xe, ios-xr or nx-os
    #[arg(long, value_name = "NAME", default_value = "draft")]
    pub profile: String,
    /// Maximum number of keys to use up
    #[arg(long, value_name = "N", default_value = "200")]
    pub budget: String,
    /// Run only this check and its control (may be repeated)
    #[arg(long, value_name = "ID")]
    pub only: Vec<String>,
    /// List the checks of the profile, and exit
    #[arg(long)]
    pub list: bool,
    /// Check every S seconds, with one key each time while the budget lasts, and print a line for each change
    #[arg(long, value_name = "S", conflicts_with_all = ["peer", "only", "list", "junit", "html", "baseline", "summary"])]
    pub watch: Option<String>,
    /// Print one JSON object instead of the report for people
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print one line instead of the report
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    pub summary: bool,
    /// Show what got better or worse since an earlier --json report
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub baseline: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help_heading = "Output", help = JUNIT_HELP)]
    pub junit: Option<PathBuf>,
    /// Also write the report as a web page to FILE, with the evidence and a plot
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// Replace existing files
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub peer_connection: PeerConnection,
}

const JUNIT_HELP: &str = "Also write the report as JUnit XML to FILE";

const DOCTOR_HELP: &str = "\
A run uses up keys of the Key Provider, at most the budget. No key is shown or stored.
Exit status: 0 no requirement failed; 1 one did; 2 usage error; 3 could not connect; 130 stopped by Ctrl-C.
--lenient, --no-check-remote and --wait-when-busy have no effect.
A check without a successful control is skipped. Each check has a page, named in the reports.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = AGENT_HELP)]
pub(crate) struct Agent {
    #[command(subcommand)]
    pub task: Option<AgentTask>,
    /// The configuration: Key Providers, peers and tunnels (TOML)
    #[arg(long, value_name = "FILE", default_value = AGENT_CONFIG)]
    pub config: PathBuf,
    /// Check everything that a rotation needs, without changing anything or requesting a key
    #[arg(long, conflicts_with = "once")]
    pub dry_run: bool,
    /// Rotate each tunnel that this end initiates once, and exit
    #[arg(long)]
    pub once: bool,
}

const AGENT_CONFIG: &str = "/etc/skip-client/agent.toml";

const AGENT_HELP: &str = "\
SIGHUP reloads the configuration; SIGTERM and SIGINT stop the agent after the steps in progress.
Exit status: 0 success; 1 --once: a tunnel has not rotated, --dry-run: something is missing, status: something needs
attention; 2 the configuration has mistakes, or the agent cannot start; 3 status: no agent is running.";

#[derive(Debug, Subcommand)]
pub(crate) enum AgentTask {
    /// Show the state of a running agent's tunnels
    Status(AgentStatus),
    /// Make the running agent rotate the key of a tunnel as soon as possible
    Rotate(AgentRotate),
    /// Check whether an agent would start with a configuration, without connecting anywhere
    Check(AgentCheck),
    /// Create the certificates that authenticate agents to each other
    HandoffCerts(AgentHandoffCerts),
}

#[derive(Debug, Args)]
pub(crate) struct AgentRotate {
    /// The configuration of the agent
    #[arg(long, value_name = "FILE", default_value = AGENT_CONFIG)]
    pub config: PathBuf,
    /// The name of the tunnel
    pub tunnel: String,
}

#[derive(Debug, Args)]
pub(crate) struct AgentCheck {
    /// The configuration
    #[arg(value_name = "FILE", default_value = AGENT_CONFIG)]
    pub config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AgentHandoffCerts {
    /// The directory for ca.pem and ca.key (kept if they exist), and NAME.pem and NAME.key
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub out: PathBuf,
    /// Create self-signed certificates, without a CA and without an expiry date, and print the pins for the peers
    #[arg(long, conflicts_with = "days")]
    pub self_signed: bool,
    /// Validity of the agents' certificates in days; the CA's is ten years
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// The DNS name or IP address of each agent, as in its peers' configurations
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AgentStatus {
    /// The configuration of the agent
    #[arg(long, value_name = "FILE", default_value = AGENT_CONFIG)]
    pub config: PathBuf,
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = switches_help())]
pub(crate) struct Serve {
    /// Directory for certificates, keys and endpoints.json [default: a temporary one, removed at the end]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Where Alice listens; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub alice: String,
    /// Where Bob listens; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8444")]
    pub bob: String,
    /// Where Alice listens for clients with a pre-shared key; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8445")]
    pub psk_alice: String,
    /// Where Bob listens for clients with a pre-shared key; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8446")]
    pub psk_bob: String,
    /// An identity to generate a pre-shared key for (may be repeated) [default: encryptor]
    #[arg(long, value_name = "ID", conflicts_with = "psk_file")]
    pub psk_identity: Vec<String>,
    /// Use the pre-shared keys in FILE (a line identity:hex for each), for example the psk.txt of an earlier run
    #[arg(long, value_name = "FILE")]
    pub psk_file: Option<PathBuf>,
    /// Alice's localSystemID
    #[arg(long, value_name = "ID", default_value = "Alice")]
    pub alice_id: String,
    /// Bob's localSystemID
    #[arg(long, value_name = "ID", default_value = "Bob")]
    pub bob_id: String,
    /// An id or pattern in Alice's list of remotes (may be repeated) [default: Bob's id]
    #[arg(long, value_name = "PATTERN")]
    pub alice_remote: Vec<String>,
    /// An id or pattern in Bob's list of remotes (may be repeated) [default: Alice's id]
    #[arg(long, value_name = "PATTERN")]
    pub bob_remote: Vec<String>,
    /// Accept only clients with a certificate of this CA (client.pem and client.key)
    #[arg(long)]
    pub require_client_cert: bool,
    /// Seconds after which an unfetched key is wiped
    #[arg(long, value_name = "S")]
    pub key_lifetime: Option<String>,
    /// Behave like some real Key Providers (may be repeated; names below)
    #[arg(long, value_name = "NAME")]
    pub quirk: Vec<String>,
    /// Cause a fault on purpose (may be repeated; names below)
    #[arg(long, value_name = "NAME")]
    pub fault: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::switches_help;

    #[test]
    fn every_switch_has_a_line() {
        let help = switches_help();
        let lines = |name: &str| {
            help.lines()
                .filter(|line| line.split_whitespace().next() == Some(name))
                .count()
        };
        for name in ["chunked", "422", "slow", "drop-mid-body", "huge-header", "entropy-503"] {
            assert_eq!(lines(name), 1, "{name}");
        }
        assert!(
            help.lines()
                .all(|line| line.is_empty() || line.split_whitespace().count() > 2),
            "{help}"
        );
    }
}
