//! The viewers of a torrent: their grants, what they wait for, and what they will need next.
//!
//! Owns the desk with its requests, the prepared films, and the watch marks. It knows what is
//! verified ([`Verified`]), but never the source of anything.

pub(crate) mod ahead;
pub(crate) mod desk;
pub(in crate::torrent) mod films;
pub(in crate::torrent) mod preparations;
pub(crate) mod prepared_film;
pub(in crate::torrent) mod prospects;
pub(crate) mod subtitles;
#[cfg(test)]
mod tests;
pub(crate) mod viewer;

use std::collections::BTreeSet;

use crate::geometry::FileIndex;
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;
use desk::Desk;
use films::Films;
use preparations::Preparations;
use viewer::LINGER;

/// The viewers of a torrent, and the films prepared for them.
#[derive(Debug)]
pub(in crate::torrent) struct Watch {
    desk: Desk,
    preparations: Preparations,
    films: Films,
    /// Since when no viewer has a request; `None` while one has.
    unread_since: Option<Instant>,
    /// When an incomplete file was last watched.
    watched_missing: Option<Instant>,
}

impl Watch {
    /// Creates the state without viewers.
    pub(in crate::torrent) fn new(now: Instant) -> Self {
        Self {
            desk: Desk::default(),
            preparations: Preparations::default(),
            films: Films::default(),
            unread_since: Some(now),
            watched_missing: None,
        }
    }

    /// The requests of viewers.
    pub(in crate::torrent) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The requests of viewers, mutable.
    pub(in crate::torrent) fn desk_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// The prepared films.
    pub(in crate::torrent) fn preparations(&mut self) -> &mut Preparations {
        &mut self.preparations
    }

    /// The files as films.
    pub(in crate::torrent) fn films(&self) -> &Films {
        &self.films
    }

    /// The files as films, mutable.
    pub(in crate::torrent) fn films_mut(&mut self) -> &mut Films {
        &mut self.films
    }

    /// Since when no viewer has a request; `None` while one has.
    pub(in crate::torrent) fn unread_since(&self) -> Option<Instant> {
        self.unread_since
    }

    /// Ends a step: records whether anything is being read.
    pub(in crate::torrent) fn settle(&mut self, now: Instant) {
        self.unread_since =
            if self.desk.is_read() { None } else { self.unread_since.or(Some(now)) };
    }

    /// The missing pieces that viewers and prepared films need, most urgent first.
    ///
    /// `ahead` is the film that is prepared before anybody watches.
    pub(in crate::torrent) fn wants(
        &mut self,
        ahead: Option<FileIndex>,
        verified: Verified<'_>,
        now: Instant,
    ) -> Vec<Want> {
        let mut wants = self.desk.wants(verified, now);
        let watched: BTreeSet<FileIndex> = self.desk.watched().collect();
        self.films.add_subtitle_wants(&mut wants, &watched, ahead, verified, now);
        self.preparations.add_wants(&mut wants, verified, now);
        wants
    }

    /// Records whether an incomplete file is being watched.
    pub(in crate::torrent) fn note_missing(
        &mut self,
        is_incomplete: impl Fn(FileIndex) -> bool,
        now: Instant,
    ) {
        if self.desk.watched().any(is_incomplete) {
            self.watched_missing = Some(now);
        } else {
            self.watched_missing.take_if(|last| now.saturating_since(*last) >= LINGER);
        }
    }

    /// Whether an incomplete file is watched, or was a moment ago.
    pub(in crate::torrent) fn lacks_something(&self) -> bool {
        self.watched_missing.is_some()
    }

    /// The link to the daemon is lost.
    pub(in crate::torrent) fn unlink(&mut self, now: Instant) {
        self.desk.unlink(now);
        self.preparations.unlink();
    }
}
