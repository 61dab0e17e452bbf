//! The rotation agent as a program: two processes, their Key Providers, signals.
#![cfg(unix)]

mod common;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{command, pair, run, signal};
use skip_key_provider::KeyProviderPair;

/// Two sites sharing one folder.
struct Sites {
    dir: tempfile::TempDir,
    pair: KeyProviderPair,
    ports: [u16; 2],
}

impl Sites {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let openssl = |args: &[&str]| {
            let ran = Command::new("openssl")
                .args(args)
                .current_dir(dir.path())
                .output()
                .expect("openssl runs");
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        };
        let new_key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ];
        openssl(
            &[
                &[
                    "req",
                    "-x509",
                    "-subj",
                    "/CN=hand-off",
                    "-keyout",
                    "ca.key",
                    "-out",
                    "ca.pem",
                ][..],
                &new_key,
            ]
            .concat(),
        );
        for site in ["a", "b"] {
            let (key, pem) = (format!("{site}.key"), format!("{site}.pem"));
            let (subject, name) = (format!("/CN={site}"), format!("subjectAltName=DNS:{site}.example"));
            let made = [
                "req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", &subject, "-addext", &name,
            ];
            let as_leaf = [
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-keyout",
                &key,
                "-out",
                &pem,
            ];
            openssl(&[&made[..], &as_leaf, &new_key].concat());
        }
        let free = || {
            TcpListener::bind("127.0.0.1:0")
                .and_then(|l| l.local_addr())
                .expect("a port")
                .port()
        };
        let sites = Self {
            dir,
            pair: pair(),
            ports: [free(), free()],
        };
        for site in 0..2 {
            sites.configure(site, "role = \"auto\"\ninterval = \"1h\"");
        }
        sites
    }

    fn configure(&self, site: usize, tunnel: &str) {
        let [me, other] = [["a", "b"], ["b", "a"]][site];
        let [url, _] = [&self.pair.alice().url, &self.pair.bob().url].map(String::as_str);
        let text = format!(
            "[agent]\nstate = \"state-{me}\"\ncheck-every = \"100ms\"\nretry-first = \"20ms\"\n\
             [hand-off]\nlisten = \"127.0.0.1:{port}\"\nca = \"ca.pem\"\ncert = \"{me}.pem\"\nkey = \"{me}.key\"\n\
             [key-provider.kp]\nurl = \"{url}\"\nca = \"{ca}\"\n\
             [peer.{other}]\naddress = \"127.0.0.1:{to}\"\ncertificate-name = \"{other}.example\"\n\
             [tunnel.t]\nkey-provider = \"kp\"\npeer = \"{other}\"\nremote = \"{remote}\"\n{tunnel}\n\
             consumer = {{ type = \"file\", path = \"{file}\" }}\n",
            url = if site == 0 { url } else { &self.pair.bob().url },
            port = self.ports[site],
            to = self.ports[1 - site],
            ca = self.pair.ca().display(),
            remote = ["Bob", "Alice"][site],
            file = self.key(site).display(),
        );
        let mut options = fs::OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.config(site));
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("written");
    }

    fn config(&self, site: usize) -> PathBuf {
        self.dir.path().join(["a.toml", "b.toml"][site])
    }

    fn key(&self, site: usize) -> PathBuf {
        self.dir.path().join(["a.psk", "b.psk"][site])
    }

    fn agent(&self, site: usize) -> Agent {
        let log = fs::File::create(self.dir.path().join(["a.log", "b.log"][site])).expect("a log");
        let mut agent = command(&["agent", "--config", text(&self.config(site))]);
        Agent(agent.stdout(Stdio::null()).stderr(log).spawn().expect("started"))
    }

    fn log(&self, site: usize) -> String {
        fs::read_to_string(self.dir.path().join(["a.log", "b.log"][site])).unwrap_or_default()
    }

    fn status(&self, site: usize) -> common::Ran {
        run(&["agent", "status", "--json", "--config", text(&self.config(site))])
    }
}

/// A running agent, stopped at the end of the test.
struct Agent(Child);

