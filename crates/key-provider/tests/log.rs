//! What the client writes to the program's log. One test in a process of its own: there is one log.

use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

use skip_client::logging::{Level, LevelFilter, forward, set_max_level};
use skip_client::{Client, ErrorCode, Psk};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

/// The lines written since the last call.
fn lines() -> Vec<(Level, String)> {
    std::mem::take(&mut LINES.lock().expect("a lock"))
}

#[test]
fn each_line_is_written_at_its_level_and_none_has_a_secret() {
    const MARKER: &str = "4d41524b4552";
    forward(|level, text| LINES.lock().expect("a lock").push((level, text.to_owned())));
    let options = PairOptions {
        quirks: vec![Quirk::ClassicPsk],
        psks: vec![Psk::from_hex("router", MARKER.repeat(4).as_bytes()).expect("a key")],
        ..PairOptions::default()
    };
    let pair = KeyProviderPair::start(options).expect("a pair");
    let ca = std::fs::read(pair.ca()).expect("ca.pem");
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("https://{}", listener.local_addr().expect("an address"))
    };
    let url = pair.alice().url.clone();
    let bob = "Bob".parse().expect("an id");
    let client = |urls: &[&str]| Client::of_urls(urls).expect("URLs").ca_pem(ca.clone());

    // off at first
    let kp = client(&[&url]).build().expect("a client");
    kp.new_key(&bob).expect("a key");
    assert_eq!(lines(), []);

    set_max_level(LevelFilter::Trace);
    // a line for a connection, none for a request
    let kp = client(&[&url]).build().expect("a client");
    let mut secrets = vec![MARKER.to_owned()];
    for _ in 0..3 {
        let key = kp.new_key(&bob).expect("a key");
        secrets.push(String::from_utf8_lossy(&key.secret().hex().expect("hex")).into_owned());
    }
    let found = lines();
    let [(Level::Debug, line)] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert!(
        line.starts_with(&format!("{url}: connected to 127.0.0.1:")) && line.contains("TLS 1.3"),
        "{line}"
    );
    let mut all = found.clone();

    // another Key Provider
    let kp = client(&[&closed, &url]).build().expect("a client");
    kp.new_key(&bob).expect("a key");
    let found = lines();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].0, Level::Warn);
    assert!(
        found[0].1.starts_with(&closed) && found[0].1.ends_with(&format!("; trying {url}")),
        "{found:?}"
    );
    all.extend(found);
    // the last one is an error of the call, and no line
    let kp = client(&[&closed])
        .proxy("http://user:4d41524b4552@127.0.0.1:1")
        .build()
        .expect("a client");
    assert_eq!(
        kp.new_key(&bob).expect_err("a closed port").code(),
        ErrorCode::ConnectFailed
    );
    assert_eq!(lines(), []);

    // a busy Key Provider
    pair.set_faults(&[Fault::Entropy503]);
    let kp = client(&[&url])
        .wait_when_busy(Duration::from_secs(1))
        .build()
        .expect("a client");
    assert_eq!(kp.entropy(None).expect_err("no entropy").code(), ErrorCode::Busy);
    let found = lines();
    assert!(
        found.contains(&(Level::Info, format!("{url}: busy; asking again in 1 s"))),
        "{found:?}"
    );
    all.extend(found);

    // weaker handshakes, and a warning about the suite they end with; the next connection does not repeat it
    let psk = Psk::from_file_content(&std::fs::read(pair.psk()).expect("psk.txt"), None).expect("a key");
    let kp = Client::builder(&pair.alice().psk_url)
        .expect("a URL")
        .psk(psk)
        .build()
        .expect("a client");
    kp.new_key(&bob).expect("a key");
    let found = lines();
    let levels: Vec<Level> = found.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::Info, Level::Debug, Level::Warn], "{found:?}");
    assert!(
        found[0].1.contains("the handshake for TLS 1.3 with SHA-384 failed: "),
        "{found:?}"
    );
    all.extend(found);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| kp.new_key(&bob).expect("a key"));
        }
    });
    let found = lines();
    assert!(found.iter().all(|(level, _)| *level > Level::Warn), "{found:?}");
    all.extend(found);

    for (_, line) in all {
        let shown = line.to_lowercase();
        assert!(
            secrets.iter().all(|secret| !shown.contains(secret.as_str())),
            "a secret is in a line"
        );
    }
}
