//! Saves the record and the `.torrent` file of a torrent.

use crate::torrent::record::Record;
use crate::torrent::record::keys;

use shared_proto::IoCommand;

use crate::context::Context;
use crate::limits;
use crate::pick::piece_map::PieceState;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;

impl Torrent {
    /// Saves the `.torrent` file and the record.
    pub(crate) fn save_all(&mut self, cx: &mut Context<'_>) {
        self.save_metainfo(cx);
        self.save_record(cx);
    }

    /// Saves the `.torrent` file, the record and the sharing totals.
    pub(crate) fn save_everything(&mut self, cx: &mut Context<'_>) {
        self.save_all(cx);
        self.save_sharing(cx);
    }

    pub(in crate::torrent) fn save_metainfo(&mut self, cx: &mut Context<'_>) {
        let [key, _] = keys(self.content.meta.info_hash);
        cx.write(key, Some(self.record.source().clone()));
    }

    pub(in crate::torrent) fn save_record(&mut self, cx: &mut Context<'_>) {
        self.record.begin_write();
        self.put_record(Op::SaveRecord, cx);
    }

    /// Saves the record; the answer has this purpose.
    pub(in crate::torrent) fn put_record(&mut self, purpose: Op, cx: &mut Context<'_>) {
        let [_, key] = keys(self.content.meta.info_hash);
        let value = self.as_recorded().encode();
        self.record.set_size(value.len());
        self.ask(purpose, cx, |op| IoCommand::KvPut { op, key, value });
    }

    /// The record of the current state.
    pub(in crate::torrent) fn as_recorded(&self) -> Record {
        let mut verified = self.ledger.pieces().have().clone();
        let mut pieces = verified.clone();
        pieces.or(self.ledger.pieces().unchecked());
        self.ledger.pieces().begun().for_each(|piece| pieces.set(piece.get()));
        // Until the files are inspected, the earlier record is the current state.
        if let Some(recorded) = self.record.recorded() {
            pieces.or(&recorded.pieces);
            verified.or(&recorded.verified);
        }
        debug_assert!(
            self.ledger
                .pieces()
                .begun()
                .all(|piece| self.ledger.pieces().state(piece) != PieceState::Missing)
        );
        let files = self.storage.record();
        Record {
            place: self.storage.place().clone(),
            moving: files.moving,
            added: self.content.added,
            paused: self.is_paused(),
            pieces,
            verified,
            stamps: files.stamps,
            priorities: self.selection.unusual(),
            kept: files.kept,
            before: files.before,
            displaced: files.displaced,
            changes: files.changes,
            adopts: files.adopts,
            peers: self.swarm.worth_keeping(limits::KEPT_PEERS),
        }
    }
}
