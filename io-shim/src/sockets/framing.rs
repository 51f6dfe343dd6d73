//! Cuts a stream of bytes into raw runs, frames and diverted payloads.
//!
//! Pure. Owns the reading mode of one connection, and cuts items off the front of a buffer that
//! others fill. Looks at most at the first nine bytes of a frame. Invariant: the sizes of reads
//! change how raw bytes are cut, but never the frames that are not empty.

use bytes::{Buf, Bytes, BytesMut};
use shared_proto::io::DivertKey;

use crate::policy::limits;

/// Size of a frame's length field.
const LENGTH: usize = 4;
/// Size of a diverted frame's first byte and key.
const DIVERT_HEAD: usize = 1 + size_of::<DivertKey>();

/// The reading mode of one connection.
#[derive(Debug)]
pub(crate) enum Framing {
    /// At most `left` more bytes, as they arrive.
    Raw {
        /// Bytes that may still be delivered.
        left: u64,
    },
    /// Length-prefixed frames.
    Framed {
        /// Longest frame, bytes.
        max_frame: usize,
        /// First byte of the frames to divert.
        divert: Option<u8>,
    },
}

/// An item of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Raw bytes.
    Raw(Bytes),
    /// A frame without its length field. Empty ones are left out if another frame follows them.
    Frame(Bytes),
    /// A diverted frame's key and payload.
    Diverted(DivertKey, Bytes),
}

/// A frame is longer than its maximum.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame over its maximum")]
pub(crate) struct Oversized;

impl Default for Framing {
    /// Nothing is read before the engine sets a mode.
    fn default() -> Self {
        Framing::Raw { left: 0 }
    }
}

impl Framing {
    /// Allows `bytes` more raw bytes, and leaves the framed mode.
    pub(crate) fn raw(&mut self, bytes: u32) {
        let before = match self {
            Framing::Raw { left } => *left,
            Framing::Framed { .. } => 0,
        };
        *self = Framing::Raw { left: before.saturating_add(u64::from(bytes)) };
    }

    /// Reads frames from here on.
    pub(crate) fn framed(&mut self, max_frame: u32, divert: Option<u8>) {
        let max_frame = usize::try_from(max_frame).unwrap_or(usize::MAX).min(limits::MAX_FRAME);
        *self = Framing::Framed { max_frame, divert };
    }

    /// How many bytes a read may add to the buffer. Zero means not to read.
    pub(crate) fn allowance(&self, buffered: usize) -> usize {
        match self {
            Framing::Raw { left } => {
                usize::try_from(*left).unwrap_or(usize::MAX).saturating_sub(buffered)
            }
            Framing::Framed { .. } => usize::MAX,
        }
    }

    /// How many bytes the frame at the buffer's front lacks, at least one.
    pub(crate) fn missing(&self, buffer: &[u8]) -> usize {
        match (self, front_length(buffer)) {
            (Framing::Framed { .. }, Some(length)) => {
                (LENGTH + length).saturating_sub(buffer.len()).max(1)
            }
            _ => 1,
        }
    }

    /// Cuts the next item off the buffer. `None` when it needs more bytes, or another mode.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Item>, Oversized> {
        match self {
            Framing::Raw { left } => {
                let now = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= now as u64;
                Ok((now > 0).then(|| Item::Raw(buffer.split_to(now).freeze())))
            }
            Framing::Framed { max_frame, divert } => next_frame(buffer, *max_frame, *divert),
        }
    }
}

fn front_length(buffer: &[u8]) -> Option<usize> {
    let field = buffer.first_chunk::<LENGTH>()?;
    Some(usize::try_from(u32::from_be_bytes(*field)).unwrap_or(usize::MAX))
}

fn next_frame(
    buffer: &mut BytesMut,
    max_frame: usize,
    divert: Option<u8>,
) -> Result<Option<Item>, Oversized> {
    let mut is_alive = false;
    while let Some(length) = front_length(buffer) {
        if length > max_frame {
            return Err(Oversized);
        }
        if length > buffer.len() - LENGTH {
            break;
        }
        buffer.advance(LENGTH);
        if length > 0 {
            return Ok(Some(sort(buffer.split_to(length).freeze(), divert)));
        }
        is_alive = true;
    }
    // A frame behind an empty one says as much.
    Ok(is_alive.then(|| Item::Frame(Bytes::new())))
}

