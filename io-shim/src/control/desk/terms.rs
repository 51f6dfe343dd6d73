//! The desk's settings, and the reasons for its refusals.

use std::time::Duration;

/// The desk's settings.
#[derive(Clone, Debug)]
pub(crate) struct DeskConfig {
    /// How long viewers wait for an engine to connect.
    pub(crate) grace: Duration,
    /// How long the engine may say nothing about a waiting request.
    pub(crate) max_wait: Duration,
    /// Most viewers at a time whose range is granted in full.
    pub(crate) max_replies: usize,
    /// Most of these viewers per file.
    pub(crate) max_replies_per_file: usize,
    /// Most viewers at a time that wait for more grants.
    pub(crate) max_waiting: usize,
    /// Most of these viewers per file.
    pub(crate) max_waiting_per_file: usize,
}

/// Whether a viewer waits for bytes that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The viewer waits while the engine says that the bytes will come.
    Some,
    /// The viewer takes only what is granted at once.
    None,
}

/// Why a viewer is turned away at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No engine is connected.
    NoEngine,
    /// No such file, or a wrong key: a stranger is not told which.
    Denied,
    /// No such file. Only a holder of the session token is told so.
    Unknown,
    /// There are too many viewers or calls.
    Busy,
    /// The daemon is stopping.
    Stopping,
}
