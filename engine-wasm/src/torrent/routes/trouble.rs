//! Errors of the disk: stops a torrent, and retries automatically.

use shared_proto::io::OpError;

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::pick::piece_map::PieceState;
use crate::time::Instant;
use crate::torrent::storage::trouble::trouble_of;
use crate::torrent::{Status, Torrent};
use crate::view::{Sentence, Trouble as Kind};

impl Torrent {
    /// Stops it with this error, which `says` explains to the user.
    pub(in crate::torrent) fn fail(&mut self, kind: Kind, says: Sentence, cx: &mut Context<'_>) {
        // The sentence may contain names, which must not appear in a log.
        tracing::warn!(torrent = %self.content.meta.info_hash, ?kind, "torrent stopped");
        self.storage.call_try_off();
        self.stop(Status::Failed(kind, says), cx);
    }

    /// Stops it because of an error of the disk.
    pub(in crate::torrent) fn fail_for(&mut self, error: &OpError, cx: &mut Context<'_>) {
        let (kind, says, may_pass) = trouble_of(error);
        match self.life.status {
            // It was stopped before; the pending command adds nothing.
            Status::Paused => return,
            // One full disk fails many writes at once.
            Status::Failed(..) if self.storage.tried_again_at().is_some() => return,
            _ => self.fail(kind, says, cx),
        }
        if may_pass {
            self.storage.wait_for_disk(cx.now);
        }
    }

    /// Verified files are missing: stops until they are back, and forgets nothing.
    ///
    /// A check discards them.
    pub(in crate::torrent) fn miss(&mut self, files: &[FileIndex], cx: &mut Context<'_>) {
        let record = self.as_recorded();
        self.record.remember(record);
        for piece in files.iter().flat_map(|&file| self.pieces_of_file(file)).collect::<Vec<_>>() {
            if self.ledger.pieces().state(piece) == PieceState::Have {
                self.lose_piece(piece, cx);
            }
        }
        for &file in files {
            self.close_file(file, cx);
        }
        let says = self.storage.says_missing(&self.content, files);
        self.fail(Kind::FilesMissing, says, cx);
        self.storage.wait_for_disk(cx.now);
    }

    /// A viewer needs missing bytes: an error that may pass is retried soon.
    pub(in crate::torrent) fn await_end_of_trouble(&mut self, now: Instant) {
        self.storage.await_disk(now);
    }

    /// When it is retried automatically.
    pub(in crate::torrent) fn tried_again_at(&self) -> Option<Instant> {
        let may = self.life.linked && !self.is_being_removed() && self.life.aside.is_none();
        let is_stopped = matches!(self.life.status, Status::Failed(..));
        self.storage.tried_again_at().filter(|_| may && is_stopped)
    }

    /// Retries after an error.
    pub(in crate::torrent) fn try_again(&mut self, cx: &mut Context<'_>) {
        tracing::info!(torrent = %self.content.meta.info_hash, "retrying after a disk error");
        self.storage.call_try_off();
        self.go_on(true, cx);
    }
}
