//! Test fixtures for two agents: a pair of Key Providers, certificates, configurations, and wires that can be cut.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use skip_key_provider::{KeyProviderPair, PairOptions};
use tempfile::TempDir;

use crate::agent::{Agent, Environment, RealEnvironment};
use crate::config::Config;
use crate::journal::Journal;

/// A wire forwards connections to a target unless it is cut.
pub(super) struct Wire {
    pub address: SocketAddr,
    shared: Arc<WireShared>,
}

struct WireShared {
    target: Mutex<SocketAddr>,
    cut: AtomicBool,
    stopping: AtomicBool,
    /// The delay of each chunk, in milliseconds.
    delay: AtomicU64,
    sockets: Mutex<Vec<TcpStream>>,
}

impl Wire {
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(WireShared {
            target: Mutex::new(target),
            cut: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            delay: AtomicU64::new(0),
            sockets: Mutex::default(),
        });
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                if for_thread.stopping.load(Ordering::SeqCst) {
                    return;
                }
                for_thread.carry(from);
            }
        });
        Self { address, shared }
    }

    pub fn set_target(&self, target: SocketAddr) {
        *self.shared.target.lock().expect("not poisoned") = target;
    }

    /// Cuts the wire, closing its connections, or reconnects it.
    pub fn set_cut(&self, cut: bool) {
        self.shared.cut.store(cut, Ordering::SeqCst);
        if cut {
            for socket in self.shared.sockets.lock().expect("not poisoned").drain(..) {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    pub fn set_delay(&self, milliseconds: u64) {
        self.shared.delay.store(milliseconds, Ordering::SeqCst);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.set_cut(true);
        let _ = TcpStream::connect(self.address);
    }
}

impl WireShared {
    fn carry(self: &Arc<Self>, from: TcpStream) {
        let target = *self.target.lock().expect("not poisoned");
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(to) = TcpStream::connect_timeout(&target, Duration::from_secs(1)) else {
            return;
        };
        let _ = from.set_nodelay(true);
        let _ = to.set_nodelay(true);
        let copy = |socket: &TcpStream| socket.try_clone().expect("a copy");
        {
            let mut sockets = self.sockets.lock().expect("not poisoned");
            sockets.retain(|socket| socket.peer_addr().is_ok());
            sockets.extend([copy(&from), copy(&to)]);
        }
        for (mut from, mut to) in [(copy(&from), copy(&to)), (to, from)] {
            let shared = Arc::clone(self);
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = from.read(&mut buffer) {
                    let delay = shared.delay.load(Ordering::SeqCst);
                    if delay > 0 {
                        thread::sleep(Duration::from_millis(delay));
                    }
                    if to.write_all(&buffer[..n]).is_err() {
                        break;
                    }
                }
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }
}

/// A CA for hand-offs.
pub(super) struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub fn issue(&self, dir: &Path, name: &str) {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        self.issue_as(dir, name, &params);
    }

    pub fn issue_as(&self, dir: &Path, name: &str, params: &CertificateParams) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        fs::write(dir.join(format!("{name}.pem")), certificate.pem()).expect("written");
        write_secret(&dir.join(format!("{name}.key")), key.serialize_pem().as_bytes());
    }
}

pub(super) fn write_secret(path: &Path, content: &[u8]) {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .expect("made");
    file.write_all(content).expect("written");
}

/// The two ends; the first one is the initiator.
pub(super) const ENDS: [&str; 2] = ["agent-a", "agent-b"];

/// Everything two agents need. The wires lead to the Key Providers and to the agents.
pub(super) struct Rig {
    pub dir: TempDir,
    pub pair: KeyProviderPair,
    pub providers: [Wire; 2],
    pub agents: [Wire; 2],
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let pair = KeyProviderPair::start(PairOptions::default()).expect("Key Providers");
        let authority = Authority::new();
        fs::write(dir.path().join("hand-off-ca.pem"), &authority.pem).expect("written");
        for name in ENDS {
            authority.issue(dir.path(), name);
        }
        let providers = [pair.alice().address, pair.bob().address].map(Wire::to);
        // nobody listens there until an agent starts
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let agents = [nobody, nobody].map(Wire::to);
        Self {
            dir,
            pair,
            providers,
            agents,
        }
    }

    pub fn state(&self, end: usize) -> PathBuf {
        self.dir.path().join(format!("state-{}", ENDS[end]))
    }

    /// The configuration of an end without tunnels; `agent` is the content of the table of that name.
    pub fn head(&self, end: usize, agent: &str) -> String {
        let other = 1 - end;
        format!(
            "[agent]\nstate = {state:?}\n{agent}\n\
             [hand-off]\nlisten = \"127.0.0.1:0\"\nca = \"hand-off-ca.pem\"\ncert = \"{me}.pem\"\nkey = \"{me}.key\"\n\
             answer-within = \"2s\"\n\
             [key-provider.kp]\nurl = \"https://{kp}\"\nca = {ca:?}\ntimeout = \"2s\"\nconnect-timeout = \"1s\"\n\
             [peer.{peer}]\naddress = \"{address}\"\n",
            state = self.state(end),
            me = ENDS[end],
            kp = self.providers[end].address,
            ca = self.pair.ca(),
            peer = ENDS[other],
            address = self.agents[other].address,
        )
    }

    /// A tunnel of an end, with `more` lines.
    pub fn tunnel(&self, end: usize, name: &str, more: &str) -> String {
        let file = self.dir.path().join(format!("{name}-{}.key", ENDS[end]));
        let mut text = String::new();
        let _ = write!(
            text,
            "[tunnel.{name}]\nkey-provider = \"kp\"\npeer = \"{}\"\nremote = \"{}\"\n{more}\nconsumer = {{ type = \"file\", path = {file:?} }}\n",
            ENDS[1 - end],
            ["Bob", "Alice"][end],
        );
        text
    }

    pub fn config(&self, text: &str) -> Config {
        Config::of_text("test.toml", text, self.dir.path()).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// An agent with the real outside world.
pub(super) fn start_agent(config: &Config, journal: Journal) -> Result<Agent, Vec<String>> {
    let outside: Arc<dyn Environment> = Arc::new(RealEnvironment);
    Agent::start(config, Arc::new(journal), &outside)
}

/// Waits until `holds` returns true.
pub(super) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within a minute");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A number from the environment, for larger runs.
pub(super) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect("a number"))
}
