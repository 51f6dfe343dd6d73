//! The engine's inputs and outputs: comparable, printable values without callbacks.

use shared_proto::{DaemonMessage, EngineMessage, IoCommand, IoEvent, Limits, Root};

use crate::view::{Intent, IntentReply};

/// An input to [`crate::Engine::handle_input`].
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The daemon accepted this engine.
    Linked {
        /// The engine's term at the daemon.
        epoch: u64,
        /// The folders that may be used; the first is the default.
        roots: Vec<Root>,
        /// The daemon's limits.
        limits: Limits,
    },
    /// The connection to the daemon was lost. Every socket, open file and command is lost with it.
    Unlinked,
    /// A control message from the daemon other than `welcome`.
    Control(DaemonMessage),
    /// An I/O event from the daemon other than credit.
    Io(IoEvent),
    /// A request of the user, answered by [`Output::Reply`] with the same id.
    Intent {
        /// The host's id for the request.
        id: u64,
        /// The request.
        intent: Intent,
    },
    /// The time that [`crate::Engine::poll_timeout`] returned has come. Extra calls do no harm.
    Timeout,
}

/// An action that the host must carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this control message to the daemon.
    Control(EngineMessage),
    /// Send this I/O command to the daemon.
    Io(IoCommand),
    /// The result of an [`Input::Intent`].
    Reply {
        /// The id of the intent.
        id: u64,
        /// The result.
        reply: IntentReply,
    },
    /// The next snapshot differs from the last one in more than numbers.
    Changed,
}
