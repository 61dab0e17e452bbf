//! Our JSON reader and `serde_json` agree on the vectors and on every mutation of them at one position.

use serde::de::IgnoredAny;
use skip_client::{MessageKind, Rules, validate};

/// The pieces that are inserted at each position.
const PIECES: [&str; 14] = [
    "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "\n", "\u{1}", "ä",
];

fn is_json(text: &[u8]) -> bool {
    let problems = validate(MessageKind::Key, text, Rules::Strict);
    let syntax = problems.iter().filter(|p| p.code == "syntax").count();
    assert!(
        syntax == 0 || problems.len() == 1,
        "a broken text has one problem and no other"
    );
    syntax == 0
}

#[test]
fn the_verdict_on_broken_texts_is_that_of_serde_json() {
    let mut compared = 0;
    for kind in MessageKind::ALL {
        let path = format!(
            "{}/../tests/vectors/draft-cisco-skip-02/{}.json",
            env!("CARGO_MANIFEST_DIR"),
            kind.as_str()
        );
        let document: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).expect("the vectors")).expect("JSON");
        for case in document["cases"].as_array().expect("cases") {
            // longer ones are redundant; one of them has 128 levels, of which serde_json accepts 127
            let Some(body) = case["body"].as_str().filter(|body| body.len() < 300) else {
                continue;
            };
            for (at, c) in body.char_indices() {
                let (before, after) = (&body[..at], &body[at + c.len_utf8()..]);
                let cut = std::iter::once(before.to_owned());
                let lost = std::iter::once(format!("{before}{after}"));
                let put = PIECES.iter().map(|piece| format!("{before}{piece}{}", &body[at..]));
                let changed = PIECES.iter().map(|piece| format!("{before}{piece}{after}"));
                for text in cut.chain(lost).chain(put).chain(changed) {
                    let theirs = serde_json::from_str::<IgnoredAny>(&text).is_ok();
                    assert_eq!(is_json(text.as_bytes()), theirs, "{text}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 10_000, "only {compared} texts were compared");
}
