//! Detects forks without a system call, and postpones them while TLS libraries are working.
//!
//! A child process has a copy of its parent's memory but none of its threads: a mutex locked by another thread stays locked forever, and
//! a TLS connection would reuse the parent's nonces. State that must not be shared therefore records the [`Process`] that created it, or
//! is kept in a [`PerProcess`]. The locks inside OpenSSL and AWS-LC cannot be replaced: [`hold_off`] keeps forks away while they may be
//! held.
//!
//! The `unsafe` code here maps a page that the kernel clears in every child, registers fork handlers, and traverses an append-only list.
//! A lock around the list could itself be inherited in the locked state.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Identifies a process, as distinct from its parent and children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(u64);

impl Process {
    /// The current process.
    #[must_use]
    pub fn current() -> Self {
        Self(number::current())
    }

    /// Whether this is the current process.
    #[must_use]
    pub fn is_current(self) -> bool {
        self == Self::current()
    }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
mod number {
    use std::ptr::{self, NonNull};
    use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    /// The number of this process, in a page that reads as zero in a child. Null before the first use.
    static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
    /// Used instead of the page where the kernel cannot clear it (before Linux 4.14).
    static NO_PAGE: AtomicU64 = AtomicU64::new(0);
    /// The largest number assigned so far in this process and its ancestors.
    static LAST: AtomicU64 = AtomicU64::new(0);
    const PAGE_SIZE: usize = 4096;

    pub fn current() -> u64 {
        let mut page = PAGE.load(Ordering::Acquire);
        if page.is_null() {
            page = first_use();
        }
        if ptr::eq(page, &raw const NO_PAGE) {
            return u64::from(std::process::id());
        }
        // SAFETY: the page was mapped for reading and writing and is never unmapped
        let page = unsafe { &*page };
        match page.load(Ordering::Acquire) {
            0 => {
                let new = LAST.fetch_add(1, Ordering::Relaxed) + 1;
                page.compare_exchange(0, new, Ordering::AcqRel, Ordering::Acquire)
                    .map_or_else(|known| known, |_| new)
            }
            known => known,
        }
    }

    #[cold]
    fn first_use() -> *mut AtomicU64 {
        let new = map().map_or((&raw const NO_PAGE).cast_mut(), NonNull::as_ptr);
        match PAGE.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(known) => {
                if !ptr::eq(new, &raw const NO_PAGE) {
                    // SAFETY: it was just mapped, and there are no other references to it
                    let _ = unsafe { munmap(new.cast(), PAGE_SIZE) };
                }
                known
            }
        }
    }

    fn map() -> Option<NonNull<AtomicU64>> {
        // SAFETY: maps new memory at an address chosen by the system
        let page = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                PAGE_SIZE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        };
        let page = NonNull::new(page.ok()?)?;
        // SAFETY: the memory was just mapped and holds no data
        if unsafe { madvise(page.as_ptr(), PAGE_SIZE, Advice::LinuxWipeOnFork) }.is_ok() {
            return Some(page.cast());
        }
        // SAFETY: as above
        let _ = unsafe { munmap(page.as_ptr(), PAGE_SIZE) };
        None
    }
}

/// Other systems cannot clear a page on fork; where there is no fork, the number never changes.
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
mod number {
    pub fn current() -> u64 {
        if cfg!(any(miri, target_family = "wasm")) {
            1
        } else {
            u64::from(std::process::id())
        }
    }
}

pub use gate::{hold_off, is_held_off, let_through};

#[cfg(all(unix, not(miri)))]
mod gate {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    /// Whether the handlers are registered.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    /// Whether a thread is forking. A flag that is polled, because a lock would be inherited along with its list of waiting threads.
    static FORKING: AtomicBool = AtomicBool::new(false);
    /// The number of threads that hold forks off.
    static BUSY: AtomicUsize = AtomicUsize::new(0);

    thread_local! {
        /// Whether this thread is one of them.
        static HOLDS_OFF: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs an operation of a TLS library; forks by other threads wait until it ends. It must not block, except in [`let_through`],
    /// nor call code of our users: that might wait for a lock of the thread that forks.
    pub fn hold_off<T>(operation: impl FnOnce() -> T) -> T {
        let _state = State::change(true);
        operation()
    }

    /// Runs an operation that may block within [`hold_off`], when the TLS library holds no lock: it is waiting for the network.
    pub fn let_through<T>(operation: impl FnOnce() -> T) -> T {
        let _state = State::change(false);
        operation()
    }

    /// Whether this thread holds forks off, for assertions.
    #[must_use]
    pub fn is_held_off() -> bool {
        HOLDS_OFF.get()
    }

    /// Restores the previous state on drop, so also in a panic.
    struct State {
        before: bool,
    }

    impl State {
        fn change(hold_off: bool) -> Self {
            let before = HOLDS_OFF.replace(hold_off);
            step(before, hold_off);
            Self { before }
        }
    }

    impl Drop for State {
        fn drop(&mut self) {
            step(HOLDS_OFF.replace(self.before), self.before);
        }
    }

    fn step(before: bool, after: bool) {
        match (before, after) {
            (false, true) => enter(),
            (true, false) => drop(BUSY.fetch_sub(1, Ordering::SeqCst)),
            _ => {}
        }
    }

    fn enter() {
        if !REGISTERED.swap(true, Ordering::SeqCst) {
            // SAFETY: the handlers have the right signature, use only atomic numbers, and live as long as this library: the system
            // forgets them when it is unloaded. Without memory for them, forks are as safe as OpenSSL makes them.
            unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child)) };
        }
        loop {
            BUSY.fetch_add(1, Ordering::SeqCst);
            if !FORKING.load(Ordering::SeqCst) {
                return;
            }
            BUSY.fetch_sub(1, Ordering::SeqCst);
            pause();
        }
    }

    extern "C" fn before_fork() {
        while FORKING.swap(true, Ordering::SeqCst) {
            pause();
        }
        // a thread that forks while it holds forks off does not wait for itself
        let own = usize::from(HOLDS_OFF.get());
        while BUSY.load(Ordering::SeqCst) > own {
            pause();
        }
    }

    extern "C" fn after_fork() {
        FORKING.store(false, Ordering::SeqCst);
    }

    /// Of the threads, only this one exists here. Another may have counted itself for a moment, to find that it has to wait.
    extern "C" fn in_child() {
        BUSY.store(usize::from(HOLDS_OFF.get()), Ordering::SeqCst);
        after_fork();
    }

    /// Waits for the length of a few TLS operations.
    fn pause() {
        thread::sleep(Duration::from_micros(20));
    }
}

