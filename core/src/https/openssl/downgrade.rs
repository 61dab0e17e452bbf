//! Tests every attack on the hellos by someone on the path without the key, for every kind of Key Provider: the result of the attacked
//! connection, and of those after it.

use std::time::Instant;

use super::fallback::{Attempt, Fallback, MEMORY, is_downgraded};
use super::psk::explain;
use super::stream::Why;
use crate::error::{Error, ErrorCode, Result};
use crate::https::alert::{INAPPROPRIATE_FALLBACK, PROTOCOL_VERSION};
use crate::options::TlsVersion;

/// What was negotiated, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Sha384,
    Sha256,
    Dhe,
    Plain,
}

/// An honest Key Provider that knows the client's key.
#[derive(Debug, Clone, Copy)]
struct KeyProvider {
    has_tls13: bool,
    sha384: bool,
    sha256: bool,
    /// The TLS 1.2 modes in its order of preference.
    tls12: &'static [Mode],
}

const DHE_FIRST: &[Mode] = &[Mode::Dhe, Mode::Plain];
const PLAIN_FIRST: &[Mode] = &[Mode::Plain, Mode::Dhe];

impl KeyProvider {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for tls12 in [&[][..], &[Mode::Dhe], &[Mode::Plain], DHE_FIRST, PLAIN_FIRST] {
            for (has_tls13, sha384, sha256) in [
                (false, false, false),
                // certificates only
                (true, false, false),
                (true, true, false),
                (true, false, true),
                (true, true, true),
            ] {
                all.push(Self {
                    has_tls13,
                    sha384,
                    sha256,
                    tls12,
                });
            }
        }
        all
    }

    /// Its response to an unmodified hello. A modified hello means a failed connection, because both hellos are authenticated by the
    /// key. The same authentication covers the downgrade marker of TLS 1.3 in its own hello.
    fn answer(self, attempt: Attempt, client: &Client) -> std::result::Result<Mode, Why> {
        let tls12 = |offered: &[Mode]| self.tls12.iter().copied().find(|mode| offered.contains(mode));
        let no = Err(Why::Alert(40));
        match attempt {
            Attempt::Sha384 if self.sha384 => Ok(Mode::Sha384),
            Attempt::Sha384 if self.has_tls13 => no,
            Attempt::Sha384 if client.versions == TlsVersion::Auto => tls12(&[Mode::Dhe]).map_or(no, Ok),
            Attempt::Sha256 if self.sha256 => Ok(Mode::Sha256),
            Attempt::Sha256 if self.has_tls13 => no,
            Attempt::Sha384 | Attempt::Sha256 => Err(Why::Alert(PROTOCOL_VERSION)),
            _ if self.tls12.is_empty() => Err(Why::Alert(PROTOCOL_VERSION)),
            _ if client.fallback.is_guarded(attempt) && self.has_tls13 => Err(Why::Alert(INAPPROPRIATE_FALLBACK)),
            Attempt::Dhe => tls12(&[Mode::Dhe]).map_or(no, Ok),
            Attempt::Plain | Attempt::Diagnosis => tls12(&[Mode::Dhe, Mode::Plain]).map_or(no, Ok),
        }
    }

    /// The strongest mode that this client and the Key Provider have in common.
    fn best(self, (versions, forward_secrecy): Options) -> Option<Mode> {
        let with_13 = versions != TlsVersion::Tls12;
        let with_12 = match versions {
            TlsVersion::Auto => !self.has_tls13,
            TlsVersion::Tls12 => true,
            TlsVersion::Tls13 => false,
        };
        [
            (with_13 && self.sha384, Mode::Sha384),
            (with_13 && self.sha256, Mode::Sha256),
            (with_12 && self.tls12.contains(&Mode::Dhe), Mode::Dhe),
            (
                with_12 && !forward_secrecy && self.tls12.contains(&Mode::Plain),
                Mode::Plain,
            ),
        ]
        .into_iter()
        .find_map(|(there, mode)| there.then_some(mode))
    }
}

/// What is done to one hello in transit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Pass,
    Cut,
    Forge(u8),
}

