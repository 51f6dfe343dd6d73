//! WebSocket details that the library leaves to the server (RFC 6455).
//!
//! Owns the [`Gate`] in front of a new connection, and the close codes for malformed frames. Must
//! never know what the frames say. Invariant: no byte after the last frame that was read has left
//! the gate.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes per read from the socket.
const READ_BUFFER: usize = 16 << 10;

/// Settings of a WebSocket that accepts messages of at most `most` bytes.
pub(crate) fn config(most: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER.min(most))
        .max_frame_size(Some(most))
        .max_message_size(Some(most))
}

/// A close frame. The reason is truncated to fit: a control frame holds 125 bytes, two of them the
/// code (RFC 6455 §5.5).
pub(crate) fn close_frame(code: u16, mut reason: String) -> Message {
    let end =
        (0..=123.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    reason.truncate(end);
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    Message::Close(Some(frame))
}

/// The close code for a malformed frame (RFC 6455 §7.4.1). `None` if the connection itself failed.
pub(crate) fn close_code(error: &Error) -> Option<u16> {
    match error {
        Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
        ) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol.into()),
        Error::Utf8(_) => Some(CloseCode::Invalid.into()),
        Error::Capacity(_) => Some(CloseCode::Size.into()),
        _ => None,
    }
}

/// A stream that yields the bytes of one frame at a time. A reader of frames therefore never
/// buffers bytes of the next frame.
pub(crate) struct Gate<S> {
    stream: S,
    header: Vec<u8>,
    /// Remaining bytes of the current frame, once its header is known.
    payload: Option<u64>,
}

impl<S> Gate<S> {
    /// A gate in front of the first frame.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, header: Vec::new(), payload: None }
    }

    /// The stream, positioned at the first frame that was not read.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// How many bytes the gate may yield now.
    fn allowed(&self) -> usize {
        let header =
            self.payload.is_none().then(|| header_length(&self.header) - self.header.len());
        header.unwrap_or_else(|| usize::try_from(self.payload.unwrap_or(0)).unwrap_or(usize::MAX))
    }

    fn took(&mut self, bytes: &[u8]) {
        if let Some(left) = &mut self.payload {
            *left -= bytes.len() as u64;
        } else {
            self.header.extend_from_slice(bytes);
            if self.header.len() >= 2 && self.header.len() == header_length(&self.header) {
                self.payload = Some(payload_length(&self.header));
            }
        }
        if self.payload == Some(0) {
            (self.payload, self.header) = (None, Vec::new());
        }
    }
}

/// Length of a frame's header, judged by its first bytes (RFC 6455 §5.2).
fn header_length(begun: &[u8]) -> usize {
    let Some(second) = begun.get(1) else { return 2 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 == 0 { 0 } else { 4 }
}

/// Length of a frame's payload, from its complete header.
fn payload_length(header: &[u8]) -> u64 {
    let short = header.get(1).map_or(0, |second| second & 0x7f);
    let count = match short {
        126 => 2,
        127 => 8,
        _ => return u64::from(short),
    };
    header.iter().skip(2).take(count).fold(0, |length, byte| length << 8 | u64::from(*byte))
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.allowed().min(buf.remaining());
        let mut limited = ReadBuf::new(buf.initialize_unfilled_to(most));
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut limited))?;
        let read = limited.filled().len();
        self.took(limited.filled());
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A masked frame with a payload of `length` bytes.
    fn frame(length: usize) -> Vec<u8> {
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(vec![7; length]);
        frame
    }

    #[tokio::test]
    async fn a_gate_never_hands_out_two_frames_at_once() {
        for lengths in [[0, 1], [125, 126], [65_535, 65_536], [0, 0], [3, 70_000]] {
            let frames = lengths.map(frame);
            let sent = frames.concat();
            let mut gate = Gate::new(&sent[..]);
            let mut read = 0;
            while read < frames[0].len() {
                let mut buffer = vec![0; 1 << 20];
                let count = gate.read(&mut buffer).await.unwrap();
                assert!(
                    count > 0 && buffer[..count] == sent[read..read + count],
                    "{lengths:?} at {read}"
                );
                read += count;
            }
            assert_eq!((read, gate.into_inner()), (frames[0].len(), &frames[1][..]), "{lengths:?}");
        }
    }
}
