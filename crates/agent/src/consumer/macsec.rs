//! `MACsec`, through the control socket of `wpa_supplicant`: the key is the CAK of MKA, and the keyId its name, the
//! CKN.
//!
//! `wpa_supplicant` has one CAK per interface. Changing it restarts MKA, so frames are lost from the moment the first
//! end changes until the ends are in contact again: the time of a hand-off plus two MKA hellos of two seconds each.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::time::Duration;

use skip_client::{ExportFormat, Key, KeyId};
use zeroize::Zeroizing;

use super::wireguard::is_interface;
use super::{ClearText, Consumer, ConsumerError, Observation, Rules};
use crate::reader::{Mistakes, Table};

const MAKE_LINK: &str = "make it before wpa_supplicant starts: ip link add link INTERFACE name LINK type macsec port 1 \
                         encrypt on send_sci on";

/// The table of a `MACsec` consumer.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The interface that `wpa_supplicant` manages with `-D macsec_linux`.
    pub interface: String,
    /// The `MACsec` interface on it, which must be created before `wpa_supplicant` starts; `macsec0` by default. A link
    /// created by `wpa_supplicant` itself is removed at every key change, with its addresses and routes.
    pub link: String,
    /// The folder of its control sockets; `/run/wpa_supplicant` by default.
    pub control: PathBuf,
    /// The number of the network block that takes the key; by default 0, the first.
    pub network: u32,
    /// Seconds that `wpa_supplicant` may take to answer; 10 by default.
    pub timeout: u64,
}

impl Settings {
    pub(crate) fn read(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        let interface = table.required_text("interface", mistakes);
        let link = table.text_or("link", "macsec0", mistakes);
        let control = table.text_or("control", "/run/wpa_supplicant", mistakes);
        let network = table.number("network", 0..1_000_000, mistakes);
        Some(Self {
            timeout: table.seconds("timeout", 10, 1..301, mistakes),
            interface: interface?.value,
            link,
            control: control.into(),
            network: network.map_or(0, |found| u32::try_from(found.value).unwrap_or(0)),
        })
    }

    pub(crate) fn check(&self, size_bits: Option<u32>) -> Result<(), String> {
        let mut rules = Rules::default();
        rules.must(
            matches!(size_bits, Some(128 | 256)),
            "size: must be 128 or 256 for MACsec",
        );
        for (field, name) in [("interface", &self.interface), ("link", &self.link)] {
            let rule = format!("{field}: must be the name of an interface, of 1 to 15 characters");
            rules.must(is_interface(name), &rule);
        }
        rules.must(self.control.is_absolute(), "control: must be absolute");
        rules.done()
    }
}

// all consumers share this signature
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Consumer>, ConsumerError> {
    Ok(Box::new(Macsec {
        settings: settings.clone(),
        links: PathBuf::from("/sys/class/net"),
        set: None,
    }))
}

struct Macsec {
    settings: Settings,
    /// Where the kernel lists its links.
    links: PathBuf,
    /// The key set by this process, and the `wpa_supplicant` instance it was set in.
    set: Option<(KeyId, Option<String>)>,
}

impl Consumer for Macsec {
    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError> {
        let now = Some((key.key_id().clone(), self.instance()));
        if self.set.is_some() && self.set == now {
            return Ok(());
        }
        // two lines: mka_cak=… and mka_ckn=…
        let text = key.export(ExportFormat::Wpa)?;
        self.set = None;
        let number = self.settings.network;
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let at = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
            let (name, value) = line.split_at(at);
            let name = std::str::from_utf8(name).unwrap_or_default();
            let mut request = Zeroizing::new(Vec::with_capacity(64 + value.len()));
            request.extend_from_slice(format!("SET_NETWORK {number} {name} ").as_bytes());
            request.extend_from_slice(value.get(1..).unwrap_or_default());
            self.order(&request, &format!("SET_NETWORK {number} {name}"))?;
        }
        let link = self.link()?;
        for command in ["DISABLE_NETWORK", "ENABLE_NETWORK"] {
            let request = format!("{command} {number}");
            self.order(request.as_bytes(), &request)?;
        }
        self.set = now;
        // gone, or recreated without its addresses
        if self.link().is_ok_and(|now| now == link) {
            Ok(())
        } else {
            let what = format!("wpa_supplicant has removed the link {}", self.settings.link);
            Err(ConsumerError::new(what, MAKE_LINK))
        }
    }

    fn ready(&mut self, _starts: bool) -> Result<(), ConsumerError> {
        self.link().map(drop)
    }

    /// A `MACsec` link without keys sends nothing; routes that bypass it are out of its control.
    fn clear_text(&mut self) -> ClearText {
        ClearText::Dropped
    }

    fn observe(&mut self) -> Result<Observation, ConsumerError> {
        let status = match self.ask(b"STATUS") {
            Ok(status) => status,
            Err(error) => return Ok(Observation::unreachable(&self.silent(&error))),
        };
        let status = String::from_utf8_lossy(&status);
        // both are present while MKA runs
        let line = |wanted: &str| status.lines().any(|line| line == wanted);
        let tunnel_up = match (line("Secured=Yes"), line("Secured=No")) {
            (true, _) => Some(self.link().is_ok() && self.is_link_up()),
            (_, true) => Some(false),
            _ => None,
        };
        let instance = self.instance();
        let set = self.set.as_ref().filter(|(_, in_instance)| *in_instance == instance);
        Ok(Observation {
            reachable: true,
            tunnel_up,
            key_id: set
                .filter(|_| tunnel_up == Some(true))
                .map(|(key_id, _)| key_id.clone()),
            instance,
            ..Observation::default()
        })
    }

    fn take_down(&mut self) -> Result<(), ConsumerError> {
        self.set = None;
        let request = format!("DISABLE_NETWORK {}", self.settings.network);
        self.order(request.as_bytes(), &request)
    }
}

