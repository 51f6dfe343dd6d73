//! How many peers have each piece, and which of the pieces not yet begun is the rarest.
//!
//! Owns the counts and an order of the *idle* pieces (missing and not begun) by count; never knows peers or blocks. Every change of one
//! count costs one swap, so that a `have` costs the same with ten pieces as with 2²⁰. Peers that have everything are counted apart: they
//! change no order.

use rand::{Rng, RngExt};

use crate::bitfield::Bitfield;
use crate::geometry::PieceIndex;

/// Counts and order. The order is `[count 0 | count 1 | … | not idle]`; `ends[c]` is where the bucket of count `c` ends.
#[derive(Debug)]
pub struct Availability {
    everyone: u32,
    counts: Vec<u16>,
    order: Vec<u32>,
    place: Vec<u32>,
    ends: Vec<u32>,
}

impl Availability {
    /// `pieces` idle pieces that nobody has, in a random order.
    pub fn new(pieces: u32, rng: &mut impl Rng) -> Self {
        let mut order: Vec<u32> = (0..pieces).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, rng.random_range(0..=at));
        }
        let mut place = vec![0; order.len()];
        for (at, &piece) in order.iter().enumerate() {
            place[piece as usize] = index(at);
        }
        Self { everyone: 0, counts: vec![0; order.len()], ends: vec![pieces], order, place }
    }

    /// How many peers have the piece.
    pub fn count(&self, piece: PieceIndex) -> u32 {
        self.everyone + u32::from(self.counts[piece.0 as usize])
    }

    /// A peer that has everything came.
    pub fn add_everyone(&mut self) {
        self.everyone += 1;
    }

    /// A peer that has everything went.
    pub fn remove_everyone(&mut self) {
        self.everyone -= 1;
    }

    /// One more peer has the piece.
    pub fn add(&mut self, piece: PieceIndex) {
        let count = self.counts[piece.0 as usize];
        let Some(more) = count.checked_add(1) else { return };
        if self.is_idle(piece) {
            if self.ends.len() <= usize::from(more) {
                let last = *self.ends.last().expect("there is always the bucket of count 0");
                self.ends.push(last);
            }
            self.move_up(piece, usize::from(count));
        }
        self.counts[piece.0 as usize] = more;
    }

    /// One peer less has the piece.
    pub fn remove(&mut self, piece: PieceIndex) {
        let count = self.counts[piece.0 as usize];
        let Some(fewer) = count.checked_sub(1) else { return };
        if self.is_idle(piece) {
            self.move_down(piece, usize::from(fewer));
        }
        self.counts[piece.0 as usize] = fewer;
    }

    /// A peer with these pieces came.
    pub fn add_all(&mut self, pieces: &Bitfield) {
        pieces.iter_ones().for_each(|piece| self.add(PieceIndex(piece)));
    }

    /// A peer with these pieces went.
    pub fn remove_all(&mut self, pieces: &Bitfield) {
        pieces.iter_ones().for_each(|piece| self.remove(PieceIndex(piece)));
    }

    /// The piece is begun, being checked or there: it is not to be picked. Cost: one swap for each count that occurs above its own.
    pub fn take(&mut self, piece: PieceIndex) {
        if self.is_idle(piece) {
            for bucket in usize::from(self.counts[piece.0 as usize])..self.ends.len() {
                self.move_up(piece, bucket);
            }
        }
    }

    /// The piece is missing and not begun.
    pub fn put_back(&mut self, piece: PieceIndex) {
        if !self.is_idle(piece) {
            let count = usize::from(self.counts[piece.0 as usize]);
            while self.ends.len() <= count {
                let last = *self.ends.last().expect("there is always the bucket of count 0");
                self.ends.push(last);
            }
            for bucket in (count..self.ends.len()).rev() {
                self.move_down(piece, bucket);
            }
        }
    }

    /// Idle pieces, the rarest first.
    pub fn rarest(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        let skip = if self.everyone > 0 { 0 } else { self.ends[0] as usize };
        let idle = *self.ends.last().expect("there is always the bucket of count 0") as usize;
        self.order[skip..idle].iter().map(|&piece| PieceIndex(piece))
    }

    /// Idle pieces, the rarest first, and before them those that no peer has.
    pub fn rarest_of_all(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        let idle = *self.ends.last().expect("there is always the bucket of count 0") as usize;
        self.order[..idle].iter().map(|&piece| PieceIndex(piece))
    }

    fn is_idle(&self, piece: PieceIndex) -> bool {
        self.place[piece.0 as usize] < *self.ends.last().expect("there is always the bucket of count 0")
    }

    /// From `bucket`, where it is, to the one above.
    fn move_up(&mut self, piece: PieceIndex, bucket: usize) {
        self.ends[bucket] -= 1;
        self.swap(self.place[piece.0 as usize], self.ends[bucket]);
    }

    /// Into `bucket`, from the one above.
    fn move_down(&mut self, piece: PieceIndex, bucket: usize) {
        self.swap(self.place[piece.0 as usize], self.ends[bucket]);
        self.ends[bucket] += 1;
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.order.swap(a as usize, b as usize);
        self.place[self.order[a as usize] as usize] = a;
        self.place[self.order[b as usize] as usize] = b;
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("pieces are counted in 32 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn rarest(availability: &Availability) -> Vec<u32> {
        availability.rarest().map(|piece| piece.0).collect()
    }

    #[test]
    fn the_rarest_idle_piece_comes_first() {
        let mut availability = Availability::new(4, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(rarest(&availability), [] as [u32; 0], "nobody has any");
        for piece in [0, 0, 0, 1, 1, 2] {
            availability.add(PieceIndex(piece));
        }
        assert_eq!(rarest(&availability), [2, 1, 0]);
        availability.take(PieceIndex(1));
        assert_eq!(rarest(&availability), [2, 0]);
        availability.add_everyone();
        assert_eq!(rarest(&availability), [3, 2, 0]);
        availability.put_back(PieceIndex(1));
        availability.remove(PieceIndex(0));
        availability.remove(PieceIndex(0));
        availability.remove(PieceIndex(0));
        assert_eq!(rarest(&availability)[2..], [2, 1]);
    }

    proptest! {
        #[test]
        fn the_order_agrees_with_a_naive_model(steps in prop::collection::vec((0u8..4, 0u32..12), 0..200)) {
            let mut clever = Availability::new(12, &mut ChaCha8Rng::seed_from_u64(2));
            let mut counts = [0u32; 12];
            let mut idle = [true; 12];
            for (what, piece) in steps {
                let at = piece as usize;
                match what {
                    0 => { clever.add(PieceIndex(piece)); counts[at] += 1; }
                    1 => { clever.remove(PieceIndex(piece)); counts[at] = counts[at].saturating_sub(1); }
                    2 => { clever.take(PieceIndex(piece)); idle[at] = false; }
                    _ => { clever.put_back(PieceIndex(piece)); idle[at] = true; }
                }
                let order: Vec<u32> = rarest(&clever);
                prop_assert!(order.windows(2).all(|pair| counts[pair[0] as usize] <= counts[pair[1] as usize]));
                let mut members = order.clone();
                members.sort_unstable();
                let expected: Vec<u32> = (0..12).filter(|&p| idle[p as usize] && counts[p as usize] > 0).collect();
                prop_assert_eq!(members, expected);
                prop_assert!((0..12).all(|p| clever.count(PieceIndex(p)) == counts[p as usize]));
            }
        }
    }
}
