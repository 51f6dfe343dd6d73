//! Opens files on demand, and keeps them open while peers may write to them.
//!
//! Owns which pieces pin their files in [`crate::handles`]. Invariant: keys are armed, and digests
//! pending, only on pinned files. An unselected file is created only when a piece that it shares
//! with a selected file is written, and it is only as long as what was written. (Some clients keep
//! such shares in a separate file. A file that is selected later must then be assembled first, and
//! no other client can adopt the download.)

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{FileRef, OpenMode, Span};

use super::Storage;
use super::effect::Effect;
use super::open_files::{Given, Opening, Use, found, own};
use super::order::{Order, Request, Task};
use super::origin::{Origin, Proofs};
use crate::geometry::{FileIndex, PieceIndex, PieceOffset};
use crate::handles::{Access, Handles};
use crate::torrent::content::Content;

impl Storage {
    /// The handle of an open file, which is opened if necessary.
    ///
    /// `None` if all open files are pinned, or while the file is being moved.
    pub(in crate::torrent) fn handle(
        &mut self,
        file: FileIndex,
        access: Access,
        mut given: Given<'_>,
    ) -> Opening<FileRef> {
        let mut orders = Vec::new();
        let got = self.open(file, access, &mut given, &mut orders);
        Opening { got, orders }
    }

    /// The file spans of bytes of a piece, with all of its files open. Padding is in
    /// [`FileRef::ZEROS`].
    pub(in crate::torrent) fn spans(
        &mut self,
        (piece, begin, length): (PieceIndex, PieceOffset, u32),
        purpose: Use,
        mut given: Given<'_>,
    ) -> Opening<Vec<Span>> {
        let geometry = std::sync::Arc::clone(&given.content.geometry);
        let (mut spans, mut orders, mut held) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_all = true;
        for span in geometry.file_spans(piece, begin, length) {
            let slot = &self.files[span.file.as_usize()];
            let goes_nowhere = purpose == Use::Write && !slot.origin.is_writable();
            if goes_nowhere || geometry.is_padding(span.file) {
                spans.push(Span {
                    file: FileRef::ZEROS,
                    offset: span.offset.get(),
                    length: span.length,
                });
                continue;
            }
            let (handle, key) = match purpose {
                Use::Find if slot.donor.is_some() => (
                    self.open_donor(span.file, &mut given, &mut orders),
                    found(given.content, span.file),
                ),
                Use::Write | Use::Read | Use::Find => {
                    let access = if purpose == Use::Write { Access::Write } else { Access::Read };
                    (
                        self.open(span.file, access, &mut given, &mut orders),
                        own(given.content, span.file),
                    )
                }
            };
            let Some(file) = handle else {
                is_all = false;
                break;
            };
            // Opening the next file must not close it.
            given.handles.pin(key);
            held.push(key);
            spans.push(Span { file, offset: span.offset.get(), length: span.length });
        }
        for key in held {
            given.handles.release(key);
        }
        Opening { got: is_all.then_some(spans), orders }
    }

    /// As [`Storage::handle`]; adds the orders that opening takes.
    pub(super) fn open(
        &mut self,
        file: FileIndex,
        access: Access,
        given: &mut Given<'_>,
        orders: &mut Vec<Order>,
    ) -> Option<FileRef> {
        let content = given.content;
        let key = own(content, file);
        if let Some(handle) = given.handles.find(key, access) {
            return Some(handle);
        }
        if self.mover.holds(file) {
            // Whether and where it would be found depends on the move.
            return None;
        }
        orders.extend(given.handles.close(key).map(Order::Close));
        orders.extend(given.handles.make_room(key.0).ok()?.map(Order::Close));
        let handle = given.handles.new_number();
        given.handles.insert(key, handle, access);
        let slot = &self.files[file.as_usize()];
        let mode = match (access, slot.origin) {
            (Access::Read, _) => OpenMode::Read,
            (Access::Write, Origin::Ours(identity) | Origin::Adopted(identity)) => {
                OpenMode::Write { identity }
            }
            (Access::Write, _) => OpenMode::Create,
        };
        let is_whole = access == Access::Write && (given.is_wanted)(file);
        let length = if is_whole { content.geometry.file_len(file) } else { 0 };
        if slot.known.is_some_and(|known| known.length < length) {
            // To extend a file is to change it.
            orders.extend(self.will_write(content, file, given.now));
        }
        let at = self.location(content, file);
        let request = Request::Open { file: handle, at, length, mode };
        self.open_files.begin(access);
        orders.push(Order::Ask(Task::Open(file, handle, access), request));
        Some(handle)
    }

    /// The same for the donor of a file.
    pub(super) fn open_donor(
        &mut self,
        file: FileIndex,
        given: &mut Given<'_>,
        orders: &mut Vec<Order>,
    ) -> Option<FileRef> {
        let key = found(given.content, file);
        if let Some(handle) = given.handles.find(key, Access::Read) {
            return Some(handle);
        }
        let at = self.files[file.as_usize()].donor.as_ref()?.at.clone();
        orders.extend(given.handles.make_room(key.0).ok()?.map(Order::Close));
        let handle = given.handles.new_number();
        given.handles.insert(key, handle, Access::Read);
        let request = Request::Open { file: handle, at, length: 0, mode: OpenMode::Read };
        orders.push(Order::Ask(Task::OpenFound(file, handle), request));
        Some(handle)
    }

