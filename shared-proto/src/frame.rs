//! The codec: one message or batch to one WebSocket frame and back, within size limits.
//!
//! Limits are checked before anything is parsed. Encoding cannot fail for messages within their
//! documented bounds.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::FrameError;

/// Largest text frame, bytes: room for a [`crate::EngineMessage::HttpReply`] of 16 MiB of JSON,
/// which has to be written as JSON once more.
pub const MAX_TEXT: usize = 33 << 20;
/// Longest content of a [`crate::DaemonMessage::HttpCall`], bytes: the longest `.torrent` file.
pub const MAX_CONTENT: usize = 55 << 20;
/// Largest binary frame, bytes: room for a state value or tracker answer of [`MAX_VALUE`].
pub const MAX_BINARY: usize = 57 << 20;
/// Where a batch stops growing, bytes: a sender ends a batch with the message that passes this.
pub const BATCH_TARGET: usize = 256 << 10;
/// Longest [`crate::IoCommand::FileRead`], bytes.
pub const MAX_READ: u32 = 1 << 20;
/// Longest datagram handed up, bytes: longer ones are cut, and no protocol over UDP sends them.
pub const MAX_DATAGRAM: usize = 4 << 10;
/// Most bytes of a key stream passed over at once ([`crate::io::Rc4Start`]).
pub const MAX_RC4_SKIP: u32 = 64 << 10;
/// Longest state key, bytes.
pub const MAX_KEY: usize = 512;
/// Longest key of a note, bytes.
pub const MAX_NOTE_KEY: usize = 128;
/// Longest note, bytes.
pub const MAX_NOTE: usize = 4 << 10;
/// Most notes of a user: beyond that the oldest go.
pub const MAX_NOTES: usize = 2_000;
/// Longest state value, bytes: a description with two hashes for each of a million parts.
pub const MAX_VALUE: usize = 56 << 20;

/// A control message as a text frame.
///
/// # Panics
/// Never: control messages have no map keys or values that JSON cannot hold.
pub fn encode_control<M: Serialize>(message: &M) -> String {
    serde_json::to_string(message).expect("control messages are plain JSON")
}

/// A control message from a text frame.
///
/// # Errors
/// [`FrameError::TooLarge`] over [`MAX_TEXT`], [`FrameError::Control`] when it is not a message of
/// this kind.
pub fn decode_control<M: DeserializeOwned>(text: &str) -> Result<M, FrameError> {
    within(text.len(), MAX_TEXT)?;
    Ok(serde_json::from_str(text)?)
}

/// A batch of I/O messages as a binary frame.
///
/// # Panics
/// Never: every I/O message serialises.
pub fn encode_batch<M: Serialize>(batch: &[M]) -> Vec<u8> {
    postcard::to_stdvec(batch).expect("I/O messages have a postcard form")
}

/// A batch of I/O messages from a binary frame.
///
/// # Errors
/// [`FrameError::TooLarge`] over [`MAX_BINARY`], [`FrameError::Io`] when it is not a batch of this
/// kind, [`FrameError::Trailing`] when more follows it.
pub fn decode_batch<M: DeserializeOwned>(frame: &[u8]) -> Result<Vec<M>, FrameError> {
    within(frame.len(), MAX_BINARY)?;
    let (batch, rest) = postcard::take_from_bytes(frame)?;
    if rest.is_empty() { Ok(batch) } else { Err(FrameError::Trailing(rest.len())) }
}

fn within(len: usize, max: usize) -> Result<(), FrameError> {
    if len > max { Err(FrameError::TooLarge { len, max }) } else { Ok(()) }
}
