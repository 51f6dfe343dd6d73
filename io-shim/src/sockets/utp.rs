//! uTP (BEP 29): connections over a UDP socket.
//!
//! The crate librqbit-utp implements the protocol; this module carries its datagrams and bounds it.
//! Knows nothing of what connections carry. Invariants: the protocol never waits for the network: a
//! datagram that the socket does not accept is lost, so nothing queues up; and the protocol only
//! sees errors about its own datagram, so that one bad address does not end all connections.

use std::{
    io::{self, IoSlice},
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dontfrag::UdpSocketExt;
use librqbit_dualstack_sockets::PollSendToVectored;
use librqbit_utp::{
    SocketOpts, Transport, UtpSocket, UtpSocketUdp, UtpStream, UtpStreamReadHalf,
    UtpStreamWriteHalf,
};
use shared_proto::io::{CloseReason, OpError, OpErrorKind};
use tokio::{
    net::UdpSocket,
    sync::{Mutex, mpsc},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

mod dials;
mod packet;
mod shut;

use self::dials::Dials;
use self::packet::{HEADER, SILENCE, SYN, VERSION};
use self::shut::Shut;
use super::network::source_towards;
use super::polled::Polled;
use crate::files::error::op_error;
use crate::policy::limits;

/// The pause before a SYN is first repeated. It doubles.
const FIRST_REPEAT: Duration = Duration::from_secs(1);

/// A uTP connection.
pub(super) type Stream = Polled<UtpStreamReadHalf, UtpStreamWriteHalf>;

/// The crate names its own clock nowhere else.
trait Parts {
    type Environment;
}

impl<T, E> Parts for UtpSocket<T, E> {
    type Environment = E;
}

type Environment = <UtpSocketUdp as Parts>::Environment;

/// uTP over one port. Clones share it.
#[derive(Clone)]
pub(super) struct Utp {
    socket: Arc<UtpSocket<Carrier, Environment>>,
    wire: Arc<Wire>,
    inbox: mpsc::Sender<(SocketAddr, Bytes)>,
}

/// Whether a datagram is uTP.
pub(super) fn is_utp(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] & 0x0f == VERSION && datagram[0] >> 4 <= SYN
}

impl Utp {
    /// Runs uTP over these sockets until `closed`, with at most `most` connections.
    pub(super) fn start(
        sockets: Vec<Arc<UdpSocket>>,
        max_conns: usize,
        closed: &CancellationToken,
    ) -> Result<Self, OpError> {
        for socket in &sockets {
            let is_v4 = socket.local_addr().is_ok_and(|addr| addr.is_ipv4());
            // Otherwise a network may fragment datagrams, which only costs speed.
            let _ = if is_v4 { socket.set_dontfrag_v4(true) } else { socket.set_dontfrag_v6(true) };
        }
        let (inbox, received) = mpsc::channel(limits::MAX_UTP_INBOX);
        let wire = Arc::new(Wire { sockets, dials: Dials::default(), shut: Shut::new(max_conns) });
        let carrier = Carrier { wire: Arc::clone(&wire), received: Mutex::new(received) };
        tokio::spawn(
            closed.clone().run_until_cancelled_owned(knock(Arc::clone(&wire), inbox.clone())),
        );
        let options = SocketOpts {
            vsock_rx_bufsize_bytes: NonZeroUsize::new(limits::UTP_BUFFER),
            vsock_tx_bufsize_bytes_max: NonZeroUsize::new(limits::UTP_BUFFER),
            // Requests are small and must not wait for a full segment.
            disable_nagle: true,
            remote_inactivity_timeout: Some(SILENCE),
            max_live_vsocks: NonZeroUsize::new(max_conns),
            cancellation_token: closed.child_token(),
            ..SocketOpts::default()
        };
        let socket = UtpSocket::new_with_opts(carrier, Environment::default(), options)
            .map_err(|_| op_error(OpErrorKind::Other, "uTP cannot start on this socket"))?;
        Ok(Self { socket, wire, inbox })
    }

    /// Takes a received datagram, or drops it when the queue is full.
    pub(super) fn receive(&self, from: SocketAddr, datagram: &[u8]) {
        self.wire.dials.heard(from, datagram);
        self.wire.shut.heard(from, datagram);
        let _ = self.inbox.try_send((from, Bytes::copy_from_slice(datagram)));
    }

    /// Waits for the next incoming connection; `None` when uTP is closed.
    pub(super) async fn accept(&self) -> Option<(SocketAddr, Stream)> {
        let stream = self.socket.accept().await.ok()?;
        Some((stream.remote_addr(), stream_of(stream)))
    }

    /// Opens a connection. The SYN may get lost, so it is repeated; SYNs without an answer are
    /// reset in the end.
    pub(super) async fn dial(
        self,
        addr: SocketAddr,
        timeout: Duration,
    ) -> Result<Stream, CloseReason> {
        let give_up = Instant::now() + timeout;
        let dial = Dial::begin(&self.wire, addr);
        let mut connect = pin!(self.socket.connect(addr));
        let mut patience = FIRST_REPEAT;
        loop {
            let until = give_up.min(Instant::now() + patience);
            match timeout_at(until, &mut connect).await {
                Ok(Ok(stream)) => return Ok(stream_of(stream)),
                Ok(Err(librqbit_utp::Error::TooManyActiveConnections)) => {
                    return Err(CloseReason::Limit);
                }
                Ok(Err(_)) => return Err(CloseReason::Network),
                Err(_) if until == give_up => return Err(CloseReason::Timeout),
                Err(_) => {
                    dial.repeat();
                    patience *= 2;
                }
            }
        }
    }
}

/// An address that is being dialled, until this is dropped.
struct Dial<'a> {
    wire: &'a Wire,
    addr: SocketAddr,
}

