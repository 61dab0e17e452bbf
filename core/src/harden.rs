//! Protects a process's memory, for programs that opt in.

/// The protection that [`harden_process`] achieved on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardening {
    /// Core dumps are disabled, and other processes of the same user cannot read this one's memory (Linux).
    Full,
    /// Core dumps are disabled; the system offers nothing more.
    CoreDumpsOff,
    /// Nothing: the system supports neither or refused.
    Nothing,
}

impl Hardening {
    /// The stable spelling: `full`, `core_dumps_off` or `nothing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::CoreDumpsOff => "core_dumps_off",
            Self::Nothing => "nothing",
        }
    }
}

/// Disables core dumps and, on Linux, prevents other processes of the same user from reading or tracing this one.
///
/// Intended for programs that hold keys, to be called early in `main`; a library must not do this on behalf of its host.
/// It affects the whole process and cannot be undone. The costs: a crash leaves no core dump, here or in child programs;
/// debuggers, `strace` and profilers cannot attach; `/proc/self` belongs to root, so an unprivileged process cannot open
/// some of its own files there (`mem`, `environ`). Root can still read everything. For swap, see [`lock_memory`].
#[must_use = "it says how far the system went"]
pub fn harden_process() -> Hardening {
    match (no_core_dumps(), no_readers()) {
        (true, true) => Hardening::Full,
        (true, false) => Hardening::CoreDumpsOff,
        (false, _) => Hardening::Nothing,
    }
}

/// Keeps every page that this process touches from now on out of swap (Linux). Returns whether the system allowed it.
///
/// Intended for programs that hold keys for a long time, to be called early in `main`. It requires an unlimited
/// `RLIMIT_MEMLOCK` or the right to raise it, which root has, as do services with `LimitMEMLOCK=infinity`. The cost:
/// memory cannot be swapped out, so a large process puts pressure on others. Hibernation still writes locked pages to
/// disk.
#[must_use = "it says whether the system allowed it"]
pub fn lock_memory() -> bool {
    locked()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn locked() -> bool {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{Resource, Rlimit, setrlimit};
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    // under a limit, later allocations would fail; pages are locked on first touch, otherwise whole stacks would become
    // resident
    setrlimit(Resource::Memlock, unlimited).is_ok()
        && mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn locked() -> bool {
    false
}

#[cfg(unix)]
fn no_core_dumps() -> bool {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).is_ok()
}

// the limit alone does not stop dumps that the kernel pipes to a program
#[cfg(any(target_os = "linux", target_os = "android"))]
fn no_readers() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[cfg(not(unix))]
fn no_core_dumps() -> bool {
    false
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn no_readers() -> bool {
    false
}
