//! In a separate file, because it changes the whole process.
#![cfg(all(feature = "https", target_os = "linux"))]

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
use skip_client::process::{Hardening, harden_process, lock_memory};

#[test]
fn a_hardened_process_has_no_core_dumps_and_no_readers() {
    assert_eq!(dumpable_behavior().expect("asked"), DumpableBehavior::Dumpable);
    for _ in 0..2 {
        assert_eq!(harden_process(), Hardening::Full);
        assert_eq!(dumpable_behavior().expect("asked"), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }

    assert_eq!(locked_kib(), Some(0));
    let allowed = lock_memory();
    assert_eq!(locked_kib().map(|kib| kib > 0), Some(allowed));
}

fn locked_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
