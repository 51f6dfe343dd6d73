//! Why a connection ended, from an error of the operating system.

use std::io;

use shared_proto::io::CloseReason;

use crate::files::error::is_out_of_descriptors;

/// What an error of the operating system means to the engine.
pub(super) fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => CloseReason::Refused,
        io::ErrorKind::TimedOut => CloseReason::Timeout,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => CloseReason::Remote,
        _ if is_out_of_descriptors(error) => CloseReason::Limit,
        _ => CloseReason::Network,
    }
}