/// Without forks there is nothing to hold off.
#[cfg(not(all(unix, not(miri))))]
mod gate {
    /// Runs the operation.
    pub fn hold_off<T>(operation: impl FnOnce() -> T) -> T {
        operation()
    }

    /// Never.
    #[must_use]
    pub fn is_held_off() -> bool {
        false
    }

    /// Runs the operation.
    pub fn let_through<T>(operation: impl FnOnce() -> T) -> T {
        operation()
    }
}

/// A value of which each process has its own copy: the process that uses it first gets the initial value, its children start with a
/// default.
pub struct PerProcess<T> {
    first: Node<T>,
}

struct Node<T> {
    /// The process that it belongs to; 0 until the first use.
    owner: AtomicU64,
    value: T,
    next: AtomicPtr<Node<T>>,
}

impl<T> PerProcess<T> {
    /// Creates one with the initial value.
    pub const fn new(value: T) -> Self {
        Self {
            first: Node::new(0, value),
        }
    }
}

impl<T> Node<T> {
    const fn new(owner: u64, value: T) -> Self {
        Self {
            owner: AtomicU64::new(owner),
            value,
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn next(&self) -> Option<&Self> {
        // SAFETY: null, or made by `Box::into_raw` in `get` and freed only when the whole list is dropped, which takes `&mut`
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    fn belongs_to(&self, process: u64) -> bool {
        match self.owner.load(Ordering::Acquire) {
            0 => {
                let claimed = self
                    .owner
                    .compare_exchange(0, process, Ordering::AcqRel, Ordering::Acquire);
                claimed.map_or_else(|owner| owner == process, |_| true)
            }
            owner => owner == process,
        }
    }
}

impl<T: Default + Send> PerProcess<T> {
    /// This process's value.
    pub fn get(&self) -> &T {
        let here = Process::current().0;
        let mut node = &self.first;
        while !node.belongs_to(here) {
            node = node.next().unwrap_or_else(|| Self::append(node, here));
        }
        &node.value
    }

    /// The values of this process's ancestors. They are copies that no other thread uses, but a lock in them may have been held by a
    /// thread that does not exist here: only ever use `try_lock`.
    pub fn inherited(&self) -> impl Iterator<Item = &T> {
        let here = Process::current().0;
        std::iter::successors(Some(&self.first), |node| node.next())
            .filter(move |node| !matches!(node.owner.load(Ordering::Acquire), owner if owner == 0 || owner == here))
            .map(|node| &node.value)
    }

    /// Appends a value for this process to the list, or returns the one that another thread appended meanwhile.
    #[cold]
    fn append(last: &Node<T>, owner: u64) -> &Node<T> {
        let new = Box::into_raw(Box::new(Node::new(owner, T::default())));
        let put = last
            .next
            .compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire);
        match put {
            // SAFETY: it is in the list now: see `next`
            Ok(_) => unsafe { &*new },
            Err(other) => {
                // SAFETY: created above and not shared
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: not null, so in the list: see `next`
                unsafe { &*other }
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let mut next = std::mem::replace(self.first.next.get_mut(), ptr::null_mut());
        while !next.is_null() {
            // SAFETY: created by `Box::into_raw`, and `&mut` rules out other references
            let mut node = unsafe { Box::from_raw(next) };
            next = std::mem::replace(node.next.get_mut(), ptr::null_mut());
        }
    }
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerProcess")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::{Node, PerProcess, Process};

    #[test]
    fn a_process_is_itself_in_every_thread() {
        let here = Process::current();
        assert!(here.is_current());
        assert!(thread::spawn(move || here.is_current()).join().expect("a thread"));
    }

    #[test]
    fn threads_share_one_value() {
        let shared: PerProcess<Mutex<usize>> = PerProcess::default();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| *shared.get().lock().expect("lock") += 1));
            }
        });
        assert_eq!(*shared.get().lock().expect("lock"), 8000);
        assert_eq!(shared.inherited().count(), 0);
    }

    #[test]
    fn what_another_process_has_locked_is_not_waited_for() {
        // as in a child: the only value belongs to another process, and its lock will never be released
        let shared = PerProcess {
            first: Node::new(u64::MAX, Mutex::new(7)),
        };
        let held = shared.first.value.lock().expect("lock");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|_| *shared.get().lock().expect("lock") += 1));
            }
        });
        assert_eq!((*held, *shared.get().lock().expect("lock")), (7, 8000));
        assert_eq!(shared.inherited().count(), 1);
    }
}
