//! The WebSocket connection to the daemon: frames, opening handshake and flow control.
//!
//! The host moves the frames. Control messages stay in order; I/O commands are collected into
//! batches and wait while the daemon's credit is used up. This module knows no torrent.

use std::collections::VecDeque;

use shared_proto::{
    DaemonMessage, EngineMessage, FrameError, IoCommand, IoEvent, PROTOCOL_VERSION,
    frame::{self, BATCH_TARGET},
};

use crate::io::Input;

/// Credit before `welcome` announces the window; no I/O command is sent before that.
const NO_WINDOW: i64 = 0;
/// Divisor: credit is returned once this fraction of the window has been processed.
const CREDIT_SHARE: i64 = 4;

/// A WebSocket frame to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

/// A violation of the protocol by the daemon; it ends the connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The frame is malformed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message before `welcome`, or a second `welcome`.
    #[error("the daemon sent a message out of turn")]
    OutOfTurn,
    /// The daemon uses another protocol version.
    #[error(
        "the daemon speaks version {0} of the protocol, this engine {PROTOCOL_VERSION}: update the \
         older one"
    )]
    Version(u32),
}

/// One connection to the daemon.
#[derive(Debug)]
pub struct Link {
    welcomed: bool,
    window: i64,
    credit: i64,
    owed: i64,
    batch: Vec<IoCommand>,
    waiting: VecDeque<Frame>,
}

impl Link {
    /// Starts the handshake with `hello`, once the socket is open.
    pub fn open(token: &str, engine: &str, session: &str) -> Self {
        let hello = EngineMessage::Hello {
            protocol: PROTOCOL_VERSION,
            token: token.to_owned(),
            engine: engine.to_owned(),
            session: session.to_owned(),
        };
        Self {
            welcomed: false,
            window: NO_WINDOW,
            credit: NO_WINDOW,
            owed: 0,
            batch: Vec::new(),
            waiting: VecDeque::from([Frame::Text(frame::encode_control(&hello))]),
        }
    }

    /// Handles a text frame.
    ///
    /// # Errors
    /// [`LinkError`]; the caller must close the socket.
    pub fn handle_text(&mut self, text: &str) -> Result<Input, LinkError> {
        let message: DaemonMessage = frame::decode_control(text)?;
        match (self.welcomed, message) {
            (false, DaemonMessage::Welcome { protocol, epoch, roots, limits }) => {
                if protocol != PROTOCOL_VERSION {
                    return Err(LinkError::Version(protocol));
                }
                self.welcomed = true;
                self.window = i64::from(limits.io_window);
                self.credit = self.window;
                Ok(Input::Linked { epoch, roots, limits })
            }
            (true, message) if !matches!(message, DaemonMessage::Welcome { .. }) => {
                Ok(Input::Control(message))
            }
            _ => Err(LinkError::OutOfTurn),
        }
    }

    /// Handles a binary frame; returns its events in order.
    ///
    /// # Errors
    /// [`LinkError`]; the caller must close the socket.
    pub fn handle_binary(&mut self, data: &[u8]) -> Result<Vec<Input>, LinkError> {
        if !self.welcomed {
            return Err(LinkError::OutOfTurn);
        }
        let events: Vec<IoEvent> = frame::decode_batch(data)?;
        let mut inputs = Vec::with_capacity(events.len());
        let mut only_credit = true;
        for event in events {
            if let IoEvent::Credit { bytes } = event {
                self.credit = (self.credit + i64::from(bytes)).min(self.window);
            } else {
                only_credit = false;
                inputs.push(Input::Io(event));
            }
        }
        if !only_credit {
            self.owed += i64::try_from(data.len()).expect("the frame decoder limits the length");
        }
        Ok(inputs)
    }

    /// Queues an I/O command.
    pub fn command(&mut self, command: IoCommand) {
        self.batch.push(command);
    }

    /// Queues a control message, behind all earlier commands.
    pub fn control(&mut self, message: &EngineMessage) {
        self.flush_batch();
        self.waiting.push_back(Frame::Text(frame::encode_control(message)));
    }

    /// Returns the next frame to send. `None` if there is none or if the credit is used up.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        if self.owed > 0 && self.owed >= self.window / CREDIT_SHARE {
            let bytes = u32::try_from(self.owed).unwrap_or(u32::MAX);
            self.owed -= i64::from(bytes);
            return Some(Frame::Binary(frame::encode_batch(&[IoCommand::Credit { bytes }])));
        }
        self.flush_batch();
        if let Some(Frame::Binary(data)) = self.waiting.front() {
            if self.credit <= 0 {
                return None;
            }
            self.credit -= i64::try_from(data.len()).expect("batches are about BATCH_TARGET long");
        }
        self.waiting.pop_front()
    }

    /// Encodes the collected commands into frames of about [`BATCH_TARGET`] bytes.
    fn flush_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut rest = std::mem::take(&mut self.batch);
        while !rest.is_empty() {
            let mut size = 0;
            let cut = rest
                .iter()
                .position(|command| {
                    let before = size;
                    size += approximate_size(command);
                    before >= BATCH_TARGET
                })
                .unwrap_or(rest.len());
            let tail = rest.split_off(cut);
            self.waiting.push_back(Frame::Binary(frame::encode_batch(&rest)));
            rest = tail;
        }
    }
}