fn sort(mut frame: Bytes, divert: Option<u8>) -> Item {
    match frame.first_chunk::<DIVERT_HEAD>() {
        Some(&[first, ref key @ ..]) if Some(first) == divert => {
            let key = *key;
            frame.advance(DIVERT_HEAD);
            Item::Diverted(key, frame)
        }
        _ => Item::Frame(frame),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: u8 = 7;

    fn framed(max_frame: u32) -> Framing {
        let mut framing = Framing::default();
        framing.framed(max_frame, Some(T));
        framing
    }

    fn wire(frames: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for frame in frames {
            out.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            out.extend(*frame);
        }
        out
    }

    /// Feeds a stream in these cuts and collects the items.
    fn run(mut framing: Framing, cuts: &[&[u8]]) -> Result<Vec<Item>, Oversized> {
        let mut buffer = BytesMut::new();
        let mut items = Vec::new();
        for cut in cuts {
            buffer.extend_from_slice(cut);
            while let Some(item) = framing.next(&mut buffer)? {
                if item != frame(b"") {
                    items.push(item);
                }
            }
            assert!(framing.missing(&buffer) >= 1);
        }
        Ok(items)
    }

    fn frame(data: &[u8]) -> Item {
        Item::Frame(Bytes::copy_from_slice(data))
    }

    fn diverted(key: &[u8; 8], payload: &[u8]) -> Item {
        Item::Diverted(*key, Bytes::copy_from_slice(payload))
    }

    #[test]
    fn an_empty_frame_tells_that_the_peer_is_there_unless_another_frame_does() {
        let check = |frames: &[&[u8]], expected: &[Item]| {
            let mut buffer = BytesMut::from(&wire(frames)[..]);
            let mut framing = framed(100);
            let items = std::iter::from_fn(|| framing.next(&mut buffer).unwrap());
            assert_eq!(items.collect::<Vec<_>>(), expected);
        };
        check(&[b""], &[frame(b"")]);
        check(&[b"", b"", b""], &[frame(b"")]);
        check(&[b"", b"\x01"], &[frame(b"\x01")]);
        check(&[b"\x01", b""], &[frame(b"\x01"), frame(b"")]);
    }

    #[test]
    fn a_stream_split_at_every_boundary_gives_the_same_frames() {
        let stream = wire(&[
            b"\x01",
            b"",
            b"\x07abcdefghpayload",
            b"\x05bits",
            b"",
            b"\x07short",
            b"\x07ABCDEFGH",
        ]);
        let expected = [
            frame(b"\x01"),
            diverted(b"abcdefgh", b"payload"),
            frame(b"\x05bits"),
            frame(b"\x07short"),
            diverted(b"ABCDEFGH", b""),
        ];
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(run(framed(64), &[head, tail]).unwrap(), expected, "split at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(run(framed(64), &bytes).unwrap(), expected);
    }

    #[test]
    fn a_frame_of_just_the_maximum_passes_and_one_byte_more_does_not() {
        assert_eq!(run(framed(4), &[&wire(&[b"1234"])]).unwrap(), [frame(b"1234")]);
        assert_eq!(run(framed(4), &[&5u32.to_be_bytes()]), Err(Oversized));
        assert_eq!(
            run(framed(u32::MAX), &[&u32::MAX.to_be_bytes()]),
            Err(Oversized),
            "the daemon's own limit"
        );
    }

    #[test]
    fn raw_bytes_are_handed_up_to_the_last_one_asked_for() {
        let mut framing = Framing::default();
        let mut buffer = BytesMut::new();
        assert_eq!(framing.allowance(0), 0);
        framing.raw(5);
        assert_eq!(framing.allowance(0), 5);
        buffer.extend_from_slice(b"abc");
        assert_eq!(framing.next(&mut buffer), Ok(Some(Item::Raw(Bytes::from_static(b"abc")))));
        framing.raw(1);
        assert_eq!(framing.allowance(0), 3);
        buffer.extend_from_slice(b"defg");
        assert_eq!(framing.next(&mut buffer), Ok(Some(Item::Raw(Bytes::from_static(b"def")))));
        assert_eq!(framing.next(&mut buffer), Ok(None));
        assert_eq!(&buffer[..], b"g");
    }

    #[test]
    fn frames_begin_at_the_byte_where_raw_ended() {
        let mut framing = Framing::default();
        let mut buffer = BytesMut::from(&b"hello\0\0\0\x02ab"[..]);
        framing.raw(5);
        assert_eq!(framing.next(&mut buffer), Ok(Some(Item::Raw(Bytes::from_static(b"hello")))));
        framing.framed(10, None);
        assert_eq!(framing.next(&mut buffer), Ok(Some(frame(b"ab"))));
    }

    #[test]
    fn nothing_is_diverted_unless_asked_for() {
        let mut framing = Framing::default();
        framing.framed(64, None);
        assert_eq!(run(framing, &[&wire(&[b"\x07abcdefghx"])]).unwrap(), [frame(b"\x07abcdefghx")]);
    }

    /// The same rules, written naively over the whole stream.
    fn model(mut stream: &[u8], max_frame: usize) -> Result<Vec<Item>, Oversized> {
        let mut items = Vec::new();
        while stream.len() >= 4 {
            let length = u32::from_be_bytes(stream[..4].try_into().unwrap()) as usize;
            if length > max_frame {
                return Err(Oversized);
            }
            let Some(body) = stream.get(4..4 + length) else { break };
            stream = &stream[4 + length..];
            if length >= 9 && body[0] == T {
                items.push(diverted(body[1..9].try_into().unwrap(), &body[9..]));
            } else if length > 0 {
                items.push(frame(body));
            }
        }
        Ok(items)
    }

    proptest! {
        #[test]
        fn any_stream_in_any_cuts_is_read_as_the_model_reads_it(
            frames in prop::collection::vec(
                prop::collection::vec(prop_oneof![Just(T), any::<u8>()], 0..40),
                0..20,
            ),
            stray in prop::collection::vec(any::<u8>(), 0..8),
            cuts in prop::collection::vec(1usize..30, 1..60),
            max_frame in 8u32..60,
        ) {
            let mut stream = wire(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>());
            stream.extend(stray);
            let mut rest = &stream[..];
            let mut parts = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                parts.push(head);
                rest = tail;
            }
            prop_assert_eq!(run(framed(max_frame), &parts), model(&stream, max_frame as usize));
        }
    }
}
