//! The frames between engine and daemon. Any program on the machine can reach the socket.

use std::fmt::Debug;

use engine_wasm::link::{Frame, Link};
use serde::{Serialize, de::DeserializeOwned};
use shared_proto::control::Limits;
use shared_proto::frame::{decode_batch, decode_control, encode_batch, encode_control};
use shared_proto::{DaemonMessage, EngineMessage, IoCommand, IoEvent, PROTOCOL_VERSION};

/// Most frames that a link sends at once. A real link sends far fewer.
const MOST_FRAMES: usize = 10_000;

/// Reads the bytes as one frame, or as a daemon's whole output. The first byte chooses the kind and
/// the direction of the frame.
pub(crate) fn run(data: &[u8]) {
    let Some((&kind, frame)) = data.split_first() else { return };
    match kind % 5 {
        0 => batch::<IoEvent>(frame),
        1 => batch::<IoCommand>(frame),
        2 => control::<DaemonMessage>(frame),
        3 => control::<EngineMessage>(frame),
        _ => link(frame),
    }
}

/// Makes sure that a read and written message is read again as the same.
fn batch<M: Serialize + DeserializeOwned + PartialEq + Debug>(frame: &[u8]) {
    if let Ok(messages) = decode_batch::<M>(frame) {
        let again =
            decode_batch::<M>(&encode_batch(&messages)).expect("what is written can be read");
        assert_eq!(again, messages);
    }
}

fn control<M: Serialize + DeserializeOwned + PartialEq + Debug>(frame: &[u8]) {
    let Ok(text) = std::str::from_utf8(frame) else { return };
    if let Ok(message) = decode_control::<M>(text) {
        let again =
            decode_control::<M>(&encode_control(&message)).expect("what is written can be read");
        assert_eq!(again, message);
    }
}

/// A link after `welcome` with some window; each frame has its length before it.
fn link(mut rest: &[u8]) {
    let mut link = Link::open("token", "engine", "session");
    let window = rest.split_off_first().copied().unwrap_or_default();
    let limits =
        Limits { max_conns: 1, max_files: 1, io_window: 1 << (window % 32) >> 1, max_wait_ms: 1 };
    let welcome =
        DaemonMessage::Welcome { protocol: PROTOCOL_VERSION, epoch: 1, roots: Vec::new(), limits };
    link.handle_text(&encode_control(&welcome)).expect("the first word is welcome");
    while let Some(&length) = rest.split_off_first() {
        let (frame, later) = rest.split_at(usize::from(length).min(rest.len()));
        rest = later;
        let passed = match std::str::from_utf8(frame) {
            Ok(text) if text.starts_with('{') => link.handle_text(text).is_ok(),
            _ => link.handle_binary(frame).is_ok(),
        };
        if !passed {
            return;
        }
        link.command(IoCommand::Credit { bytes: 1 });
        let frames = std::iter::from_fn(|| link.poll_frame()).take(MOST_FRAMES);
        let sent = frames
            .inspect(|frame| assert!(!matches!(frame, Frame::Binary(bytes) if bytes.is_empty())))
            .count();
        assert!(sent < MOST_FRAMES, "a link talks without end");
    }
}
