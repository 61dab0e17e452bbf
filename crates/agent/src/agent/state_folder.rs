//! The lock of a state folder: one agent runs with it at a time.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Locks the folder for as long as the file is open.
///
/// # Errors
/// Another agent has it, or it cannot be written; in one line.
pub(crate) fn lock(state: &Path) -> Result<File, String> {
    let path = state.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("{}: another agent runs with this folder", state.display()))?;
    Ok(file)
}