fn approximate_size(command: &IoCommand) -> usize {
    const FIXED: usize = 32;
    FIXED
        + match command {
            IoCommand::TcpSend { data, .. } | IoCommand::FileWrite { data, .. } => data.len(),
            IoCommand::KvPut { value, .. } => value.len(),
            IoCommand::NotePut { key, value, .. } => key.len() + value.len(),
            IoCommand::Arm { spans, .. } | IoCommand::Digest { spans, .. } => spans.len() * 16,
            IoCommand::TcpSendSpan { head, spans, .. } => head.len() + spans.len() * 16,
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shared_proto::{ConnId, Limits};

    use super::*;

    fn welcomed(io_window: u32) -> Link {
        let mut link = Link::open("t", "e", "s");
        assert!(matches!(
            link.poll_frame(),
            Some(Frame::Text(hello)) if hello.contains("\"op\":\"hello\"")
        ));
        let limits = Limits { max_conns: 1, max_files: 1, io_window, max_wait_ms: 1 };
        let welcome =
            DaemonMessage::Welcome { protocol: PROTOCOL_VERSION, epoch: 7, roots: vec![], limits };
        let linked = link.handle_text(&frame::encode_control(&welcome)).unwrap();
        assert!(matches!(linked, Input::Linked { epoch: 7, .. }));
        link
    }

    fn send(link: &mut Link, len: usize) {
        link.command(IoCommand::TcpSend { conn: ConnId(1), data: Bytes::from(vec![0; len]) });
    }

    #[test]
    fn commands_wait_for_credit_and_go_on_when_it_comes() {
        let mut link = welcomed(1000);
        send(&mut link, 900);
        assert!(link.poll_frame().is_some());
        send(&mut link, 900);
        assert!(link.poll_frame().is_some(), "above zero is enough");
        send(&mut link, 1);
        assert_eq!(link.poll_frame(), None);
        let credit = frame::encode_batch(&[IoEvent::Credit { bytes: 1000 }]);
        assert_eq!(link.handle_binary(&credit).unwrap(), vec![]);
        assert!(link.poll_frame().is_some());
    }

    #[test]
    fn processed_bytes_return_credit_and_credit_messages_are_free() {
        let mut link = welcomed(100);
        let event = frame::encode_batch(&[IoEvent::TcpData {
            conn: ConnId(1),
            data: Bytes::from(vec![0; 40]),
        }]);
        assert_eq!(link.handle_binary(&event).unwrap().len(), 1);
        let bytes = u32::try_from(event.len()).unwrap();
        let expected = frame::encode_batch(&[IoCommand::Credit { bytes }]);
        assert_eq!(link.poll_frame(), Some(Frame::Binary(expected)));
        link.handle_binary(&frame::encode_batch(&[IoEvent::Credit { bytes: 1 }])).unwrap();
        assert_eq!(link.poll_frame(), None);
    }

    #[test]
    fn order_is_kept_between_both_planes() {
        let mut link = welcomed(1 << 20);
        send(&mut link, 1);
        link.control(&EngineMessage::FileForget { file_id: "f".into() });
        send(&mut link, 2);
        let kinds: Vec<bool> = std::iter::from_fn(|| link.poll_frame())
            .map(|frame| matches!(frame, Frame::Text(_)))
            .collect();
        assert_eq!(kinds, [false, true, false]);
    }

    #[test]
    fn large_batches_are_split() {
        let mut link = welcomed(u32::MAX);
        for _ in 0..100 {
            send(&mut link, 16 << 10);
        }
        let sizes: Vec<usize> = std::iter::from_fn(|| link.poll_frame())
            .map(|frame| match frame {
                Frame::Binary(data) => data.len(),
                Frame::Text(_) => panic!("no text was sent"),
            })
            .collect();
        assert!(
            sizes.len() > 4 && sizes.iter().all(|&len| len < BATCH_TARGET + (32 << 10)),
            "{sizes:?}"
        );
    }

    #[test]
    fn out_of_turn_is_an_error() {
        let mut link = Link::open("t", "e", "s");
        assert!(matches!(
            link.handle_binary(&frame::encode_batch::<IoEvent>(&[])),
            Err(LinkError::OutOfTurn)
        ));
        assert!(link.handle_text("{\"op\":\"range_cancel\"}").is_err());
        assert!(link.handle_text("not json").is_err());
    }
}
