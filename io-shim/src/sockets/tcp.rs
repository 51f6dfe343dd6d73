//! Opens TCP connections.

use std::{net::SocketAddr, time::Duration};

use shared_proto::io::CloseReason;
use tokio::{net::TcpStream, time};

use super::close_reason::reason_of;

/// Connects to a remote address.
pub(super) async fn dial(addr: SocketAddr, timeout: Duration) -> Result<TcpStream, CloseReason> {
    let stream = match time::timeout(timeout, TcpStream::connect(addr)).await {
        Ok(connected) => connected.map_err(|error| reason_of(&error))?,
        Err(_) => return Err(CloseReason::Timeout),
    };
    // Requests are small and must not wait for a full segment.
    stream.set_nodelay(true).map_err(|error| reason_of(&error))?;
    Ok(stream)
}
