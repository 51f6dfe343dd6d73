//! A bitfield of fixed length.
//!
//! Bitfields hold which pieces a peer has, which pieces we have, and which blocks of a piece are
//! stored. This module owns the bits, their count and the wire format (BEP 3: the first bit is the
//! highest bit of the first byte). It knows nothing of pieces or peers. Invariant: bits at and
//! beyond `len` are zero, and `ones` is the number of set bits.

use std::fmt;

use thiserror::Error;

const WORD: u32 = u64::BITS;

/// A fixed number of bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitfield {
    /// The bits, in the order of the wire format. Bit `i` is bit `63 - i % 64` of word `i / 64`,
    /// and the words are big-endian on the wire.
    words: Vec<u64>,
    len: u32,
    ones: u32,
}

/// Why bytes are not a bitfield of the expected length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BitfieldError {
    /// The number of bytes is not what the bits need.
    #[error("a bitfield of {expected} bytes was expected, {got} arrived")]
    Length {
        /// Number of bytes needed.
        expected: usize,
        /// Number of bytes given.
        got: usize,
    },
    /// A bit beyond the last is set.
    #[error("a spare bit of the bitfield is set")]
    SpareBit,
}

impl Bitfield {
    /// Creates `len` clear bits.
    pub fn new(len: u32) -> Self {
        Self { words: vec![0; words_for(len)], len, ones: 0 }
    }

    /// Creates `len` set bits.
    pub fn full(len: u32) -> Self {
        let mut words = vec![u64::MAX; words_for(len)];
        if let Some(last) = words.last_mut() {
            *last &= !spare_mask(len);
        }
        Self { words, len, ones: len }
    }

    /// Parses `len` bits from the wire format.
    ///
    /// # Errors
    /// If the number of bytes is wrong or a spare bit is set; the connection must then be closed
    /// (BEP 3).
    pub(crate) fn from_wire(bytes: &[u8], len: u32) -> Result<Self, BitfieldError> {
        let expected = bytes_for(len);
        if bytes.len() != expected {
            return Err(BitfieldError::Length { expected, got: bytes.len() });
        }
        let words: Vec<u64> = bytes.chunks(8).map(word_from_wire).collect();
        if words.last().is_some_and(|last| last & spare_mask(len) != 0) {
            return Err(BitfieldError::SpareBit);
        }
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Ok(Self { words, len, ones })
    }

