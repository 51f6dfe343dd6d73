//! A torrent and trouble with its disk: stopping, and going on by itself when it may be over.

use shared_proto::io::OpError;

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::pick::piece_map::PieceState;
use crate::time::Instant;
use crate::torrent::storage::trouble::trouble_of;
use crate::torrent::{Status, Torrent};
use crate::view::{Sentence, Trouble as Kind};

impl Torrent {
    /// Stops it for this reason, which `says` tells the user.
    pub(in crate::torrent) fn fail(&mut self, kind: Kind, says: Sentence, cx: &mut Context<'_>) {
        // The words may hold names, which a log must not.
        tracing::warn!(torrent = %self.content.meta.info_hash, ?kind, "torrent stopped");
        self.storage.call_try_off();
        self.stop(Status::Failed(kind, says), cx);
    }

    /// Stops it because of what the disk said.
    pub(in crate::torrent) fn fail_for(&mut self, error: &OpError, cx: &mut Context<'_>) {
        let (kind, says, may_pass) = trouble_of(error);
        match self.life.status {
            // It was stopped already; what was under way then says nothing new.
            Status::Paused => return,
            // One full disk fails many writes at once.
            Status::Failed(..) if self.storage.tried_again_at().is_some() => return,
            _ => self.fail(kind, says, cx),
        }
        if may_pass {
            self.storage.wait_for_disk(cx.now);
        }
    }

    /// Files with verified bytes are not there: stops until they are back, and forgets nothing. A
    /// recheck gives them up.
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

    /// Somebody asks for what is not there: if it stopped for what may pass, it is tried again
    /// soon.
    pub(in crate::torrent) fn await_end_of_trouble(&mut self, now: Instant) {
        self.storage.await_disk(now);
    }

    /// When it is tried again by itself.
    pub(in crate::torrent) fn tried_again_at(&self) -> Option<Instant> {
        let may = self.life.linked && !self.is_leaving() && self.life.aside.is_none();
        let is_stopped = matches!(self.life.status, Status::Failed(..));
        self.storage.tried_again_at().filter(|_| may && is_stopped)
    }

    /// Tries again.
    pub(in crate::torrent) fn try_again(&mut self, cx: &mut Context<'_>) {
        tracing::info!(torrent = %self.content.meta.info_hash, "tries again");
        self.storage.call_try_off();
        self.go_on(true, cx);
    }
}
