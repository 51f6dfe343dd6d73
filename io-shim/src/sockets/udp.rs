//! UDP sockets: datagrams up to the engine and down to the network, over bounded queues that drop
//! what does not fit.
//!
//! Knows addresses and lengths, not what datagrams say. Invariants: nothing here ever waits for the
//! engine, nor the engine for this; no datagram comes from or goes to an address that the policy
//! would not dial, the group that was joined excepted.

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
    Context, DialPolicy,
    binding::GroupSockets,
    conn,
    ports::bound,
    utp::{Utp, is_utp},
};
use crate::files::error::{from_io, op_error};
use crate::limits;

/// How long one that failed to receive waits. Some systems report there that an earlier datagram
/// did not arrive.
const PAUSE: Duration = Duration::from_millis(5);

/// Longest datagram of all, bytes.
const LONGEST: usize = 64 << 10;

/// The sockets behind one number of the engine.
pub(super) struct Sockets {
    listeners: Vec<Arc<UdpSocket>>,
    /// Of a group: one for each interface.
    speakers: Vec<Arc<UdpSocket>>,
    group: Option<SocketAddr>,
    port: u16,
}

/// What commands act upon.
pub(super) struct Udp {
    policy: DialPolicy,
    group: Option<SocketAddr>,
    outbox: mpsc::Sender<(SocketAddr, Bytes)>,
    sockets: Vec<Arc<UdpSocket>>,
    /// Once it is spoken: what is uTP's is no longer handed up.
    utp: Arc<OnceLock<Utp>>,
}

impl Sockets {
    /// At one port of several addresses.
    pub(super) fn plain(sockets: Vec<StdSocket>, port: u16) -> Result<Self, OpError> {
        let listeners = adopt(sockets)?;
        Ok(Self { speakers: listeners.clone(), listeners, group: None, port })
    }

    /// Of a multicast group.
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

/// Says at which port they are, and carries datagrams both ways until they are closed.
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
    /// Sends a datagram, or loses it.
    pub(super) fn send(&self, to: SocketAddr, data: Bytes) {
        let is_allowed = self.policy.allows(to) && self.group.is_none() || self.group == Some(to);
        if is_allowed && data.len() <= MAX_DATAGRAM {
            let _ = self.outbox.try_send((to, data));
        }
    }

    /// From here on datagrams of uTP are connections.
    pub(super) fn start_utp(
        &mut self,
        context: &Arc<Context>,
        socket: SocketId,
        closed: &CancellationToken,
    ) -> Result<(), OpError> {
        if self.group.is_some() {
            return Err(op_error(OpErrorKind::Denied, "a group has no connections"));
        }
        if self.utp.get().is_none() {
            let utp = Utp::start(self.sockets.clone(), context.max_conns, closed)?;
            let accepting = accept_all(Arc::clone(context), socket, utp.clone());
            tokio::spawn(closed.clone().run_until_cancelled_owned(accepting));
            let _ = self.utp.set(utp);
        }
        Ok(())
    }

    /// uTP, if it is spoken here.
    pub(super) fn utp(&self) -> Option<Utp> {
        self.utp.get().cloned()
    }
}

/// Those for whom there is no room are shut out: dropping a connection says goodbye.
async fn accept_all(context: Arc<Context>, socket: SocketId, utp: Utp) {
    while let Some((addr, stream)) = utp.accept().await {
        if let Some(stranger) = context.admit_stranger() {
            let event = IoEvent::TcpAccepted { socket, conn: stranger.id(), addr };
            tokio::spawn(conn::run(Arc::clone(&context), stranger, event, async { Ok(stream) }));
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
    // Room for any, because some systems give back an error in place of one that is cut.
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

/// A group is spoken to on every interface; anybody else from the first address that has a way
/// there.
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
