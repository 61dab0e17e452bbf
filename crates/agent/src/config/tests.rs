//! Every mistake is reported with its line, its field, the rule it breaks, and what to do.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::symm::Cipher;
use openssl::x509::X509;
use skip_client::PskForm;
use skip_key_provider::{KeyProviderPair, PairOptions};

use super::Config;

const GOOD: &str = r#"[agent]
state = "state"

[hand-off]
listen = "127.0.0.1:7464"
ca = "ca.pem"
cert = "me.pem"
key = "me.key"

[key-provider.kp]
url = "https://kp-alice:8443"
ca = "ca.pem"

[peer.site-b]
address = "agent.site-b.example:7464"
certificate-name = "agent.site-b.example"

[tunnel.a]
key-provider = "kp"
peer = "site-b"
remote = "Bob"
interval = "1h"
jitter = "5m"
size = 256
max-key-age = "3h"
when-too-old = "take-down"
consumer = { type = "file", path = "/run/a.key", format = "wireguard" }
"#;

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, mode) in [
        ("ca.pem", 0o644),
        ("me.pem", 0o644),
        ("me.key", 0o600),
        ("open.key", 0o644),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, "not looked at here").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
    }
    dir
}

/// The mistakes reported for the good configuration with `from` replaced by `to`.
fn mistakes(dir: &Path, from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let error = Config::of_text("agent.toml", &GOOD.replacen(from, to, 1), dir).expect_err(to);
    error.to_string().replace(&dir.display().to_string(), "DIR")
}

#[test]
fn a_valid_configuration_is_accepted() {
    let dir = folder();
    let config = Config::of_text("agent.toml", GOOD, dir.path()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.tunnels.len(), 1);
    assert_eq!(config.state(), dir.path().join("state"));
}

#[test]
fn a_pre_shared_key_can_have_the_form_that_routers_use() {
    let dir = folder();
    let psk = "psk-file = \"me.key\"\npsk-identity = \"router\"\npsk-form = \"text\"\n\n[peer";
    let text = GOOD.replacen("ca = \"ca.pem\"\n\n[peer", psk, 1);
    let config = Config::of_text("agent.toml", &text, dir.path()).unwrap_or_else(|error| panic!("{error}"));
    let provider = &config.providers["kp"];
    assert_eq!(provider.psk_form, PskForm::Text);
    assert_eq!(provider.psk_identity.as_deref(), Some("router"));
}