impl<'a> Dial<'a> {
    fn begin(wire: &'a Wire, addr: SocketAddr) -> Self {
        wire.dials.begin(addr);
        Self { wire, addr }
    }

    fn repeat(&self) {
        for call in self.wire.dials.unanswered(self.addr) {
            let _ = self.wire.send(&call, self.addr);
        }
    }
}

impl Drop for Dial<'_> {
    fn drop(&mut self) {
        for reset in self.wire.dials.end(self.addr) {
            let _ = self.wire.send(&reset, self.addr);
        }
    }
}

async fn knock(wire: Arc<Wire>, inbox: mpsc::Sender<(SocketAddr, Bytes)>) {
    loop {
        for knock in wire.shut.knocks().await {
            let _ = inbox.try_send(knock);
        }
    }
}

fn stream_of(stream: UtpStream) -> Stream {
    // The socket is bound to every address, so the route tells which one the datagrams come from.
    let local = source_towards(stream.remote_addr());
    let (reader, writer) = stream.split();
    Polled::new(reader, writer, local)
}

/// The port's sockets, and what is known of the datagrams that pass.
struct Wire {
    sockets: Vec<Arc<UdpSocket>>,
    dials: Dials,
    shut: Shut,
}

impl Wire {
    /// Sends from the first address with a route.
    fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        for socket in &self.sockets {
            match socket.try_send_to(datagram, to) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_too_long(&error) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// The protocol's transport. It receives the datagrams that `Utp::receive` queues, and sends over
/// the wire.
struct Carrier {
    wire: Arc<Wire>,
    received: Mutex<mpsc::Receiver<(SocketAddr, Bytes)>>,
}

impl Carrier {
    fn pass(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.wire.dials.sent(to, datagram);
        self.wire.shut.sent(to, datagram);
        self.wire.send(datagram, to)?;
        Ok(datagram.len())
    }
}

/// Whether a datagram is too long for its path, which the protocol probes.
#[cfg(unix)]
fn is_too_long(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MSGSIZE)
}

/// Whether a datagram is too long for its path, which the protocol probes.
#[cfg(not(unix))]
fn is_too_long(error: &io::Error) -> bool {
    const WSAEMSGSIZE: i32 = 10_040;
    error.raw_os_error() == Some(WSAEMSGSIZE)
}

impl Transport for Carrier {
    async fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self.received.lock().await.recv().await {
            Some((from, datagram)) => {
                let length = datagram.len().min(buf.len());
                buf[..length].copy_from_slice(&datagram[..length]);
                Ok((length, from))
            }
            None => std::future::pending().await,
        }
    }

    async fn send_to<'a>(&'a self, buf: &'a [u8], target: SocketAddr) -> io::Result<usize> {
        self.pass(buf, target)
    }

    fn poll_send_to(
        &self,
        _: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.pass(buf, target))
    }

    fn bind_addr(&self) -> SocketAddr {
        let first = self.wire.sockets.first().and_then(|socket| socket.local_addr().ok());
        first.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into())
    }
}

impl PollSendToVectored for Carrier {
    fn poll_send_to_vectored(
        &self,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let datagram: Vec<u8> = bufs.iter().flat_map(|part| part.iter().copied()).collect();
        Poll::Ready(self.pass(&datagram, target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_datagrams_are_of_the_protocol() {
        let check = |first: u8, length: usize, expected| {
            let mut datagram = vec![0; length];
            datagram.first_mut().into_iter().for_each(|byte| *byte = first);
            assert_eq!(is_utp(&datagram), expected, "{first:#x} {length}");
        };
        for first in [0x01, 0x11, 0x21, 0x31, 0x41] {
            check(first, 20, true);
            check(first, 1400, true);
            check(first, 19, false);
        }
        // Other versions and types, another protocol, a bencoded dictionary.
        for first in [0x00, 0x02, 0x51, 0xf1, b'd'] {
            check(first, 100, false);
        }
        check(0, 0, false);
    }
}
