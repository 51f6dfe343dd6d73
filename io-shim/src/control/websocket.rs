//! The server's side of RFC 6455, as far as a library does not do it: the opening handshake, and
//! what may be read before a hello.
//!
//! Owns the answers to requests that ask for a WebSocket, the [`Gate`] in front of a fresh one, and
//! the close codes for broken frames. Must never know what is said over a socket. Invariant:
//! nothing behind the last frame that was taken has left the gate.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::http::serve::{Answer, Content, plain};

/// The only version of the protocol (RFC 6455 §4.1).
const VERSION: &str = "13";
/// Bytes of a nonce (RFC 6455 §4.1).
const NONCE_BYTES: usize = 16;
/// Bytes read from a socket at a time.
const READ_BUFFER: usize = 16 << 10;

/// The 101 that opens a WebSocket, or another status that says why it stays closed (RFC 6455 §4.2).
pub(crate) fn handshake(method: &Method, version: Version, headers: &HeaderMap) -> Answer {
    if method != Method::GET {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET");
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        return refusal;
    }
    let asks = has_token(headers, &header::UPGRADE, "websocket")
        && has_token(headers, &header::CONNECTION, "upgrade");
    if version != Version::HTTP_11 || !asks {
        return upgrade_required("this is a WebSocket: ask for an upgrade");
    }
    if only(headers, &header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version.as_bytes() != VERSION.as_bytes())
    {
        return upgrade_required("this is a WebSocket of version 13");
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_nonce(key.as_bytes()));
    let Some(key) = key else {
        return plain(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key is sixteen bytes in base64, once",
        );
    };
    let mut answer = Response::new(Content::Text(String::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept =
        HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is visible ASCII");
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

/// 426 with what it takes (RFC 6455 §4.4, RFC 9110 §15.5.22).
fn upgrade_required(words: &str) -> Answer {
    let mut refusal = plain(StatusCode::UPGRADE_REQUIRED, words);
    let headers = refusal.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    refusal
}

/// The value of a header that may occur once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether one of the header's comma-separated words is this one, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let words =
        headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.map(<[u8]>::trim_ascii).any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn is_nonce(key: &[u8]) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == NONCE_BYTES)
}

/// Settings of a socket that takes messages of at most `most` bytes.
pub(crate) fn config(most: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER.min(most))
        .max_frame_size(Some(most))
        .max_message_size(Some(most))
}

/// A close frame. Its reason is cut so that both fit: a control frame holds 125 bytes, two of them
/// the code (RFC 6455 §5.5).
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

/// The close code for what is wrong with the other end's frames (RFC 6455 §7.4.1); `None` where the
/// connection itself is broken.
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

/// A stream that hands out one frame's bytes at a time: whoever reads frames from it holds nothing
/// of the next one.
pub(crate) struct Gate<S> {
    stream: S,
    header: Vec<u8>,
    /// Bytes of the present frame that are still to be handed out, once its header is known.
    payload: Option<u64>,
}

impl<S> Gate<S> {
    /// A gate in front of the first frame.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, header: Vec::new(), payload: None }
    }

    /// The stream, from the frame on that nobody has begun to read.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// How many bytes may be handed out now.
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

/// Bytes of a frame's header, as far as its beginning tells (RFC 6455 §5.2).
fn header_length(begun: &[u8]) -> usize {
    let Some(second) = begun.get(1) else { return 2 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 == 0 { 0 } else { 4 }
}

/// Bytes of the payload behind a whole header.
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

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// The status of an answer to [`GOOD`] with these lines in place of its own.
    fn check(other: &[(&'static str, &'static str)], expected: u16) {
        let kept = GOOD.iter().filter(|(name, _)| other.iter().all(|(changed, _)| changed != name));
        let lines: Vec<_> =
            kept.chain(other).copied().filter(|(_, value)| !value.is_empty()).collect();
        let answer = handshake(&Method::GET, Version::HTTP_11, &headers(&lines));
        assert_eq!(answer.status(), expected, "{other:?}");
        if expected == 426 {
            assert_eq!(answer.headers()["sec-websocket-version"], "13");
            assert_eq!(answer.headers()["upgrade"], "websocket");
        }
    }

    #[test]
    fn a_handshake_is_taken_as_the_rfc_says() {
        let answer = handshake(&Method::GET, Version::HTTP_11, &headers(&GOOD));
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["sec-websocket-accept"].as_bytes()),
            (101, &b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..])
        );
        check(&[("connection", "UPGRADE")], 101);
    }

    #[test]
    fn what_is_no_handshake_is_told_what_is_missing() {
        for version in ["12", "14", "8", "", "13, 13"] {
            check(&[("sec-websocket-version", version)], 426);
        }
        check(&[("sec-websocket-version", "13"), ("sec-websocket-version", "13")], 426);
        check(&[("upgrade", "")], 426);
        check(&[("upgrade", "h2c")], 426);
        check(&[("connection", "close")], 426);
        for key in ["", "AAAA", "not base64", "dGhlIHNhbXBsZSBub25jZQ"] {
            check(&[("sec-websocket-key", key)], 400);
        }
        for (method, version, expected) in
            [(Method::POST, Version::HTTP_11, 405), (Method::GET, Version::HTTP_10, 426)]
        {
            let answer = handshake(&method, version, &headers(&GOOD));
            assert_eq!(answer.status(), expected, "{method} {version:?}");
        }
    }

    /// A masked frame with a payload of this length.
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
