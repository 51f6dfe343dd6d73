//! A message for the engine, and the content that follows it.

use shared_proto::{DaemonMessage, IoEvent};

/// A message for the engine.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The message.
    pub message: DaemonMessage,
    /// The content, which follows as events on the I/O plane.
    pub content: Vec<IoEvent>,
}

impl From<DaemonMessage> for Outgoing {
    fn from(message: DaemonMessage) -> Self {
        Self { message, content: Vec::new() }
    }
}
