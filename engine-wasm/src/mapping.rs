//! Port mappings of the engine's sockets at the router, as the daemon reports them.
//!
//! This module owns the requested mappings and their results. The daemon talks to the router,
//! renews mappings and retries by itself. Invariant: a report about a socket that is not open is
//! ignored.

use std::collections::BTreeMap;

use shared_proto::io::{Mapping, OpError};
use shared_proto::{IoCommand, SocketId};

/// The mappings of one connection to the daemon. The engine requests at most four.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    to_ask: Vec<SocketId>,
    told: BTreeMap<SocketId, Option<Report>>,
}

/// The daemon's report about a mapping.
pub(crate) type Report = Result<Mapping, OpError>;

impl Mappings {
    /// Requests a mapping for an open socket.
    pub(crate) fn want(&mut self, socket: SocketId) {
        self.to_ask.push(socket);
        self.told.insert(socket, None);
    }

    /// Forgets all mappings after the connection to the daemon was lost.
    pub(crate) fn unlink(&mut self) {
        *self = Self::default();
    }

    /// Returns the next command.
    pub(crate) fn next_command(&mut self) -> Option<IoCommand> {
        Some(IoCommand::PortMap { socket: self.to_ask.pop()? })
    }

    /// Handles a report of the daemon.
    pub(crate) fn handle_report(&mut self, socket: SocketId, result: Report) {
        if let Some(told) = self.told.get_mut(&socket) {
            *told = Some(result);
        }
    }

    /// Returns the mapping of a socket.
    pub(crate) fn of(&self, socket: SocketId) -> Option<Mapping> {
        self.told.get(&socket)?.as_ref()?.as_ref().ok().copied()
    }

    /// Returns the last report about a socket: `Some(None)` while the router is being asked, `None`
    /// if no mapping was requested.
    pub(crate) fn report_of(&self, socket: SocketId) -> Option<Option<&Report>> {
        self.told.get(&socket).map(Option::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use shared_proto::io::{MappedBy, OpErrorKind};

    use super::*;

    const SOCKET: SocketId = SocketId(1);

    #[test]
    fn the_last_report_counts_until_the_daemon_is_lost() {
        let mut mappings = Mappings::default();
        assert_eq!(mappings.report_of(SOCKET), None);
        mappings.want(SOCKET);
        assert_eq!(mappings.next_command(), Some(IoCommand::PortMap { socket: SOCKET }));
        assert_eq!(mappings.next_command(), None);
        assert_eq!(mappings.report_of(SOCKET), Some(None));
        let mapping =
            Mapping { port: 7, address: Some("192.0.2.1".parse().unwrap()), by: MappedBy::Pcp };
        mappings.handle_report(SOCKET, Ok(mapping));
        assert_eq!(
            (mappings.report_of(SOCKET), mappings.of(SOCKET)),
            (Some(Some(&Ok(mapping))), Some(mapping))
        );
        let error = OpError { kind: OpErrorKind::Network, message: "no gateway".into() };
        mappings.handle_report(SOCKET, Err(error.clone()));
        assert_eq!(mappings.report_of(SOCKET), Some(Some(&Err(error))));
        assert_eq!(mappings.of(SOCKET), None);
        mappings.unlink();
        assert_eq!(mappings.report_of(SOCKET), None);
    }

    #[test]
    fn reports_about_other_sockets_are_ignored() {
        let mut mappings = Mappings::default();
        mappings.handle_report(SOCKET, Ok(Mapping { port: 7, address: None, by: MappedBy::Upnp }));
        assert_eq!((mappings.of(SOCKET), mappings.report_of(SOCKET)), (None, None));
    }
}
