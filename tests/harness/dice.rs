//! Random numbers that can be repeated: they follow from a seed, which a run prints.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A stream of numbers from a seed (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Takes the seed from this environment variable, or a fresh one, and prints it.
    pub fn from_env(variable: &str) -> Self {
        let fresh = || RandomState::new().build_hasher().finish();
        let given = std::env::var(variable).ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(fresh);
        println!("{variable}={seed} repeats this");
        Self(seed)
    }

    /// Another stream, for this number.
    pub fn fork(&self, number: u64) -> Self {
        Self(Self(self.0 ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93)).next())
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_stream_and_forks_give_others() {
        assert_eq!(Dice::new(7).bytes(100), Dice::new(7).bytes(100));
        assert_ne!(Dice::new(7).bytes(100), Dice::new(8).bytes(100));
        let dice = Dice::new(7);
        assert_ne!(dice.fork(1).bytes(8), dice.fork(2).bytes(8));
        assert!((0..100).all(|number| dice.fork(number).below(10) < 10));
    }
}
