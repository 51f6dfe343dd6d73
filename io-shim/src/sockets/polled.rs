//! Any `AsyncRead` and `AsyncWrite` as a [`ByteStream`].
//!
//! It counts as ready until a try fails, and again when the stream wakes it. It reads in lumps,
//! because a protocol whose window reopens byte by byte is slow. Invariant: at most one lump is in
//! memory here.

use std::{
    io::{self, IoSlice},
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::{BufMut, BytesMut};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

use super::byte_stream::ByteStream;
use crate::policy::limits;

/// Two polled halves as a [`ByteStream`].
pub(super) struct Polled<R, W> {
    reader: Mutex<Reader<R>>,
    writer: Mutex<W>,
    reading: Arc<Readiness>,
    writing: Arc<Readiness>,
    local: Option<IpAddr>,
}

/// Bytes that were read ahead.
struct Reader<R> {
    inner: R,
    lump: BytesMut,
}

/// Whether a try may succeed.
struct Readiness {
    is_ready: AtomicBool,
    called: Notify,
}

impl<R, W> Polled<R, W> {
    /// `local` is the address of this computer that the stream uses, if that is known.
    pub(super) fn new(reader: R, writer: W, local: Option<IpAddr>) -> Self {
        let ready =
            || Arc::new(Readiness { is_ready: AtomicBool::new(true), called: Notify::new() });
        let reader = Reader { inner: reader, lump: BytesMut::new() };
        Self {
            reader: Mutex::new(reader),
            writer: Mutex::new(writer),
            reading: ready(),
            writing: ready(),
            local,
        }
    }
}

impl<R: AsyncRead + Send + Unpin, W: AsyncWrite + Send + Unpin> ByteStream for Polled<R, W> {
    fn local_ip(&self) -> Option<IpAddr> {
        self.local
    }

    async fn readable(&self) -> io::Result<()> {
        self.reading.wait().await;
        Ok(())
    }

    async fn writable(&self) -> io::Result<()> {
        self.writing.wait().await;
        Ok(())
    }

    fn try_read(&self, buffer: &mut BytesMut, most: usize) -> io::Result<usize> {
        let mut reader = self.reader.lock();
        if reader.lump.is_empty() {
            let filled = reader.fill(&self.reading);
            if reader.lump.is_empty() {
                return filled.map(|()| 0);
            }
        }
        let now = most.min(reader.lump.len());
        buffer.extend_from_slice(&reader.lump.split_to(now));
        if reader.lump.is_empty() {
            // A quiet connection holds no memory.
            reader.lump = BytesMut::new();
        }
        self.reading.is_ready.store(true, Ordering::Release);
        Ok(now)
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut writer = self.writer.lock();
        let mut written = 0;
        for slice in slices {
            match self.writing.attempt(|cx| Pin::new(&mut *writer).poll_write(cx, slice)) {
                Ok(now) => {
                    written += now;
                    if now < slice.len() {
                        break;
                    }
                }
                Err(error) if written == 0 => return Err(error),
                // The next try returns the error again.
                Err(_) => break,
            }
        }
        Ok(written)
    }
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads what is there. An end or an error is returned when its turn comes.
    fn fill(&mut self, reading: &Arc<Readiness>) -> io::Result<()> {
        while self.lump.len() < limits::POLLED_LUMP {
            let before = self.lump.len();
            self.lump.put_bytes(0, limits::READ_MIN);
            let mut unfilled = ReadBuf::new(&mut self.lump[before..]);
            let read = reading.attempt(|cx| Pin::new(&mut self.inner).poll_read(cx, &mut unfilled));
            let filled = unfilled.filled().len();
            self.lump.truncate(before + filled);
            read?;
            if filled == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl Readiness {
    async fn wait(&self) {
        while !self.is_ready.load(Ordering::Acquire) {
            self.called.notified().await;
        }
    }

    fn attempt<T>(
        self: &Arc<Self>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        // Before the try, so that a wake-up during the try is not lost.
        self.is_ready.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(self));
        match poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => {
                self.is_ready.store(true, Ordering::Release);
                outcome
            }
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Wake for Readiness {
    fn wake(self: Arc<Self>) {
        self.is_ready.store(true, Ordering::Release);
        self.called.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex, split},
        time::timeout,
    };

    use super::*;

    async fn is_ready(waiting: impl Future<Output = io::Result<()>>) -> bool {
        timeout(Duration::from_millis(20), waiting).await.is_ok()
    }

    #[tokio::test]
    async fn a_polled_stream_is_ready_when_a_try_can_succeed() {
        let (mut far, near) = duplex(8);
        let (reader, writer) = split(near);
        let stream = Polled::new(reader, writer, None);
        let mut buffer = BytesMut::from(&b"before "[..]);
        let would_block =
            |tried: io::Result<usize>| tried.unwrap_err().kind() == io::ErrorKind::WouldBlock;
        assert!(would_block(stream.try_read(&mut buffer, 4)));
        assert_eq!(&buffer[..], b"before ");
        assert!(!is_ready(stream.readable()).await);
        far.write_all(b"hello").await.unwrap();
        assert!(is_ready(stream.readable()).await);
        assert_eq!(stream.try_read(&mut buffer, 4).unwrap(), 4);
        assert_eq!(stream.try_read(&mut buffer, 4).unwrap(), 1);
        assert_eq!(&buffer[..], b"before hello");

        assert!(is_ready(stream.writable()).await);
        assert_eq!(stream.try_write(&[IoSlice::new(b"abc"), IoSlice::new(b"defghij")]).unwrap(), 8);
        assert!(would_block(stream.try_write(&[IoSlice::new(b"ij")])));
        assert!(!is_ready(stream.writable()).await);
        let mut heard = [0; 8];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"abcdefgh");
        assert!(is_ready(stream.writable()).await);
        assert_eq!(stream.try_write(&[IoSlice::new(b"ij")]).unwrap(), 2);
        drop(far);
        assert!(is_ready(stream.readable()).await);
        assert_eq!(stream.try_read(&mut buffer, 4).unwrap(), 0);
    }
}
