//! `agent status`: a socket in the state folder on which the agent says how its tunnels are.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::Shared;

/// More than 10,000 tunnels need.
const MAX_BYTES: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// How an agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The version of the program that runs.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Each tunnel, by name.
    pub tunnels: Vec<TunnelReport>,
}

/// How a tunnel is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TunnelReport {
    /// Its name.
    pub name: String,
    /// `initiator` or `responder`; absent while the ends have not agreed.
    pub role: Option<String>,
    /// `idle`, or how far a rotation is.
    pub stage: String,
    /// The number of the last rotation that was begun.
    pub counter: u64,
    /// The key in use.
    pub key_id: Option<String>,
    /// Since when, in RFC 3339.
    pub since: Option<String>,
    /// Its age in seconds; absent when the machine was started anew since.
    pub age: Option<u64>,
    /// Whether the gateway answers.
    pub reachable: Option<bool>,
    /// Whether the gateway says that the tunnel is up.
    pub up: Option<bool>,
    /// Whether it was taken down because its key was too old.
    pub taken_down: bool,
    /// Rotations since the agent was started.
    pub rotations: u64,
    /// Failures in a row.
    pub failures: u32,
    /// The last failure: when, at which step, what.
    pub last_failure: Option<[String; 3]>,
}

impl Report {
    /// Whether something needs attention: failures in a row, a tunnel that is down, or no key.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let well = |t: &TunnelReport| t.failures == 0 && t.up != Some(false) && !t.taken_down && t.key_id.is_some();
        self.tunnels.iter().all(well)
    }

    /// As a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows =
            vec![["TUNNEL", "ROLE", "STAGE", "KEY", "AGE", "UP", "ROTATIONS", "FAILURES"].map(str::to_owned)];
        for tunnel in &self.tunnels {
            let up = match (tunnel.reachable, tunnel.up) {
                _ if tunnel.taken_down => "taken down",
                (Some(false), _) => "unreachable",
                (_, Some(true)) => "yes",
                (_, Some(false)) => "no",
                _ => "?",
            };
            rows.push([
                tunnel.name.clone(),
                tunnel.role.clone().unwrap_or_else(|| "?".to_owned()),
                tunnel.stage.clone(),
                tunnel.key_id.as_deref().map_or_else(|| "-".to_owned(), shortened),
                tunnel.age.map_or_else(|| "-".to_owned(), span),
                up.to_owned(),
                tunnel.rotations.to_string(),
                tunnel.failures.to_string(),
            ]);
        }
        let mut widths = [0; 8];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        }
        for tunnel in self.tunnels.iter().filter(|tunnel| tunnel.failures > 0) {
            if let Some([when, step, what]) = &tunnel.last_failure {
                let _ = writeln!(text, "{}: {when} {step}: {what}", tunnel.name);
            }
        }
        text
    }
}

fn shortened(key_id: &str) -> String {
    if key_id.len() <= 16 {
        key_id.to_owned()
    } else {
        format!("{}…", key_id.chars().take(15).collect::<String>())
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Where the agent of a state folder says how it is.
pub(crate) fn socket(state: &Path) -> PathBuf {
    state.join("status.sock")
}

/// Asks the agent of a state folder how it is.
///
/// # Errors
/// There is none, or it does not answer.
pub fn ask(state: &Path) -> io::Result<Report> {
    let stream = UnixStream::connect(socket(state))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|_| io::Error::other("the agent is of another version"))
}

/// The socket and its thread. Dropping it ends both.
pub(crate) struct StatusDoor {
    path: PathBuf,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StatusDoor {
    /// The folder is this agent's alone (it holds the lock), so that a socket that is there is an old one.
    pub fn open(state: &Path, shared: Arc<Shared>) -> io::Result<Self> {
        let path = socket(state);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = thread::Builder::new()
            .name("status".to_owned())
            .stack_size(512 << 10)
            .spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let Ok((mut stream, _)) = listener.accept() else {
                        // no descriptors left, for example
                        thread::sleep(Duration::from_millis(100));
                        continue;
                    };
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let text = serde_json::to_vec(&report(&shared)).unwrap_or_default();
                    let _ = stream.set_write_timeout(Some(PATIENCE));
                    let _ = stream.write_all(&text);
                }
            })?;
        Ok(Self {
            path,
            stopping,
            thread: Some(thread),
        })
    }
}

impl Drop for StatusDoor {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let woken = UnixStream::connect(&self.path).is_ok();
        let thread = self.thread.take().filter(|_| woken);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

pub(crate) fn report(shared: &Shared) -> Report {
    let tunnels = shared.tunnels();
    let of = |live: &Arc<crate::agent::Live>| {
        let tunnel = &live.tunnel;
        let face = tunnel.face();
        let current = face.record.current.as_ref();
        TunnelReport {
            name: tunnel.plan.name.clone(),
            role: face.role.map(|role| role.as_str().to_owned()),
            stage: face.record.stage.as_str().to_owned(),
            counter: face.record.counter,
            key_id: current.map(|current| current.key_id.clone()),
            since: current.map(|current| current.since.clone()),
            age: tunnel.key_age(&face.record).map(|age| age.as_secs()),
            reachable: face.observation.as_ref().map(|seen| seen.reachable),
            up: face.observation.as_ref().and_then(|seen| seen.tunnel_up),
            taken_down: face.record.taken_down,
            rotations: face.rotations,
            failures: face.failures,
            last_failure: face.failure.map(|(when, step, what)| [when, step.to_owned(), what]),
        }
    };
    Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        tunnels: tunnels.iter().map(of).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, TunnelReport};

    fn tunnel(name: &str) -> TunnelReport {
        TunnelReport {
            name: name.to_owned(),
            role: Some("initiator".to_owned()),
            stage: "idle".to_owned(),
            counter: 12,
            key_id: Some("1726e9ae76234fb1dd1283d4dca1911e".to_owned()),
            since: Some("2026-11-24T12:00:00.000Z".to_owned()),
            age: Some(754),
            reachable: Some(true),
            up: Some(true),
            taken_down: false,
            rotations: 3,
            failures: 0,
            last_failure: None,
        }
    }

    #[test]
    fn the_table_shows_what_needs_attention() {
        let failing = TunnelReport {
            role: None,
            stage: "offered".to_owned(),
            key_id: None,
            age: None,
            reachable: None,
            up: None,
            failures: 4,
            last_failure: Some(["T", "offer", "connect_failed: cannot connect"].map(str::to_owned)),
            ..tunnel("a-longer-name")
        };
        let mut report = Report {
            version: "0.1.0".to_owned(),
            pid: 1,
            tunnels: vec![tunnel("a")],
        };
        assert!(report.is_well());
        report.tunnels.push(failing);
        assert!(!report.is_well());
        insta::assert_snapshot!(report.table(), @r"
        TUNNEL         ROLE       STAGE    KEY               AGE     UP   ROTATIONS  FAILURES
        a              initiator  idle     1726e9ae76234fb…  12 min  yes  3          0
        a-longer-name  ?          offered  -                 -       ?    3          4
        a-longer-name: T offer: connect_failed: cannot connect
        ");
        let text = serde_json::to_string(&report).expect("text");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("read"), report);
    }
}
