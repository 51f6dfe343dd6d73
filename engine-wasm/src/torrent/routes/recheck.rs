//! Checks all files for errors on the user's request, and cancels such checks.
//!
//! During the check, viewers still get what is verified, and the pieces that they wait for are
//! checked first.

use crate::context::Context;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::view::Sentence;

impl Torrent {
    /// Hashes all existing files, whatever their stamps.
    ///
    /// # Errors
    /// In plain words, when it can't be done now.
    pub(crate) fn recheck(&mut self, cx: &mut Context<'_>) -> Result<(), Sentence> {
        if !self.life.linked || !self.is_settled() {
            return Err(Sentence::NotReadyToCheck);
        }
        if !self.storage.is_looking() {
            self.ledger.ask_for_check();
            if matches!(self.life.status, Status::Failed(..)) {
                // Missing files are downloaded again, if the torrent had stopped because of them.
                self.storage.forget_trouble();
                self.life.status = Status::Running;
            }
            self.look(true, cx);
            cx.changed();
        }
        Ok(())
    }

    /// Cancels a check that the user started.
    ///
    /// Pieces that were verified before and not hashed again count as before; the rest is not
    /// checked.
    pub(crate) fn cancel_recheck(&mut self, cx: &mut Context<'_>) {
        let Some((restored, missing)) = self.ledger.cancel_check() else { return };
        if self.storage.call_look_off() {
            self.end_look();
        }
        for piece in restored {
            self.believe(piece, cx);
        }
        for piece in missing {
            self.put_back(piece);
        }
        self.end_of_check(cx);
        self.confirm(cx);
        self.fetch.invalidate();
        self.next_tick = cx.now;
        cx.changed();
    }

    /// Nothing is left to hash: the next check counts its progress from zero.
    pub(in crate::torrent) fn end_of_check(&mut self, cx: &mut Context<'_>) {
        if self.ledger.end_checks() {
            self.close_donors(cx);
        }
    }

    /// Progress of a check, 0 to 1; `None` if none is running.
    pub(in crate::torrent) fn check_progress(&self) -> Option<f64> {
        if self.storage.is_looking() { Some(0.0) } else { self.ledger.check_progress() }
    }
}
