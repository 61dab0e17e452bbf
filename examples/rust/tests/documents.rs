//! The tables of `docs/development-key-providers.md` and `docs/errors.md` are complete, and each fault gives the code that stands there.

use std::fs;
use std::time::Duration;

use skip_client::{BitLength, Client, Error, ErrorCode, SystemId};
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

/// Asks for the thing that the fault breaks.
fn provoke(pair: &KeyProviderPair, fault: Fault) -> Error {
    let client = |url: &str| {
        let builder = Client::builder(url)
            .expect("a URL")
            .ca_pem(fs::read(pair.ca()).expect("the CA"));
        builder.timeout(Duration::from_secs(2)).build().expect("a client")
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
    for code in ErrorCode::ALL {
        assert_eq!(row(ERRORS, code.as_str()).len(), 5, "{code}");
    }
    let advices = 3;
    assert_eq!(rows(ERRORS), ErrorCode::ALL.len() + advices);
}
