//! Connects to a host: name resolution, TCP, proxy.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use socket2::{Domain, Protocol, SockRef, Type};

use crate::error::{Advice, Error};
use crate::logging;
use crate::options::Options;
use crate::transport::{Control, Ended, Socket};

use super::connection::{Stop, Wire, wait};
use super::url::{Host, Proxy, Url};

/// The interval at which waiting checks whether the call may continue.
const SLICE: Duration = Duration::from_millis(50);

/// The addresses of a host, in the system's order.
pub(super) fn resolve(host: &Host, port: u16, control: &Control<'_>) -> Result<Vec<SocketAddr>, Error> {
    let name = match host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        // the system resolves the interface name
        Host::Zoned(address, zone) => format!("{address}%{zone}"),
        Host::Name(name) => name.clone(),
    };
    // the system's resolver has no timeout, so it runs on a thread that can be abandoned
    let (sender, receiver) = mpsc::channel();
    let asked = name.clone();
    let spawned = thread::Builder::new()
        .name("skip-client-dns".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            let _ = sender.send(
                (asked.as_str(), port)
                    .to_socket_addrs()
                    .map(Iterator::collect::<Vec<_>>),
            );
        });
    spawned.map_err(|_| Error::name_not_found(&name))?;
    loop {
        match receiver.recv_timeout(SLICE) {
            Ok(Ok(addresses)) if !addresses.is_empty() => return Ok(addresses),
            Ok(_) | Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Error::name_not_found(&name)),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                control.check().map_err(|ended| not_connected(ended, "the name"))?;
            }
        }
    }
}

/// Connects to the first address that answers; each gets an equal share of the remaining time.
pub(super) fn connect(
    addresses: &[SocketAddr],
    options: &Options,
    control: &Control<'_>,
) -> Result<(Arc<Socket>, SocketAddr), Error> {
    let source = options.source_address;
    let fits = |address: &&SocketAddr| source.is_none_or(|source| source.is_ipv4() == address.is_ipv4());
    let addresses: Vec<&SocketAddr> = addresses.iter().filter(fits).collect();
    if addresses.is_empty() {
        return Err(Error::source_address(
            "is of another family than the addresses to connect to",
        ));
    }
    let mut last = None;
    for (tried, address) in addresses.iter().copied().enumerate() {
        let now = Instant::now();
        let left = control.deadline.saturating_duration_since(now);
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        match connect_one(*address, options, &control.until(now + share)) {
            Ok(socket) => return Ok((socket, *address)),
            Err(error) if control.check() == Err(Ended::Cancelled) => return Err(error),
            Err(error) => {
                if tried + 1 < addresses.len() {
                    logging::trying_next_address(&error);
                }
                last = Some(error);
            }
        }
    }
    Err(last.unwrap_or_else(|| Error::connect_failed("the host", None)))
}

fn connect_one(address: SocketAddr, options: &Options, control: &Control<'_>) -> Result<Arc<Socket>, Error> {
    let failed = |error: io::Error| Error::connect_failed(&address.to_string(), Some(error.kind()));
    let socket = Arc::new(Socket::new(new_socket(address).map_err(failed)?));
    let _watch = control.watch(&socket);
    let tcp = SockRef::from(&socket.tcp);
    if let Some(source) = options.source_address {
        tcp.bind(&SocketAddr::new(source, 0).into())
            .map_err(|_| Error::source_address("is no address of this machine"))?;
    }
    tcp.set_nonblocking(true).map_err(failed)?;
    if let Err(error) = tcp.connect(&address.into()) {
        let in_progress = rustix::io::Errno::INPROGRESS.raw_os_error();
        if error.raw_os_error() != Some(in_progress) && error.kind() != io::ErrorKind::WouldBlock {
            return Err(failed(error));
        }
        loop {
            control.check().map_err(|ended| not_connected(ended, "a connection"))?;
            let slice = SLICE.min(control.deadline.saturating_duration_since(Instant::now()));
            // a slice is short, so it fits
            let timeout = Timespec::try_from(slice).ok();
            let mut waiting = [PollFd::new(&socket.tcp, PollFlags::OUT)];
            match rustix::event::poll(&mut waiting, timeout.as_ref()) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => break,
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
    if socket.is_ended() {
        return Err(not_connected(Ended::Cancelled, "a connection"));
    }
    if let Some(error) = tcp.take_error().map_err(failed)? {
        return Err(failed(error));
    }
    tcp.set_nonblocking(false).map_err(failed)?;
    // a request is one small write that must not be delayed
    tcp.set_tcp_nodelay(true).map_err(failed)?;
    Ok(socket)
}

/// A TCP socket that is none of the standard streams, even if the process has closed those: what is written to them would go out in clear.
fn new_socket(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    if socket.as_raw_fd() <= 2 {
        return Ok(rustix::io::fcntl_dupfd_cloexec(&socket, 3)?.into());
    }
    Ok(socket.into())
}

/// Asks a proxy for a tunnel to the Key Provider.
pub(super) fn tunnel(socket: &Arc<Socket>, proxy: &Proxy, url: &Url, control: &Control<'_>) -> Result<(), Error> {
    const LIMIT: usize = 8 * 1024;
    let to = url.host_and_port();
    let authorization = proxy
        .authorization
        .as_deref()
        .map_or_else(String::new, |a| format!("Proxy-Authorization: {a}\r\n"));
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{authorization}\r\n");
    let failed = |status| Error::proxy_failed(&proxy.host_and_port(), status, proxy.authorization.is_some());
    let mut wire = Wire::new(Arc::clone(socket));
    let stopped = |stop: Stop| match stop {
        Stop::Ended(ended) => not_connected(ended, "the proxy's answer"),
        _ => failed(None),
    };
    let mut rest = request.as_bytes();
    while !rest.is_empty() {
        let n = wait(&mut wire, control, |wire| wire.write(rest)).map_err(stopped)?;
        rest = &rest[n..];
    }
    let mut reply = Vec::with_capacity(256);
    let mut byte = [0];
    // byte by byte, so that no byte of the TLS stream after the head is consumed
    while !reply.ends_with(b"\r\n\r\n") {
        if reply.len() >= LIMIT || wait(&mut wire, control, |wire| wire.read(&mut byte)).map_err(stopped)? == 0 {
            return Err(failed(None));
        }
        reply.push(byte[0]);
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    match (parsed.parse(&reply), parsed.code) {
        (Ok(_), Some(200..=299)) => Ok(()),
        (Ok(_), code) => Err(failed(code)),
        (Err(_), _) => Err(failed(None)),
    }
}

pub(super) fn not_connected(ended: Ended, what: &'static str) -> Error {
    match ended {
        Ended::Deadline => Error::timed_out(what, Advice::SameRequest),
        Ended::Cancelled => Error::cancelled(Advice::SameRequest),
    }
}
