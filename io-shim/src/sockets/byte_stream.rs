//! A stream of bytes as a connection drives it: it tells when it can be read or written, and then
//! does so without waiting.
//!
//! So no byte is taken from the rate limits by somebody who only waits. TCP knows it from the
//! operating system. Owns no buffer.

use std::io::{self, IoSlice};

use bytes::{BufMut, BytesMut};
use tokio::net::TcpStream;

/// Both directions of a connection. One task waits for each.
pub(super) trait ByteStream: Send + Sync {
    /// Waits until reading is worth a try.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits until writing is worth a try.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Reads so many bytes at the most to the end of the buffer; 0 is the end of the stream.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there are none yet.
    fn try_read(&self, buffer: &mut BytesMut, most: usize) -> io::Result<usize>;

    /// Writes some of the bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it can't take any now.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl ByteStream for TcpStream {
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send {
        TcpStream::readable(self)
    }

    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send {
        TcpStream::writable(self)
    }

    fn try_read(&self, buffer: &mut BytesMut, most: usize) -> io::Result<usize> {
        buffer.reserve(most);
        self.try_read_buf(&mut buffer.limit(most))
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(slices)
    }
}
