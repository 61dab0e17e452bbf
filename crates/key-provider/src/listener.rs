//! Connections: accept, TLS, HTTP. Generic over the TLS stack: each is an [`Acceptor`].

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::service::Provider;
use crate::switches::{Fault, Quirk, Snapshot, Switches};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use skip_client::fork::hold_off;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// The handshake timeout.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The server side of a TLS stack.
pub(crate) trait Acceptor: Clone + Send + Sync + 'static {
    type Stream: TlsStream;

    /// `switches` are those at the time the connection was accepted.
    fn handshake(&self, tcp: TcpStream, switches: Snapshot) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// An open TLS stream whose TCP connection can be closed underneath.
pub(crate) trait TlsStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&mut self) -> &mut TcpStream;
}

/// Serves all incoming connections; never returns.
pub(crate) async fn serve<A: Acceptor>(listener: TcpListener, acceptor: A, provider: Arc<Provider>) {
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => {
                let mut connection = Box::pin(connection(tcp, acceptor.clone(), Arc::clone(&provider)));
                // a client in a child of this process would inherit the locks of the TLS library
                tokio::spawn(poll_fn(move |context| hold_off(|| connection.as_mut().poll(context))));
            }
            // out of descriptors, or the client went away: both are temporary
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves one connection, from its handshake to its end. Errors are only visible to the client; nothing is logged.
async fn connection<A: Acceptor>(tcp: TcpStream, acceptor: A, provider: Arc<Provider>) {
    // small responses should not wait for an acknowledgement; without this they are only slower
    let _ = tcp.set_nodelay(true);
    let open = Open::count(&provider);
    if open.others >= MANY && provider.switches.snapshot().fault(Fault::FewConnections) {
        return;
    }
    let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.handshake(tcp, provider.switches.snapshot())).await else {
        return;
    };
    let stream = Closing {
        stream,
        switches: Arc::clone(&provider.switches),
        ended: false,
    };
    let service = service_fn(move |request| {
        let provider = Arc::clone(&provider);
        async move { provider.answer(request).await }
    });
    // vectored writes: hyper then passes a body on without copying it, and the body wipes itself
    let _ = http1::Builder::new()
        .writev(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The maximum number of connections with few-connections.
const MANY: u64 = 40;

/// Counts a connection for as long as it is open.
struct Open {
    provider: Arc<Provider>,
    others: u64,
}

impl Open {
    fn count(provider: &Arc<Provider>) -> Self {
        Self {
            others: provider.counters.connections.fetch_add(1, Ordering::SeqCst),
            provider: Arc::clone(provider),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.provider.counters.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A stream that reads and closes according to the switches: with or without `close_notify`.
struct Closing<S> {
    stream: S,
    switches: Arc<Switches>,
    /// nothing more is read
    ended: bool,
}

const CLOSE: &[u8] = b"Connection: close";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// The position of `part` in `all`.
fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|window| window == part)
}

impl<S: TlsStream> AsyncRead for Closing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let switches = self.switches.snapshot();
        let read = &mut buffer.filled_mut()[before..];
        if switches.quirk(Quirk::IgnoresConnectionClose)
            && let Some(at) = find(read, CLOSE)
        {
            // a meaningless header of the same length
            read[at..at + CLOSE.len()].copy_from_slice(b"X-Ignored: closed");
        }
        if switches.fault(Fault::LosesPipelined)
            && let Some(at) = find(read, END_OF_HEAD).map(|at| at + END_OF_HEAD.len())
            && at < read.len()
        {
            buffer.set_filled(before + at);
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: TlsStream> AsyncWrite for Closing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.switches.snapshot().quirk(Quirk::NoCloseNotify) {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            Pin::new(self.stream.tcp()).poll_shutdown(cx)
        } else {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}
