//! What must go on whatever the workers wait for: the policy for old keys, and the state folder.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Inner, state_folder};
use crate::control::{self, ControlSocket, Operated};
use crate::journal::Level;
use crate::threads::join_until;

/// The longest time between two looks.
const LONGEST: Duration = Duration::from_secs(1);

/// The thread that looks. Dropping it ends it, and lets the state folder go.
pub(super) struct Guard {
    ended: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

/// The lock and the socket of the state folder.
struct Held {
    state: PathBuf,
    lock: File,
    control: Option<ControlSocket>,
}

impl Guard {
    /// # Errors
    /// The socket cannot be made, or no thread started; in one line.
    pub fn start(inner: &Arc<Inner>, state: &Path, lock: File) -> Result<Self, String> {
        let control =
            open_control(inner, state).map_err(|error| format!("{}: {error}", control::socket(state).display()))?;
        let mut held = Held {
            state: state.to_owned(),
            lock,
            control: Some(control),
        };
        let ended: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let (for_thread, inner) = (Arc::clone(&ended), Arc::clone(inner));
        let thread = thread::Builder::new()
            .name("guard".to_owned())
            .stack_size(1 << 20)
            .spawn(move || {
                let (ended, wake) = &*for_thread;
                let mut is_ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                while !*is_ended {
                    let every = inner.config().agent.pace.check_every.min(LONGEST);
                    is_ended = wake
                        .wait_timeout(is_ended, every)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                    if !*is_ended {
                        drop(is_ended);
                        for running in inner.tunnels() {
                            running.tunnel.enforce_age();
                        }
                        held.keep(&inner);
                        is_ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                    }
                }
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self {
            ended,
            thread: Some(thread),
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (ended, wake) = &*self.ended;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
        if let Some(thread) = self.thread.take() {
            join_until(thread, std::time::Instant::now() + super::STOP_WITHIN);
        }
    }
}

impl Held {
    /// Makes the folder again when somebody has removed it.
    fn keep(&mut self, inner: &Arc<Inner>) {
        if self.is_there() || inner.is_stopping() {
            return;
        }
        let made = inner.store.make().map_err(|error| error.to_string()).and_then(|()| {
            // the old lock is on a file that nobody can find any more
            self.lock = state_folder::lock(&self.state)?;
            self.control = None;
            self.control = Some(open_control(inner, &self.state).map_err(|error| error.to_string())?);
            Ok(())
        });
        let (level, what) = match made {
            Ok(()) => (
                Level::Warn,
                "the state folder was removed, and is made again".to_owned(),
            ),
            Err(why) => (
                Level::Error,
                format!("the state folder was removed, and cannot be made again: {why}"),
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

fn open_control(inner: &Arc<Inner>, state: &Path) -> io::Result<ControlSocket> {
    ControlSocket::open(state, Arc::clone(inner) as Arc<dyn Operated>)
}
