//! The messages of the wire protocol. A frame holds one message (BEP 3, 6, 10 and 52).
//!
//! Owns shapes and sizes; the owner of a torrent's geometry validates the numbers. Invariant: a
//! parsed message has exactly the size of its kind, and encoding it gives the same bytes. The
//! length prefix belongs to the frame: parsing takes frames without it, encoding writes it.

use thiserror::Error;

use crate::geometry::MAX_PIECES;
use crate::hashes::request::HashRequest;

/// Longest accepted frame, in bytes: the bitfield of a torrent of `MAX_PIECES`. Blocks and extended
/// messages are far shorter.
pub const MAX_FRAME: u32 = 1 + MAX_PIECES.div_ceil(8);
/// First byte of frames that carry a block, which the daemon diverts.
pub(crate) const PIECE_ID: u8 = 7;
/// One message, with unchecked numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The sender answers no more requests.
    Choke,
    /// The sender answers requests.
    Unchoke,
    /// The receiver has pieces that the sender lacks.
    Interested,
    /// The receiver has no piece that the sender lacks.
    NotInterested,
    /// The sender has one more piece.
    Have(u32),
    /// The sender's pieces, as in `crate::bitfield::Bitfield::from_wire`.
    Bitfield(&'a [u8]),
    /// A request for a block.
    Request {
        /// The piece.
        piece: u32,
        /// Offset of the first byte in the piece.
        begin: u32,
        /// Number of bytes.
        length: u32,
    },
    /// A block; only seen where the daemon does not divert it.
    Piece {
        /// The piece.
        piece: u32,
        /// Offset of the first byte in the piece.
        begin: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// Cancels a request.
    Cancel {
        /// The piece.
        piece: u32,
        /// Offset of the first byte in the piece.
        begin: u32,
        /// Number of bytes.
        length: u32,
    },
    /// The UDP port of the sender's DHT node (BEP 5).
    Port(u16),
    /// A suggestion to request this piece, which is cheap for the sender (BEP 6).
    Suggest(u32),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// A rejected request (BEP 6).
    Reject {
        /// The piece.
        piece: u32,
        /// Offset of the first byte in the piece.
        begin: u32,
        /// Number of bytes.
        length: u32,
    },
    /// The receiver may request this piece even while choked (BEP 6).
    AllowedFast(u32),
    /// A message of an extension (BEP 10); id 0 is the extension handshake.
    Extended {
        /// The id that the receiver assigned to the extension.
        id: u8,
        /// The content.
        payload: &'a [u8],
    },
    /// A request for hashes of a file's tree (BEP 52).
    HashRequest(HashRequest),
    /// Requested hashes, and the uncles that prove them (BEP 52).
    Hashes {
        /// The request.
        request: HashRequest,
        /// The concatenated hashes.
        hashes: &'a [u8],
    },
    /// A rejected request for hashes (BEP 52).
    HashReject(HashRequest),
    /// An unknown kind, to be ignored.
    Unknown(u8),
}

/// Why a frame is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// An empty frame, which is a keep-alive and not a message.
    #[error("an empty frame")]
    Empty,
    /// A frame whose length does not match its kind.
    #[error("a message {id} of {length} bytes")]
    Size {
        /// The kind.
        id: u8,
        /// Length in bytes, without the kind.
        length: usize,
    },
}

impl<'a> Message<'a> {
    /// Parses a frame without its length prefix.
    ///
    /// # Errors
    /// [`WireError`]: the peer does not speak the protocol.
    pub fn parse(frame: &'a [u8]) -> Result<Self, WireError> {
        let (&id, body) = frame.split_first().ok_or(WireError::Empty)?;
        let size = WireError::Size { id, length: body.len() };
        let message = match id {
            0 => none(body, Self::Choke),
            1 => none(body, Self::Unchoke),
            2 => none(body, Self::Interested),
            3 => none(body, Self::NotInterested),
            4 => one(body).map(Self::Have),
            5 => Some(Self::Bitfield(body)),
            6 => three(body).map(|[piece, begin, length]| Self::Request { piece, begin, length }),
            PIECE_ID => block(body),
            8 => three(body).map(|[piece, begin, length]| Self::Cancel { piece, begin, length }),
            9 => body.try_into().ok().map(|port| Self::Port(u16::from_be_bytes(port))),
            13 => one(body).map(Self::Suggest),
            14 => none(body, Self::HaveAll),
            15 => none(body, Self::HaveNone),
            16 => three(body).map(|[piece, begin, length]| Self::Reject { piece, begin, length }),
            17 => one(body).map(Self::AllowedFast),
            20 => body.split_first().map(|(&id, payload)| Self::Extended { id, payload }),
            21 => hash_request(body).map(Self::HashRequest),
            22 => {
                HashRequest::parse(body).map(|(request, hashes)| Self::Hashes { request, hashes })
            }
            23 => hash_request(body).map(Self::HashReject),
            _ => Some(Self::Unknown(id)),
        };
        message.ok_or(size)
    }

