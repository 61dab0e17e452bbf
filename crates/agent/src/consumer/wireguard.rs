//! `WireGuard`, through `wg`: one pre-shared key per peer, used from the next handshake on.
//!
//! There is room for one key only. The running session keeps the old key for up to three minutes; the next handshake,
//! within two, needs the new key at both ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use skip_client::{ExportFormat, Key, KeyId};

use super::command::{Program, check_program};
use super::{ClearText, Consumer, ConsumerError, Observation, Rules};
use crate::reader::{Mistakes, Table};

/// No session is used for longer (`REJECT_AFTER_TIME`).
const LONGEST_SESSION: Duration = Duration::from_mins(3);

/// The table of a `WireGuard` consumer.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The interface, on which the peer is already configured.
    pub interface: String,
    /// The public key of the peer, as shown by `wg show`.
    pub peer: String,
    /// The path of `wg`; `/usr/bin/wg` by default.
    pub wg: String,
    /// Seconds that `wg` may take; 10 by default.
    pub timeout: u64,
}

impl Settings {
    pub(crate) fn read(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        let interface = table.required_text("interface", mistakes);
        let peer = table.required_text("peer", mistakes);
        let wg = table.text_or("wg", "/usr/bin/wg", mistakes);
        Some(Self {
            timeout: table.seconds("timeout", 10, 1..3601, mistakes),
            interface: interface?.value,
            peer: peer?.value,
            wg,
        })
    }

    pub(crate) fn check(&self, size_bits: Option<u32>) -> Result<(), String> {
        let mut rules = Rules::default();
        rules.must(size_bits == Some(256), "size: must be 256 for WireGuard");
        rules.must(is_interface(&self.interface), INTERFACE);
        let digits = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        };
        rules.must(
            self.peer.len() == 44 && self.peer.strip_suffix('=').is_some_and(digits),
            "peer: must be a public key in base64, 44 characters that end with =",
        );
        rules.also(check_program("wg", std::slice::from_ref(&self.wg)));
        rules.done()
    }
}

const INTERFACE: &str = "interface: must be the name of an interface, of 1 to 15 characters";

/// Linux's rules for interface names.
pub(super) fn is_interface(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    (1..=15).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed)
}

// all consumers share this signature
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Consumer>, ConsumerError> {
    Ok(Box::new(Wireguard {
        wg: Program::new(std::slice::from_ref(&settings.wg), settings.timeout),
        settings: settings.clone(),
        set: None,
    }))
}

struct Wireguard {
    settings: Settings,
    wg: Program,
    /// The key set by this process, and when.
    set: Option<(KeyId, SystemTime)>,
}

impl Consumer for Wireguard {
    /// The next regular handshake uses the key; forcing one would end the session.
    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError> {
        let text = key.export(ExportFormat::Wireguard)?;
        self.set_key(&text)?;
        if self.set.as_ref().is_none_or(|(key_id, _)| key_id != key.key_id()) {
            self.set = Some((key.key_id().clone(), SystemTime::now()));
        }
        Ok(())
    }

    fn observe(&mut self) -> Result<Observation, ConsumerError> {
        let handshake = match self.of_peer("latest-handshakes") {
            Ok(Some(handshake)) => handshake,
            Ok(None) => return Ok(Observation::unreachable(&self.no_peer())),
            Err(error) => return Ok(Observation::unreachable(&error)),
        };
        let at = UNIX_EPOCH + Duration::from_secs(handshake.parse().unwrap_or(0));
        let age = SystemTime::now().duration_since(at).unwrap_or_default();
        let tunnel_up = if age <= LONGEST_SESSION {
            Some(true)
        } else {
            // an idle tunnel without keepalives has no handshakes
            match self.of_peer("persistent-keepalive")?.as_deref() {
                Some("off") | None => None,
                Some(_) => Some(false),
            }
        };
        // `wg` counts whole seconds: a handshake in the second of the change may have preceded it
        let taken = self
            .set
            .as_ref()
            .filter(|(_, set)| at > *set && tunnel_up == Some(true));
        Ok(Observation {
            reachable: true,
            tunnel_up,
            key_id: taken.map(|(key_id, _)| key_id.clone()),
            instance: self.index().map(|index| format!("interface {index}")),
            ..Observation::default()
        })
    }

