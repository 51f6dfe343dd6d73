//! A torrent and trouble with its disk: the words for it, and going on by itself when it may be
//! over.
//!
//! A torrent in trouble is stopped as a paused one is: nothing is asked for, what is verified is
//! served, and what was begun is neither forgotten nor fetched again. What may pass without
//! anybody's doing here (a full disk, a folder that can't be written or is not there) is tried
//! again, soon at first and then seldom; while a player waits for the torrent, every few seconds. A
//! person's resume tries at once.

use crate::torrent::storage::trouble::trouble_of;

use shared_proto::io::OpError;

use crate::context::Context;
use crate::geometry::{FileIndex, each_piece};
use crate::pick::piece_map::PieceState;
use crate::time::Instant;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::view::{Sentence, Trouble as Kind};

impl Torrent {
    /// Stops it for this reason, which `says` tells the user.
    pub(in crate::torrent) fn fail(&mut self, kind: Kind, says: Sentence, cx: &mut Context<'_>) {
        // The words may hold names, which a log must not.
        tracing::warn!(torrent = %self.content.meta.info_hash, ?kind, "torrent stopped");
        self.storage.trouble.again = None;
        self.stop(Status::Failed(kind, says), cx);
    }

    /// Stops it because of what the disk said.
    pub(in crate::torrent) fn fail_for(&mut self, error: &OpError, cx: &mut Context<'_>) {
        if self.life.status == Status::Paused {
            // It was stopped already; what was under way then says nothing new.
            return;
        }
        let is_in_trouble = matches!(self.life.status, Status::Failed(..));
        let (kind, says, may_pass) = trouble_of(error);
        if is_in_trouble && self.storage.trouble.again.is_some() {
            // One full disk fails many writes at once.
            return;
        }
        self.fail(kind, says, cx);
        if may_pass {
            self.storage.trouble.wait(cx.now);
        }
    }

    /// Files with verified bytes are not there: stops until they are back, and forgets nothing. A
    /// recheck gives them up.
    pub(in crate::torrent) fn miss(&mut self, files: &[FileIndex], cx: &mut Context<'_>) {
        let record = self.as_recorded();
        self.record.remember(record);
        let name = files.first().map(|&file| self.shown_path(file).join("/")).unwrap_or_default();
        let others = files.len().saturating_sub(1);
        let pieces = files
            .iter()
            .filter_map(|&file| self.content.geometry.pieces_of_file(file))
            .flat_map(each_piece);
        for piece in pieces.collect::<Vec<_>>() {
            if self.ledger.pieces().state(piece) == PieceState::Have {
                self.lose_piece(piece, cx);
            }
        }
        for &file in files {
            self.close_file(file, cx);
        }
        self.fail(Kind::FilesMissing, Sentence::FilesMissing { name, others }, cx);
        self.storage.trouble.wait(cx.now);
    }

    /// Somebody asks for what is not there: if it stopped for what may pass, it is tried again
    /// soon.
    pub(in crate::torrent) fn await_end_of_trouble(&mut self, now: Instant) {
        self.storage.trouble.await_it(now);
    }

    /// When it is tried again by itself.
    pub(in crate::torrent) fn tried_again_at(&self) -> Option<Instant> {
        let may = self.life.linked && !self.is_leaving() && self.life.aside.is_none();
        self.storage.trouble.again.filter(|_| may && matches!(self.life.status, Status::Failed(..)))
    }

    /// Tries again.
    pub(in crate::torrent) fn try_again(&mut self, cx: &mut Context<'_>) {
        tracing::info!(torrent = %self.content.meta.info_hash, "tries again");
        self.storage.trouble.again = None;
        self.go_on(true, cx);
    }
}
