//! What systemd wants to be told (`sd_notify`): a datagram of text to the socket that it names.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Tells a service manager how the service is, if one asked for it.
pub(crate) struct Notify {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As systemd says in the environment.
    pub fn of_environment() -> Self {
        let mine = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let watchdog = std::env::var("WATCHDOG_USEC").ok().filter(|_| mine);
        Self {
            socket: std::env::var_os("NOTIFY_SOCKET"),
            watchdog: watchdog.and_then(|time| time.parse().ok()).map(Duration::from_micros),
        }
    }

    /// How often [`Notify::say`] must say `WATCHDOG=1`: twice within the time that systemd waits.
    pub fn watchdog_every(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    /// Says it, as far as somebody listens.
    pub fn say(&self, state: &str) {
        let Some(path) = &self.socket else {
            return;
        };
        let Ok(socket) = UnixDatagram::unbound() else {
            return;
        };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(name) = path.as_bytes().strip_prefix(b"@") {
            use std::os::linux::net::SocketAddrExt;
            if let Ok(address) = SocketAddr::from_abstract_name(name) {
                let _ = socket.send_to_addr(state.as_bytes(), &address);
            }
            return;
        }
        if let Ok(address) = SocketAddr::from_pathname(path) {
            let _ = socket.send_to_addr(state.as_bytes(), &address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Notify;
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    #[test]
    fn what_is_said_arrives() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bound");
        let notify = Notify {
            socket: Some(path.into()),
            watchdog: Some(Duration::from_secs(10)),
        };
        notify.say("READY=1");
        let mut buffer = [0; 100];
        let n = socket.recv(&mut buffer).expect("received");
        assert_eq!(&buffer[..n], b"READY=1");
        assert_eq!(notify.watchdog_every(), Some(Duration::from_secs(5)));
        let nobody = Notify {
            socket: None,
            watchdog: None,
        };
        nobody.say("READY=1");
    }
}
