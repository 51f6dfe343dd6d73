//! Copying what is right in a file that was there before into a file of ours.
//!
//! Owns the found files that pieces are read from, and the copies under way. A piece is hashed
//! where it was found, its bytes are copied, and it is hashed again in our file: only that makes it
//! verified. The found file is never written to.

use std::collections::BTreeMap;

use shared_proto::io::{FileStat, OpError, OpOutput};
use shared_proto::{FileRef, IoCommand, OpenMode, RootKey};

use super::{Op, Torrent};
use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::handles::{Access, Which};
use crate::pick::piece_map::PieceState;

/// A file that was there before, under the name that ours wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Donor {
    root: RootKey,
    path: Vec<String>,
    pub(super) length: u64,
}

/// Copies under way, by piece: how many are left, and whether one failed.
#[derive(Debug, Default)]
pub(super) struct Copies(BTreeMap<PieceIndex, (usize, bool)>);

impl Copies {
    /// Forgets the copies under way of a piece. False when there were none.
    pub(super) fn forget(&mut self, piece: PieceIndex) -> bool {
        self.0.remove(&piece).is_some()
    }

    /// The link is gone, and the copies with it.
    pub(super) fn unlink(&mut self) {
        self.0.clear();
    }
}

impl Torrent {
    /// Whether anything is being copied, or is to be.
    pub(super) fn is_copying(&self) -> bool {
        self.files.iter().any(|slot| slot.donor.is_some())
    }

    /// What lies at the path of a file now, as something to copy from.
    pub(super) fn donor_at(&self, file: FileIndex, stat: FileStat) -> Donor {
        let (root, path) = self.location(file);
        Donor { root, path, length: stat.length }
    }

    /// Whether any part of a piece is to be looked for in a found file.
    pub(super) fn is_donated(&self, piece: PieceIndex) -> bool {
        self.geometry.files_of(piece).any(|file| self.files[file.as_usize()].donor.is_some())
    }

    /// What a found file may hold of a file's pieces is to be hashed.
    pub(super) fn suspect_donated(&mut self, file: FileIndex) {
        let length = self.files[file.as_usize()].donated();
        let Some(pieces) = self.geometry.pieces_of_file(file) else { return };
        for piece in each_piece(pieces) {
            let needs = self.geometry.range_in_file(piece, file).map_or(0, |range| range.end() + 1);
            if needs <= length && self.pieces.state(piece) == PieceState::Missing {
                self.suspect(piece, false);
            }
        }
    }

    /// The number of the found file that a file is copied from, opening it if need be.
    pub(super) fn donor_handle(
        &mut self,
        file: FileIndex,
        cx: &mut Context<'_>,
    ) -> Option<FileRef> {
        let key = (self.meta.info_hash, file, Which::Found);
        if let Some(handle) = cx.shared.handles.find(key, Access::Read) {
            return Some(handle);
        }
        let Donor { root, path, .. } = self.files[file.as_usize()].donor.clone()?;
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
    pub(super) fn opened_found(
        &mut self,
        (file, handle): (FileIndex, FileRef),
        result: &Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if result.is_err()
            && cx.shared.handles.failed((self.meta.info_hash, file, Which::Found), handle)
        {
            cx.order(IoCommand::FileClose { file: handle });
            self.files[file.as_usize()].donor = None;
        }
    }

    /// Nothing more is copied from the found file.
    pub(super) fn close_donor(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        self.files[file.as_usize()].donor = None;
        if let Some(handle) = cx.shared.handles.close((self.meta.info_hash, file, Which::Found)) {
            cx.order(IoCommand::FileClose { file: handle });
        }
    }

    /// Nothing is left to be hashed: all that could be copied was.
    pub(super) fn close_donors(&mut self, cx: &mut Context<'_>) {
        let donated =
            self.geometry.files().filter(|file| self.files[file.as_usize()].donor.is_some());
        for file in donated.collect::<Vec<_>>() {
            self.close_donor(file, cx);
        }
    }

    /// A piece is right where it was found: its bytes are copied. False when the files can't be
    /// open now.
    pub(super) fn copy(&mut self, piece: PieceIndex, cx: &mut Context<'_>) -> bool {
        let geometry = std::sync::Arc::clone(&self.geometry);
        let mut copies = Vec::new();
        for span in geometry.piece_spans(piece).filter(|span| !geometry.is_padding(span.file)) {
            if self.files[span.file.as_usize()].donor.is_none() {
                continue;
            }
            let Some(from) = self.donor_handle(span.file, cx) else { return false };
            let key = self.key(span.file);
            let Some(to) = self.handle(span.file, Access::Write, cx) else { return false };
            cx.shared.handles.pin(key);
            copies.push((key, span.file, from, to, span.offset, u64::from(span.length)));
        }
        self.copies.0.insert(piece, (copies.len(), false));
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
    pub(super) fn copied(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some((left, has_failed)) = self.copies.0.get_mut(&piece) else { return };
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
        self.copies.0.remove(&piece);
        if has_failed {
            self.end_check(piece, cx);
        } else {
            self.hash(piece, cx);
        }
    }
}
