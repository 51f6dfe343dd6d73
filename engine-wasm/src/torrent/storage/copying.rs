//! Copies valid pieces of an existing file (a donor) into a file of ours.
//!
//! Owns the donors and the pending copies. A piece is hashed in the donor, its bytes are copied,
//! and it is hashed again in our file; only that verifies it. A donor is never written.

use shared_proto::FileRef;
use shared_proto::io::{FileStat, OpError, OpOutput};

use super::Storage;
use super::donor::{Copied, Donor};
use super::effect::Effect;
use super::open_files::{Given, Opening, found, own};
use super::order::{Order, Request, Task};
use crate::geometry::{FileIndex, PieceIndex};
use crate::handles::{Access, Handles};
use crate::torrent::content::Content;

impl Storage {
    /// Whether anything is being copied, or will be.
    pub(super) fn is_copying(&self) -> bool {
        self.files.iter().any(|slot| slot.donor.is_some())
    }

    /// The file that now has the path of our file, as a donor.
    pub(super) fn donor_at(&self, content: &Content, file: FileIndex, stat: FileStat) -> Donor {
        Donor { at: self.location(content, file), length: stat.length }
    }

    /// Whether any part of a piece has to be read from a donor.
    pub(in crate::torrent) fn is_donated(&self, content: &Content, piece: PieceIndex) -> bool {
        let mut files = content.geometry.files_of(piece);
        files.any(|file| self.files[file.as_usize()].donor.is_some())
    }

    /// A donor was opened. If that failed, nothing is copied from it.
    pub(in crate::torrent) fn opened_found(
        &mut self,
        content: &Content,
        (file, handle): (FileIndex, FileRef),
        is_open: bool,
        handles: &mut Handles,
    ) -> Option<Order> {
        if is_open || !handles.failed(found(content, file), handle) {
            return None;
        }
        self.files[file.as_usize()].donor = None;
        Some(Order::Close(handle))
    }

    /// Closes the donor of a file.
    pub(in crate::torrent) fn close_donor(
        &self,
        content: &Content,
        file: FileIndex,
        handles: &mut Handles,
    ) -> Option<Order> {
        handles.close(found(content, file)).map(Order::Close)
    }

    /// Closes all donors, because nothing is left to hash and so everything was copied.
    pub(in crate::torrent) fn close_donors(
        &mut self,
        content: &Content,
        handles: &mut Handles,
    ) -> Vec<Order> {
        let donated = content.geometry.files().filter(|file| {
            let slot = &mut self.files[file.as_usize()];
            slot.donor.take().is_some()
        });
        donated.filter_map(|file| handles.close(found(content, file))).map(Order::Close).collect()
    }

    /// Copies a piece that is valid in its donor. Returns nothing if the files can't be opened now.
    pub(in crate::torrent) fn copy(
        &mut self,
        piece: PieceIndex,
        mut given: Given<'_>,
    ) -> Opening<()> {
        let content = given.content;
        let (mut orders, mut copies, mut held) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_all = true;
        for span in content.geometry.piece_spans(piece) {
            if self.files[span.file.as_usize()].donor.is_none() {
                continue;
            }
            let from = self.open_donor(span.file, &mut given, &mut orders);
            let to =
                from.and_then(|_| self.open(span.file, Access::Write, &mut given, &mut orders));
            let (Some(from), Some(to)) = (from, to) else {
                is_all = false;
                break;
            };
            // Opening the next file must not close it.
            let key = own(content, span.file);
            given.handles.pin(key);
            held.push(key);
            let length = u64::from(span.length);
            copies.push((span.file, Request::Copy { from, to, offset: span.offset.get(), length }));
        }
        if is_all {
            self.copies.begin(piece, copies.len());
            for (file, request) in copies {
                orders.extend(self.will_write(content, file, given.now));
                orders.push(Order::Ask(Task::Copy(piece), request));
            }
        }
        for key in held {
            given.handles.release(key);
        }
        Opening { got: is_all.then_some(()), orders }
    }

    /// Handles the end of a copied span.
    pub(in crate::torrent) fn copied(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
    ) -> (Copied, Option<Effect>) {
        let Some(outcome) = self.copies.end(piece, result.is_err()) else {
            return (Copied::Going, None);
        };
        let trouble = result.err().filter(|error| !self.can_work_around(error));
        (outcome, trouble.map(Effect::DiskTrouble))
    }

    /// Forgets the pending copies of a piece. False if there were none.
    pub(in crate::torrent) fn forget_copies(&mut self, piece: PieceIndex) -> bool {
        self.copies.forget(piece)
    }
}
