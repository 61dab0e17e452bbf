//! `agent status` and `agent rotate`: a socket in the state folder on which the agent answers its operator.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::report::Report;

/// More than 10,000 tunnels need.
const MAX_BYTES: u64 = 64 << 20;
/// A request is a command and a name.
const MAX_REQUEST: u64 = 128;
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests that an operator can make to a running agent.
pub(crate) trait Operated: Send + Sync {
    fn report(&self) -> Report;
    /// Rotates a tunnel as soon as possible.
    ///
    /// # Errors
    /// Why it does not, in one line.
    fn rotate(&self, tunnel: &str) -> Result<(), String>;
}

/// The path of the socket in a state folder.
pub(crate) fn socket(state: &Path) -> PathBuf {
    state.join("status.sock")
}

/// Asks the agent of a state folder for its status.
///
/// # Errors
/// There is no agent, or it does not answer.
pub fn ask(state: &Path) -> io::Result<Report> {
    let text = exchange(state, "status")?;
    serde_json::from_slice(&text).map_err(|_| io::Error::other("the agent is of another version"))
}

/// Asks the agent of a state folder to rotate a tunnel as soon as possible.
///
/// # Errors
/// There is no agent, it does not answer, or it refuses; the text says why.
pub fn ask_rotation(state: &Path, tunnel: &str) -> io::Result<()> {
    let text = exchange(state, &format!("rotate {tunnel}"))?;
    match String::from_utf8_lossy(&text).trim_end() {
        "ok" => Ok(()),
        "" => Err(io::Error::other("the agent is of another version")),
        why => Err(io::Error::other(why.to_owned())),
    }
}

fn exchange(state: &Path, request: &str) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket(state))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut text = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// The socket and its thread. Dropping it ends both.
pub(crate) struct ControlSocket {
    path: PathBuf,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ControlSocket {
    /// This agent holds the folder's lock, so a socket that already exists is stale.
    pub fn open(state: &Path, agent: Arc<dyn Operated>) -> io::Result<Self> {
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
            .name("control".to_owned())
            .stack_size(512 << 10)
            .spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    match listener.accept() {
                        Ok(_) if stop.load(Ordering::SeqCst) => {}
                        Ok((stream, _)) => drop(serve(stream, &*agent)),
                        // out of file descriptors, for example
                        Err(_) => thread::sleep(Duration::from_millis(100)),
                    }
                }
            })?;
        Ok(Self {
            path,
            stopping,
            thread: Some(thread),
        })
    }
}

fn serve(mut stream: UnixStream, agent: &dyn Operated) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = String::new();
    (&stream).take(MAX_REQUEST).read_to_string(&mut request)?;
    let answer = match request.split_once(' ') {
        Some(("rotate", tunnel)) => agent
            .rotate(tunnel)
            .err()
            .unwrap_or_else(|| "ok".to_owned())
            .into_bytes(),
        _ => serde_json::to_vec(&agent.report()).unwrap_or_default(),
    };
    stream.write_all(&answer)
}

impl Drop for ControlSocket {
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