impl Agent {
    fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().expect("waited") {
                return status.code();
            }
            sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within a minute");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_agents_rotate_reload_and_stop() {
    let sites = Sites::new();
    let mut agents = [sites.agent(0), sites.agent(1)];
    let keys = || [0, 1].map(|site| fs::read_to_string(sites.key(site)).unwrap_or_default());
    wait_for("a key", || {
        let [a, b] = keys();
        !a.is_empty() && a == b && sites.status(0).status == Some(0) && sites.status(1).status == Some(0)
    });
    let report: serde_json::Value = serde_json::from_str(&sites.status(0).stdout).expect("JSON");
    assert_eq!(report["tunnels"][0]["role"], "initiator");
    assert_eq!(report["tunnels"][0]["rotations"], 1);
    let table = run(&["agent", "status", "--config", text(&sites.config(1))]);
    assert!(
        table.stdout.starts_with("TUNNEL") && table.stdout.contains("responder"),
        "{}",
        table.stdout
    );

    // everything is in place, and no key is requested
    let before = sites.pair.stats().keys_issued;
    let dry = run(&["agent", "--dry-run", "--config", text(&sites.config(0))]);
    assert_eq!(dry.status, Some(0), "{}", dry.stdout);
    for what in [
        "key-provider.kp: Alice",
        "peer.b: 127.0.0.1",
        "tunnel.t: initiator",
        "tunnel.t.consumer",
    ] {
        assert!(dry.stdout.contains(what), "{what}: {}", dry.stdout);
    }
    assert_eq!(sites.pair.stats().keys_issued, before);

    // a mistake keeps the old configuration in force; a new interval makes the old key due
    sites.configure(0, "role = \"auto\"\ninterval = \"never\"");
    signal(&agents[0].0, "HUP");
    wait_for("the mistake", || sites.log(0).contains("tunnel.t.interval"));
    sites.configure(0, "role = \"auto\"\ninterval = \"500ms\"");
    let [first, _] = keys();
    signal(&agents[0].0, "HUP");
    wait_for("the next key", || {
        let [a, b] = keys();
        a == b && a != first
    });
    signal(&agents[0].0, "TERM");
    signal(&agents[1].0, "INT");
    assert_eq!(agents.each_mut().map(Agent::ended), [Some(0), Some(0)]);
    assert_eq!(sites.status(0).status, Some(3));
    let log = sites.log(0) + &sites.log(1);
    for step in [
        "started", "fetch", "offer", "take", "prepare", "install", "activate", "confirm", "done", "stopped",
    ] {
        assert!(
            log.contains(&format!("step={step} ")) || log.contains(&format!("step={step}\n")),
            "{step}: {log}"
        );
    }
    let [a, b] = keys();
    assert!(!log.contains(&a[..16]) && !log.contains(&b[..16]) && !log.contains(&first[..16]));
}

#[test]
fn once_says_whether_it_went_well() {
    let sites = Sites::new();
    let once = || run(&["agent", "--once", "--config", text(&sites.config(0))]);
    let alone = once();
    assert_eq!(alone.status, Some(1), "{}", alone.stderr);
    assert!(alone.stderr.contains("tunnel.t has not rotated"), "{}", alone.stderr);
    let dry = run(&["agent", "--dry-run", "--config", text(&sites.config(0))]);
    assert_eq!(dry.status, Some(1));
    assert!(dry.stdout.contains("FAILED peer.b: connect_failed"), "{}", dry.stdout);
    let _peer = sites.agent(1);
    wait_for("the peer", || sites.log(1).contains("step=started"));
    let both = once();
    assert_eq!(both.status, Some(0), "{}", both.stderr);
    assert!(fs::read(sites.key(0)).expect("a key") == fs::read(sites.key(1)).expect("a key"));
}

#[test]
fn every_mistake_has_a_line() {
    let sites = Sites::new();
    sites.configure(0, "role = \"both\"\nintervall = \"1h\"");
    let ran = run(&["agent", "--config", text(&sites.config(0))]);
    assert_eq!(ran.status, Some(2));
    assert!(
        ran.stderr.contains("a.toml:20: tunnel.t.role: must be one of"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("a.toml:21: tunnel.t.intervall: is not known"),
        "{}",
        ran.stderr
    );
    let missing = run(&["agent", "status", "--config", "/nonexistent/agent.toml"]);
    assert_eq!(missing.status, Some(2));
}
