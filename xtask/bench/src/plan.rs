//! How much is measured, and the slow swarm that is used.

use std::path::PathBuf;
use std::time::Duration;

use jstorrent_tests::proxy::Line;
use jstorrent_tests::workspace;

/// Bytes of a MiB.
pub(crate) const MIB: u64 = 1 << 20;
/// The line of each seeder: together as fast as a good line at home, with the delay of a continent.
pub(crate) const LINE: Line = Line { rate_bps: MIB, delay: Duration::from_millis(25) };
/// Seeders of the film.
pub(crate) const SEEDERS: usize = 4;
/// Bytes of a piece.
pub(crate) const PIECE_LENGTH: usize = 1 << 20;

/// How much is measured.
pub(crate) struct Plan {
    /// Starts on a cold film, each in a browser of its own.
    pub(crate) rounds: usize,
    /// Seeks in a round.
    pub(crate) seeks: usize,
    /// How often the film repeats the clip of 15 MiB.
    pub(crate) film_repeats: u32,
    /// MiB that are downloaded at full speed.
    pub(crate) payload_mib: u64,
    /// Downloads at full speed.
    pub(crate) downloads: usize,
    /// Readings of the finished file.
    pub(crate) serves: usize,
    /// Small ranges in each turn.
    pub(crate) small_ranges: usize,
}

/// Two to three minutes.
pub(crate) const FULL: Plan = Plan {
    rounds: 3,
    seeks: 4,
    film_repeats: 18,
    payload_mib: 512,
    downloads: 3,
    serves: 5,
    small_ranges: 900,
};
/// Under a minute.
pub(crate) const QUICK: Plan = Plan {
    rounds: 1,
    seeks: 3,
    film_repeats: 7,
    payload_mib: 128,
    downloads: 1,
    serves: 3,
    small_ranges: 500,
};

/// The folder of files that are made once.
pub(crate) fn folder() -> PathBuf {
    workspace::target().join("bench")
}
