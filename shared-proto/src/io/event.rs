//! What the daemon reports: sockets, stored payloads and answers.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::answer::{Notes, OpError, OpOutput};
use super::basic::{DivertKey, Mapping};
use crate::ids::{ConnId, OpId, RequestId, SocketId};

/// An event of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoEvent {
    /// Allows more bytes of command frames.
    Credit {
        /// Bytes that the daemon has processed.
        bytes: u32,
    },
    /// A connection is open.
    TcpConnected {
        /// The connection.
        conn: ConnId,
    },
    /// A peer has connected. The daemon reads nothing before the engine says how.
    TcpAccepted {
        /// The listening socket, or the UDP socket of a uTP connection.
        socket: SocketId,
        /// The connection, with a number of the daemon's, from [`ConnId::ACCEPTED`] on.
        conn: ConnId,
        /// The remote address.
        addr: SocketAddr,
    },
    /// A datagram has arrived.
    UdpReceived {
        /// The socket.
        socket: SocketId,
        /// The remote address.
        from: SocketAddr,
        /// The datagram, at most [`crate::frame::MAX_DATAGRAM`] bytes.
        data: Bytes,
    },
    /// A connection has ended, or was never open. Its last event.
    TcpClosed {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Raw bytes of a stream, in order.
    TcpData {
        /// The connection.
        conn: ConnId,
        /// The bytes.
        data: Bytes,
    },
    /// A frame that was not diverted, without its length field.
    ///
    /// An empty one tells that empty frames have arrived, one or several, and no other frame.
    TcpFrame {
        /// The connection.
        conn: ConnId,
        /// The frame.
        data: Bytes,
    },
    /// The daemon has written a diverted payload. Later reads and digests see it.
    Stored {
        /// The connection.
        conn: ConnId,
        /// The key.
        key: DivertKey,
    },
    /// The daemon has dropped a diverted payload.
    NotStored {
        /// The connection.
        conn: ConnId,
        /// The key.
        key: DivertKey,
        /// Length of the payload, bytes.
        length: u32,
        /// Why.
        reason: NotStored,
    },
    /// The answer to a command.
    Done {
        /// The command.
        op: OpId,
        /// The result.
        result: Result<OpOutput, OpError>,
    },
    /// The mapping of a socket's port has changed.
    ///
    /// [`super::OpErrorKind::Denied`] and [`super::OpErrorKind::Limit`] are final. After any other
    /// error the daemon asks the router again.
    PortMapped {
        /// The socket.
        socket: SocketId,
        /// The mapping, or why there is none.
        result: Result<Mapping, OpError>,
    },
    /// The next bytes of a call's content. [`crate::DaemonMessage::HttpCall`] precedes it.
    ///
    /// They cost credit, so that a long content delays nothing else.
    HttpContent {
        /// The call.
        request_id: RequestId,
        /// At most [`crate::frame::BATCH_TARGET`] bytes.
        data: Bytes,
    },
    /// The notes have changed: other daemons wrote some, or their file was set aside.
    NotesChanged {
        /// The notes that are new, or newer than those that the engine knows.
        notes: Notes,
    },
    /// The computer slept, or local addresses came or went.
    ///
    /// Connections from addresses that are gone end with [`CloseReason::AddressGone`]. After a
    /// sleep, the others may be dead without a sign.
    NetworkChanged {
        /// Whether the computer slept, or the daemon was stopped for long.
        slept: bool,
    },
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// The peer closed it.
    Remote,
    /// The peer's port is closed.
    Refused,
    /// The timeout passed.
    Timeout,
    /// The daemon's policy does not allow the address.
    Denied,
    /// A frame was longer than its maximum.
    Oversized,
    /// The daemon has too many connections, or this one had too many unsent bytes.
    Limit,
    /// Any other failure of the network.
    Network,
    /// The computer no longer has the connection's local address.
    AddressGone,
}

/// Why a diverted payload was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotStored {
    /// The key was not armed.
    Unarmed,
    /// The payload was not as long as its spans. The key stays armed.
    Length,
    /// The file could not be written. The key is forgotten.
    Failed(OpError),
}
