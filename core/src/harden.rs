//! Keeping a process's memory to itself, for programs that ask for it.

/// What [`harden_process`] could do on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardening {
    /// No core dumps, and no other process of the same user reads this one's memory (Linux).
    Full,
    /// No core dumps; the system has no switch for the rest.
    CoreDumpsOff,
    /// Nothing: the system has neither switch, or refused.
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

/// Switches core dumps off and, on Linux, has the kernel refuse other processes of the same user that want to read or
/// trace this one.
///
/// For programs that hold keys, early in `main`; a library must not do it for its host. It holds for the whole process
/// and cannot be taken back in it. What it costs: a crash leaves no core dump, here and in child programs; debuggers,
/// `strace` and profilers cannot attach; `/proc/self` belongs to root, so a process without privileges cannot open some
/// of its own files there (`mem`, `environ`). Root reads everything. For swap see [`lock_memory`].
#[must_use = "it says how far the system went"]
pub fn harden_process() -> Hardening {
    match (no_core_dumps(), no_readers()) {
        (true, true) => Hardening::Full,
        (true, false) => Hardening::CoreDumpsOff,
        (false, _) => Hardening::Nothing,
    }
}

/// Keeps every page that this process touches from now on out of swap (Linux); whether the system allows that.
///
/// For programs that hold keys for long, early in `main`. It takes an unlimited `RLIMIT_MEMLOCK`, or the right to raise
/// it: root has that, and a service with `LimitMEMLOCK=infinity`. What it costs: what is in memory stays in memory, so a
/// large process presses on others. A hibernated machine writes locked pages to its disk all the same.
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
    // under a limit, later allocations would fail; pages are locked as they are touched, or stacks would be resident whole
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

// the limit alone does not stop dumps that the kernel pipes into a program
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