    /// The interface and its routes stay, and packets without a session are dropped.
    fn clear_text(&mut self) -> ClearText {
        ClearText::Dropped
    }

    /// Sets a random key that the peer does not have: the tunnel ends with its session, within three minutes.
    fn take_down(&mut self) -> Result<(), ConsumerError> {
        let random = self.wg.run(&["genpsk"], None)?.map(zeroize::Zeroizing::new);
        self.set = None;
        self.set_key(random.as_deref().map(Vec::as_slice).unwrap_or_default())
    }
}

impl Wireguard {
    fn set_key(&self, text: &[u8]) -> Result<(), ConsumerError> {
        let Settings { interface, peer, .. } = &self.settings;
        // `wg set` would add a missing peer
        if self.of_peer("latest-handshakes")?.is_none() {
            return Err(self.no_peer());
        }
        // `wg` treats empty input, and a key of zeros, as no key at all
        if !is_psk(text) {
            return Err(ConsumerError::new(
                "what is to be set is no pre-shared key, so none is set",
                "wg genpsk must print 44 characters of base64",
            ));
        }
        let arguments = ["set", interface, "peer", peer, "preshared-key", "/dev/stdin"];
        self.wg.run(&arguments, Some(text)).map(drop).map_err(|error| {
            ConsumerError::new(
                format!("the key of the peer on {interface} cannot be set: {error}"),
                "the agent needs CAP_NET_ADMIN to set it",
            )
        })
    }

    /// A field of the peer in `wg show`; `None` if there is no such peer.
    fn of_peer(&self, what: &str) -> Result<Option<String>, ConsumerError> {
        let Settings { interface, peer, .. } = &self.settings;
        let said = self.wg.run(&["show", interface, what], None).map_err(|error| {
            ConsumerError::new(
                format!("the interface {interface} cannot be read: {error}"),
                "check that it is there, that it is WireGuard's, and that the agent has CAP_NET_ADMIN",
            )
        })?;
        let said = String::from_utf8(said.unwrap_or_default()).unwrap_or_default();
        let mut lines = said.lines().filter_map(|line| line.split_once('\t'));
        Ok(lines.find(|(key, _)| key == peer).map(|(_, value)| value.to_owned()))
    }

    fn no_peer(&self) -> ConsumerError {
        let Settings { interface, peer, .. } = &self.settings;
        ConsumerError::new(
            format!("the interface {interface} has no peer {peer}"),
            "add the peer, with its allowed-ips and endpoint, or correct `peer`",
        )
    }

    /// The index of the interface, which changes when the interface is recreated.
    fn index(&self) -> Option<u32> {
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).ok()?;
        rustix::net::netdevice::name_to_index(socket, &self.settings.interface).ok()
    }
}

