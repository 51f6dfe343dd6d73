//! Accepts TCP connections.
//!
//! Knows which addresses may connect and how many, nothing of what they send. Invariants: an
//! address that the policy would not dial is refused before the engine hears of it; while the
//! engine takes no events, no connection is accepted.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use shared_proto::{IoEvent, OpId, ids::SocketId, io::OpError};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{binding::bound, context::Context, session};
use crate::files::error::from_io;

/// The pause after accepting failed, mostly for lack of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// Reports the port, then accepts at all sockets until they are closed.
pub(super) fn start(
    context: &Arc<Context>,
    socket: SocketId,
    op: OpId,
    listeners: Vec<std::net::TcpListener>,
    port: u16,
    closed: &CancellationToken,
) -> Result<(), OpError> {
    let listeners: io::Result<Vec<TcpListener>> =
        listeners.into_iter().map(TcpListener::from_std).collect();
    let listeners = listeners.map_err(|error| from_io(&error))?;
    let (context, closed) = (Arc::clone(context), closed.clone());
    tokio::spawn(closed.clone().run_until_cancelled_owned(async move {
        context.events.send(bound(op, port)).await;
        for listener in listeners {
            let accepting = accept_all(Arc::clone(&context), socket, listener);
            tokio::spawn(closed.clone().run_until_cancelled_owned(accepting));
        }
    }));
    Ok(())
}

async fn accept_all(context: Arc<Context>, socket: SocketId, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => accept(&context, socket, stream, addr),
            Err(error) => {
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
        // A burst of incoming connections must not fill the queue of events.
        context.events.room().await;
    }
}

fn accept(context: &Arc<Context>, socket: SocketId, stream: TcpStream, addr: SocketAddr) {
    if !context.policy.allows(addr) || stream.set_nodelay(true).is_err() {
        return;
    }
    if let Some(stranger) = context.admit_stranger() {
        let event = IoEvent::TcpAccepted { socket, conn: stranger.id(), addr };
        tokio::spawn(session::run(Arc::clone(context), stranger, event, async { Ok(stream) }));
    }
}
