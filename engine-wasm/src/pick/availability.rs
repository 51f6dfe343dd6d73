//! Counts how many peers have each piece, and orders pieces by rarity.
//!
//! This module owns the counts, each piece's priority, and the order of *idle* pieces (missing,
//! wanted and not begun): by priority, then by count. It knows neither peers nor blocks. Changing
//! one count costs one swap, so a `have` message costs the same with ten pieces as with 2²⁰. Seeds
//! are counted separately because they do not change the order.

use rand::{Rng, RngExt};

use crate::geometry::PieceIndex;
use crate::pick::priority::Priority;

/// Number of counts that the order distinguishes; pieces with more peers are not rare.
const LEVELS: usize = 64;
/// Number of priorities that are downloaded.
const CLASSES: usize = 3;
const BUCKETS: usize = CLASSES * LEVELS;

/// Piece counts and the order of idle pieces.
///
/// The order is `[high: count 0 | count 1 | … | normal: count 0 | … | low … | not idle]`; `ends[b]`
/// is the end of bucket `b`.
#[derive(Debug)]
pub(crate) struct Availability {
    seeds: u32,
    counts: Vec<u16>,
    priorities: Vec<Priority>,
    order: Vec<PieceIndex>,
    place: Vec<u32>,
    ends: [u32; BUCKETS],
}

impl Availability {
    /// Creates all of a torrent's `pieces`, in random order. Each is idle, with normal priority and
    /// count 0.
    pub(crate) fn new(pieces: impl Iterator<Item = PieceIndex>, rng: &mut impl Rng) -> Self {
        let mut order: Vec<PieceIndex> = pieces.collect();
        for at in (1..order.len()).rev() {
            order.swap(at, rng.random_range(0..=at));
        }
        let mut place = vec![0; order.len()];
        for (at, &piece) in order.iter().enumerate() {
            place[piece.as_usize()] = index(at);
        }
        let mut ends = [index(order.len()); BUCKETS];
        let normal = class(Priority::Normal).unwrap_or(0) * LEVELS;
        ends[..normal].fill(0);
        let (counts, priorities) = (vec![0; order.len()], vec![Priority::Normal; order.len()]);
        Self { seeds: 0, counts, priorities, ends, order, place }
    }

    /// Returns how many peers have the piece.
    #[cfg(test)]
    pub(crate) fn count(&self, piece: PieceIndex) -> u32 {
        self.seeds + u32::from(self.counts[piece.as_usize()])
    }

    /// Returns whether the piece is downloaded even without a viewer.
    pub(crate) fn is_wanted(&self, piece: PieceIndex) -> bool {
        self.priorities[piece.as_usize()] != Priority::Skip
    }

    /// Changes the priority of a piece. The caller says whether the piece is idle.
    pub(crate) fn set_priority(&mut self, piece: PieceIndex, priority: Priority, is_idle: bool) {
        self.take(piece);
        self.priorities[piece.as_usize()] = priority;
        if is_idle {
            self.put_back(piece);
        }
    }

    /// Counts a seed that connected.
    pub(crate) fn add_seed(&mut self) {
        self.seeds += 1;
    }

    /// Removes a seed that disconnected.
    pub(crate) fn remove_seed(&mut self) {
        self.seeds -= 1;
    }

    /// Counts one more peer that has the piece.
    pub(crate) fn add(&mut self, piece: PieceIndex) {
        let count = self.counts[piece.as_usize()];
        let Some(more) = count.checked_add(1) else { return };
        if self.is_idle(piece) && usize::from(more) < LEVELS {
            let bucket = self.bucket(piece);
            self.move_up(piece, bucket);
        }
        self.counts[piece.as_usize()] = more;
    }