/// 32 bytes in base64, not all zeros.
fn is_psk(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let digits = |text: &[u8]| text.iter().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(b));
    text.len() == 44
        && text
            .strip_suffix(b"=")
            .is_some_and(|rest| digits(rest) && rest.iter().any(|b| *b != b'A'))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::write_program;
    use super::*;
    use crate::test_keys::keys;

    const PEER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn settings(wg: &str) -> Settings {
        Settings {
            interface: "wg0".to_owned(),
            peer: PEER.to_owned(),
            wg: wg.to_owned(),
            timeout: 10,
        }
    }

    /// A fake `wg` that records its arguments, and the length of its stdin.
    fn fake(handshake: &str, keepalive: &str, peer: &str) -> (tempfile::TempDir, Box<dyn Consumer>) {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = (folder.path().join("wg"), folder.path().join("log"));
        let script = format!(
            "#!/bin/sh\ncase \"$3\" in latest-handshakes) printf '{peer}\\t%s\\n' {handshake} ;; persistent-keepalive) \
             printf '{peer}\\t{keepalive}\\n' ;; *) [ \"$1\" != genpsk ] || exec printf '%043d=' 0; echo \"$*\" $(wc -c) >> \
             {} ;; esac\n",
            log.display()
        );
        write_program(&path, &script);
        let consumer = open(&settings(path.to_str().unwrap())).unwrap();
        (folder, consumer)
    }

    #[test]
    fn the_key_is_on_stdin() {
        let (folder, mut consumer) = fake("0", "off", PEER);
        let [first, second] = keys();
        consumer.prepare(&first).unwrap();
        consumer.activate(&first).unwrap();
        consumer.retire_others(first.key_id()).unwrap();
        consumer.abandon(first.key_id(), Some(&second)).unwrap();
        consumer.abandon(first.key_id(), None).unwrap();
        consumer.take_down().unwrap();
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        let line = format!("set wg0 peer {PEER} preshared-key /dev/stdin 44\n");
        assert_eq!(log, line.repeat(4));
    }

    #[test]
    fn an_empty_psk_is_never_set() {
        // a `wg` whose genpsk prints nothing
        let (folder, _) = fake("0", "off", PEER);
        let wg = folder.path().join("wg");
        let script = fs::read_to_string(&wg).unwrap().replace("printf '%043d=' 0", "true");
        write_program(&wg, &script);
        let mut consumer = open(&settings(wg.to_str().unwrap())).unwrap();
        consumer.take_down().unwrap_err();
        assert!(!folder.path().join("log").exists());
        assert!(!is_psk(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
        assert!(!is_psk(b"") && !is_psk(b"\n"));
        assert!(is_psk(b"BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"));
    }

    #[test]
    fn a_missing_peer_is_not_added() {
        let (folder, mut consumer) = fake("0", "off", "other");
        let error = consumer.prepare(&keys()[0]).unwrap_err();
        assert_eq!(error.to_string(), format!("the interface wg0 has no peer {PEER}"));
        assert!(!folder.path().join("log").exists());
    }

    #[test]
    fn the_last_handshake_shows_whether_the_tunnel_is_up() {
        let up = |handshake: &str, keepalive: &str| {
            let (_folder, mut consumer) = fake(handshake, keepalive, PEER);
            consumer.observe().unwrap().tunnel_up
        };
        assert_eq!(up("$(date +%s)", "off"), Some(true));
        assert_eq!(up("0", "off"), None);
        assert_eq!(up("0", "25"), Some(false));
    }

    #[test]
    fn a_key_is_in_use_after_a_handshake() {
        let [key, _] = keys();
        let (_folder, mut consumer) = fake("$(($(date +%s) - 5))", "off", PEER);
        consumer.prepare(&key).unwrap();
        assert_eq!(consumer.observe().unwrap().key_id, None);
        let (_folder, mut consumer) = fake("$(($(date +%s) + 5))", "off", PEER);
        consumer.prepare(&key).unwrap();
        assert_eq!(consumer.observe().unwrap().key_id.as_ref(), Some(key.key_id()));
    }

    #[test]
    fn settings_are_checked() {
        let good = settings("/usr/bin/wg");
        assert_eq!(good.check(Some(256)), Ok(()));
        assert!(good.check(Some(128)).unwrap_err().starts_with("size:"));
        let bad = |change: fn(&mut Settings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.check(Some(256)).unwrap_err()
        };
        assert!(bad(|s| s.interface = "a/b".to_owned()).starts_with("interface:"));
        assert!(bad(|s| s.peer = "short=".to_owned()).starts_with("peer:"));
        assert!(bad(|s| s.wg = "wg".to_owned()).starts_with("wg:"));
    }
}
