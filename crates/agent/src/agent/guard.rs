//! Time-critical duties kept off the worker threads: the policy for old keys, the state folder, and recovery probes.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Inner, RunningTunnel, state_folder};
use crate::control::{self, ControlSocket, Operated};
use crate::journal::Level;
use crate::threads::Ticker;

/// The longest time between two checks for old keys.
const LONGEST: Duration = Duration::from_secs(1);

/// The lock and the socket of the state folder.
struct Held {
    state: PathBuf,
    lock: File,
    control: Option<ControlSocket>,
}

/// Checks for old keys and keeps the state folder in place until dropped, which releases the folder.
///
/// # Errors
/// The socket cannot be created or no thread can be started; in one line.
pub(super) fn start(inner: &Arc<Inner>, state: &Path, lock: File) -> Result<Ticker, String> {
    let control =
        open_control(inner, state).map_err(|error| format!("{}: {error}", control::socket(state).display()))?;
    let mut held = Held {
        state: state.to_owned(),
        lock,
        control: Some(control),
    };
    let (every, inner) = (Arc::clone(inner), Arc::clone(inner));
    Ticker::start(
        "guard",
        move || every.config().agent.pace.check_every.min(LONGEST),
        move || {
            let tunnels = inner.tunnels();
            for running in &tunnels {
                running.tunnel.enforce_age();
            }
            tell_events(tunnels);
            held.keep(&inner);
        },
    )
}

/// Runs the operator's programs, which may take their time, in a thread of their own. Where none can be started, the next turns of
/// the tunnels do it.
pub(super) fn tell_events(mut tunnels: Vec<Arc<RunningTunnel>>) {
    tunnels.retain(|running| running.tunnel.has_untold_events());
    if !tunnels.is_empty() {
        let tell = move || tunnels.iter().for_each(|running| running.tunnel.tell_events());
        let _ = thread::Builder::new().name("then".to_owned()).spawn(tell);
    }
}

/// Probes peers and Key Providers that did not answer, and ends the waits after failures once they do.
///
/// # Errors
/// No thread can be started; in one line.
pub(super) fn start_probe(inner: &Arc<Inner>) -> Result<Ticker, String> {
    let (every, inner) = (Arc::clone(inner), Arc::clone(inner));
    Ticker::start(
        "probe",
        move || every.config().agent.pace.check_every,
        move || inner.probe(),
    )
}

impl Held {
    /// Recreates the folder if somebody has removed it.
    fn keep(&mut self, inner: &Arc<Inner>) {
        if self.is_there() || inner.is_stopping() {
            return;
        }
        let made = inner.store.make().map_err(|error| error.to_string()).and_then(|()| {
            // the old lock is on a file that no longer has a name
            self.lock = state_folder::lock(&self.state)?;
            self.control = None;
            self.control = Some(open_control(inner, &self.state).map_err(|error| error.to_string())?);
            Ok(())
        });
        let (level, what) = match made {
            Ok(()) => (
                Level::Warn,
                String::from("the state folder was removed, and is recreated"),
            ),
            Err(why) => (
                Level::Error,
                format!("the state folder was removed, and cannot be recreated: {why}"),
            ),
        };
        inner.journal.event(level, "state", &[("error", &what)]);
    }

    fn is_there(&self) -> bool {
        let same = |path: &Path| -> io::Result<bool> {
            let (there, held) = (std::fs::metadata(path)?, self.lock.metadata()?);
            Ok(there.ino() == held.ino() && there.dev() == held.dev())
        };
        same(&self.state.join("lock")).unwrap_or(false) && control::socket(&self.state).exists()
    }
}

impl Inner {
    fn probe(&self) {
        let providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for provider in providers.values().filter(|one| one.reach().reachable == Some(false)) {
            if !self.is_stopping() {
                provider.probe();
            }
        }
        for peer in peers.values().filter(|one| one.reach().reachable == Some(false)) {
            if !self.is_stopping() {
                peer.probe();
            }
        }
    }
}

fn open_control(inner: &Arc<Inner>, state: &Path) -> io::Result<ControlSocket> {
    ControlSocket::open(state, Arc::clone(inner) as Arc<dyn Operated>)
}
