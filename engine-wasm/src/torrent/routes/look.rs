//! Inspects a torrent's files: decides which pieces to trust, to hash, or to consider missing.
//!
//! The storage owns the round over all files.

use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::torrent::ledger::{Appraisal, Sighting};
use crate::torrent::routes::storage::proofs;
use crate::torrent::storage::open_files::most_files_of_a_piece;
use crate::torrent::storage::{PieceLook, Round};
use crate::torrent::{Status, Torrent};
use crate::view::{Sentence, Trouble};

impl Torrent {
    /// Whether all files were inspected.
    pub(in crate::torrent) fn is_settled(&self) -> bool {
        self.storage.is_settled(&self.content)
    }

    /// Inspects all files.
    pub(in crate::torrent) fn look(&mut self, is_recheck: bool, cx: &mut Context<'_>) {
        if self.life.status == Status::Running {
            self.life.status = Status::Looking;
        }
        let orders = self.storage.look(&self.content, is_recheck);
        self.order_all(orders, cx);
    }

    /// Ends the inspection; none is needed any more.
    pub(in crate::torrent) fn end_look(&mut self) {
        if self.life.status == Status::Looking {
            self.life.status = Status::Running;
        }
    }

    /// All selected files are verified: inspects whether they exist, because "complete" must be
    /// true now.
    pub(in crate::torrent) fn confirm(&mut self, cx: &mut Context<'_>) {
        self.storage.set_confirmed(false);
        if self.is_done() && self.life.linked && self.is_settled() {
            self.look(false, cx);
        }
    }

    /// Handles the end of an inspection of all files.
    pub(in crate::torrent) fn take_in(&mut self, round: &Round, cx: &mut Context<'_>) {
        let (effects, looked) =
            self.storage.take_in(&self.content, round, proofs(&self.ledger, &self.record));
        self.apply_all(effects, cx);
        let Some(looked) = looked else { return };
        for piece in self.content.geometry.pieces() {
            let look = looked.piece(&self.content.geometry, piece);
            self.appraise(piece, look, round.is_recheck, cx);
        }
        self.storage.note(&self.content, &looked, cx.now);
        self.end_look();
        if most_files_of_a_piece(&self.content) > (cx.shared.handles.capacity() / 4).max(1) {
            return self.fail(Trouble::Other, Sentence::TooManyOpenFiles, cx);
        }
        self.record.forget_recorded();
        self.record.touch(cx.now);
        self.fetch.invalidate();
        self.next_tick = cx.now;
        self.create_empty(cx);
        if self.is_done() {
            self.completed(cx);
        }
        self.storage.set_confirmed(self.is_done() && self.has_all_empty_files());
        self.end_of_check(cx);
        self.check_next(cx);
        self.move_next(cx);
        cx.changed();
    }

    /// Applies the ledger's decision about a piece whose files were inspected.
    fn appraise(
        &mut self,
        piece: PieceIndex,
        look: PieceLook,
        is_recheck: bool,
        cx: &mut Context<'_>,
    ) {
        let PieceLook { is_readable, is_untouched, is_stale, is_as_seen } = look;
        let sighting = Sighting {
            is_recheck,
            is_readable,
            is_untouched,
            is_stale,
            is_as_seen,
            is_recorded: self.record.names(piece),
            was_verified: self.record.believes(piece),
        };
        match self.ledger.appraise(piece, sighting) {
            Appraisal::Keep => {}
            Appraisal::Lose => self.lose_piece(piece, cx),
            Appraisal::HashAgain { is_restored } => {
                if is_restored {
                    self.ledger.doubt(piece);
                }
                self.lose_piece(piece, cx);
                self.suspect(piece, false);
            }
            Appraisal::Discard { is_readable } => {
                self.withdraw(std::iter::once(piece), cx);
                self.lose_begun(piece, cx);
                if is_readable {
                    self.suspect(piece, false);
                }
            }
            Appraisal::Believe => self.believe(piece, cx),
            Appraisal::Suspect { is_likely } => self.suspect(piece, is_likely),
            Appraisal::Dismiss => {
                self.ledger.unsuspect(piece);
                self.put_back(piece);
            }
        }
    }
}
