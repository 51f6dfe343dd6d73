//! A torrent and the films that are made ready before their viewers come.
//!
//! Owns which films these are: one that somebody is likely to open next
//! ([`crate::view::Intent::Prepare`]), the one that a click on play opens, and the one after a film
//! that is watched and complete. What of them is wanted comes after all that viewers want. It reads
//! bytes of a film for its index only when they are verified.

use crate::geometry::FileIndex;
use crate::time::Instant;
use crate::torrent::watch::warm::Warm;

/// The films that are made ready.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Warmth {
    /// The one that somebody is likely to open, and until when.
    pub(in crate::torrent) prepared: Option<(Warm, Instant)>,
    /// The one that a click on play opens.
    pub(in crate::torrent) first: Option<Warm>,
    /// The film that comes after the one that is watched.
    pub(in crate::torrent) next: Option<Warm>,
    /// The film that is watched and complete.
    pub(in crate::torrent) watched: Option<FileIndex>,
}

impl Warmth {
    /// The most likely one first. The same film may be there twice.
    pub(in crate::torrent) fn all(&self) -> impl Iterator<Item = &Warm> {
        self.prepared.iter().map(|(warm, _)| warm).chain(&self.first).chain(&self.next)
    }

    pub(in crate::torrent) fn all_mut(&mut self) -> impl Iterator<Item = &mut Warm> {
        self.prepared.iter_mut().map(|(warm, _)| warm).chain(&mut self.first).chain(&mut self.next)
    }

    /// Other files are wanted than before.
    pub(in crate::torrent) fn selection_changed(&mut self) {
        (self.next, self.watched) = (None, None);
    }

    /// No answer comes any more.
    pub(in crate::torrent) fn unlink(&mut self) {
        self.all_mut().for_each(|warm| warm.is_reading = false);
    }
}
