//! A torrent and what lies where it is to lie: a copy of it is adopted, anything else is left alone.
//!
//! Before the first byte of a new torrent is written its files are looked for, and opened without changing them. If none is there, it
//! begins. If some are, their pieces are hashed until one is right: then this is the torrent's own data, and it is used. If none is right, the
//! torrent lies elsewhere, under its name with a number. Files that were there before are never deleted with it.

use std::collections::VecDeque;

use shared_proto::IoCommand;
use shared_proto::io::{OpError, OpErrorKind, OpOutput};

use super::{Op, Record, Status, Torrent};
use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex};
use crate::metainfo::sanitise;

/// Pieces hashed at once while looking for one that is right.
const COMPARED_AT_ONCE: usize = 4;

/// What is known of the place where a torrent is to lie.
#[derive(Debug)]
pub(super) enum Adoption {
    /// Nobody looked yet, or the look was cut short.
    Open,
    /// Files are being looked for; so many answers are missing. Lengths of those found so far.
    Looking { left: usize, found: Vec<Option<u64>> },
    /// Pieces of what was found are being hashed.
    Comparing { queue: VecDeque<PieceIndex>, underway: usize, found: Vec<Option<u64>> },
    /// It lies here. Which of its files were there before it.
    Settled { before: Vec<bool> },
}

impl Adoption {
    /// As an earlier engine left it.
    pub(super) fn from_record(record: Option<&Record>, files: usize) -> Self {
        let Some(before) = record.and_then(|record| record.before.as_ref()) else { return Self::Open };
        let mut flags = vec![false; files];
        for &index in before {
            if let Some(flag) = flags.get_mut(index as usize) {
                *flag = true;
            }
        }
        Self::Settled { before: flags }
    }

    /// The look was cut short: it is to be done again.
    pub(super) fn restart(&mut self) {
        if !self.is_settled() {
            *self = Self::Open;
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Self::Settled { .. })
    }

    /// Whether a file was there before the torrent.
    pub(super) fn was_before(&self, file: usize) -> bool {
        match self {
            Self::Settled { before } => before.get(file).copied().unwrap_or(false),
            // Nothing was created yet.
            _ => true,
        }
    }

    /// The files that were there before, by index; `None` while that is not known.
    pub(super) fn before(&self) -> Option<Vec<u32>> {
        let Self::Settled { before } = self else { return None };
        Some((0u32..).zip(before).filter(|(_, before)| **before).map(|(index, _)| index).collect())
    }
}