/// Those that the client handles differently, and an unknown one.
const ACTS: [Act; 8] = [
    Act::Pass,
    Act::Cut,
    Act::Forge(40),
    Act::Forge(47),
    Act::Forge(PROTOCOL_VERSION),
    Act::Forge(INAPPROPRIATE_FALLBACK),
    Act::Forge(115),
    Act::Forge(200),
];

/// Versions, and whether forward secrecy is required.
type Options = (TlsVersion, bool);

const OPTIONS: [Options; 6] = [
    (TlsVersion::Auto, false),
    (TlsVersion::Auto, true),
    (TlsVersion::Tls13, false),
    (TlsVersion::Tls13, true),
    (TlsVersion::Tls12, false),
    (TlsVersion::Tls12, true),
];

struct Client {
    versions: TlsVersion,
    fallback: Fallback,
}

/// The result of a connection attempt.
struct Outcome {
    /// What was negotiated, and whether there is a warning about a fallback.
    result: Result<(Mode, bool)>,
    hellos: usize,
}

impl Outcome {
    fn mode(&self) -> Option<Mode> {
        self.result.as_ref().ok().map(|(mode, _)| *mode)
    }
}

impl Client {
    fn new((versions, forward_secrecy): Options) -> Self {
        Self {
            versions,
            fallback: Fallback::new(versions, forward_secrecy),
        }
    }

    /// Connects; `acts` are applied to its hellos in order, and nothing to later ones.
    fn connect(&self, kp: KeyProvider, acts: &[Act], now: Instant) -> Outcome {
        let mut run = self.fallback.begin(now);
        let mut tried = Vec::new();
        while let Some(attempt) = run.next() {
            assert!(!tried.contains(&attempt), "{attempt:?} twice");
            let answer = match acts.get(tried.len()).unwrap_or(&Act::Pass) {
                Act::Pass => kp.answer(attempt, self),
                Act::Cut => Err(Why::Closed),
                Act::Forge(alert) => Err(Why::Alert(*alert)),
            };
            tried.push(attempt);
            match answer {
                // no request is ever sent on it
                Ok(_) if attempt == Attempt::Diagnosis => run.refused(attempt, Error::psk_fallback_refused().into()),
                Ok(mode) => {
                    run.accepted(attempt, now);
                    return Outcome {
                        result: Ok((mode, self.fallback.is_guarded(attempt))),
                        hellos: tried.len(),
                    };
                }
                Err(why) => run.refused(
                    attempt,
                    explain(&why, attempt, self.fallback.forward_secrecy, self.versions),
                ),
            }
        }
        Outcome {
            result: Err(run.error().expect("an attempt was made")),
            hellos: tried.len(),
        }
    }

    /// The attempts of the next connection, if all are refused.
    fn attempts(&self, now: Instant) -> Vec<Attempt> {
        let mut run = self.fallback.begin(now);
        std::iter::from_fn(|| run.next()).collect()
    }
}

#[test]
fn an_honest_key_provider_gets_the_strongest_mode_that_it_has_each_time() {
    for options in OPTIONS {
        for kp in KeyProvider::all() {
            let client = Client::new(options);
            let start = Instant::now();
            for now in [start, start, start + MEMORY] {
                let got = client.connect(kp, &[], now);
                assert_eq!(got.mode(), kp.best(options), "{options:?} {kp:?}");
                assert!(got.hellos <= 4, "{options:?} {kp:?}");
                // pre-shared keys only in TLS 1.2, although it supports TLS 1.3
                let takes_them = if client.fallback.forward_secrecy {
                    kp.tls12.contains(&Mode::Dhe)
                } else {
                    !kp.tls12.is_empty()
                };
                let only_12 = kp.has_tls13 && !kp.sha384 && !kp.sha256 && takes_them;
                if client.versions == TlsVersion::Auto && only_12 {
                    let error = got.result.expect_err("refused");
                    assert!(error.message().contains("inappropriate_fallback"), "{kp:?}: {error}");
                    assert!(error.hint().contains("tls=1.2"), "{error}");
                }
            }
        }
    }
}

/// Calls `check` with every attack on the hellos of one connection; it returns the number of hellos.
fn each_attack(mut check: impl FnMut(&[Act]) -> usize) {
    let mut begun = vec![Vec::new()];
    while let Some(acts) = begun.pop() {
        // acts on hellos that are never sent make no difference
        if check(&acts) > acts.len() {
            begun.extend(ACTS.map(|act| [acts.as_slice(), &[act]].concat()));
        }
    }
}

