//! Asks for a password on the terminal, without showing it.

use std::path::Path;

use zeroize::Zeroizing;

/// The password for `file`; `None` without a terminal, or if nothing was entered.
#[cfg(unix)]
pub(crate) fn password(file: &Path) -> Option<Zeroizing<Vec<u8>>> {
    use std::fs::OpenOptions;
    use std::io::{Read as _, Write as _};

    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
    let name = file.display().to_string();
    let silent = Silent::new(&terminal)?;
    let _ = write!(terminal, "Password of {}: ", name.escape_debug());
    let mut line = Zeroizing::new(vec![0; 1100]);
    // one read is one line; a signal ends it
    let length = terminal.read(&mut line);
    drop(silent);
    let _ = terminal.write_all(b"\n");
    line.truncate(length.ok()?);
    let end = line.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    line.truncate(end?);
    (!line.is_empty()).then_some(line)
}

#[cfg(not(unix))]
pub(crate) fn password(_: &Path) -> Option<Zeroizing<Vec<u8>>> {
    None
}

/// A terminal that does not show what is typed, until this is dropped.
#[cfg(unix)]
struct Silent {
    terminal: std::fs::File,
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl Silent {
    fn new(terminal: &std::fs::File) -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

        let before = tcgetattr(terminal).ok()?;
        let mut changed = before.clone();
        changed.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        changed.local_modes.insert(LocalModes::ICANON | LocalModes::ISIG);
        // what was typed before the question is discarded
        tcsetattr(terminal, OptionalActions::Flush, &changed).ok()?;
        let terminal = terminal.try_clone().ok()?;
        Some(Self { terminal, before })
    }
}

#[cfg(unix)]
impl Drop for Silent {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(&self.terminal, rustix::termios::OptionalActions::Now, &self.before);
    }
}
