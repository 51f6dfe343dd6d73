//! Close codes of the WebSocket, and why a frame is refused.

/// WebSocket close codes of this protocol (RFC 6455 §7.4.2 leaves 4000–4999 to applications).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// A message was too large, malformed, unknown, or out of turn.
    Malformed = 4400,
    /// The token is wrong.
    Token = 4401,
    /// No `hello` came within 5 s.
    HelloTimeout = 4408,
    /// A newer engine took over.
    Superseded = 4409,
    /// The engine speaks another version of the protocol.
    Protocol = 4426,
    /// The daemon is stopping.
    GoingAway = 1001,
}

impl CloseCode {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }
}

/// Why a frame was refused. Any of these closes the socket with [`CloseCode::Malformed`].
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The frame is larger than the limit of its kind.
    #[error("frame of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// Size of the frame, bytes.
        len: usize,
        /// The limit, bytes.
        max: usize,
    },
    /// Not JSON, no known `op`, or a missing or mistyped field.
    #[error("malformed control message: {0}")]
    Control(#[from] serde_json::Error),
    /// Not a batch of I/O messages.
    #[error("malformed I/O batch: {0}")]
    Io(#[from] postcard::Error),
    /// More bytes follow a well-formed batch.
    #[error("{0} stray bytes after the I/O batch")]
    Trailing(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_have_their_numbers() {
        let codes = [
            (CloseCode::Malformed, 4400),
            (CloseCode::Token, 4401),
            (CloseCode::HelloTimeout, 4408),
            (CloseCode::Superseded, 4409),
            (CloseCode::Protocol, 4426),
            (CloseCode::GoingAway, 1001),
        ];
        for (code, number) in codes {
            assert_eq!(code.code(), number);
        }
    }
}
