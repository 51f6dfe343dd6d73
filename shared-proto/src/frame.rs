//! Encodes messages as WebSocket frames and decodes them, within size limits.
//!
//! Decoding checks the limits before it parses anything. Encoding cannot fail for messages within
//! their documented bounds.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::FrameError;

/// Largest text frame, bytes.
///
/// It holds a [`crate::EngineMessage::HttpReply`] of 16 MiB of JSON, escaped as a JSON string.
pub const MAX_TEXT: usize = 33 << 20;
/// Longest content of a [`crate::DaemonMessage::HttpCall`], bytes.
pub const MAX_CONTENT: usize = 55 << 20;
/// Largest binary frame, bytes: it holds a state value of [`MAX_VALUE`].
pub const MAX_BINARY: usize = 57 << 20;
/// A sender ends a batch with the message that exceeds this size, bytes.
pub const BATCH_TARGET: usize = 256 << 10;
/// Longest [`crate::IoCommand::FileRead`], bytes.
pub const MAX_READ: u32 = 1 << 20;
/// Longest datagram that the engine receives, bytes. Longer datagrams are truncated.
pub const MAX_DATAGRAM: usize = 4 << 10;
/// Most bytes of a key stream to skip ([`crate::io::Rc4Start`]).
pub const MAX_RC4_SKIP: u32 = 64 << 10;
/// Longest state key, bytes.
pub const MAX_KEY: usize = 512;
/// Longest key of a note, bytes.
pub const MAX_NOTE_KEY: usize = 128;
/// Longest note, bytes.
pub const MAX_NOTE: usize = 4 << 10;
/// Most notes of a user. Beyond it the oldest are dropped.
pub const MAX_NOTES: usize = 2_000;
/// Longest state value, bytes: it holds two hashes for each of a million parts.
pub const MAX_VALUE: usize = 56 << 20;

/// Encodes a control message as a text frame.
///
/// # Panics
/// Never: control messages have no map keys or values that JSON cannot hold.
pub fn encode_control<M: Serialize>(message: &M) -> String {
    serde_json::to_string(message).expect("control messages are plain JSON")
}

/// Decodes a control message from a text frame.
///
/// # Errors
/// [`FrameError::TooLarge`] over [`MAX_TEXT`]; [`FrameError::Control`] when the text is no message
/// of this type.
pub fn decode_control<M: DeserializeOwned>(text: &str) -> Result<M, FrameError> {
    within(text.len(), MAX_TEXT)?;
    Ok(serde_json::from_str(text)?)
}

/// Encodes a batch of I/O messages as a binary frame.
///
/// # Panics
/// Never: every I/O message serialises.
pub fn encode_batch<M: Serialize>(batch: &[M]) -> Vec<u8> {
    postcard::to_stdvec(batch).expect("I/O messages have a postcard form")
}

/// Decodes a batch of I/O messages from a binary frame.
///
/// # Errors
/// [`FrameError::TooLarge`] over [`MAX_BINARY`]; [`FrameError::Io`] when the frame is no batch of
/// this type; [`FrameError::Trailing`] when bytes follow the batch.
pub fn decode_batch<M: DeserializeOwned>(frame: &[u8]) -> Result<Vec<M>, FrameError> {
    within(frame.len(), MAX_BINARY)?;
    let (batch, rest) = postcard::take_from_bytes(frame)?;
    if rest.is_empty() { Ok(batch) } else { Err(FrameError::Trailing(rest.len())) }
}

fn within(len: usize, max: usize) -> Result<(), FrameError> {
    if len > max { Err(FrameError::TooLarge { len, max }) } else { Ok(()) }
}