    /// Appends the message as a frame with its length prefix.
    ///
    /// # Panics
    /// If a payload is longer than `u32::MAX` bytes, which none of ours is.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let prefix = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(self.id());
        match *self {
            Self::Choke | Self::Unchoke | Self::Interested | Self::NotInterested => {}
            Self::HaveAll | Self::HaveNone | Self::Unknown(_) => {}
            Self::Have(piece) | Self::Suggest(piece) | Self::AllowedFast(piece) => {
                put(out, &[piece])
            }
            Self::Bitfield(bits) => out.extend_from_slice(bits),
            Self::Request { piece, begin, length }
            | Self::Cancel { piece, begin, length }
            | Self::Reject { piece, begin, length } => put(out, &[piece, begin, length]),
            Self::Piece { piece, begin, data } => {
                put(out, &[piece, begin]);
                out.extend_from_slice(data);
            }
            Self::Port(port) => out.extend_from_slice(&port.to_be_bytes()),
            Self::Extended { id, payload } => {
                out.push(id);
                out.extend_from_slice(payload);
            }
            Self::HashRequest(request) | Self::HashReject(request) => request.encode(out),
            Self::Hashes { request, hashes } => {
                request.encode(out);
                out.extend_from_slice(hashes);
            }
        }
        let length = u32::try_from(out.len() - prefix - 4).expect("our messages are short");
        out[prefix..prefix + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn id(&self) -> u8 {
        match *self {
            Self::Choke => 0,
            Self::Unchoke => 1,
            Self::Interested => 2,
            Self::NotInterested => 3,
            Self::Have(_) => 4,
            Self::Bitfield(_) => 5,
            Self::Request { .. } => 6,
            Self::Piece { .. } => PIECE_ID,
            Self::Cancel { .. } => 8,
            Self::Port(_) => 9,
            Self::Suggest(_) => 13,
            Self::HaveAll => 14,
            Self::HaveNone => 15,
            Self::Reject { .. } => 16,
            Self::AllowedFast(_) => 17,
            Self::Extended { .. } => 20,
            Self::HashRequest(_) => 21,
            Self::Hashes { .. } => 22,
            Self::HashReject(_) => 23,
            Self::Unknown(id) => id,
        }
    }
}

fn none<'a>(body: &[u8], message: Message<'a>) -> Option<Message<'a>> {
    body.is_empty().then_some(message)
}

fn one(body: &[u8]) -> Option<u32> {
    body.try_into().ok().map(u32::from_be_bytes)
}

fn three(body: &[u8]) -> Option<[u32; 3]> {
    match body.as_chunks() {
        (&[a, b, c], []) => Some([a, b, c].map(u32::from_be_bytes)),
        _ => None,
    }
}

fn block(body: &[u8]) -> Option<Message<'_>> {
    let (&piece, rest) = body.split_first_chunk()?;
    let (&begin, data) = rest.split_first_chunk()?;
    Some(Message::Piece {
        piece: u32::from_be_bytes(piece),
        begin: u32::from_be_bytes(begin),
        data,
    })
}

fn hash_request(body: &[u8]) -> Option<HashRequest> {
    HashRequest::parse(body).filter(|(_, rest)| rest.is_empty()).map(|(request, _)| request)
}

