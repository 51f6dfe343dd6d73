//! A torrent and what lies where it is to lie: a copy of it is adopted, anything else is left alone.
//!
//! Before the first byte of a new torrent is written its files are looked for. If none is there, it
//! begins. If some are, their pieces are hashed until one is right: then this is the torrent's own data, and it is used. If none is right, the
//! torrent lies elsewhere, under its name with a number. Files that were there before are never deleted with it.

use std::collections::VecDeque;

use shared_proto::IoCommand;
use shared_proto::io::{OpError, OpOutput};

use super::look::Found;
use super::{Op, Record, Torrent};
use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex};
use crate::handles::Access;
use crate::metainfo::sanitise;

/// Pieces hashed at once while looking for one that is right.
const COMPARED_AT_ONCE: usize = 4;

/// What is known of the place where a torrent is to lie.
#[derive(Debug)]
pub(super) enum Adoption {
    /// Nobody looked yet, or the look was cut short.
    Open,
    /// Pieces of what was found are being hashed.
    Comparing { queue: VecDeque<PieceIndex>, underway: usize, found: Vec<Found> },
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
    /// A file whose place was thought empty turned out to be there before.
    pub(super) fn found_late(&mut self, file: FileIndex) {
        if let Adoption::Settled { before } = &mut self.adoption
            && let Some(flag) = before.get_mut(file.as_usize())
        {
            *flag = true;
        }
    }

    /// What lies where the torrent is to lie was looked at.
    pub(super) fn found_before(&mut self, found: Vec<Found>, cx: &mut Context<'_>) {
        if found.iter().all(|found| *found == Found::Nothing) {
            return self.settle_here(&found, cx);
        }
        let queue = self.whole_pieces(&found);
        self.adoption = Adoption::Comparing { queue, underway: 0, found };
        self.compare(cx);
    }

    /// Pieces that lie whole in what was found.
    fn whole_pieces(&self, found: &[Found]) -> VecDeque<PieceIndex> {
        self.geometry
            .pieces()
            .filter(|&piece| {
                self.geometry.piece_spans(piece).filter(|span| !self.geometry.is_padding(span.file)).all(|span| {
                    found[span.file.as_usize()]
                        .stat()
                        .is_some_and(|stat| stat.length >= span.offset + u64::from(span.length))
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
            let Some((kind, spans)) = self.digest_of(piece, Access::Read, cx) else {
                // More files than may be open now: tried again in a moment.
                if let Adoption::Comparing { queue, underway, .. } = &mut self.adoption {
                    *underway -= 1;
                    queue.push_front(piece);
                }
                return;
            };
            self.pin(piece, cx);
            self.ask(Op::Compare(piece), cx, |op| IoCommand::Digest { op, kind, spans });
        }
    }

    /// A piece of what was found is hashed.
    pub(super) fn compared(&mut self, piece: PieceIndex, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        self.unpin(piece, cx);
        let is_right = matches!(&result, Ok(OpOutput::Digest(digest)) if self.is_right(piece, digest));
        let Adoption::Comparing { underway, found, .. } = &mut self.adoption else { return };
        *underway -= 1;
        if is_right {
            let found = std::mem::take(found);
            return self.settle_here(&found, cx);
        }
        self.compare(cx);
    }

    /// What lies here is somebody else's: the torrent lies under the next free name.
    fn move_on(&mut self, cx: &mut Context<'_>) {
        self.close_files(cx);
        let root = self.place.root.clone();
        let own = self.own_top();
        let is_file = self.meta.files.iter().all(|file| file.path.len() == 1);
        let now_at = self.place.name.clone().unwrap_or_else(|| own.clone());
        let name = (2u32..)
            .map(|number| sanitise::numbered(&own, number, is_file))
            .skip_while(|name| self.place.name.is_some() && *name != now_at)
            .find(|name| *name != now_at && !cx.shared.is_taken(&root, name, self.meta.info_hash))
            .expect("numbers do not run out");
        tracing::info!(torrent = %self.meta.info_hash, "another file has the torrent's name");
        cx.shared.claim(&root, &name, self.meta.info_hash);
        self.place.name = Some(name);
        self.announce_files(cx);
        self.look(false, cx);
    }

    fn settle_here(&mut self, found: &[Found], cx: &mut Context<'_>) {
        self.close_files(cx);
        self.adoption = Adoption::Settled { before: found.iter().map(|found| *found != Found::Nothing).collect() };
        // First written down, then created: the next engine must not take its predecessor's file for somebody else's.
        self.save_record(cx);
        self.take_in(found, false, cx);
    }
}