#[test]
#[allow(clippy::too_many_lines)] // a row for each
fn every_mistake_is_named() {
    let dir = folder();
    let mut text = String::new();
    for (from, to) in [
        ("[agent]", "[agnet]"),
        ("state = \"state\"", ""),
        ("state = \"state\"", "state = 1"),
        ("state = \"state\"", "state = \"state\"\nworkers = 0"),
        ("state = \"state\"", "state = \"state\"\nlog-level = \"warning\""),
        ("state = \"state\"", "state = \"state\"\nmetrics = \"0.0.0.0:9464\""),
        ("state = \"state\"", "state = \"state\"\ncheck-every = \"0s\""),
        ("127.0.0.1:7464", "localhost"),
        ("ca = \"ca.pem\"\ncert", "cert"),
        ("key = \"me.key\"", "key = \"open.key\""),
        ("key = \"me.key\"", "key = \"missing.key\""),
        ("key = \"me.key\"", "key = \"me.key\"\nkeys = \"x\""),
        ("https://kp-alice:8443", "http://kp-alice:8443"),
        ("url = \"https://kp-alice:8443\"", "urls = []"),
        ("ca = \"ca.pem\"\n\n[peer", "\n[peer"),
        (
            "ca = \"ca.pem\"\n\n[peer",
            "ca = \"ca.pem\"\npsk-file = \"me.key\"\n\n[peer",
        ),
        (
            "ca = \"ca.pem\"\n\n[peer",
            "ca = \"ca.pem\"\npsk-form = \"text\"\n\n[peer",
        ),
        (
            "ca = \"ca.pem\"\n\n[peer",
            "psk-file = \"me.key\"\npsk-form = \"base46\"\n\n[peer",
        ),
        (
            "ca = \"ca.pem\"\n\n[peer",
            "psk-file = \"me.key\"\npsk-form = \"text\"\n\n[peer",
        ),
        (
            "ca = \"ca.pem\"\n\n[peer",
            "ca = \"ca.pem\"\ncert = \"me.pem\"\n\n[peer",
        ),
        ("agent.site-b.example:7464", "agent.site-b.example"),
        (
            "certificate-name = \"agent.site-b.example\"",
            "certificate-name = \"a b\"",
        ),
        (
            "certificate-name = \"agent.site-b.example\"",
            "certificate-name = \"agent.site-b.example\"\npin = \"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
        ),
        (
            "certificate-name = \"agent.site-b.example\"",
            "pin = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
        ),
        (
            "[tunnel.a]",
            "[peer.one]\naddress = \"one:7464\"\npin = \"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n\
             [peer.two]\naddress = \"two:7464\"\npin = \"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n[tunnel.a]",
        ),
        ("[tunnel.a]", "[tunnel.\"a/b\"]"),
        ("key-provider = \"kp\"", "key-provider = \"kb\""),
        ("peer = \"site-b\"", ""),
        ("remote = \"Bob\"", "remote = \"B*\""),
        ("interval = \"1h\"", "intervall = \"1h\""),
        ("interval = \"1h\"", "interval = 3600"),
        ("interval = \"1h\"", "interval = \"1 hour\""),
        ("jitter = \"5m\"", "jitter = \"2h\""),
        ("size = 256", "size = 250"),
        ("size = 256", "size = 128"),
        ("max-key-age = \"3h\"", "max-key-age = \"30m\""),
        ("max-key-age = \"3h\"\n", ""),
        ("take-down", "takedown"),
        ("type = \"file\"", "type = \"flie\""),
        ("type = \"file\", ", ""),
        ("path = \"/run/a.key\"", "path = \"run/a.key\""),
        ("path = \"/run/a.key\"", "pth = \"/run/a.key\""),
        ("size = 256", "size = \"256\""),
        ("size = 256", "size = -5"),
        ("size = 256", "size = 256.5"),
        ("\"/run/a.key\"", "1"),
        (
            "path = \"/run/a.key\"",
            "path = \"/\", then = [\"reload\"], timeout = 0",
        ),
        (
            "type = \"file\", path = \"/run/a.key\", format = \"wireguard\"",
            "type = \"wireguard\", interface = 1, peer = \"x\", wg = \"wg\", timeout = -1",
        ),
        (
            "type = \"file\", path = \"/run/a.key\", format = \"wireguard\"",
            "type = \"macsec\", interface = \"a/b\", network = \"first\", control = \"run\", timeout = \"10s\"",
        ),
        (
            "interval = \"1h\"\njitter = \"5m\"\nsize = 256\nmax-key-age = \"3h\"\nwhen-too-old = \"take-down\"\nconsumer = { \
             type = \"file\", path = \"/run/a.key\", format = \"wireguard\" }",
            "role = \"initiator\"\nconsumer = { type = \"strongswan\", connection = \"a b\", child = \"net\" }",
        ),
        (
            "[tunnel.a]",
            "[tunnel.b]\nkey-provider = \"kp\"\npeer = \"site-b\"\nremote = \"Bob\"\nconsumer = { type = \"file\", path = \
             \"/run/a.key\" }\n\n[tunnel.a]",
        ),
        ("state = \"state\"", "state = \"state\"\nretry-first = \"10m\""),
        ("size = 256", "size = 256\nthen = [\"reload\"]"),
        ("size = 256", "size = 256\nsize = 256"),
        ("size = 256", "size = "),
    ] {
        let _ = writeln!(
            text,
            "{}\n  {}",
            to.trim().replace('\n', " ⏎ "),
            mistakes(dir.path(), from, to).replace('\n', "\n  ")
        );
    }
    insta::assert_snapshot!(text);
}

/// A provider table with an encrypted key, and the mistakes that are found when its files are read.
#[test]
fn an_encrypted_key_is_opened_with_its_password() {
    const SEALED: &str = "\ncert = \"client.pem\"\nkey = \"sealed.key\"\nkey-password-file = \"password\"";
    let pair = KeyProviderPair::start(PairOptions::default()).expect("starts");
    let dir = folder();
    let write = |name: &str, content: &[u8], mode: u32| {
        fs::write(dir.path().join(name), content).expect("written");
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).expect("set");
    };
    for (name, from, mode) in [
        ("ca.pem", pair.ca(), 0o644),
        ("me.pem", pair.client_cert(), 0o644),
        ("me.key", pair.client_key(), 0o600),
        ("client.pem", pair.client_cert(), 0o644),
    ] {
        write(name, &fs::read(from).expect("a file"), mode);
    }
    let key = PKey::private_key_from_pem(&fs::read(pair.client_key()).expect("a file")).expect("a key");
    let sealed = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"marker");
    write("sealed.key", &sealed.expect("a key"), 0o600);
    let certificate = X509::from_pem(&fs::read(pair.client_cert()).expect("a file")).expect("a certificate");
    let mut both = Pkcs12::builder();
    let both = both
        .pkey(&key)
        .cert(&certificate)
        .build2("marker")
        .and_then(|file| file.to_der());
    write("both.p12", &both.expect("PKCS#12"), 0o600);
    let load = |lines: &str| {
        let text = GOOD.replacen("\n\n[peer", &format!("{lines}\n\n[peer"), 1);
        write("agent.toml", text.as_bytes(), 0o600);
        let loaded = Config::load(&dir.path().join("agent.toml")).map(drop);
        loaded.map_err(|error| {
            error.mistakes[0]
                .to_string()
                .replace(&dir.path().display().to_string(), "DIR")
        })
    };
    write("password", b"marker\n", 0o600);
    load(SEALED).expect("opens");
    load("\ncert = \"both.p12\"\nkey-password-file = \"password\"").expect("opens");
    write("password", b"other\n", 0o600);
    let wrong = "DIR/agent.toml:15: key-provider.kp.key-password-file: does not open the private key (check the password: letter case, \
                 and spaces or line feeds around it)";
    assert_eq!(load(SEALED).expect_err("wrong"), wrong);
    write("password", b"marker\n", 0o644);
    let open = "DIR/agent.toml:15: key-provider.kp.key-password-file: DIR/password can be read by others (mode 644) (chmod 600, or 640 \
                for a group of its own)";
    assert_eq!(load(SEALED).expect_err("open"), open);
}

