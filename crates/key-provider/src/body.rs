//! Response bodies, sent at once, in chunks, slowly, or truncated.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The rest of a body.
pub(crate) struct Body {
    parts: VecDeque<Bytes>,
    left: u64,
    has_length: bool,
    /// sends one byte at a time, at this interval
    pace: Option<Duration>,
    /// fails when this many bytes are left
    cut_at: Option<u64>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Body {
    pub(crate) fn new(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let parts: VecDeque<Bytes> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self {
            left: parts.iter().map(|part| part.len() as u64).sum(),
            parts,
            has_length: true,
            pace: None,
            cut_at: None,
            timer: None,
        }
    }

    /// Sends it without a length, in about eight pieces of at least 16 bytes, and at least as many as there are parts.
    pub(crate) fn in_chunks(mut self) -> Self {
        self.has_length = false;
        let piece = usize::try_from(self.left / 8).unwrap_or(usize::MAX).max(16);
        let mut parts = VecDeque::new();
        for mut part in self.parts {
            while part.len() > piece {
                parts.push_back(part.split_to(piece));
            }
            parts.push_back(part);
        }
        self.parts = parts;
        self
    }

    /// Sends one byte now and one after each pause.
    pub(crate) fn dripping(mut self, pause: Duration) -> Self {
        self.pace = Some(pause);
        self
    }

    /// Sends half of it, then fails.
    pub(crate) fn cut(mut self) -> Self {
        self.cut_at = Some(self.left.div_ceil(2));
        self
    }

    fn next_length(&self, front: usize) -> usize {
        let allowed = self.left - self.cut_at.unwrap_or(0);
        let most = usize::try_from(allowed).unwrap_or(usize::MAX).min(front);
        if self.pace.is_some() { most.min(1) } else { most }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Some(timer) = &mut this.timer {
            ready!(timer.as_mut().poll(cx));
            this.timer = None;
            if this.cut_at == Some(this.left) {
                return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
            }
        }
        let Some(front) = this.parts.front().map(Bytes::len) else {
            return Poll::Ready(None);
        };
        let length = this.next_length(front);
        let data = match this.parts.front_mut() {
            Some(front) if length < front.len() => front.split_to(length),
            _ => this.parts.pop_front().unwrap_or_default(),
        };
        this.left -= data.len() as u64;
        // pause before the cut, so that the data so far is sent
        let pause = if this.cut_at == Some(this.left) {
            Some(Duration::from_millis(50))
        } else {
            this.pace
        };
        this.timer = pause.map(|pause| Box::pin(sleep(pause)));
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && self.cut_at.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.has_length {
            SizeHint::with_exact(self.left)
        } else {
            SizeHint::default()
        }
    }
}