    /// Returns the wire format.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(bytes_for(self.len));
        bytes
    }

    /// Returns the number of bits.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Returns whether the bitfield has length zero.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of set bits, in constant time.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Returns whether every bit is set, in constant time.
    pub fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Returns whether no bit is set, in constant time.
    pub(crate) fn is_clear(&self) -> bool {
        self.ones == 0
    }

    /// Returns whether the bit is set; false beyond the end.
    pub fn get(&self, index: u32) -> bool {
        index < self.len && self.words[word_of(index)] & mask_of(index) != 0
    }

    /// Sets a bit.
    ///
    /// # Panics
    /// If `index` is not below [`Bitfield::len`]; check indexes from peers first.
    pub fn set(&mut self, index: u32) {
        assert!(index < self.len, "bit {index} of a bitfield of {} bits", self.len);
        let word = &mut self.words[word_of(index)];
        self.ones += u32::from(*word & mask_of(index) == 0);
        *word |= mask_of(index);
    }

    /// Clears a bit.
    ///
    /// # Panics
    /// If `index` is not below [`Bitfield::len`].
    pub fn clear(&mut self, index: u32) {
        assert!(index < self.len, "bit {index} of a bitfield of {} bits", self.len);
        let word = &mut self.words[word_of(index)];
        self.ones -= u32::from(*word & mask_of(index) != 0);
        *word &= !mask_of(index);
    }

    /// Sets every bit that is set in `other`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn or(&mut self, other: &Bitfield) {
        assert_eq!(self.len, other.len, "bitfields of one torrent have one length");
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
        self.ones = self.words.iter().map(|word| word.count_ones()).sum();
    }

    /// Returns the first set bit.
    pub(crate) fn first_set(&self) -> Option<u32> {
        self.next_set(0)
    }

    /// Returns the first set bit at or after `from`.
    pub(crate) fn next_set(&self, from: u32) -> Option<u32> {
        self.next_matching(from, |word| word)
    }

    /// Returns the first clear bit at or after `from`.
    pub(crate) fn next_unset(&self, from: u32) -> Option<u32> {
        self.next_matching(from, |word| !word)
    }

    /// Returns the first bit that is set here and clear in `other`. The search starts at `from`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub(crate) fn next_set_missing_in(&self, other: &Bitfield, from: u32) -> Option<u32> {
        assert_eq!(self.len, other.len, "bitfields of one torrent have one length");
        let mut at = word_of(from);
        let mut mask = tail_mask(from);
        while at < self.words.len() {
            let found = self.words[at] & !other.words[at] & mask;
            if found != 0 {
                return Some(index_at(at, found));
            }
            mask = u64::MAX;
            at += 1;
        }
        None
    }

    /// Returns whether any bit is set here and clear in `other`.
    ///
    /// With a peer's pieces and ours: whether we are interested in the peer.
    ///
    /// # Panics
    /// If the lengths differ.
    pub(crate) fn has_any_missing_in(&self, other: &Bitfield) -> bool {
        self.next_set_missing_in(other, 0).is_some()
    }

    /// Iterates over the indexes of the bits that are set here and clear in `other`.
    pub(crate) fn iter_missing_in<'a>(
        &'a self,
        other: &'a Bitfield,
    ) -> impl Iterator<Item = u32> + 'a {
        successive(move |from| self.next_set_missing_in(other, from))
    }

    /// Iterates over the indexes of the set bits in ascending order.
    pub(crate) fn iter_ones(&self) -> impl Iterator<Item = u32> + '_ {
        successive(move |from| self.next_set(from))
    }

    fn next_matching(&self, from: u32, view: impl Fn(u64) -> u64) -> Option<u32> {
        let mut at = word_of(from);
        let mut mask = tail_mask(from);
        while at < self.words.len() {
            let found = view(self.words[at]) & mask;
            if found != 0 {
                let index = index_at(at, found);
                // Spare bits look clear; they come last.
                return (index < self.len).then_some(index);
            }
            mask = u64::MAX;
            at += 1;
        }
        None
    }
}

impl fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitfield({} of {})", self.ones, self.len)
    }
}

fn successive(next: impl Fn(u32) -> Option<u32>) -> impl Iterator<Item = u32> {
    let mut from = Some(0);
    std::iter::from_fn(move || {
        let found = next(from?);
        from = found.and_then(|index| index.checked_add(1));
        found
    })
}

fn word_of(index: u32) -> usize {
    (index / WORD) as usize
}

fn mask_of(index: u32) -> u64 {
    1 << (WORD - 1 - index % WORD)
}

/// Returns a mask of the bits of a word from `index` on.
fn tail_mask(index: u32) -> u64 {
    u64::MAX >> (index % WORD)
}

/// Returns a mask of the spare bits of the last word.
fn spare_mask(len: u32) -> u64 {
    if len.is_multiple_of(WORD) { 0 } else { tail_mask(len) }
}

#[expect(clippy::cast_possible_truncation, reason = "there are at most 2^32 / 64 words")]
fn index_at(word: usize, bits: u64) -> u32 {
    (word as u32) * WORD + bits.leading_zeros()
}

fn words_for(len: u32) -> usize {
    len.div_ceil(WORD) as usize
}

fn bytes_for(len: u32) -> usize {
    len.div_ceil(8) as usize
}

