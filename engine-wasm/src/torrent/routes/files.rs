//! A torrent and its open files: opening them when they are needed, and keeping them open while
//! somebody may write to them.
//!
//! Owns which pieces pin their files in [`crate::handles`]. Invariant: a key is armed, and a digest
//! under way, only on files that are pinned. Files of which nothing is wanted come into being only
//! when a piece that they share with a wanted one is written, and then they are as long as what was
//! written: the rest of them is neither made nor paid for. (Some clients keep such shares in a file
//! of their own; then a file that is wanted later has to be put together first, and nobody else can
//! adopt what lies there.)

use crate::torrent::storage::slot::Use;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{EngineMessage, FileRef, IoCommand, OpenMode, RootKey, Span};

use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex};
use crate::handles::{Access, Key, Which};
use crate::media;
use crate::pick::priority::Priority;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::storage::origin::Origin;

impl Torrent {
    /// The file's number for the engine's table of open files.
    pub(in crate::torrent) fn key(&self, file: FileIndex) -> Key {
        (self.content.meta.info_hash, file, Which::Own)
    }

    /// Where a file lies now.
    pub(in crate::torrent) fn location(&self, file: FileIndex) -> (RootKey, Vec<String>) {
        let place = self.place_of(file);
        (place.root.clone(), place.path(file.0, &self.content.meta.files[file.as_usize()]))
    }

    /// Tells the daemon under which names the files are served.
    pub(in crate::torrent) fn announce_files(&self, cx: &mut Context<'_>) {
        for file in self
            .content
            .geometry
            .files()
            .filter(|file| !self.content.meta.files[file.as_usize()].padding)
        {
            self.announce_file(file, cx);
        }
    }

    /// Tells the daemon where a file lies that is served.
    pub(in crate::torrent) fn announce_file(&self, file: FileIndex, cx: &mut Context<'_>) {
        let (root, path) = self.location(file);
        let id = self.storage.files[file.as_usize()].id.clone();
        cx.say(EngineMessage::FileAnnounce {
            root,
            length: self.content.geometry.file_len(file),
            content_type: media::content_type(path.last().map_or("", String::as_str)).to_owned(),
            etag: self.storage.files[file.as_usize()].etag(),
            key: cx.shared.capability(&id),
            path,
            file_id: id,
        });
    }

    /// The number of an open file, opening it if need be. `None` when everything that is open must
    /// stay so, or the file is being moved.
    pub(in crate::torrent) fn handle(
        &mut self,
        file: FileIndex,
        access: Access,
        cx: &mut Context<'_>,
    ) -> Option<FileRef> {
        let key = self.key(file);
        if let Some(handle) = cx.shared.handles.find(key, access) {
            return Some(handle);
        }
        if self.storage.mover.holds(file) {
            // Whether it would be found, and where, depends on the move.
            return None;
        }
        if let Some(handle) = cx.shared.handles.close(key) {
            cx.order(IoCommand::FileClose { file: handle });
        }
        if let Some(handle) = cx.shared.handles.make_room().ok()? {
            cx.order(IoCommand::FileClose { file: handle });
        }
        let handle = cx.new_file();
        cx.shared.handles.insert(key, handle, access);
        let (root, path) = self.location(file);
        let is_wanted = self.selection.priority(file) != Priority::Skip;
        let mode = match (access, self.storage.files[file.as_usize()].origin) {
            (Access::Read, _) => OpenMode::Read,
            (Access::Write, Origin::Ours(identity) | Origin::Adopted(identity)) => {
                OpenMode::Write { identity }
            }
            (Access::Write, _) => OpenMode::Create,
        };
        let length = if access == Access::Write && is_wanted {
            self.content.geometry.file_len(file)
        } else {
            0
        };
        if self.storage.files[file.as_usize()].known.is_some_and(|known| known.length < length) {
            // To make it longer is to change it.
            self.will_write(file, cx);
        }
        self.ask(Op::Open(file, handle, access), cx, |op| IoCommand::FileOpen {
            op,
            file: handle,
            root,
            path,
            length,
            mode,
        });
        Some(handle)
    }

    /// A file is open, or is not. What was ordered with its number meanwhile fares as it does.
    pub(in crate::torrent) fn opened(
        &mut self,
        (file, handle, access): (FileIndex, FileRef, Access),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if self.is_leaving() && access == Access::Write {
            return self.made_too_late(file, result, cx);
        }
        let error = match result {
            Ok(output) => {
                if access == Access::Write {
                    if matches!(
                        self.storage.files[file.as_usize()].origin,
                        Origin::Nothing | Origin::Unknown
                    ) {
                        self.made(file, &output, cx);
                    }
                    if !std::mem::replace(&mut self.storage.trouble.can_write, true) {
                        self.fetch.invalidate();
                    }
                }
                self.storage.files[file.as_usize()].is_there = true;
                return;
            }
            Err(error) => error,
        };
        if cx.shared.handles.failed(self.key(file), handle) {
            cx.order(IoCommand::FileClose { file: handle });
        }
        if access == Access::Write && !self.gave_way(file, &error, cx) {
            self.fail_for(&error, cx);
        }
    }

