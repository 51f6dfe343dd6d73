//! Accepting TCP connections.
//!
//! Knows who may connect and how many, nothing of what they say. Invariants: whom the policy would
//! not dial is shut out before the engine hears of him; while the engine takes no events, nobody is
//! accepted.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use shared_proto::{IoEvent, OpId, ids::SocketId, io::OpError};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Context, conn, ports::bound};
use crate::files::error::from_io;

/// How long one that could not accept waits: mostly for descriptors, which do not come back sooner
/// if one asks for them all the time.
const PAUSE: Duration = Duration::from_millis(200);

/// Says at which port they are, and accepts at all of them until they are closed.
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
                tracing::debug!(%error, "no connection accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
        // A burst of strangers does not keep the engine from being heard.
        context.events.room().await;
    }
}

fn accept(context: &Arc<Context>, socket: SocketId, stream: TcpStream, addr: SocketAddr) {
    if !context.policy.allows(addr) || stream.set_nodelay(true).is_err() {
        return;
    }
    if let Some(stranger) = context.admit_stranger() {
        let event = IoEvent::TcpAccepted { socket, conn: stranger.id(), addr };
        tokio::spawn(conn::run(Arc::clone(context), stranger, event, async { Ok(stream) }));
    }
}
