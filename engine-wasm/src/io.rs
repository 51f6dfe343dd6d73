//! What goes into the engine and what comes out: facts and intents, comparable and printable.

use shared_proto::{DaemonMessage, EngineMessage, IoCommand, IoEvent, Limits, Root};

use crate::view::{Intent, IntentReply};

/// A fact, told to [`crate::Engine::handle_input`].
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A daemon accepted this engine.
    Linked {
        /// This engine's term.
        epoch: u64,
        /// Folders that may be used; the first is the default.
        roots: Vec<Root>,
        /// What may be asked for.
        limits: Limits,
    },
    /// The daemon is gone, and with it every socket, open file and command under way.
    Unlinked,
    /// A control message of the daemon, other than `welcome`.
    Control(DaemonMessage),
    /// An I/O event of the daemon, other than credit.
    Io(IoEvent),
    /// A person wants something; answered by [`Output::Reply`] with the same number.
    Intent {
        /// The host's number for it.
        id: u64,
        /// What.
        intent: Intent,
    },
    /// The moment named by [`crate::Engine::poll_timeout`] has come. Too early or too often does no
    /// harm.
    Timeout,
}

/// An intent of the engine, for its host to carry out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this control message.
    Control(EngineMessage),
    /// Send this I/O command.
    Io(IoCommand),
    /// What came of an [`Input::Intent`].
    Reply {
        /// Its number.
        id: u64,
        /// What came of it.
        reply: IntentReply,
    },
    /// A snapshot would differ from the last one in more than numbers.
    Changed,
}