    /// Removes one peer that has the piece.
    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        let count = self.counts[piece.as_usize()];
        let Some(fewer) = count.checked_sub(1) else { return };
        if self.is_idle(piece) && usize::from(count) < LEVELS {
            let bucket = self.bucket(piece) - 1;
            self.move_down(piece, bucket);
        }
        self.counts[piece.as_usize()] = fewer;
    }

    /// Counts a peer that connected with these pieces.
    pub(crate) fn add_all(&mut self, pieces: impl Iterator<Item = PieceIndex>) {
        pieces.for_each(|piece| self.add(piece));
    }

    /// Removes a peer that disconnected and had these pieces.
    pub(crate) fn remove_all(&mut self, pieces: impl Iterator<Item = PieceIndex>) {
        pieces.for_each(|piece| self.remove(piece));
    }

    /// Removes a piece from the order: it is begun, being checked, or verified.
    ///
    /// Costs at most one swap per bucket.
    pub(crate) fn take(&mut self, piece: PieceIndex) {
        if self.is_idle(piece) {
            for bucket in self.bucket(piece)..BUCKETS {
                self.move_up(piece, bucket);
            }
        }
    }

    /// Returns a piece to the order: it is missing and not begun. Does nothing if it is not wanted.
    pub(crate) fn put_back(&mut self, piece: PieceIndex) {
        if !self.is_idle(piece) && self.is_wanted(piece) {
            for bucket in (self.bucket(piece)..BUCKETS).rev() {
                self.move_down(piece, bucket);
            }
        }
    }

    /// Returns the idle pieces, by priority and then the rarest first. Skips pieces that no peer
    /// has.
    pub(crate) fn rarest(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        let has_seeds = self.seeds > 0;
        let of_class = move |class: usize| {
            let first = class * LEVELS;
            let begin = if has_seeds {
                first.checked_sub(1).map_or(0, |before| self.ends[before])
            } else {
                self.ends[first]
            };
            &self.order[begin as usize..self.ends[first + LEVELS - 1] as usize]
        };
        (0..CLASSES).flat_map(of_class).copied()
    }

    /// Returns the piece that [`Availability::rarest`] has first among the first `most` of these
    /// that are idle.
    pub(crate) fn rarest_of(
        &self,
        pieces: impl Iterator<Item = PieceIndex>,
        most: usize,
    ) -> Option<PieceIndex> {
        let idle = pieces.filter(|&piece| self.is_idle(piece)).take(most);
        idle.min_by_key(|piece| self.place[piece.as_usize()])
    }

    /// Returns all idle pieces by priority, and within each priority the rarest first.
    ///
    /// Pieces that no peer has come before the others of their priority.
    pub(crate) fn idle(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        let idle = *self.ends.last().expect("there is always the bucket of count 0") as usize;
        self.order[..idle].iter().copied()
    }

    fn is_idle(&self, piece: PieceIndex) -> bool {
        self.place[piece.as_usize()] < self.ends[BUCKETS - 1]
    }

    /// Returns the bucket of a wanted piece.
    fn bucket(&self, piece: PieceIndex) -> usize {
        let level = usize::from(self.counts[piece.as_usize()]).min(LEVELS - 1);
        class(self.priorities[piece.as_usize()]).unwrap_or(CLASSES - 1) * LEVELS + level
    }

    /// Moves a piece from its bucket to the next higher one.
    fn move_up(&mut self, piece: PieceIndex, bucket: usize) {
        self.ends[bucket] -= 1;
        self.swap(self.place[piece.as_usize()], self.ends[bucket]);
    }

    /// Moves a piece into `bucket` from the next higher one.
    fn move_down(&mut self, piece: PieceIndex, bucket: usize) {
        self.swap(self.place[piece.as_usize()], self.ends[bucket]);
        self.ends[bucket] += 1;
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.order.swap(a as usize, b as usize);
        self.place[self.order[a as usize].as_usize()] = a;
        self.place[self.order[b as usize].as_usize()] = b;
    }
}

