//! Checking everything again because the user asked for it, and cancelling that.
//!
//! While the check goes on, viewers are served from what is verified already, and the pieces that
//! they wait for are checked first.

use crate::context::Context;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::view::Sentence;

impl Torrent {
    /// Hashes all that lies there, whatever it looks like.
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
                // What is missing is to be fetched again, if that is what it was stopped for.
                self.storage.forget_trouble();
                self.life.status = Status::Running;
            }
            self.look(true, cx);
            cx.changed();
        }
        Ok(())
    }

    /// Calls a check off that a person asked for: what was verified before and was not hashed again
    /// counts as before, the rest is not looked at.
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

    /// Nothing is left to hash: the next check begins to count anew.
    pub(in crate::torrent) fn end_of_check(&mut self, cx: &mut Context<'_>) {
        if self.ledger.end_checks() {
            self.close_donors(cx);
        }
    }

    /// How much of what is to be hashed is hashed, 0 to 1; `None` when nothing is.
    pub(in crate::torrent) fn check_progress(&self) -> Option<f64> {
        if self.storage.is_looking() { Some(0.0) } else { self.ledger.check_progress() }
    }
}
