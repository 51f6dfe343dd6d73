//! A torrent as what people watch: the order of its files, which of them are films, and how far
//! these were watched.
//!
//! Owns what follows from names alone, worked out when names change. The rules are
//! [`crate::natural`]'s and [`crate::marks`]'s.

use std::collections::BTreeMap;

use crate::marks::Watching;
use crate::view::SubtitleView;

/// What is known of its files as films.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Films {
    /// All files but padding, in the order of people.
    pub(in crate::torrent) order: Vec<u32>,
    /// Those of them that it is about.
    pub(in crate::torrent) main: Vec<u32>,
    /// The subtitles of each that has any.
    pub(in crate::torrent) subtitles: BTreeMap<u32, Vec<SubtitleView>>,
    /// How far they were watched.
    pub(in crate::torrent) watching: Watching,
}
