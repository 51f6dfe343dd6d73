//! One viewer: its position, its read rate, and how far ahead of it to download.
//!
//! A viewer outlives its requests: a player that requests a megabyte at a time is one viewer, and
//! its read-ahead continues between two requests, after that of all others. It knows what is
//! verified only from [`Verified`].

use std::time::Duration;

use crate::geometry::{Block, BlockIndex, FileIndex, FileOffset, FileRange, each_piece};
use crate::limits;
use crate::peer::rate::RateMeter;
use crate::pick::piece_map::PieceState;
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;

/// Read rate to assume before one is known, in bytes per second. It is high, so that the nearest
/// pieces come first.
const ASSUMED_DRAIN_BPS: u64 = 8 << 20;
/// A request that starts within this many bytes of the viewer's position continues it.
const CONTINUES_WITHIN: u64 = 64 << 10;

/// Bytes ahead of a viewer that the daemon reads in advance. They cover some seconds of a film,
/// enough for a sleeping disk to wake up.
const HINTED_AHEAD: u64 = 4 << 20;
/// How long a viewer without a request is expected back.
pub(crate) const LINGER: Duration = Duration::from_secs(15);
/// Bytes of one hint, unless the file ends before.
const HINT: u64 = 1 << 20;

/// One viewer of one file.
#[derive(Debug)]
pub(crate) struct Viewer {
    file: FileIndex,
    /// Where the viewer's sequential read began.
    origin: FileOffset,
    /// First byte that it has not read.
    position: FileOffset,
    drain: RateMeter,
    /// First byte that the daemon was not asked to read ahead.
    hinted: FileOffset,
    /// Since when it has no request; `None` while it has one.
    idle_since: Option<Instant>,
}

impl Viewer {
    /// Creates a viewer that starts to read at `start`.
    pub(crate) fn new(file: FileIndex, start: FileOffset, now: Instant) -> Self {
        Self {
            file,
            origin: start,
            position: start,
            drain: RateMeter::new(now),
            hinted: start,
            idle_since: None,
        }
    }

    /// The file that it watches.
    pub(crate) fn file(&self) -> FileIndex {
        self.file
    }

    /// Whether a request that starts at `start` continues this viewer.
    pub(crate) fn continues_at(&self, file: FileIndex, start: FileOffset) -> bool {
        self.idle_since.is_some()
            && self.file == file
            && self.position.distance(start) <= CONTINUES_WITHIN
    }

    /// It continues at `start`.
    pub(crate) fn resume(&mut self, start: FileOffset, now: Instant) {
        self.idle_since = None;
        self.position = start;
        self.origin = self.origin.min(start);
        self.drain.add(0, now);
    }

    /// It has read everything before `position`.
    pub(crate) fn advance(&mut self, position: FileOffset, now: Instant) {
        self.drain.add(position.since(self.position), now);
        self.position = self.position.max(position);
    }

    /// Its request has ended at `position`.
    pub(crate) fn finish(&mut self, position: FileOffset, now: Instant) {
        self.advance(position, now);
        self.idle_since = Some(now);
    }

    /// Returns the verified bytes ahead of it to be read in advance. `None` if they are not worth a
    /// message.
    pub(super) fn hint(&mut self, verified: Verified<'_>) -> Option<FileRange> {
        let ahead = verified.geometry.whole_file(self.file)?.from(self.position)?;
        let ahead = ahead.take(HINTED_AHEAD)?.from(self.hinted)?;
        let until = verified.verified_until(self.file, ahead);
        let news = ahead.before(until)?;
        let is_worth_it = news.length() >= HINT || until == verified.geometry.file_end(self.file);
        self.hinted = if is_worth_it { until } else { self.hinted };
        is_worth_it.then_some(news)
    }

    /// Since when it has no request; `None` while it has one.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }

    /// Whether it is no longer expected back.
    pub(crate) fn has_left(&self, now: Instant) -> bool {
        self.idle_since.is_some_and(|since| now.saturating_since(since) > LINGER)
    }

    /// The unverified pieces that it needs, in order. These are its current piece and a window
    /// ahead, which grows with its sequential read.
    pub(crate) fn wants(&self, verified: Verified<'_>, now: Instant) -> Vec<Want> {
        let left = verified.geometry.whole_file(self.file).and_then(|it| it.from(self.position));
        let Some(ahead) = left.and_then(|left| left.take(self.window(verified) + 1)) else {
            return Vec::new();
        };
        let pieces = verified.geometry.pieces_of(self.file, ahead);
        let drain = if self.drain.is_settled(now) {
            self.drain.rate_bps(now).max(1)
        } else {
            ASSUMED_DRAIN_BPS
        };
        each_piece(pieces)
            .filter(|&piece| verified.pieces.state(piece) != PieceState::Have)
            .take(limits::WANTS)
            .map(|piece| {
                let offset =
                    verified.geometry.piece_start_in_file(self.file, piece).max(self.position);
                // Bytes verified by block hashes are available: a viewer is as urgent as what it
                // lacks.
                let offset = verified.proved_until(self.file, offset, ahead.end());
                let ms = offset.since(self.position).saturating_mul(1000) / drain;
                let at = verified.geometry.block_at(self.file, offset);
                let at = at.filter(|at| verified.pieces.verifies_by_block() && at.piece() == piece);
                Want {
                    piece,
                    first: at.map_or(BlockIndex::FIRST, Block::index),
                    deadline: now + Duration::from_millis(ms),
                    idle: self.idle_since.is_some(),
                    awaited: false,
                }
            })
            .collect()
    }

    fn window(&self, verified: Verified<'_>) -> u64 {
        let first = limits::WINDOW_MIN.min(16 * u64::from(verified.geometry.piece_length()));
        self.position.since(self.origin).clamp(first, limits::WINDOW_MAX)
    }
}

#[cfg(test)]
mod tests;
