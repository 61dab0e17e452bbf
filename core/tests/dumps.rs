//! Secrets are in locked memory that is excluded from core dumps.
#![cfg(all(feature = "https", target_os = "linux"))]

use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use base16ct::lower::encode_string;
use skip_client::Secret;

const SECRET: &str = "SKIP_TEST_SECRET";
const CONTROL: &str = "SKIP_TEST_CONTROL";

#[test]
fn the_system_locks_them_and_leaves_them_out() {
    for len in [16, 32, 8192, 20_000] {
        let secret = Secret::copy_of(&vec![7; len]);
        let flags = flags_of(secret.expose().as_ptr().addr());
        for flag in ["lo", "dd"] {
            assert!(
                flags.split(' ').any(|one| one == flag),
                "{len} bytes: no {flag} in {flags:?}"
            );
        }
    }
    let heap = Box::new([7_u8; 32]);
    let flags = flags_of(heap.as_ptr().addr());
    assert!(!flags.split(' ').any(|one| one == "dd"), "the control");
}

/// The flags of the mapping with this address, as in proc(5).
fn flags_of(address: usize) -> String {
    let maps = fs::read_to_string("/proc/self/smaps").expect("Linux has it");
    let mut inside = false;
    for line in maps.lines() {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        if let Some((start, end)) = range {
            let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16));
            if let (Ok(start), Ok(end)) = (start, end) {
                inside = (start..end).contains(&address);
            }
        } else if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags: ")) {
            return flags.to_owned();
        }
    }
    panic!("no mapping has the address");
}

/// A program that crashes and leaves a core dump in its folder, if the system writes dumps there.
#[test]
fn a_real_dump_has_none() {
    if let (Ok(secret), Ok(control)) = (std::env::var(SECRET), std::env::var(CONTROL)) {
        crash(&secret, &control);
    }
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("Linux has it");
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Core).maximum != Some(0);
    if pattern.contains(['|', '/']) || !allowed {
        // not a macro, whose output is only shown on failure
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: a_real_dump_has_none: core dumps are not written into the folder of the program; \
             hint: sysctl kernel.core_pattern=core, ulimit -Hc unlimited (root)"
        );
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [secret, control] = [7_u64, 8].map(|seed| {
        let mut bytes = [0_u8; 32];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        bytes
    });
    let status = Command::new(std::env::current_exe().expect("its path"))
        .args(["--exact", "a_real_dump_has_none", "--nocapture"])
        .env(SECRET, encode_string(&secret))
        .env(CONTROL, encode_string(&control))
        .current_dir(folder.path())
        .output()
        .expect("it starts")
        .status;
    assert!(status.core_dumped(), "no dump: {status}");
    let dump = fs::read_dir(folder.path())
        .expect("a folder")
        .next()
        .expect("a dump")
        .expect("a dump");
    let dump = fs::read(dump.path()).expect("a dump");
    let has = |bytes: &[u8; 32]| dump.windows(16).any(|window| window == &bytes[..16]);
    assert!(has(&control), "the control");
    let found = has(&secret);
    assert!(!found, "the dump has the secret");
}

fn crash(secret: &str, control: &str) -> ! {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Core, limit).expect("a dump is allowed");
    let secret = Secret::from_hex(secret.as_bytes()).expect("hexadecimal");
    let digits = |at: usize| u8::from_str_radix(&control[at..at + 2], 16).expect("hexadecimal");
    let control: Vec<u8> = (0..control.len()).step_by(2).map(digits).collect();
    black_box((&secret, &control));
    std::process::abort()
}
