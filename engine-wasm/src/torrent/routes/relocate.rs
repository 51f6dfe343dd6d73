//! Moves a torrent: handles requests for moves, and what follows a move.
//!
//! The storage owns the move itself.

use shared_proto::io::{OpError, OpOutput};

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::torrent::{Answer, Asker, Place, Status, Torrent};
use crate::view::Sentence;

impl Torrent {
    /// Moves its files to another place, under other names, or both.
    ///
    /// The answer comes from [`Torrent::take_answer`] when the move begins, or when it can't.
    pub(crate) fn relocate(&mut self, to: Place, asker: Asker, cx: &mut Context<'_>) {
        let (linked, handles) = (self.life.linked, &cx.shared.handles);
        let effects = self.storage.relocate(&self.content, (to, asker), linked, handles);
        self.apply_all(effects, cx);
    }

    /// Whether its files are being moved.
    pub(crate) fn is_moving(&self) -> bool {
        self.storage.is_moving()
    }

    /// The place of its files, or the former place during a move.
    pub(crate) fn place(&self) -> &Place {
        self.storage.place()
    }

    /// The place that differs from the current one in the name of one file.
    ///
    /// # Errors
    /// Another file would have the same path.
    pub(crate) fn renamed(&self, file: FileIndex, name: String) -> Result<Place, Sentence> {
        self.storage.renamed(&self.content, file, name)
    }

    /// Whether it lies in a single file, not in a folder.
    pub(crate) fn is_one_file(&self) -> bool {
        self.content.meta.files.iter().all(|file| file.path.len() == 1)
    }

    /// Takes the answer to a request for a move, once there is one.
    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        self.storage.take_answer()
    }

    /// Ends a move because the torrent is removed. Returns the answer to a waiting request for the
    /// move.
    pub(crate) fn end_move(&mut self) -> Option<Answer> {
        self.storage.end_move()
    }

    /// The move was saved, or can't be.
    pub(in crate::torrent) fn saved_move(
        &mut self,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let effects = self.storage.saved_move(&self.content, result, &cx.shared.handles);
        self.apply_all(effects, cx);
    }

    /// After a restart: inspects how far the move of an earlier engine came. False if there was
    /// none.
    pub(in crate::torrent) fn find_moved(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(effects) = self.storage.find_moved(&self.content) else { return false };
        if self.life.status == Status::Running {
            self.life.status = Status::Looking;
        }
        self.apply_all(effects, cx);
        true
    }

    /// Moves the next files, or ends the move.
    pub(in crate::torrent) fn move_next(&mut self, cx: &mut Context<'_>) {
        let effects = self.storage.move_next(&self.content, &cx.shared.handles);
        self.apply_all(effects, cx);
    }

    /// All files are at one place: does what was postponed for the move.
    pub(in crate::torrent) fn after_move(&mut self, cx: &mut Context<'_>) {
        self.create_empty(cx);
        self.confirm(cx);
        self.record.touch(cx.now);
        cx.changed();
    }
}
