//! A torrent that was removed and can still be brought back: it is stopped, and everything of it
//! stays.
//!
//! Owns the status that the torrent had before. Its record keeps that status, so that an engine
//! which starts meanwhile restores the torrent as it was.

use super::{Status, Torrent};
use crate::context::Context;

impl Torrent {
    /// Stops it for now.
    pub(crate) fn set_aside(&mut self, cx: &mut Context<'_>) {
        if self.aside.is_none() {
            self.aside = Some(self.status.clone());
            self.stop(Status::Paused, cx);
        }
    }

    /// It goes on with what it did before; what it was in trouble with is tried again. Without a
    /// daemon it waits for one.
    pub(crate) fn bring_back(&mut self, linked: bool, cx: &mut Context<'_>) {
        let Some(before) = self.aside.take() else { return };
        if before != Status::Paused {
            self.trouble.forget();
            self.go_on(linked, cx);
        }
        self.record.touch(cx.now);
        cx.changed();
    }

    /// Whether a person stopped it, other than by removing it.
    pub(super) fn is_paused(&self) -> bool {
        *self.aside.as_ref().unwrap_or(&self.status) == Status::Paused
    }
}