impl Torrent {
    /// Looks for files where the torrent is to lie.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) {
        self.status = Status::Looking;
        let wanted: Vec<usize> = (0..self.files.len()).filter(|&index| !self.meta.files[index].padding).collect();
        self.adoption = Adoption::Looking { left: wanted.len(), found: vec![None; self.files.len()] };
        for index in wanted {
            let handle = cx.new_file();
            self.files[index].handle = Some(handle);
            let (root, path) = (self.place.root.clone(), self.meta.files[index].path.clone());
            let file = FileIndex(u32::try_from(index).expect("files are counted in 32 bits"));
            self.ask(Op::Look(file), cx, |op| IoCommand::FileOpen {
                op,
                file: handle,
                root,
                path,
                length: 0,
                create: false,
            });
        }
    }

    /// A file is there, or is not.
    pub(super) fn looked(&mut self, file: FileIndex, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        let existing = match result {
            Ok(OpOutput::Opened { existing }) => existing,
            Ok(_) => None,
            Err(error) => {
                // Its number is given back: the daemon keeps it until then.
                if let Some(file) = self.files[file.as_usize()].handle.take() {
                    cx.order(IoCommand::FileClose { file });
                }
                match error.kind {
                    OpErrorKind::NotFound => None,
                    // Something is there that can't be read, or is no file: that is not ours.
                    OpErrorKind::Denied | OpErrorKind::Exists | OpErrorKind::Other => Some(0),
                    _ => return self.fail_for(&error, cx),
                }
            }
        };
        let Adoption::Looking { left, found } = &mut self.adoption else { return };
        found[file.as_usize()] = existing;
        *left -= 1;
        if *left > 0 {
            return;
        }
        let found = std::mem::take(found);
        if found.iter().all(Option::is_none) {
            return self.settle_here(found, cx);
        }
        let queue = self.whole_pieces(&found);
        self.adoption = Adoption::Comparing { queue, underway: 0, found };
        self.compare(cx);
    }

    /// Pieces that lie whole in what was found.
    fn whole_pieces(&self, found: &[Option<u64>]) -> VecDeque<PieceIndex> {
        self.geometry
            .pieces()
            .filter(|&piece| {
                self.geometry.piece_spans(piece).filter(|span| !self.geometry.is_padding(span.file)).all(|span| {
                    found[span.file.as_usize()].is_some_and(|length| length >= span.offset + u64::from(span.length))
                })
            })
            .collect()
    }

    /// Hashes the next pieces of what was found. Those whose hash is not known wait for it.
    pub(super) fn compare(&mut self, cx: &mut Context<'_>) {
        loop {
            let Adoption::Comparing { queue, underway, .. } = &mut self.adoption else { return };
            if *underway >= COMPARED_AT_ONCE {
                return;
            }
            if queue.is_empty() {
                if *underway == 0 {
                    self.move_on(cx);
                }
                return;
            }
            let Some(at) = queue.iter().position(|&piece| !self.pieces.is_sealed(piece)) else { return };
            let Some(piece) = queue.remove(at) else { return };
            *underway += 1;
            let (kind, spans) = self.digest_of(piece);
            self.ask(Op::Compare(piece), cx, |op| IoCommand::Digest { op, kind, spans });
        }
    }

    /// A piece of what was found is hashed.
    pub(super) fn compared(&mut self, piece: PieceIndex, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        let is_right = matches!(&result, Ok(OpOutput::Digest(digest)) if self.is_right(piece, digest));
        let Adoption::Comparing { underway, found, .. } = &mut self.adoption else { return };
        *underway -= 1;
        if is_right {
            let found = std::mem::take(found);
            return self.settle_here(found, cx);
        }
        self.compare(cx);
    }

    /// What lies here is somebody else's: the torrent lies under the next free name.
    fn move_on(&mut self, cx: &mut Context<'_>) {
        self.close_files(cx);
        let root = self.place.root.clone();
        let own = self.own_top.clone();
        let is_file = self.meta.files.iter().all(|file| file.path.len() == 1);
        let now_at = self.place.name.clone().unwrap_or_else(|| own.clone());
        let name = (2u32..)
            .map(|number| sanitise::numbered(&own, number, is_file))
            .skip_while(|name| self.place.name.is_some() && *name != now_at)
            .find(|name| *name != now_at && !cx.shared.is_taken(&root, name, self.meta.info_hash))
            .expect("numbers do not run out");
        tracing::info!(torrent = %self.meta.info_hash, "another file has the torrent's name");
        cx.shared.claim(&root, &name, self.meta.info_hash);
        self.lie_at(name);
        self.announce_files(cx);
        self.look(cx);
    }

    fn settle_here(&mut self, found: Vec<Option<u64>>, cx: &mut Context<'_>) {
        self.close_files(cx);
        self.adoption = Adoption::Settled { before: found.iter().map(Option::is_some).collect() };
        // First written down, then created: the next engine must not take its predecessor's file for somebody else's.
        self.save_record(cx);
        self.status = Status::Running;
        self.open_files(cx);
    }

    /// Closes what is open.
    pub(super) fn close_files(&mut self, cx: &mut Context<'_>) {
        for slot in &mut self.files {
            if let Some(file) = slot.handle.take() {
                cx.order(IoCommand::FileClose { file });
            }
        }
    }

    fn lie_at(&mut self, name: String) {
        self.meta.files.iter_mut().filter_map(|file| file.path.first_mut()).for_each(|top| top.clone_from(&name));
        self.place.name = Some(name);
    }
}
