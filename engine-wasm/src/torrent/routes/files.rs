//! The open files of a torrent: opens them through the storage and announces them to the daemon.

use shared_proto::{EngineMessage, FileRef, Span};

use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex, PieceOffset};
use crate::handles::Access;
use crate::media;
use crate::torrent::Torrent;
use crate::torrent::storage::{Served, Use};

impl Torrent {
    /// Announces all served files to the daemon.
    pub(in crate::torrent) fn announce_files(&self, cx: &mut Context<'_>) {
        let files = self.content.geometry.files();
        for file in files.filter(|&file| !self.content.geometry.is_padding(file)) {
            self.announce_file(file, cx);
        }
    }

    /// Announces the place of a served file to the daemon.
    pub(in crate::torrent) fn announce_file(&self, file: FileIndex, cx: &mut Context<'_>) {
        let Served { id, at, etag } = self.storage.served(&self.content, file);
        cx.send_control(EngineMessage::FileAnnounce {
            root: at.root,
            length: self.content.geometry.file_len(file),
            content_type: media::content_type(at.path.last().map_or("", String::as_str)).to_owned(),
            etag,
            key: cx.shared.capability(&id),
            path: at.path,
            file_id: id,
        });
    }

    /// The handle of an open file, which is opened if necessary.
    ///
    /// `None` if all open files are pinned, or if the file is being moved.
    pub(in crate::torrent) fn handle(
        &mut self,
        file: FileIndex,
        access: Access,
        cx: &mut Context<'_>,
    ) -> Option<FileRef> {
        self.open(cx, |storage, given| storage.handle(file, access, given))
    }

    /// The file spans of bytes of a piece, with all of its files open. Padding has none.
    ///
    /// `None` if that many files can't be opened now.
    pub(in crate::torrent) fn spans(
        &mut self,
        piece: PieceIndex,
        begin: PieceOffset,
        length: u32,
        purpose: Use,
        cx: &mut Context<'_>,
    ) -> Option<Vec<Span>> {
        self.open(cx, |storage, given| storage.spans((piece, begin, length), purpose, given))
    }

    /// A file is about to be written.
    pub(in crate::torrent) fn will_write(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let order = self.storage.will_write(&self.content, file, cx.now);
        order.into_iter().for_each(|order| self.order(order, cx));
    }

    /// Whether blocks of a piece may be requested. That is not so before its files could be opened
    /// for writing.
    pub(in crate::torrent) fn can_write(
        &mut self,
        piece: PieceIndex,
        cx: &mut Context<'_>,
    ) -> bool {
        self.open(cx, |storage, given| storage.can_write(piece, given)).is_some()
    }

    /// Keeps the files of a piece open until [`Torrent::unpin`].
    pub(in crate::torrent) fn pin(&self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.storage.pin(&self.content, piece, &mut cx.shared.handles);
    }

    /// Undoes one [`Torrent::pin`] of a piece.
    pub(in crate::torrent) fn unpin(&self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.storage.unpin(&self.content, piece, &mut cx.shared.handles);
    }

    /// Unpins the files of a piece that nobody may write to any more.
    pub(in crate::torrent) fn unpin_idle(
        &mut self,
        piece: PieceIndex,
        cx: &mut Context<'_>,
    ) -> bool {
        !self.ledger.pieces().has_armed(piece)
            && self.storage.unpin_blocks(&self.content, piece, &mut cx.shared.handles)
    }

    /// Unpins the files of all pieces that nobody may write to any more.
    pub(in crate::torrent) fn settle_pins(&mut self, cx: &mut Context<'_>) {
        let mut was_freed = false;
        for piece in self.ledger.take_armed_changes() {
            was_freed |= self.unpin_idle(piece, cx);
        }
        if was_freed && self.content.meta.files.len() > cx.shared.handles.capacity() {
            self.fetch.invalidate();
        }
    }

    /// Closes all open files.
    pub(in crate::torrent) fn close_files(&mut self, cx: &mut Context<'_>) {
        let orders = self.storage.close_all(&self.content, &mut cx.shared.handles);
        self.order_all(orders, cx);
    }

    /// Closes a file if it is open. Nothing may be armed on it.
    pub(in crate::torrent) fn close_file(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let order = self.storage.close(&self.content, file, &mut cx.shared.handles);
        order.into_iter().for_each(|order| self.order(order, cx));
    }

    /// Resumes checks after a place for an open file became free.
    ///
    /// The torrent had been refused one before. Received pieces are verified at the end of the
    /// step.
    pub(crate) fn retry_openings(&mut self, cx: &mut Context<'_>) {
        self.check_next(cx);
        self.fetch.invalidate();
    }
}