    /// Where bytes of a piece lie, all files of it open at once; those of padding nowhere. `None`
    /// when so many can't be open now.
    pub(in crate::torrent) fn spans(
        &mut self,
        piece: PieceIndex,
        begin: u32,
        length: u32,
        purpose: Use,
        cx: &mut Context<'_>,
    ) -> Option<Vec<Span>> {
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        let mut spans = Vec::new();
        let mut is_all = true;
        let mut pinned = Vec::new();
        for span in geometry.file_spans(piece, begin, length) {
            if geometry.is_padding(span.file) {
                spans.push(Span { file: FileRef::ZEROS, offset: span.offset, length: span.length });
                continue;
            }
            let slot = &self.storage.files[span.file.as_usize()];
            let (handle, key) = match purpose {
                Use::Write if !slot.origin.is_writable() => {
                    spans.push(Span {
                        file: FileRef::ZEROS,
                        offset: span.offset,
                        length: span.length,
                    });
                    continue;
                }
                Use::Write => (self.handle(span.file, Access::Write, cx), self.key(span.file)),
                Use::Find if slot.donor.is_some() => (
                    self.donor_handle(span.file, cx),
                    (self.content.meta.info_hash, span.file, Which::Found),
                ),
                Use::Read | Use::Find => {
                    (self.handle(span.file, Access::Read, cx), self.key(span.file))
                }
            };
            let Some(file) = handle else {
                is_all = false;
                break;
            };
            // What is opened next must not close it.
            cx.shared.handles.pin(key);
            pinned.push(key);
            spans.push(Span { file, offset: span.offset, length: span.length });
        }
        pinned.into_iter().for_each(|key| cx.shared.handles.unpin(key));
        is_all.then_some(spans)
    }

    /// The files of a piece stay open until [`Torrent::unpin`].
    pub(in crate::torrent) fn pin(&self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.content
            .geometry
            .files_of(piece)
            .for_each(|file| cx.shared.handles.pin(self.key(file)));
    }

    /// The files of a piece need not stay open, once less.
    pub(in crate::torrent) fn unpin(&self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.content
            .geometry
            .files_of(piece)
            .for_each(|file| cx.shared.handles.unpin(self.key(file)));
    }

    /// Whether blocks of this piece can be armed: some of what may be open is left for digests, and
    /// some of the rest for what viewers wait for. If so, its files are pinned until nothing of it
    /// is armed.
    pub(in crate::torrent) fn pin_for_blocks(
        &mut self,
        piece: PieceIndex,
        is_wanted: bool,
        cx: &mut Context<'_>,
    ) -> bool {
        if self.storage.pinned.contains(&piece) {
            return true;
        }
        let most = cx.shared.handles.most();
        let room = if is_wanted { most - most / 4 } else { most / 2 };
        if cx.shared.handles.pinned() + self.content.geometry.files_of(piece).count() > room.max(1)
        {
            return false;
        }
        self.storage.pinned.insert(piece);
        self.pin(piece, cx);
        true
    }

    /// A piece that nobody may write to lets go of its files.
    pub(in crate::torrent) fn unpin_idle(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        if !self.ledger.pieces().has_armed(piece) && self.storage.pinned.remove(&piece) {
            self.unpin(piece, cx);
        }
    }

    /// Pieces that nobody may write to any more let go of their files.
    pub(in crate::torrent) fn settle_pins(&mut self, cx: &mut Context<'_>) {
        let mut freed = false;
        for piece in self.ledger.take_armed_news() {
            if !self.ledger.pieces().has_armed(piece) && self.storage.pinned.remove(&piece) {
                self.unpin(piece, cx);
                freed = true;
            }
        }
        if freed && self.storage.files.len() > cx.shared.handles.most() {
            self.fetch.invalidate();
        }
    }

    /// Closes what is open.
    pub(in crate::torrent) fn close_files(&mut self, cx: &mut Context<'_>) {
        self.storage.pinned.clear();
        for file in cx.shared.handles.close_all_of(self.content.meta.info_hash) {
            cx.order(IoCommand::FileClose { file });
        }
    }

    /// Closes one file, if it is open: what lies under its name may be another by now. Nothing may
    /// be armed on it.
    pub(in crate::torrent) fn close_file(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        if let Some(handle) = cx.shared.handles.close(self.key(file)) {
            cx.order(IoCommand::FileClose { file: handle });
        }
    }

    /// The most files that any piece has bytes of.
    pub(in crate::torrent) fn most_files_of_a_piece(&self) -> usize {
        let mut most = 0;
        let mut here = (u32::MAX, 0);
        for file in self.content.geometry.files() {
            let Some(pieces) = self.content.geometry.pieces_of_file(file) else { continue };
            let (first, last) = (pieces.start().0, pieces.end().0);
            // Only the first and the last piece of a file can have others, too.
            here = if here.0 == first { (first, here.1 + 1) } else { (first, 1) };
            most = most.max(here.1);
            if last != first {
                here = (last, 1);
            }
        }
        most
    }
}