#[test]
fn nobody_without_the_key_weakens_a_connection_unseen_or_one_that_comes_later() {
    for options in OPTIONS {
        for kp in KeyProvider::all() {
            each_attack(|acts| survives(options, kp, acts));
        }
    }
}

/// Connects under attack, immediately afterwards, and later.
fn survives(options: Options, kp: KeyProvider, acts: &[Act]) -> usize {
    let case = || format!("{options:?} {kp:?} {acts:?}");
    let (client, best) = (Client::new(options), kp.best(options));
    let start = Instant::now();

    let attacked = client.connect(kp, acts, start);
    match &attacked.result {
        Ok((mode, is_told)) => {
            let best = best.unwrap_or_else(|| panic!("{}: nothing in common", case()));
            let asked_for_12 = client.versions == TlsVersion::Tls12;
            assert!(*mode >= best, "{}", case());
            // a key bound to SHA-256 and plain PSK always come with a warning
            assert!(*mode == best || *mode != Mode::Dhe || *is_told, "{}", case());
            // no attack forces TLS 1.2 on a Key Provider with TLS 1.3, unless the user asked for it
            assert!(*mode < Mode::Dhe || !kp.has_tls13 || asked_for_12, "{}", case());
            // plain PSK only if nothing else is available, or the Key Provider prefers it
            let prefers_it = kp.tls12.first() == Some(&Mode::Plain) && !client.fallback.forward_secrecy;
            assert!(*mode < Mode::Plain || prefers_it, "{}", case());
        }
        Err(error) => assert_eq!(error.code(), ErrorCode::TlsFailed, "{}", case()),
    }

    let at_once = client.connect(kp, &[], start).mode();
    if acts.iter().all(|act| matches!(act, Act::Pass | Act::Cut)) {
        assert_eq!(at_once, best, "{}: a connection that was cut taught something", case());
    }
    // forged alerts can downgrade a key bound to SHA-384 to SHA-256 while they are remembered, and nothing else
    let is_hidden = (at_once, best) == (Some(Mode::Sha256), Some(Mode::Sha384));
    assert!(at_once == best || is_hidden, "{}: {at_once:?} at once", case());
    let later = client.connect(kp, &[], start + MEMORY).mode();
    assert_eq!(later, best, "{}: later", case());
    attacked.hellos
}

#[test]
fn what_an_alert_taught_saves_attempts_for_as_long_as_it_is_remembered() {
    let classic = KeyProvider {
        has_tls13: true,
        sha384: false,
        sha256: true,
        tls12: PLAIN_FIRST,
    };
    let client = Client::new(OPTIONS[0]);
    let start = Instant::now();
    let all = [Attempt::Sha384, Attempt::Sha256, Attempt::Dhe, Attempt::Plain];
    assert_eq!(client.attempts(start), all);
    assert_eq!(client.connect(classic, &[], start).hellos, 2);
    let half = start + MEMORY / 2;
    // using it does not extend its lifetime
    assert_eq!(client.connect(classic, &[], half).hellos, 1);
    let learned = [Attempt::Sha256, Attempt::Sha384, Attempt::Dhe, Attempt::Plain];
    assert_eq!(client.attempts(half), learned);
    assert_eq!(client.attempts(start + MEMORY), all);
}

#[test]
fn the_option_forward_secrecy_takes_plain_psk_from_every_list() {
    for options in OPTIONS {
        let (versions, forward_secrecy) = options;
        let has_plain = Client::new(options).attempts(Instant::now()).contains(&Attempt::Plain);
        assert_eq!(
            has_plain,
            versions != TlsVersion::Tls13 && !forward_secrecy,
            "{options:?}"
        );
    }
}

#[test]
fn the_sign_of_a_downgrade_is_the_end_of_the_random_bytes() {
    let mut random = [7; 32];
    assert!(!is_downgraded(&random));
    for (last, expected) in [(1, true), (0, true), (2, false)] {
        random[24..].copy_from_slice(b"DOWNGRD\x01");
        random[31] = last;
        assert_eq!(is_downgraded(&random), expected);
    }
    random.rotate_left(1);
    assert!(!is_downgraded(&random));
}