/// Returns the position of a priority in the order. `None` if the priority is not downloaded.
fn class(priority: Priority) -> Option<usize> {
    match priority {
        Priority::High => Some(0),
        Priority::Normal => Some(1),
        Priority::Low => Some(2),
        Priority::Skip => None,
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
    use crate::geometry::testing;

    fn rarest(availability: &Availability) -> Vec<u32> {
        availability.rarest().map(|piece| piece.get()).collect()
    }

    #[test]
    fn the_rarest_idle_piece_comes_first() {
        let mut availability =
            Availability::new((0..4).map(testing::piece), &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(rarest(&availability), [] as [u32; 0], "no peer has a piece");
        for piece in [0, 0, 0, 1, 1, 2] {
            availability.add(testing::piece(piece));
        }
        assert_eq!(rarest(&availability), [2, 1, 0]);
        availability.take(testing::piece(1));
        assert_eq!(rarest(&availability), [2, 0]);
        availability.add_seed();
        assert_eq!(rarest(&availability), [3, 2, 0]);
        availability.put_back(testing::piece(1));
        availability.remove(testing::piece(0));
        availability.remove(testing::piece(0));
        availability.remove(testing::piece(0));
        assert_eq!(rarest(&availability)[2..], [2, 1]);
    }

    #[test]
    fn higher_priorities_come_first_and_skipped_pieces_never() {
        let mut availability =
            Availability::new((0..4).map(testing::piece), &mut ChaCha8Rng::seed_from_u64(1));
        (0..4).for_each(|piece| (0..=piece).for_each(|_| availability.add(testing::piece(piece))));
        availability.set_priority(testing::piece(3), Priority::High, true);
        availability.set_priority(testing::piece(0), Priority::Low, true);
        availability.set_priority(testing::piece(1), Priority::Skip, true);
        assert_eq!(rarest(&availability), [3, 2, 0]);
        availability.put_back(testing::piece(1));
        assert_eq!(rarest(&availability), [3, 2, 0], "it is missing, and still not wanted");
        availability.take(testing::piece(2));
        availability.set_priority(testing::piece(2), Priority::High, false);
        assert_eq!(rarest(&availability), [3, 0], "it is begun, whatever its priority");
        availability.set_priority(testing::piece(1), Priority::Normal, true);
        assert_eq!(rarest(&availability), [3, 1, 0]);
    }

    proptest! {
        #[test]
        fn the_order_agrees_with_a_naive_model(
            steps in prop::collection::vec((0u8..8, 0u32..12), 0..300),
        ) {
            let mut clever = Availability::new(
                (0..12).map(testing::piece),
                &mut ChaCha8Rng::seed_from_u64(2),
            );
            let mut counts = [0u32; 12];
            let mut idle = [true; 12];
            let mut priorities = [Priority::Normal; 12];
            for (what, piece) in steps {
                let at = piece as usize;
                match what {
                    0 => { clever.add(testing::piece(piece)); counts[at] += 1; }
                    1 => {
                        clever.remove(testing::piece(piece));
                        counts[at] = counts[at].saturating_sub(1);
                    }
                    2 => { clever.take(testing::piece(piece)); idle[at] = false; }
                    3 => { clever.put_back(testing::piece(piece)); idle[at] = true; }
                    other => {
                        let priority = Priority::ALL[usize::from(other - 4)];
                        priorities[at] = priority;
                        clever.set_priority(testing::piece(piece), priority, idle[at]);
                    }
                }
                let order: Vec<u32> = rarest(&clever);
                let rank = |p: u32| (class(priorities[p as usize]), counts[p as usize]);
                prop_assert!(order.windows(2).all(|pair| rank(pair[0]) <= rank(pair[1])));
                let mut members = order.clone();
                members.sort_unstable();
                let belongs = |&p: &u32| {
                    idle[p as usize]
                        && counts[p as usize] > 0
                        && priorities[p as usize] != Priority::Skip
                };
                let expected: Vec<u32> = (0..12).filter(belongs).collect();
                prop_assert_eq!(members, expected);
                let is_counted =
                    |p: u32| clever.count(testing::piece(p)) == counts[p as usize];
                prop_assert!((0..12).all(is_counted));
            }
        }
    }
}
