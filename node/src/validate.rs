//! Validation, schemas and patterns.

use std::cell::RefCell;
use std::fmt::Write as _;

use skip_client::{MessageKind, Problem, Rules, Severity};
use wasm_bindgen::prelude::*;

use crate::buffer;
use crate::json;

thread_local! {
    /// Of the last message that had any. A message without problems needs no memory and no object.
    static PROBLEMS: RefCell<Vec<Problem>> = const { RefCell::new(Vec::new()) };
}

fn rules(number: u32) -> Rules {
    match number {
        0 => Rules::Strict,
        1 => Rules::Lenient,
        _ => Rules::AsPublished,
    }
}

fn kind(number: u32) -> MessageKind {
    MessageKind::ALL[number as usize % MessageKind::ALL.len()]
}

fn is_valid(problems: &[Problem]) -> bool {
    problems.iter().all(|p| p.severity == Severity::Warning)
}

/// Judges the text in the buffer: 0 when nothing is wrong, 1 when there are warnings only, 2 when it is invalid.
#[wasm_bindgen]
#[must_use]
pub fn check(kind_number: u32, rules_number: u32, reserved: usize, length: usize) -> u32 {
    let problems = buffer::read(reserved, length, |text| {
        skip_client::validate(kind(kind_number), text, rules(rules_number))
    });
    if problems.is_empty() {
        return 0;
    }
    let verdict = if is_valid(&problems) { 1 } else { 2 };
    PROBLEMS.set(problems);
    verdict
}

/// The problems that the last [`check`] found, as JSON text.
#[wasm_bindgen]
#[must_use]
pub fn problems() -> String {
    let mut out = String::new();
    json::problems(&mut out, &PROBLEMS.take());
    out
}

/// Judges each line of the text in the buffer; lines of white space hold no message. `before` lines came before it.
///
/// The result is JSON text: how many lines there were so far, how many messages, how many of them are valid, and the problems of the
/// others.
#[wasm_bindgen]
#[must_use]
pub fn check_lines(kind_number: u32, rules_number: u32, reserved: usize, length: usize, before: u32) -> String {
    let (kind, rules) = (kind(kind_number), rules(rules_number));
    buffer::read(reserved, length, |text| {
        let (mut number, mut messages, mut valid) = (before, 0, 0);
        let mut invalid: Vec<(u32, Vec<Problem>)> = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(end_of_line(rest));
            rest = after;
            number += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            messages += 1;
            let problems = skip_client::validate(kind, line, rules);
            if is_valid(&problems) {
                valid += 1;
            } else {
                invalid.push((number, problems));
            }
        }
        let mut out = String::new();
        // writing to a String cannot fail
        let _ = write!(
            out,
            "{{\"before\":{number},\"lines\":{messages},\"valid\":{valid},\"invalid\":"
        );
        json::array(&mut out, &invalid, |out, (line, problems)| {
            let _ = write!(out, "{{\"line\":{line},\"problems\":");
            json::problems(out, problems);
            out.push('}');
        });
        out.push('}');
        out
    })
}

/// How long the first line is, with its line feed. Eight bytes at a time: one by one takes as long as half of the judging.
fn end_of_line(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\n'));
        // marks the bytes that are zero now; behind the first that is marked there may be wrong ones
        let found = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8 + 1;
        }
    }
    let feed = rest.iter().position(|byte| *byte == b'\n');
    feed.map_or(text.len(), |at| words.len() * 8 + at + 1)
}

/// Which kind of message the text in the buffer looks like: its number, or 3 for none.
#[wasm_bindgen]
#[must_use]
pub fn guess(reserved: usize, length: usize) -> usize {
    let guessed = buffer::read(reserved, length, MessageKind::guess);
    let number = guessed.and_then(|kind| MessageKind::ALL.iter().position(|one| *one == kind));
    number.unwrap_or(MessageKind::ALL.len())
}

/// Whether an entry of a `remoteSystemID` list is this id, or a pattern that matches it.
#[wasm_bindgen]
#[must_use]
pub fn matches_remote(entry: &str, id: &str) -> bool {
    skip_client::matches_remote([entry], id)
}
