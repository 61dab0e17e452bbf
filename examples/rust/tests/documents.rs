//! The tables of `docs/development-key-providers.md` and `docs/errors.md` are complete, and each fault causes the code listed there.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use skip_client::{BitLength, Client, Error, ErrorCode, Side, SystemId};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk};

const SWITCHES: &str = include_str!("../../../docs/development-key-providers.md");
const ERRORS: &str = include_str!("../../../docs/errors.md");

/// The cells of a table's row whose first cell is `name`.
fn row<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("| `{name}` |");
    let line = page.lines().find(|line| line.starts_with(&begin));
    let line = line.unwrap_or_else(|| panic!("{name} is not in the table"));
    line.trim_matches('|').split('|').map(str::trim).collect()
}

fn rows(page: &str) -> usize {
    page.lines().filter(|line| line.starts_with("| `")).count()
}

/// Sends the request that the fault breaks.
fn provoke(pair: &KeyProviderPair, fault: Fault) -> Error {
    let client = |url: &str| {
        let builder = Client::builder(url)
            .expect("a URL")
            .ca_pem(fs::read(pair.ca()).expect("the CA"));
        // short, because it only matters for replies that never arrive
        let waits = matches!(fault, Fault::Stall | Fault::Drip);
        let timeout = Duration::from_secs(if waits { 2 } else { 60 });
        builder.timeout(timeout).build().expect("a client")
    };
    let (alice, bob) = (client(&pair.alice().url), client(&pair.bob().url));
    let [alice_id, bob_id]: [SystemId; 2] = ["Alice", "Bob"].map(|id| id.parse().expect("an id"));
    let size = BitLength::new(256).expect("a length");
    let answer = match fault {
        Fault::Entropy503 => alice.entropy(None).map(drop),
        Fault::WrongKeyId => {
            let key = bob.new_key(&alice_id).expect("a key");
            alice.key_by_id(key.key_id(), &bob_id).map(drop)
        }
        _ => alice.call().size(size).new_key(&bob_id).map(drop),
    };
    answer.expect_err("the fault is noticed")
}

#[test]
fn every_fault_gives_the_code_of_its_row() {
    let pair = KeyProviderPair::start(PairOptions::default()).expect("a pair");
    for &fault in Fault::ALL {
        let code = row(SWITCHES, fault.as_str())[2];
        if code.is_empty() {
            continue; // on-capabilities only widens the others
        }
        pair.set_faults(&[fault]);
        let error = provoke(&pair, fault);
        assert_eq!(format!("`{}`", error.code()), code, "{fault}: {error}");
        assert!(!error.hint().is_empty(), "{fault}");
    }
}

#[test]
fn the_tables_are_complete() {
    for &quirk in Quirk::ALL {
        assert_eq!(row(SWITCHES, quirk.as_str()).len(), 3, "{quirk}");
    }
    assert_eq!(rows(SWITCHES), Quirk::ALL.len() + Fault::ALL.len());
}

const BEGIN: &str =
    "<!-- from core/src/error/explain.rs: UPDATE_DOCS=1 cargo test -p skip-client-examples writes it -->\n";

/// The sections of docs/errors.md, generated from the core's explanations of the codes.
fn sections() -> String {
    let sides = [
        (Side::You, 2, "Your side", "Nothing was sent."),
        (Side::Network, 3, "The network", "No complete reply arrived."),
        (
            Side::ProviderRefused,
            4,
            "The Key Provider refused",
            "It answered with a status other than 200.",
        ),
        (
            Side::ProviderAnswer,
            5,
            "The Key Provider's reply is invalid",
            "The reply is not used.",
        ),
    ];
    let mut text = String::new();
    for (side, status, title, about) in sides {
        write!(
            text,
            "\n## {title}\n\n{about} Exit status of the command line: {status}.\n"
        )
        .expect("memory");
        for code in ErrorCode::ALL.into_iter().filter(|code| code.side() == side) {
            let it = code.explain();
            write!(text, "\n### {code}\n\n{}\n\n", it.summary).expect("memory");
            for (name, part) in [("Cause", it.cause), ("Remedy", it.remedy), ("Advice", it.advice)] {
                writeln!(text, "* **{name}:** {part}").expect("memory");
            }
        }
    }
    text
}

#[test]
fn the_page_of_errors_has_cause_and_remedy_of_each_code() {
    let (head, rest) = ERRORS.split_once(BEGIN).expect("the mark of its beginning");
    let (written, tail) = rest.split_once("\n<!-- end -->\n").expect("the mark of its end");
    let right = sections();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        fs::write(path, format!("{head}{BEGIN}{right}\n<!-- end -->\n{tail}")).expect("written");
    } else {
        assert!(
            written == right,
            "UPDATE_DOCS=1 cargo test -p skip-client-examples regenerates docs/errors.md"
        );
    }
    for code in ErrorCode::ALL {
        assert_eq!(right.matches(&format!("\n### {code}\n")).count(), 1, "{code}");
    }
}