fn put(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(message: Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out);
        out
    }

    /// Checks the encoded frame, and that it parses to the same message.
    fn check(message: Message<'_>, bytes: &[u8]) {
        assert_eq!(encode(message), bytes);
        assert_eq!(Message::parse(&bytes[4..]), Ok(message));
    }

    fn check_error(frame: &[u8], length: usize) {
        assert_eq!(Message::parse(frame), Err(WireError::Size { id: frame[0], length }));
    }

    #[test]
    fn every_message_is_encoded_exactly() {
        check(Message::Choke, &[0, 0, 0, 1, 0]);
        check(Message::Unchoke, &[0, 0, 0, 1, 1]);
        check(Message::Interested, &[0, 0, 0, 1, 2]);
        check(Message::NotInterested, &[0, 0, 0, 1, 3]);
        check(Message::Have(0x0102_0304), &[0, 0, 0, 5, 4, 1, 2, 3, 4]);
        check(Message::Bitfield(&[0xc0]), &[0, 0, 0, 2, 5, 0xc0]);
        let (piece, begin, length) = (1, 0x4000, 0x8000);
        let numbers = [0, 0, 0, 1, 0, 0, 0x40, 0, 0, 0, 0x80, 0];
        for (id, message) in [
            (6, Message::Request { piece, begin, length }),
            (8, Message::Cancel { piece, begin, length }),
            (16, Message::Reject { piece, begin, length }),
        ] {
            check(message, &[&[0, 0, 0, 13, id][..], &numbers].concat());
        }
        check(
            Message::Piece { piece, begin, data: b"xy" },
            &[&[0, 0, 0, 11, 7][..], &numbers[..8], b"xy"].concat(),
        );
        check(Message::Port(0x1ae1), &[0, 0, 0, 3, 9, 0x1a, 0xe1]);
        check(Message::Suggest(5), &[0, 0, 0, 5, 13, 0, 0, 0, 5]);
        check(Message::HaveAll, &[0, 0, 0, 1, 14]);
        check(Message::HaveNone, &[0, 0, 0, 1, 15]);
        check(Message::AllowedFast(5), &[0, 0, 0, 5, 17, 0, 0, 0, 5]);
        check(Message::Extended { id: 3, payload: b"de" }, &[0, 0, 0, 4, 20, 3, b'd', b'e']);
        let request =
            HashRequest { root: [7; 32], base: 6, index: 0x200, length: 2, proof_layers: 9 };
        let body = [&[7; 32][..], &[0, 0, 0, 6, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 9]].concat();
        check(Message::HashRequest(request), &[&[0, 0, 0, 49, 21][..], &body].concat());
        check(
            Message::Hashes { request, hashes: &[5; 64] },
            &[&[0, 0, 0, 113, 22][..], &body, &[5; 64]].concat(),
        );
        check(Message::HashReject(request), &[&[0, 0, 0, 49, 23][..], &body].concat());
    }

    #[test]
    fn messages_are_appended_to_one_buffer() {
        let mut out = encode(Message::Interested);
        Message::Have(1).encode(&mut out);
        assert_eq!(out, [0, 0, 0, 1, 2, 0, 0, 0, 5, 4, 0, 0, 0, 1]);
    }

    #[test]
    fn a_message_of_the_wrong_size_is_refused() {
        assert_eq!(Message::parse(&[]), Err(WireError::Empty));
        for id in [0, 1, 2, 3, 14, 15] {
            check_error(&[id, 0], 1);
        }
        for id in [4, 13, 17] {
            check_error(&[id, 0, 0, 0], 3);
            check_error(&[id, 0, 0, 0, 0, 0], 5);
        }
        for id in [6, 8, 16] {
            check_error(&[&[id][..], &[0; 11]].concat(), 11);
            check_error(&[&[id][..], &[0; 13]].concat(), 13);
            check_error(&[&[id][..], &[0; 16]].concat(), 16);
        }
        check_error(&[7, 0, 0, 0, 0, 0, 0, 0], 7);
        check_error(&[9, 0], 1);
        check_error(&[20], 0);
        for id in [21, 22, 23] {
            check_error(&[&[id][..], &[0; 47]].concat(), 47);
        }
        for id in [21, 23] {
            check_error(&[&[id][..], &[0; 49]].concat(), 49);
        }
    }

    #[test]
    fn an_unknown_kind_is_reported_and_not_refused() {
        assert_eq!(Message::parse(&[99, 1, 2]), Ok(Message::Unknown(99)));
        assert_eq!(Message::parse(&[24]), Ok(Message::Unknown(24)));
    }

    #[test]
    fn the_bitfield_of_the_largest_torrent_fits_into_a_frame() {
        let bits = vec![0; MAX_PIECES.div_ceil(8) as usize];
        assert_eq!(encode(Message::Bitfield(&bits)).len() - 4, MAX_FRAME as usize);
    }

    proptest! {
        #[test]
        fn no_frame_panics_and_parsed_messages_round_trip(
            id in 0u8..26,
            body in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let frame = [&[id][..], &body].concat();
            match Message::parse(&frame) {
                Ok(Message::Unknown(unknown)) => prop_assert_eq!(unknown, id),
                Ok(message) => prop_assert_eq!(&encode(message)[4..], &frame[..]),
                Err(error) => prop_assert_eq!(error, WireError::Size { id, length: body.len() }),
            }
        }
    }
}