impl Macsec {
    fn socket(&self) -> PathBuf {
        self.settings.control.join(&self.settings.interface)
    }

    /// The number of the link, which changes when it is recreated.
    fn link(&self) -> Result<String, ConsumerError> {
        let path = self.links.join(&self.settings.link).join("ifindex");
        fs::read_to_string(path).map_err(|_| {
            let what = format!("there is no link {}", self.settings.link);
            ConsumerError::new(what, MAKE_LINK)
        })
    }

    fn is_link_up(&self) -> bool {
        let path = self.links.join(&self.settings.link).join("operstate");
        // a link without carrier state reports "unknown"
        fs::read_to_string(path).is_ok_and(|state| matches!(state.trim(), "up" | "unknown"))
    }

    fn silent(&self, error: &io::Error) -> ConsumerError {
        ConsumerError::new(
            format!("wpa_supplicant cannot be asked at {}: {error}", self.socket().display()),
            "check that it runs for this interface with ctrl_interface set, and that this user may use the socket",
        )
    }

    /// Each `wpa_supplicant` recreates the socket.
    fn instance(&self) -> Option<String> {
        let meta = fs::metadata(self.socket()).ok()?;
        Some(format!("{}-{}.{}", meta.ino(), meta.mtime(), meta.mtime_nsec()))
    }

    /// Sends a command to which `wpa_supplicant` answers `OK`. `shown` is the command without its secret.
    fn order(&self, request: &[u8], shown: &str) -> Result<(), ConsumerError> {
        let answer = self.ask(request).map_err(|error| self.silent(&error))?;
        if answer.trim_ascii() == b"OK" {
            return Ok(());
        }
        Err(ConsumerError::new(
            format!("wpa_supplicant refused {shown}"),
            "check that the network block exists, and that this wpa_supplicant was built with MACsec",
        ))
    }

    fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        // an abstract name goes away with its socket, and a random one cannot be taken beforehand
        let name = format!("skip-client-agent-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        socket.connect(self.socket())?;
        let limit = Duration::from_secs(self.settings.timeout);
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))?;
        socket.send(request)?;
        let mut answer = vec![0; 8192];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::test_keys::keys;

    fn settings(control: &std::path::Path) -> Settings {
        Settings {
            interface: "eth0".to_owned(),
            link: "macsec0".to_owned(),
            control: control.to_owned(),
            network: 0,
            timeout: 2,
        }
    }

    /// A consumer that looks for the kernel's links in a folder.
    fn consumer(folder: &std::path::Path) -> Macsec {
        Macsec {
            settings: settings(folder),
            links: folder.join("links"),
            set: None,
        }
    }

    fn make_link(folder: &std::path::Path, index: &str, state: &str) {
        let link = folder.join("links/macsec0");
        fs::create_dir_all(&link).unwrap();
        fs::write(link.join("ifindex"), index).unwrap();
        fs::write(link.join("operstate"), state).unwrap();
    }

    /// A fake `wpa_supplicant` that records its requests.
    fn fake(status: &'static str, answer: &'static str) -> (tempfile::TempDir, mpsc::Receiver<String>) {
        fake_with(status, answer, |_, _| {})
    }

    fn fake_with(
        status: &'static str,
        answer: &'static str,
        act: fn(&std::path::Path, &str),
    ) -> (tempfile::TempDir, mpsc::Receiver<String>) {
        let folder = tempfile::tempdir().unwrap();
        make_link(folder.path(), "7", "up\n");
        let path = folder.path().to_owned();
        let socket = UnixDatagram::bind(folder.path().join("eth0")).unwrap();
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
                act(&path, &asked);
                let said = if asked == "STATUS" { status } else { answer };
                // recorded before the answer, so that a test that has the answer finds it
                let _ = send.send(asked);
                let _ = socket.send_to_addr(said.as_bytes(), &from);
            }
        });
        (folder, receive)
    }

    #[test]
    fn a_key_is_set_and_mka_restarts() {
        let (folder, asked) = fake("wpa_state=COMPLETED\nSecured=Yes\n", "OK\n");
        let mut consumer = consumer(folder.path());
        let [key, _] = keys();
        consumer.prepare(&key).unwrap();
        // already set
        consumer.activate(&key).unwrap();
        let words: Vec<(String, usize)> = asked
            .try_iter()
            .map(|line| (line[..16].to_owned(), line.len()))
            .collect();
        let digits = key.secret().len() * 2;
        let id = key.key_id().as_str().len();
        assert_eq!(
            words,
            [
                ("SET_NETWORK 0 mk".to_owned(), 22 + digits),
                ("SET_NETWORK 0 mk".to_owned(), 22 + id),
                ("DISABLE_NETWORK ".to_owned(), 17),
                ("ENABLE_NETWORK 0".to_owned(), 16),
            ]
        );
        let seen = consumer.observe().unwrap();
        assert_eq!(seen.key_id.as_ref(), Some(key.key_id()));
        assert_eq!((seen.reachable, seen.tunnel_up), (true, Some(true)));
        consumer.take_down().unwrap();
        assert_eq!(consumer.observe().unwrap().key_id, None);
    }

    #[test]
    fn a_link_that_wpa_supplicant_removes_is_a_failure() {
        // as wpa_supplicant does with a link that it created itself
        let remove: fn(&std::path::Path, &str) = |folder, asked| {
            if asked.starts_with("DISABLE") {
                fs::remove_dir_all(folder.join("links/macsec0")).unwrap();
            }
        };
        let (folder, _asked) = fake_with("Secured=Yes\n", "OK\n", remove);
        let mut consumer = consumer(folder.path());
        consumer.ready(true).unwrap();
        let error = consumer.prepare(&keys()[0]).unwrap_err();
        assert_eq!(error.to_string(), "wpa_supplicant has removed the link macsec0");
        assert!(error.hint().contains("ip link add"));
        // MKA is secured, but nothing can be sent
        assert_eq!(consumer.observe().unwrap().tunnel_up, Some(false));
        // before the next key is requested
        assert_eq!(
            consumer.ready(true).unwrap_err().to_string(),
            "there is no link macsec0"
        );
        make_link(folder.path(), "8", "down\n");
        assert_eq!(consumer.observe().unwrap().tunnel_up, Some(false));
        make_link(folder.path(), "8", "up\n");
        assert_eq!(consumer.observe().unwrap().tunnel_up, Some(true));
    }

    #[test]
    fn refusals_do_not_show_the_key() {
        let (folder, _asked) = fake("", "FAIL\n");
        let mut consumer = consumer(folder.path());
        let error = consumer.prepare(&keys()[0]).unwrap_err();
        assert_eq!(error.to_string(), "wpa_supplicant refused SET_NETWORK 0 mka_cak");
        assert_eq!(consumer.observe().unwrap().tunnel_up, None);
    }

    #[test]
    fn a_missing_wpa_supplicant_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let mut consumer = consumer(folder.path());
        let seen = consumer.observe().unwrap();
        assert!(!seen.reachable && seen.why_unreachable.unwrap().contains("wpa_supplicant cannot be asked"));
        make_link(folder.path(), "7", "up");
        let error = consumer.prepare(&keys()[0]).unwrap_err();
        assert!(error.to_string().starts_with("wpa_supplicant cannot be asked at /"));
    }

    #[test]
    fn settings_are_checked() {
        let folder = std::path::Path::new("/run/wpa_supplicant");
        assert_eq!(settings(folder).check(Some(128)), Ok(()));
        assert!(settings(folder).check(Some(192)).unwrap_err().starts_with("size:"));
        assert!(
            settings(std::path::Path::new("run"))
                .check(Some(256))
                .unwrap_err()
                .starts_with("control:")
        );
    }
}
