//! The lock of a state folder: only one agent may use it at a time.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Locks the folder for as long as the returned file is open.
///
/// # Errors
/// Another agent holds the lock, or the folder is not writable; in one line.
pub(crate) fn lock(state: &Path) -> Result<File, String> {
    let path = state.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("{}: another agent runs with this folder", state.display()))?;
    Ok(file)
}
