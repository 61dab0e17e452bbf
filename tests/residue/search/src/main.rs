//! Searches the memory of another process: its heap, its stacks and all other writable memory.
//!
//! `residue-search PROCESS PAGE_SIZE` reads a pattern in hexadecimal digits from each line of stdin, and answers with a
//! line for each: how often it occurs.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Patterns are at least as long as this.
const START: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, process, page_size] = &arguments[..] else {
        return Err("usage: residue-search PROCESS PAGE_SIZE".into());
    };
    let mut lines = String::new();
    io::stdin().read_to_string(&mut lines)?;
    let patterns = Patterns::new(lines.lines().map(decode).collect::<Result<_, _>>()?)?;
    let mut hits = vec![0_u64; patterns.all.len()];
    for content in memory(process, page_size.parse()?)? {
        patterns.count(&content?, &mut hits);
    }
    for count in hits {
        println!("{count}");
    }
    Ok(())
}

fn decode(digits: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let pair = |at| {
        Ok(u8::from_str_radix(
            digits.get(at..at + 2).ok_or("an odd number of digits")?,
            16,
        )?)
    };
    (0..digits.len()).step_by(2).map(pair).collect()
}

struct Patterns {
    all: Vec<Vec<u8>>,
    /// Whether a pattern begins with these two bytes, which rules out nearly all memory.
    begins: Vec<bool>,
    by_start: HashMap<[u8; START], Vec<usize>>,
}

impl Patterns {
    fn new(all: Vec<Vec<u8>>) -> Result<Self, &'static str> {
        let mut begins = vec![false; 1 << 16];
        let mut by_start = HashMap::<_, Vec<usize>>::new();
        for (number, pattern) in all.iter().enumerate() {
            let start = pattern.first_chunk().ok_or("a pattern is too short")?;
            begins[first_two(*start)] = true;
            by_start.entry(*start).or_default().push(number);
        }
        Ok(Self { all, begins, by_start })
    }

    fn count(&self, memory: &[u8], hits: &mut [u64]) {
        let mut rest = memory;
        while let Some(start) = rest.first_chunk::<START>() {
            if self.begins[first_two(*start)] {
                for &number in self.by_start.get(start).into_iter().flatten() {
                    hits[number] += u64::from(rest.starts_with(&self.all[number]));
                }
            }
            rest = &rest[1..];
        }
    }
}

fn first_two(start: [u8; START]) -> usize {
    usize::from(u16::from_ne_bytes([start[0], start[1]]))
}

/// The contents of each run of pages that the process has written to or read. The others of a writable mapping are zeros,
/// or what its file contains.
fn memory(process: &str, page_size: u64) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    let open = |name| File::open(format!("/proc/{process}/{name}"));
    let (pages, memory) = (open("pagemap")?, open("mem")?);
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mut runs = Vec::new();
    for mapping in maps.lines().filter_map(writable) {
        runs.extend(present(&pages, mapping, page_size)?);
    }
    Ok(runs.into_iter().map(move |run: Range<u64>| {
        let mut content = vec![0; usize::try_from(run.end - run.start).map_err(io::Error::other)?];
        memory.read_exact_at(&mut content, run.start)?;
        Ok(content)
    }))
}

/// The addresses of a line of `maps`, if it is writable memory.
fn writable(line: &str) -> Option<Range<u64>> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let is_writable = words.next()?.starts_with("rw");
    let address = |digits| u64::from_str_radix(digits, 16).ok();
    is_writable.then_some(address(from)?..address(to)?)
}

/// The runs of pages that are in RAM or swapped out.
fn present(pages: &File, mapping: Range<u64>, page_size: u64) -> io::Result<Vec<Range<u64>>> {
    // bits of an entry: Documentation/admin-guide/mm/pagemap.rst in Linux
    const PRESENT_OR_SWAPPED: u64 = 0b11 << 62;
    let count = usize::try_from((mapping.end - mapping.start) / page_size).map_err(io::Error::other)?;
    let mut entries = vec![0; count * 8];
    pages.read_exact_at(&mut entries, mapping.start / page_size * 8)?;
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut start = mapping.start;
    for entry in entries.as_chunks().0 {
        let end = start + page_size;
        if u64::from_ne_bytes(*entry) & PRESENT_OR_SWAPPED != 0 {
            match runs.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => runs.push(start..end),
            }
        }
        start = end;
    }
    Ok(runs)
}
