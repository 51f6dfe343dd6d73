//! UDP sockets: datagrams for and from the engine, over bounded queues. A full queue drops
//! datagrams.
//!
//! Knows addresses and lengths, not what datagrams say. Invariants: a socket never waits for the
//! engine, nor the engine for a socket; no datagram comes from or goes to an address that the
//! policy would not dial, except a group that was joined.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket as StdSocket},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use shared_proto::{
    IoEvent, OpId,
    frame::MAX_DATAGRAM,
    ids::SocketId,
    io::{OpError, OpErrorKind},
};
use tokio::{net::UdpSocket, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    binding::GroupSockets,
    binding::bound,
    context::Context,
    session,
    utp::{Utp, is_utp},
};
use crate::files::error::{from_io, op_error};
use crate::policy::dial::DialPolicy;
use crate::policy::limits;

/// The pause after a failed receive. Some systems report there that an earlier datagram did not
/// arrive.
const PAUSE: Duration = Duration::from_millis(5);

/// Longest datagram, bytes.
const LONGEST: usize = 64 << 10;

/// The sockets behind one number of the engine.
pub(super) struct Sockets {
    listeners: Vec<Arc<UdpSocket>>,
    /// For a group: one socket per interface.
    speakers: Vec<Arc<UdpSocket>>,
    group: Option<SocketAddr>,
    port: u16,
}

/// The handle that commands act on.
pub(super) struct Udp {
    policy: DialPolicy,
    group: Option<SocketAddr>,
    outbox: mpsc::Sender<(SocketAddr, Bytes)>,
    sockets: Vec<Arc<UdpSocket>>,
    /// Set when uTP is accepted: its datagrams then no longer reach the engine.
    utp: Arc<OnceLock<Utp>>,
}

impl Sockets {
    /// Sockets at several addresses with one port.
    pub(super) fn plain(sockets: Vec<StdSocket>, port: u16) -> Result<Self, OpError> {
        let listeners = adopt(sockets)?;
        Ok(Self { speakers: listeners.clone(), listeners, group: None, port })
    }

    /// Sockets of a multicast group.
    pub(super) fn of_group(sockets: GroupSockets, group: IpAddr) -> Result<Self, OpError> {
        let GroupSockets { listener, speakers, port } = sockets;
        let group = Some(SocketAddr::new(group, port));
        Ok(Self { listeners: adopt(vec![listener])?, speakers: adopt(speakers)?, group, port })
    }
}

fn adopt(sockets: Vec<StdSocket>) -> Result<Vec<Arc<UdpSocket>>, OpError> {
    let adopted: io::Result<Vec<_>> =
        sockets.into_iter().map(|socket| UdpSocket::from_std(socket).map(Arc::new)).collect();
    adopted.map_err(|error| from_io(&error))
}

/// Reports the port, then carries datagrams both ways until the sockets are closed.
pub(super) fn start(
    context: &Arc<Context>,
    socket: SocketId,
    op: OpId,
    sockets: Sockets,
    closed: &CancellationToken,
) -> Udp {
    let (outbox, orders) = mpsc::channel(limits::MAX_UNSENT_DATAGRAMS);
    let Sockets { listeners, speakers, group, port } = sockets;
    let utp = Arc::new(OnceLock::new());
    let (hearing, closing, sorting) = (Arc::clone(context), closed.clone(), Arc::clone(&utp));
    tokio::spawn(closed.clone().run_until_cancelled_owned(async move {
        hearing.events.send(bound(op, port)).await;
        for listener in listeners {
            let receiving =
                receive_all(Arc::clone(&hearing), socket, listener, Arc::clone(&sorting));
            tokio::spawn(closing.clone().run_until_cancelled_owned(receiving));
        }
    }));
    let sending = send_all(speakers.clone(), orders, group.is_some());
    tokio::spawn(closed.clone().run_until_cancelled_owned(sending));
    Udp { policy: context.policy, group, outbox, sockets: speakers, utp }
}

impl Udp {
    /// Sends a datagram, or drops it.
    pub(super) fn send(&self, to: SocketAddr, data: Bytes) {
        let is_allowed = self.policy.allows(to) && self.group.is_none() || self.group == Some(to);
        if is_allowed && data.len() <= MAX_DATAGRAM {
            let _ = self.outbox.try_send((to, data));
        }
    }

    /// Accepts uTP from here on.
    pub(super) fn start_utp(
        &mut self,
        context: &Arc<Context>,
        socket: SocketId,
        closed: &CancellationToken,
    ) -> Result<(), OpError> {
        if self.group.is_some() {
            return Err(op_error(OpErrorKind::Denied, "a multicast group has no connections"));
        }
        if self.utp.get().is_none() {
            let utp = Utp::start(self.sockets.clone(), context.max_conns, closed)?;
            let accepting = accept_all(Arc::clone(context), socket, utp.clone());
            tokio::spawn(closed.clone().run_until_cancelled_owned(accepting));
            let _ = self.utp.set(utp);
        }
        Ok(())
    }

    /// uTP, if it is accepted here.
    pub(super) fn utp(&self) -> Option<Utp> {
        self.utp.get().cloned()
    }
}

/// Connections without space are refused: dropping one says goodbye.
async fn accept_all(context: Arc<Context>, socket: SocketId, utp: Utp) {
    while let Some((addr, stream)) = utp.accept().await {
        if let Some(stranger) = context.admit_stranger() {
            let event = IoEvent::TcpAccepted { socket, conn: stranger.id(), addr };
            tokio::spawn(session::run(Arc::clone(&context), stranger, event, async { Ok(stream) }));
        }
        context.events.room().await;
    }
}

async fn receive_all(
    context: Arc<Context>,
    socket: SocketId,
    listener: Arc<UdpSocket>,
    utp: Arc<OnceLock<Utp>>,
) {
    // Large enough for any datagram, because some systems return an error instead of a truncated
    // one.
    let mut buffer = vec![0; LONGEST];
    loop {
        match listener.recv_from(&mut buffer).await {
            Ok((length, from)) if context.policy.allows(from) => {
                if let Some(utp) = utp.get().filter(|_| is_utp(&buffer[..length])) {
                    utp.receive(from, &buffer[..length]);
                    continue;
                }
                let data = Bytes::copy_from_slice(&buffer[..length.min(MAX_DATAGRAM)]);
                context.events.offer(IoEvent::UdpReceived { socket, from, data });
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Sends queued datagrams. One for the group goes out on every interface, any other from the first
/// address with a route.
async fn send_all(
    speakers: Vec<Arc<UdpSocket>>,
    mut orders: mpsc::Receiver<(SocketAddr, Bytes)>,
    to_all: bool,
) {
    while let Some((to, data)) = orders.recv().await {
        for speaker in &speakers {
            if speaker.send_to(&data, to).await.is_ok() && !to_all {
                break;
            }
        }
    }
}
