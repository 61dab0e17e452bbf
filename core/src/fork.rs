//! Telling processes apart after a fork, without a system call.
//!
//! A child has a copy of its parent's memory, but none of its threads: a mutex that another thread held stays locked for good, and a TLS
//! connection would go on with the parent's nonces. So whatever must not be shared remembers the [`Process`] that made it, or lives in a
//! [`PerProcess`].
//!
//! The `unsafe` code here maps a page that the kernel clears in every child, and follows a list that only grows, because a lock around it
//! could itself be inherited in the locked state.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// A process, as opposed to its parents and children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(u64);

impl Process {
    /// The one that this code runs in.
    #[must_use]
    pub fn current() -> Self {
        Self(number::current())
    }

    /// Whether this code still runs in it.
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

    /// The number of this process, in a page that is zero again in a child. Null before the first use.
    static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
    /// In the place of the page where the kernel cannot clear it (before Linux 4.14).
    static NO_PAGE: AtomicU64 = AtomicU64::new(0);
    /// The largest number so far, of this process and its parents.
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
                    // SAFETY: it was just mapped, and nobody else knows it
                    let _ = unsafe { munmap(new.cast(), PAGE_SIZE) };
                }
                known
            }
        }
    }

    fn map() -> Option<NonNull<AtomicU64>> {
        // SAFETY: new memory at a place that the system chooses
        let page = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                PAGE_SIZE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        };
        let page = NonNull::new(page.ok()?)?;
        // SAFETY: the memory was just mapped, and nothing is in it
        if unsafe { madvise(page.as_ptr(), PAGE_SIZE, Advice::LinuxWipeOnFork) }.is_ok() {
            return Some(page.cast());
        }
        // SAFETY: as above
        let _ = unsafe { munmap(page.as_ptr(), PAGE_SIZE) };
        None
    }
}

/// Other systems have no such page; where there is no fork, the number never changes.
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

/// A value that each process has for itself: the first one is for the process that uses it first, children begin with a default.
pub struct PerProcess<T> {
    first: Node<T>,
}

struct Node<T> {
    /// The process that it belongs to; 0 as long as nobody used it.
    owner: AtomicU64,
    value: T,
    next: AtomicPtr<Node<T>>,
}

impl<T> PerProcess<T> {
    /// With the value of the process that uses it first.
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

    /// The values of the processes that this one descends from. They are copies that nobody else uses, but a lock among them may
    /// have been held by a thread that does not exist here: only ever try it.
    pub fn inherited(&self) -> impl Iterator<Item = &T> {
        let here = Process::current().0;
        std::iter::successors(Some(&self.first), |node| node.next())
            .filter(move |node| !matches!(node.owner.load(Ordering::Acquire), owner if owner == 0 || owner == here))
            .map(|node| &node.value)
    }

    /// A value for this process at the end of the list, or what another thread put there.
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
                // SAFETY: made above, and nobody else knows it
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
            // SAFETY: made by `Box::into_raw`, and with `&mut` nobody refers to it any more
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
        // as in a child: the only value belongs to another process, whose lock nobody will open
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