#[test]
fn all_mistakes_are_reported_at_once_in_file_order() {
    let dir = folder();
    let bad = GOOD
        .replace("https://", "http://")
        .replace("\"1h\"", "\"1 h\"")
        .replace("size = 256", "sise = 256");
    let error = Config::of_text("agent.toml", &bad, dir.path()).expect_err("mistakes");
    let lines: Vec<usize> = error.mistakes.iter().map(|mistake| mistake.line).collect();
    assert!(lines.len() >= 3 && lines.is_sorted(), "{error}");
}

#[test]
fn no_text_causes_a_panic() {
    let dir = folder();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..3000 {
        let mut text = GOOD.as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..text.len());
            match random.u8(..3) {
                0 => text[at] = random.u8(9..127),
                1 => drop(text.drain(at..(at + random.usize(1..40)).min(text.len()))),
                _ => text.insert(at, *random.choice(b"\"[]{}.=,\n#").unwrap_or(&b'x')),
            }
            if text.is_empty() {
                break;
            }
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        if let Err(error) = Config::of_text("agent.toml", &text, dir.path()) {
            assert!(!error.mistakes.is_empty() && error.mistakes.iter().all(|m| m.line >= 1));
        }
    }
}

/// A file is the same however its folder is spelled, and none of the agent's own files may be overwritten.
#[test]
fn keys_cannot_overwrite_other_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = dir.path().join("keys");
    fs::create_dir(&keys).expect("made");
    symlink(&keys, dir.path().join("link")).expect("linked");
    for (name, mode) in [("ca.pem", 0o644), ("a.pem", 0o644), ("a.key", 0o600)] {
        fs::write(dir.path().join(name), "not looked at here").expect("written");
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).expect("set");
    }
    let consumers = |first: &str, second: &str| {
        let mut text = format!(
            "agent.state = \"{0}/state\"\nhand-off = {{ listen = \"[::]:7464\", ca = \"ca.pem\", cert = \"a.pem\", key = \"a.key\" }}\n\
             key-provider.kp = {{ url = \"https://kp:8443\", ca = \"ca.pem\" }}\npeer.b = {{ address = \"b:7464\" }}\n",
            dir.path().display()
        );
        for (name, consumer) in [("one", first), ("two", second)] {
            let table = format!(
                "[tunnel.{name}]\nkey-provider = \"kp\"\npeer = \"b\"\nremote = \"Bob\"\nrole = \"responder\"\nconsumer = {{ {consumer} }}\n"
            );
            text += &table;
        }
        let config = Config::of_text(&dir.path().join("agent.toml").display().to_string(), &text, dir.path());
        config.map_or_else(|error| error.to_string(), |_| String::new())
    };
    let file = |path: &str| format!("type = \"file\", path = \"{}/{path}\"", dir.path().display());
    assert_eq!(consumers(&file("keys/one"), &file("keys/two")), "");
    for same in ["keys/one", "keys/../keys/one", "keys//./one", "link/one"] {
        let said = consumers(&file("keys/one"), &file(same));
        assert!(said.contains("is that of tunnel.one already"), "{same}: {said}");
    }
    for own in [
        "ca.pem",
        "a.key",
        "keys/../a.pem",
        "agent.toml",
        "state/tunnels/one.json",
        "state/lock",
    ] {
        let said = consumers(&file("keys/one"), &file(own));
        assert!(said.contains("is one that the agent needs itself"), "{own}: {said}");
    }
    let charon = |connection: &str, prefix: &str| {
        format!("type = \"strongswan\", connection = \"{connection}\", child = \"net\", secret-prefix = \"{prefix}\"")
    };
    assert_eq!(consumers(&charon("c", "one:"), &charon("d", "two:")), "");
    for (one, two) in [("p", "p"), ("p", "px"), ("px", "p"), ("skip:", "skip:d:")] {
        let said = consumers(&charon("c", one), &charon("d", two));
        assert!(said.contains("begins with that of tunnel."), "{one} {two}: {said}");
    }
}
