//! Port mappings of the engine's sockets at the router, as the daemon reports them.
//!
//! This module owns the requested mappings and their results. The daemon talks to the router,
//! renews mappings and retries by itself. Invariant: a report about a socket that is not open is
//! ignored.

use std::collections::BTreeMap;
use std::net::IpAddr;

use shared_proto::io::{MappedBy, Mapping, OpError};
use shared_proto::{IoCommand, SocketId};

use crate::view::{MappingState, PortMappingView};

/// The mappings of one connection to the daemon. The engine requests at most four.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    to_ask: Vec<SocketId>,
    told: BTreeMap<SocketId, Option<Result<Mapping, OpError>>>,
}

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
    pub(crate) fn handle_report(&mut self, socket: SocketId, result: Result<Mapping, OpError>) {
        if let Some(told) = self.told.get_mut(&socket) {
            *told = Some(result);
        }
    }

    /// Returns the mapping of a socket.
    pub(crate) fn of(&self, socket: SocketId) -> Option<Mapping> {
        self.told.get(&socket)?.as_ref()?.as_ref().ok().copied()
    }

    /// Returns the mapping's state for the user; `None` if no mapping was requested.
    pub(crate) fn view(&self, socket: SocketId) -> Option<PortMappingView> {
        let told = self.told.get(&socket)?;
        let mut view = PortMappingView {
            state: MappingState::Asking,
            port: None,
            address: None,
            by: None,
            message: None,
            why: None,
        };
        match told {
            None => {}
            Some(Ok(mapping)) => {
                view.state = MappingState::Mapped;
                (view.port, view.by) = (Some(mapping.port), Some(mapping.by.into()));
                view.address = mapping.address.map(|address: IpAddr| address.to_string());
            }
            Some(Err(error)) => {
                view.state = MappingState::Failed;
                view.message = Some(error.message.clone());
                view.why = Some(error.into());
            }
        }
        Some(view)
    }
}

impl From<MappedBy> for crate::view::MappedBy {
    fn from(by: MappedBy) -> Self {
        match by {
            MappedBy::Pcp => Self::Pcp,
            MappedBy::NatPmp => Self::NatPmp,
            MappedBy::Upnp => Self::Upnp,
        }
    }
}

#[cfg(test)]
mod tests {
    use shared_proto::io::OpErrorKind;

    use super::*;

    const SOCKET: SocketId = SocketId(1);

    #[test]
    fn the_last_report_counts_until_the_daemon_is_lost() {
        let mut mappings = Mappings::default();
        assert_eq!(mappings.view(SOCKET), None);
        mappings.want(SOCKET);
        assert_eq!(mappings.next_command(), Some(IoCommand::PortMap { socket: SOCKET }));
        assert_eq!(mappings.next_command(), None);
        let state = |mappings: &Mappings| mappings.view(SOCKET).map(|view| view.state);
        assert_eq!(state(&mappings), Some(MappingState::Asking));
        let mapping =
            Mapping { port: 7, address: Some("192.0.2.1".parse().unwrap()), by: MappedBy::Pcp };
        mappings.handle_report(SOCKET, Ok(mapping));
        assert_eq!(
            (state(&mappings), mappings.of(SOCKET)),
            (Some(MappingState::Mapped), Some(mapping))
        );
        mappings.handle_report(
            SOCKET,
            Err(OpError { kind: OpErrorKind::Network, message: "no gateway".into() }),
        );
        let view = mappings.view(SOCKET).unwrap();
        assert_eq!(
            (view.state, view.message.as_deref()),
            (MappingState::Failed, Some("no gateway"))
        );
        assert_eq!(mappings.of(SOCKET), None);
        mappings.unlink();
        assert_eq!(mappings.view(SOCKET), None);
    }

    #[test]
    fn reports_about_other_sockets_are_ignored() {
        let mut mappings = Mappings::default();
        mappings.handle_report(SOCKET, Ok(Mapping { port: 7, address: None, by: MappedBy::Upnp }));
        assert_eq!((mappings.of(SOCKET), mappings.view(SOCKET)), (None, None));
    }
}
