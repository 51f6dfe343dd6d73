//! Copying what is right in a file that was there before into a file of ours.
//!
//! Owns the found files that pieces are read from, and the copies under way. A piece is hashed
//! where it was found, its bytes are copied, and it is hashed again in our file: only that makes it
//! verified. The found file is never written to.

use crate::torrent::storage::donor::Donor;

use shared_proto::io::{FileStat, OpError, OpOutput};
use shared_proto::{FileRef, IoCommand, OpenMode};

use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::handles::{Access, Which};
use crate::pick::piece_map::PieceState;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;

impl Torrent {
    /// Whether anything is being copied, or is to be.
    pub(in crate::torrent) fn is_copying(&self) -> bool {
        self.storage.files.iter().any(|slot| slot.donor.is_some())
    }

    /// What lies at the path of a file now, as something to copy from.
    pub(in crate::torrent) fn donor_at(&self, file: FileIndex, stat: FileStat) -> Donor {
        let (root, path) = self.location(file);
        Donor { root, path, length: stat.length }
    }

    /// Whether any part of a piece is to be looked for in a found file.
    pub(in crate::torrent) fn is_donated(&self, piece: PieceIndex) -> bool {
        self.content
            .geometry
            .files_of(piece)
            .any(|file| self.storage.files[file.as_usize()].donor.is_some())
    }

    /// What a found file may hold of a file's pieces is to be hashed.
    pub(in crate::torrent) fn suspect_donated(&mut self, file: FileIndex) {
        let length = self.storage.files[file.as_usize()].donated();
        let Some(pieces) = self.content.geometry.pieces_of_file(file) else { return };
        for piece in each_piece(pieces) {
            let needs =
                self.content.geometry.range_in_file(piece, file).map_or(0, |range| range.end() + 1);
            if needs <= length && self.ledger.pieces().state(piece) == PieceState::Missing {
                self.suspect(piece, false);
            }
        }
    }

    /// The number of the found file that a file is copied from, opening it if need be.
    pub(in crate::torrent) fn donor_handle(
        &mut self,
        file: FileIndex,
        cx: &mut Context<'_>,
    ) -> Option<FileRef> {
        let key = (self.content.meta.info_hash, file, Which::Found);
        if let Some(handle) = cx.shared.handles.find(key, Access::Read) {
            return Some(handle);
        }
        let Donor { root, path, .. } = self.storage.files[file.as_usize()].donor.clone()?;
        if let Some(handle) = cx.shared.handles.make_room().ok()? {
            cx.order(IoCommand::FileClose { file: handle });
        }
        let handle = cx.new_file();
        cx.shared.handles.insert(key, handle, Access::Read);
        self.ask(Op::OpenFound(file, handle), cx, |op| IoCommand::FileOpen {
            op,
            file: handle,
            root,
            path,
            length: 0,
            mode: OpenMode::Read,
        });
        Some(handle)
    }

    /// A found file is open, or is not: then nothing is copied from it.
    pub(in crate::torrent) fn opened_found(
        &mut self,
        (file, handle): (FileIndex, FileRef),
        result: &Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if result.is_err()
            && cx.shared.handles.failed((self.content.meta.info_hash, file, Which::Found), handle)
        {
            cx.order(IoCommand::FileClose { file: handle });
            self.storage.files[file.as_usize()].donor = None;
        }
    }

    /// Nothing more is copied from the found file.
    pub(in crate::torrent) fn close_donor(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        self.storage.files[file.as_usize()].donor = None;
        if let Some(handle) =
            cx.shared.handles.close((self.content.meta.info_hash, file, Which::Found))
        {
            cx.order(IoCommand::FileClose { file: handle });
        }
    }

    /// Nothing is left to be hashed: all that could be copied was.
    pub(in crate::torrent) fn close_donors(&mut self, cx: &mut Context<'_>) {
        let donated = self
            .content
            .geometry
            .files()
            .filter(|file| self.storage.files[file.as_usize()].donor.is_some());
        for file in donated.collect::<Vec<_>>() {
            self.close_donor(file, cx);
        }
    }

    /// A piece is right where it was found: its bytes are copied. False when the files can't be
    /// open now.
    pub(in crate::torrent) fn copy(&mut self, piece: PieceIndex, cx: &mut Context<'_>) -> bool {
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        let mut copies = Vec::new();
        for span in geometry.piece_spans(piece).filter(|span| !geometry.is_padding(span.file)) {
            if self.storage.files[span.file.as_usize()].donor.is_none() {
                continue;
            }
            let Some(from) = self.donor_handle(span.file, cx) else { return false };
            let key = self.key(span.file);
            let Some(to) = self.handle(span.file, Access::Write, cx) else { return false };
            cx.shared.handles.pin(key);
            copies.push((key, span.file, from, to, span.offset, u64::from(span.length)));
        }
        self.storage.copies.0.insert(piece, (copies.len(), false));
        for (key, file, from, to, offset, length) in copies {
            self.will_write(file, cx);
            self.ask(Op::Copy(piece), cx, |op| IoCommand::FileCopy {
                op,
                from,
                to,
                offset,
                length,
            });
            cx.shared.handles.unpin(key);
        }
        true
    }

    /// Bytes of a piece were copied: when all are, the piece is hashed in our file.
    pub(in crate::torrent) fn copied(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some((left, has_failed)) = self.storage.copies.0.get_mut(&piece) else { return };
        *left -= 1;
        *has_failed |= result.is_err();
        let (left, has_failed) = (*left, *has_failed);
        if let Err(error) = result
            && !self.is_to_be_renamed(&error)
        {
            self.fail_for(&error, cx);
        }
        if left > 0 {
            return;
        }
        self.storage.copies.0.remove(&piece);
        if has_failed {
            self.end_check(piece, cx);
        } else {
            self.verify(piece, cx);
        }
    }
}
