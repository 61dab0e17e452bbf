//! Child processes of tests.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(unsafe_code, reason = "fork and waitpid are functions of the C library")]

use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

/// A child process and its output.
pub struct Child {
    pid: libc::pid_t,
    said: UnixStream,
}

/// Runs a closure in a child; its result is sent to the parent.
pub fn fork(run: impl FnOnce() -> String) -> Child {
    let (parent, child) = UnixStream::pair().expect("a pipe");
    // SAFETY: the child runs Rust code until `_exit`; that this works after a fork is what is tested
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "no fork");
    if pid == 0 {
        drop(parent);
        let said = catch_unwind(AssertUnwindSafe(run));
        let code = match said {
            Ok(said) => i32::from((&child).write_all(said.as_bytes()).is_err()),
            Err(_) => 1,
        };
        // SAFETY: ends the child without the exit handlers of the parent's test runner
        unsafe { libc::_exit(code) };
    }
    Child { pid, said: parent }
}

impl Child {
    /// Waits for it, and kills one that hangs.
    pub fn wait(mut self) -> String {
        let until = Instant::now() + Duration::from_mins(1);
        let mut status = 0;
        loop {
            // SAFETY: a child of this process, and space for its status
            if unsafe { libc::waitpid(self.pid, &raw mut status, libc::WNOHANG) } == self.pid {
                break;
            }
            if Instant::now() > until {
                // SAFETY: the child has not been waited for, so the pid is still its own
                unsafe { libc::kill(self.pid, libc::SIGKILL) };
                panic!("the child hangs");
            }
            thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(status, 0, "the child failed");
        let mut said = String::new();
        self.said.read_to_string(&mut said).expect("text");
        said
    }
}

/// The peer address of a descriptor, if it is a socket.
pub fn peer_of(fd: i32) -> Option<SocketAddr> {
    // SAFETY: only looked at, and left open
    let socket = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
    socket.peer_addr().ok()
}
