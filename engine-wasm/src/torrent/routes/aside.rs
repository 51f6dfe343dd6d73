//! Hides a removed torrent while the removal can be undone: it is stopped, and everything stays.
//!
//! Owns the status that the torrent had before. Its record keeps that status, so that an engine
//! which starts meanwhile restores the torrent as it was.

use crate::context::Context;
use crate::torrent::Status;
use crate::torrent::Torrent;

impl Torrent {
    /// Stops it after a removal that can still be undone.
    pub(crate) fn set_aside(&mut self, cx: &mut Context<'_>) {
        if self.life.aside.is_none() {
            self.life.aside = Some(self.life.status.clone());
            self.stop(Status::Paused, cx);
        }
    }

    /// Restores it after an undone removal.
    ///
    /// An earlier error is retried. Without a daemon it waits for one.
    pub(crate) fn bring_back(&mut self, linked: bool, cx: &mut Context<'_>) {
        let Some(before) = self.life.aside.take() else { return };
        if before != Status::Paused {
            self.storage.forget_trouble();
            self.go_on(linked, cx);
        }
        self.record.touch(cx.now);
        cx.changed();
    }

    /// Whether the user paused it, as opposed to removing it.
    pub(in crate::torrent) fn is_paused(&self) -> bool {
        *self.life.aside.as_ref().unwrap_or(&self.life.status) == Status::Paused
    }
}
