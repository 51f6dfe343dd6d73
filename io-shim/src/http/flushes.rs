//! When a connection has handed all its bytes to the kernel.
//!
//! A body that ends in an error breaks its connection, and hyper then drops what it has not written
//! yet. [`LastBytes`] holds such an error back until the bytes before it are written: they were
//! granted, so the client shall have them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;

use crate::http::replies::{Body, BoxError};

/// Counts how often one connection had no byte left to write.
#[derive(Default)]
pub(crate) struct Flushes {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    count: u64,
    waiting: Option<Waker>,
}

impl Flushes {
    /// The connection has written all its bytes.
    pub(crate) fn flushed(&self) {
        let mut state = self.state.lock();
        state.count += 1;
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    fn count(&self) -> u64 {
        self.state.lock().count
    }

    /// Ready when the connection was flushed after the first `before` times.
    fn poll_after(&self, before: u64, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.count > before {
            return Poll::Ready(());
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A body whose error comes after the connection's next flush.
pub(crate) struct LastBytes {
    body: Body,
    flushes: Arc<Flushes>,
    /// The error, and the number of flushes when it came.
    held: Option<(BoxError, u64)>,
}

impl LastBytes {
    pub(crate) fn new(body: Body, flushes: Arc<Flushes>) -> Self {
        Self { body, flushes, held: None }
    }
}

impl http_body::Body for LastBytes {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.held.is_none() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Err(error)) => self.held = Some((error, self.flushes.count())),
                frame => return Poll::Ready(frame),
            }
        }
        if let Some((_, before)) = &self.held {
            std::task::ready!(self.flushes.poll_after(*before, cx));
        }
        Poll::Ready(self.held.take().map(|(error, _)| Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;
    use std::time::Duration;

    use http::Response;
    use http_body_util::{BodyExt as _, StreamBody};
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::control::desk::Activity;
    use crate::http::connections::Watched;

    /// A body that breaks after these bytes.
    fn broken(bytes: &'static [u8]) -> Body {
        let end = || io::Error::from(io::ErrorKind::UnexpectedEof).into();
        let frames = [Ok(Frame::data(Bytes::from_static(bytes))), Err(end())];
        StreamBody::new(futures_util::stream::iter(frames)).boxed()
    }

    /// What a client receives of a broken body over a stream that holds `space` bytes.
    async fn received(space: usize) -> String {
        let (near, mut far) = tokio::io::duplex(space);
        let flushes = Arc::<Flushes>::default();
        let activity = Arc::new(Activity::new(Duration::from_secs(10)));
        let stream = TokioIo::new(Watched::new(near, activity, Arc::clone(&flushes)));
        let service = service_fn(move |_| {
            let body = Body::new(LastBytes::new(broken(b"granted"), Arc::clone(&flushes)));
            async move { Ok::<_, Infallible>(Response::new(body)) }
        });
        let served = tokio::spawn(http1::Builder::new().serve_connection(stream, service));
        far.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        assert!(served.await.unwrap().is_err(), "the connection is broken");
        text
    }

    #[tokio::test]
    async fn the_bytes_before_an_error_reach_a_client_that_is_fast() {
        assert!(received(1 << 10).await.contains("granted"));
    }

    #[tokio::test]
    async fn the_bytes_before_an_error_reach_a_client_that_is_slow() {
        for space in 1..40 {
            assert!(received(space).await.contains("granted"), "{space}");
        }
    }
}