    /// Handles the end of opening a file. Commands that were sent meanwhile with its handle share
    /// its fate.
    pub(in crate::torrent) fn opened(
        &mut self,
        content: &Content,
        (file, handle, access): (FileIndex, FileRef, Access),
        result: Result<OpOutput, OpError>,
        proofs: Proofs<'_>,
        handles: &mut Handles,
    ) -> Vec<Effect> {
        let is_writing = access == Access::Write;
        self.open_files.end(access);
        if is_writing && self.is_being_removed() {
            return self.made_too_late(content, file, result);
        }
        let mut effects = Vec::new();
        match result {
            Ok(output) if is_writing => {
                let origin = self.files[file.as_usize()].origin;
                if matches!(origin, Origin::Nothing | Origin::Unknown) {
                    effects.push(self.made(file, &output));
                }
                if self.open_files.set_can_write() {
                    effects.push(Effect::WantsAreStale);
                }
                self.files[file.as_usize()].is_there = true;
            }
            Ok(_) => self.files[file.as_usize()].is_there = true,
            Err(error) => {
                if handles.failed(own(content, file), handle) {
                    effects.push(Effect::Order(Order::Close(handle)));
                }
                if is_writing {
                    let other = self.work_around(content, file, &error, proofs);
                    effects.extend(other.unwrap_or_else(|| vec![Effect::DiskTrouble(error)]));
                }
            }
        }
        effects
    }

    /// Whether blocks may be requested.
    ///
    /// Nothing is downloaded that can't be stored: until the first file could be opened for
    /// writing, one file of the piece is opened and blocks wait.
    pub(in crate::torrent) fn can_write(
        &mut self,
        piece: PieceIndex,
        given: Given<'_>,
    ) -> Opening<()> {
        let geometry = &given.content.geometry;
        let mut real = geometry.files_of(piece).filter(|&file| !geometry.is_padding(file));
        let file = real.find(|file| self.files[file.as_usize()].origin.is_writable());
        match file.filter(|_| !self.open_files.can_write()) {
            Some(file) => {
                let Opening { orders, .. } = self.handle(file, Access::Write, given);
                Opening { got: None, orders }
            }
            None => Opening { got: Some(()), orders: Vec::new() },
        }
    }

    /// Keeps the files of a piece open until [`Storage::unpin`].
    pub(in crate::torrent) fn pin(
        &self,
        content: &Content,
        piece: PieceIndex,
        handles: &mut Handles,
    ) {
        content.geometry.files_of(piece).for_each(|file| handles.pin(own(content, file)));
    }

    /// Undoes one pin of the files of a piece.
    pub(in crate::torrent) fn unpin(
        &self,
        content: &Content,
        piece: PieceIndex,
        handles: &mut Handles,
    ) {
        content.geometry.files_of(piece).for_each(|file| handles.unpin(own(content, file)));
    }

    /// Pins the files of a piece for blocks, until [`Storage::unpin_blocks`].
    ///
    /// False if there are too few places: some are reserved for digests, and some of the rest for
    /// pieces that viewers wait for.
    pub(in crate::torrent) fn pin_for_blocks(
        &mut self,
        content: &Content,
        piece: PieceIndex,
        is_awaited: bool,
        handles: &mut Handles,
    ) -> bool {
        if self.open_files.is_pinned(piece) {
            return true;
        }
        let most = handles.capacity();
        let room = if is_awaited { most - most / 4 } else { most / 2 };
        if handles.pinned() + content.geometry.files_of(piece).count() > room.max(1) {
            return false;
        }
        self.open_files.pin(piece);
        self.pin(content, piece, handles);
        true
    }

    /// No peer may write to a piece any more: unpins its files. Returns whether they were pinned
    /// until now.
    pub(in crate::torrent) fn unpin_blocks(
        &mut self,
        content: &Content,
        piece: PieceIndex,
        handles: &mut Handles,
    ) -> bool {
        let was_pinned = self.open_files.unpin(piece);
        if was_pinned {
            self.unpin(content, piece, handles);
        }
        was_pinned
    }

    /// Closes every open file.
    pub(in crate::torrent) fn close_all(
        &mut self,
        content: &Content,
        handles: &mut Handles,
    ) -> Vec<Order> {
        self.open_files.unpin_all();
        handles.close_all_of(content.meta.info_hash).into_iter().map(Order::Close).collect()
    }

    /// Closes a file if it is open. Another file may have its path by now. No key may be armed on
    /// the file.
    pub(in crate::torrent) fn close(
        &self,
        content: &Content,
        file: FileIndex,
        handles: &mut Handles,
    ) -> Option<Order> {
        handles.close(own(content, file)).map(Order::Close)
    }
}
