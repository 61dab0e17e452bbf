//! The fuzz targets of tests/fuzz/ on their seeds and on mutations of these, without libFuzzer: deterministic, with any
//! compiler.

use std::fs;
use std::path::Path;

use serde_json::Value;

#[path = "../../tests/fuzz/fuzz_targets/arguments.rs"]
mod arguments;
#[path = "../../tests/fuzz/fuzz_targets/pattern.rs"]
mod pattern;
#[cfg(feature = "https")]
#[path = "../../tests/fuzz/fuzz_targets/pem.rs"]
mod pem;
#[cfg(feature = "https")]
#[path = "../../tests/fuzz/fuzz_targets/psk.rs"]
mod psk;
#[path = "../../tests/fuzz/fuzz_targets/response.rs"]
mod response;

const DIGITS: &str = "ad229dfb8a276e74c1f3b6c09349a69fb2fed73c541270663f0e5cbbfb031670";

#[test]
fn replies() {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for name in ["capabilities", "key", "entropy"] {
        for case in cases(name) {
            if let Some(body) = case["body"].as_str() {
                seeds.push([b"00application/json\n", body.as_bytes()].concat());
                seeds.push([b"\x20\x30\n", body.as_bytes()].concat());
            }
        }
    }
    let words = [
        "\"key\":",
        "\"keyId\":",
        "\\u0030",
        "null",
        "1e400",
        "{\"a\":[",
        "\u{feff}",
        "text/html\n",
        DIGITS,
    ];
    play("response", &seeds, &words, 3000, response::run);
}

#[test]
fn patterns() {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for case in cases("patterns") {
        let pattern = case["pattern"].as_str().expect("a pattern");
        for side in ["matches", "matches_not"] {
            for id in case[side].as_array().expect("a list") {
                seeds.push(format!("{pattern}\n{}", id.as_str().expect("an id")).into_bytes());
            }
        }
    }
    let words = ["*", "?", "[", "]", "[!", "[a-c]", "[^", "[:", "\\", "-", "ä", "\n"];
    play("pattern", &seeds, &words, 30_000, |data| {
        pattern::run(&String::from_utf8_lossy(data));
    });
}

#[cfg(feature = "https")]
#[test]
fn files_of_pre_shared_keys() {
    let seeds = [
        format!("alice\nalice:{DIGITS}\r\nbob:{DIGITS}\n").into_bytes(),
        format!("alice\n{DIGITS}").into_bytes(),
        b"a:b\na:b:00\n\n\n".to_vec(),
        b"bob\nq83vEjRWeJCrze8SNFZ4kA==".to_vec(),
    ];
    play(
        "psk",
        &seeds,
        &[":", "\n", "\r\n", "alice", "00", "=", "\0", "\u{feff}", DIGITS],
        30_000,
        psk::run,
    );
}

#[cfg(feature = "https")]
#[test]
fn certificates_and_private_keys() {
    let [certificate, key] = ["certificate", "private-key"].map(|name| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/fuzz/pem/{name}.pem"));
        fs::read(file).expect("a PEM file")
    });
    let mut seeds = Vec::new();
    for which in [&b"0\n"[..], b"1\n", b"2\n"] {
        seeds.push([which, &certificate].concat());
        seeds.push([which, &key].concat());
        seeds.push([which, &certificate, &key].concat());
    }
    play(
        "pem",
        &seeds,
        &[
            "-----BEGIN CERTIFICATE-----\n",
            "-----END CERTIFICATE-----\n",
            "-----BEGIN PRIVATE KEY-----\n",
            "-----END PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\n",
            "Proc-Type: 4,ENCRYPTED\n",
            "MIIB",
            "\r\n",
            "=",
        ],
        2000,
        pem::run,
    );
}

#[test]
fn ids_sizes_and_payloads() {
    let mut seeds: Vec<Vec<u8>> = [
        "Bob",
        "KP_*_[!a-c]?",
        "Zür ich/%20",
        DIGITS,
        "QKD-A~1.0_x",
        "256",
        "65537",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    seeds.push(b"\0\0\0\x0b\0\0\x40\x33Bob".to_vec());
    seeds.push(b"\0\0\0\x0d\0\0\x40\x34\x02abcd".to_vec());
    play(
        "arguments",
        &seeds,
        &["*", "%", "\0", "../", "?", "\r\n", "00", "ä", "65536"],
        30_000,
        arguments::run,
    );
}

fn cases(name: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/draft-cisco-skip-02");
    let text = fs::read(folder.join(format!("{name}.json"))).expect("the vectors");
    let mut file: Value = serde_json::from_slice(&text).expect("JSON");
    let cases = file["cases"].as_array_mut().expect("cases");
    std::mem::take(cases)
}

/// Inputs that reached new code in fuzzing: one per line, in hex.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/fuzz/kept/{name}.hex"));
    let text = fs::read_to_string(file).expect("what was kept");
    let byte = |two: &[u8]| {
        let digits = std::str::from_utf8(two).expect("digits");
        u8::from_str_radix(digits, 16).expect("hex")
    };
    text.lines()
        .map(|line| line.as_bytes().chunks(2).map(byte).collect())
        .collect()
}

/// Runs the target on each seed and stored input, then on `times` mutations of the seeds.
fn play(name: &str, seeds: &[Vec<u8>], words: &[&str], times: usize, target: impl Fn(&[u8])) {
    assert!(!seeds.is_empty());
    for seed in seeds.iter().chain(&kept(name)) {
        target(seed);
    }
    // SplitMix64
    let mut state = 7_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % limit.max(1) as u64).unwrap_or(0)
    };
    for _ in 0..times {
        let mut data = seeds[below(seeds.len())].clone();
        for _ in 0..=below(4) {
            let at = below(data.len() + 1);
            let end = at + below(data.len() - at + 1).min(below(40));
            match below(5) {
                0 if at < data.len() => data[at] ^= 1 << below(8),
                1 => data.insert(at, u8::try_from(below(256)).unwrap_or(0)),
                2 => drop(data.drain(at..end)),
                3 => drop(data.splice(at..end, words[below(words.len())].bytes())),
                _ => {
                    let other = &seeds[below(seeds.len())];
                    data.truncate(at);
                    data.extend_from_slice(&other[below(other.len())..]);
                }
            }
        }
        target(&data);
    }
}
