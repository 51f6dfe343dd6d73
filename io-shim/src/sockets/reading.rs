//! Decrypts what was read, if there is a cipher, and cuts it with [`super::framing`].
//!
//! Pure; others fill the buffer. Invariant: each byte is decrypted once, including those that were
//! read before the cipher was set and not yet cut.

use bytes::BytesMut;

use super::{
    cipher::Cipher,
    framing::{Framing, Item, Oversized},
};

/// How one connection is read.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) framing: Framing,
    cipher: Option<Cipher>,
    /// Bytes at the front of the buffer that are already decrypted.
    plain: usize,
}

impl Reading {
    /// Sets a cipher and decrypts what was not yet cut. Returns `false` when there is a cipher
    /// already.
    pub(super) fn transform(&mut self, cipher: Cipher) -> bool {
        let is_first = self.cipher.is_none();
        if is_first {
            self.cipher = Some(cipher);
            self.plain = 0;
        }
        is_first
    }

    /// How many bytes a read may add to the buffer. Zero means not to read.
    pub(super) fn allowance(&self, buffered: usize) -> usize {
        self.framing.allowance(buffered)
    }

    /// How many bytes the frame at the buffer's front lacks, at least one.
    pub(super) fn missing(&self, buffer: &[u8]) -> usize {
        if self.cipher.is_some() && self.plain < buffer.len() {
            1
        } else {
            self.framing.missing(buffer)
        }
    }

    /// Cuts the next item off the buffer. `None` when it needs more bytes, or another mode.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Item>, Oversized> {
        if let Some(cipher) = &mut self.cipher {
            cipher.apply(&mut buffer[self.plain..]);
        }
        let item = self.framing.next(buffer);
        self.plain = buffer.len();
        item
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use shared_proto::io::Rc4Start;

    use super::*;

    fn cipher() -> Cipher {
        Cipher::new(&Rc4Start { key: Bytes::from_static(b"key"), skip: 1024 }).unwrap()
    }

    proptest! {
        /// The handshake is plain and of known length. The rest is decrypted, whatever the sizes of
        /// the reads and however late the cipher is set.
        #[test]
        fn what_was_read_too_early_is_transformed_too(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(1usize..30, 1..20),
        ) {
            let mut hidden = Vec::new();
            for frame in &frames {
                hidden.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
                hidden.extend(frame);
            }
            cipher().apply(&mut hidden);
            let wire = [&b"hello"[..], &hidden].concat();
            let mut reading = Reading::default();
            reading.framing.raw(5);
            let (mut buffer, mut heard, mut found) = (BytesMut::new(), 0, Vec::new());
            let mut rest = &wire[..];
            let mut sizes = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(sizes.next().unwrap().min(rest.len()));
                buffer.extend_from_slice(now);
                rest = later;
                while let Some(item) = reading.next(&mut buffer).unwrap() {
                    match item {
                        Item::Raw(data) => heard += data.len(),
                        Item::Frame(data) if data.is_empty() => {}
                        Item::Frame(data) => found.push(data.to_vec()),
                        Item::Diverted(..) => prop_assert!(false),
                    }
                    if heard == 5 {
                        heard = 0;
                        prop_assert!(reading.transform(cipher()));
                        reading.framing.framed(100, None);
                    }
                }
                prop_assert!(reading.missing(&buffer) >= 1);
            }
            let expected: Vec<_> = frames.into_iter().filter(|frame| !frame.is_empty()).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_direction_has_one_transform() {
        let mut reading = Reading::default();
        assert!(reading.transform(cipher()));
        assert!(!reading.transform(cipher()));
    }
}
