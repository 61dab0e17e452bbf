//! In a file of its own, because it changes the whole process.
#![cfg(all(feature = "https", target_os = "linux"))]

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
use skip_client::{Hardening, harden_process};

#[test]
fn a_hardened_process_has_no_core_dumps_and_no_readers() {
    assert_eq!(dumpable_behavior().expect("asked"), DumpableBehavior::Dumpable);
    for _ in 0..2 {
        assert_eq!(harden_process(), Hardening::Full);
        assert_eq!(dumpable_behavior().expect("asked"), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
