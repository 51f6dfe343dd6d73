//! A stream of bytes that tells when a read or write need not wait.
//!
//! A connection that is not ready thus takes no bytes from the rate limits. For TCP the operating
//! system tells the readiness. Owns no buffer.

use std::io::{self, IoSlice};
use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use tokio::net::TcpStream;

/// Both directions of a connection. One task waits for each.
pub(super) trait ByteStream: Send + Sync {
    /// The address of this computer that the stream uses, if that is known.
    fn local_ip(&self) -> Option<IpAddr>;

    /// Waits until reading may succeed.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits until writing may succeed.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Reads at most `most` bytes to the end of the buffer. Returns 0 at the end of the stream.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when no byte has arrived; other errors of the stream.
    fn try_read(&self, buffer: &mut BytesMut, most: usize) -> io::Result<usize>;

    /// Writes some of the bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the stream accepts none now; other errors of the stream.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl ByteStream for TcpStream {
    fn local_ip(&self) -> Option<IpAddr> {
        self.local_addr().ok().map(|local| local.ip().to_canonical())
    }

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