fn word_from_wire(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Creates a bitfield from text: `x` is set, `.` is clear.
    fn picture(text: &str) -> Bitfield {
        let mut bits = Bitfield::new(u32::try_from(text.len()).unwrap());
        for (index, _) in text.bytes().enumerate().filter(|(_, byte)| *byte == b'x') {
            bits.set(u32::try_from(index).unwrap());
        }
        bits
    }

    fn check_wire(text: &str, wire: &[u8]) {
        let bits = picture(text);
        assert_eq!(bits.to_wire(), wire);
        assert_eq!(Bitfield::from_wire(wire, bits.len()), Ok(bits));
    }

    #[test]
    fn the_first_bit_is_the_highest_of_the_first_byte() {
        check_wire("", &[]);
        check_wire("x", &[0x80]);
        check_wire(".x......x", &[0x40, 0x80]);
        check_wire("xxxxxxxx", &[0xff]);
    }

    #[test]
    fn a_bitfield_of_another_length_or_with_a_spare_bit_is_refused() {
        assert_eq!(
            Bitfield::from_wire(&[0, 0], 8),
            Err(BitfieldError::Length { expected: 1, got: 2 })
        );
        assert_eq!(Bitfield::from_wire(&[], 1), Err(BitfieldError::Length { expected: 1, got: 0 }));
        assert_eq!(Bitfield::from_wire(&[0x01], 7), Err(BitfieldError::SpareBit));
        assert_eq!(
            Bitfield::from_wire(&[0, 0, 0, 0, 0, 0, 0, 0, 0x40], 65),
            Err(BitfieldError::SpareBit)
        );
    }

    #[test]
    fn setting_and_clearing_twice_counts_once() {
        let mut bits = picture("..x");
        bits.set(2);
        assert_eq!(bits.count(), 1);
        bits.clear(2);
        bits.clear(2);
        assert!(bits.is_clear());
        assert!(!bits.get(3) && !bits.get(u32::MAX));
    }

    #[test]
    fn a_full_bitfield_has_every_bit_and_no_spare_one() {
        for len in [0, 1, 63, 64, 65, 1000] {
            let bits = Bitfield::full(len);
            assert!(bits.is_full());
            assert_eq!(bits.next_unset(0), None);
            assert_eq!(Bitfield::from_wire(&bits.to_wire(), len), Ok(bits));
        }
    }

    #[test]
    #[should_panic(expected = "bit 3 of a bitfield of 3 bits")]
    fn setting_a_bit_beyond_the_end_panics() {
        Bitfield::new(3).set(3);
    }

    #[test]
    fn a_peer_is_interesting_if_it_has_a_missing_piece() {
        assert!(picture("..x").has_any_missing_in(&picture("xx.")));
        assert!(!picture("x..").has_any_missing_in(&picture("xx.")));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_row_of_booleans(
            model in prop::collection::vec(any::<bool>(), 0..300),
            other in prop::collection::vec(any::<bool>(), 300),
            from in 0u32..310,
        ) {
            let text = |row: &[bool]| -> String {
                row.iter().map(|set| if *set { 'x' } else { '.' }).collect()
            };
            let other = &other[..model.len()];
            let bits = picture(&text(&model));
            let other_bits = picture(&text(other));
            let first = |wanted: &dyn Fn(usize) -> bool| {
                let index = (from as usize..model.len()).find(|index| wanted(*index));
                index.map(|index| u32::try_from(index).unwrap())
            };

            prop_assert_eq!(bits.count() as usize, model.iter().filter(|set| **set).count());
            prop_assert_eq!(bits.next_set(from), first(&|i| model[i]));
            prop_assert_eq!(bits.next_unset(from), first(&|i| !model[i]));
            prop_assert_eq!(
                bits.next_set_missing_in(&other_bits, from),
                first(&|i| model[i] && !other[i])
            );
            let mut both = bits.clone();
            both.or(&other_bits);
            let either: Vec<bool> = model.iter().zip(other).map(|(a, b)| *a || *b).collect();
            prop_assert_eq!(both, picture(&text(&either)));
            let ones: Vec<u32> =
                (0..).zip(&model).filter(|(_, set)| **set).map(|(index, _)| index).collect();
            prop_assert_eq!(bits.iter_ones().collect::<Vec<_>>(), ones);
            prop_assert_eq!(Bitfield::from_wire(&bits.to_wire(), bits.len()), Ok(bits));
        }

        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..40), len in 0u32..330) {
            if let Ok(bits) = Bitfield::from_wire(&bytes, len) {
                prop_assert_eq!(bits.to_wire(), bytes);
            }
        }
    }
}
