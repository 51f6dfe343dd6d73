//! Carries out the effects of the storage, and passes the daemon's answers to it.
//!
//! Each [`Effect`] is carried out here, in the order in which the storage returned them.

use shared_proto::IoCommand;
use shared_proto::io::{FileStat, OpError, OpOutput};

use crate::context::{Context, Owner};
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::pick::piece_map::PieceState;
use crate::torrent::ledger::Ledger;
use crate::torrent::ops::Op;
use crate::torrent::record::Keeper;
use crate::torrent::storage::{Copied, Effect, Given, Opening, Order, Proofs, Storage, Task};
use crate::torrent::{Status, Torrent};
use crate::view::Sentence;

/// The verified pieces, according to this engine and to the earlier record.
pub(in crate::torrent) fn proofs<'a>(ledger: &'a Ledger, record: &'a Keeper) -> Proofs<'a> {
    Proofs::new(ledger.pieces().have(), record.recorded().map(|record| &record.verified))
}

impl Torrent {
    /// Sends an order of the storage to the daemon.
    pub(in crate::torrent) fn order(&mut self, order: Order, cx: &mut Context<'_>) {
        match order {
            Order::Close(file) => cx.order(IoCommand::FileClose { file }),
            Order::Ask(task, request) => {
                self.ask(Op::Storage(task), cx, |op| request.command(op));
            }
            Order::Tell(request) => {
                cx.ask(Owner::Engine, |op| request.command(op));
            }
        }
    }

    pub(in crate::torrent) fn order_all(&mut self, orders: Vec<Order>, cx: &mut Context<'_>) {
        orders.into_iter().for_each(|order| self.order(order, cx));
    }

    /// Runs a function of the storage that may have to open files.
    pub(in crate::torrent) fn with_files<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Storage, Given<'_>) -> T,
    ) -> T {
        let given = Given {
            content: &self.content,
            is_wanted: &|file| self.selection.is_wanted(file),
            handles: &mut cx.shared.handles,
            now: cx.now,
        };
        act(&mut self.storage, given)
    }

    /// Sends the commands of an opening, and returns its value.
    pub(in crate::torrent) fn open<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Storage, Given<'_>) -> Opening<T>,
    ) -> Option<T> {
        let opening = self.with_files(cx, act);
        self.order_all(opening.orders, cx);
        opening.got
    }

    /// Carries out effects of the storage.
    pub(in crate::torrent) fn apply_all(&mut self, effects: Vec<Effect>, cx: &mut Context<'_>) {
        effects.into_iter().for_each(|effect| self.apply(effect, cx));
    }

    fn apply(&mut self, effect: Effect, cx: &mut Context<'_>) {
        match effect {
            Effect::Order(order) => self.order(order, cx),
            Effect::Announce(file) => self.announce_file(file, cx),
            Effect::AnnounceAll => self.announce_files(cx),
            Effect::LetGo(file) => {
                let pieces = self.content.geometry.pieces_of_file(file);
                self.withdraw(pieces.into_iter().flat_map(each_piece), cx);
                self.settle_pins(cx);
                self.close_file(file, cx);
            }
            Effect::Close(file) => self.close_file(file, cx),
            Effect::CloseDonor(file) => {
                let handles = &mut cx.shared.handles;
                let order = self.storage.close_donor(&self.content, file, handles);
                order.into_iter().for_each(|order| self.order(order, cx));
            }
            Effect::CloseAll => self.close_files(cx),
            Effect::LoseAll(file) => self.lose_all(file, cx),
            Effect::Doubt { file, readable } => self.doubt(file, readable, cx),
            Effect::Suspect { file, readable } => self.suspect_within(file, readable),
            Effect::Missing(files) => self.miss(&files, cx),
            Effect::Look(is_recheck) => self.look(is_recheck, cx),
            Effect::LookCalledOff => self.end_look(),
            Effect::Check => self.check_next(cx),
            Effect::Create => self.create_empty(cx),
            Effect::Made => {
                if self.is_done() && self.has_all_empty_files() && !self.storage.is_looking() {
                    self.storage.set_confirmed(true);
                    cx.changed();
                }
            }
            Effect::Fail(kind, says) => self.fail(kind, says, cx),
            Effect::DiskTrouble(error) => self.fail_for(&error, cx),
            Effect::Touch => self.record.touch(cx.now),
            Effect::Hurry => self.record.hurry(cx.now),
            Effect::SaveMove => self.put_record(Op::SaveMove, cx),
            Effect::Arrived => {
                self.find_films();
                self.after_move(cx);
                self.fetch.invalidate();
                self.next_tick = cx.now;
                self.check_next(cx);
            }
            Effect::MoveCalledOff => self.after_move(cx),
            Effect::WantsAreStale => self.fetch.invalidate(),
            Effect::Changed => cx.changed(),
        }
    }

    /// Passes an answer of the daemon to the storage.
    pub(in crate::torrent) fn storage_done(
        &mut self,
        task: Task,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let (content, proofs, now) = (&self.content, proofs(&self.ledger, &self.record), cx.now);
        let handles = &mut cx.shared.handles;
        let storage = &mut self.storage;
        let effects = match task {
            Task::Look(file, round) => {
                let (effects, round) = storage.looked(content, (file, round), result, proofs);
                self.apply_all(effects, cx);
                return round.into_iter().for_each(|round| self.take_in(&round, cx));
            }
            Task::Open(file, handle, access) => {
                storage.opened(content, (file, handle, access), result, proofs, handles)
            }
            Task::OpenFound(file, handle) => {
                let order = storage.opened_found(content, (file, handle), result.is_ok(), handles);
                order.map(Effect::Order).into_iter().collect()
            }
            Task::Create(file, handle) => storage.created(content, (file, handle), result, proofs),
            Task::Sync(file) => {
                let order = storage.synced(content, file, result.is_ok());
                order.map(Effect::Order).into_iter().collect()
            }
            Task::Stamp(file) => {
                let effects = storage.stamped(content, file, result, proofs, now);
                self.apply_all(effects, cx);
                return self.stamp_next(cx);
            }
            Task::Glance(file, then) => storage.glanced(content, (file, then), result, proofs, now),
            Task::LookAgain(file) => storage.looked_again(content, file, result, proofs, now),
            Task::Copy(piece) => return self.copied(piece, result, cx),
            Task::LookAhead(file, round) => storage.looked_ahead(content, (file, round), result),
            Task::LookBack(file, round) => storage.looked_back(content, (file, round), result),
            Task::Move(file) => {
                let effects = storage.file_moved(content, file, result, proofs, now);
                self.apply_all(effects, cx);
                return self.move_next(cx);
            }
            Task::Delete(file) => storage.deleted(content, file, result),
        };
        self.apply_all(effects, cx);
    }

    /// Copies a valid piece from an existing file. False if the files can't be opened now.
    pub(in crate::torrent) fn copy(&mut self, piece: PieceIndex, cx: &mut Context<'_>) -> bool {
        self.open(cx, |storage, given| storage.copy(piece, given)).is_some()
    }

    /// Bytes of a piece were copied: once all are, the piece is hashed in our file.
    fn copied(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let (outcome, effect) = self.storage.copied(piece, result);
        self.apply_all(effect.into_iter().collect(), cx);
        match outcome {
            Copied::Going => {}
            Copied::Done => self.verify(piece, cx),
            Copied::Failed => self.end_check(piece, cx),
        }
    }

    /// Nothing is left to hash, so everything that could be copied was: closes the donors.
    pub(in crate::torrent) fn close_donors(&mut self, cx: &mut Context<'_>) {
        let orders = self.storage.close_donors(&self.content, &mut cx.shared.handles);
        self.order_all(orders, cx);
    }

    /// Continues in files that existed before the torrent, as the user wants.
    ///
    /// # Errors
    /// It can't be done now.
    pub(crate) fn adopt(&mut self, cx: &mut Context<'_>) -> Result<(), Sentence> {
        let effects = self.storage.adopt(&self.content)?;
        self.apply_all(effects, cx);
        if matches!(self.life.status, Status::Running | Status::Looking | Status::Resting(_))
            || self.is_settled()
        {
            self.look(false, cx);
        }
        cx.changed();
        Ok(())
    }

    /// A piece on the disk is wrong.
    pub(in crate::torrent) fn found_wrong(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let effects =
            self.storage.found_wrong(&self.content, piece, proofs(&self.ledger, &self.record));
        self.apply_all(effects, cx);
    }

    /// A downloaded piece is wrong.
    ///
    /// True if part of it lies in files that existed before: then no peer is to blame, and the
    /// piece is missing again.
    pub(in crate::torrent) fn found_was_wrong(
        &mut self,
        piece: PieceIndex,
        cx: &mut Context<'_>,
    ) -> bool {
        let effects =
            self.storage.found_was_wrong(&self.content, piece, proofs(&self.ledger, &self.record));
        if effects.is_empty() {
            return false;
        }
        self.reset(piece);
        self.apply_all(effects, cx);
        true
    }

    /// Nothing known about a file's bytes holds any more. No key may be armed on it.
    fn lose_all(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        for piece in self.pieces_of_file(file) {
            match self.ledger.pieces().state(piece) {
                PieceState::Have => self.lose_piece(piece, cx),
                PieceState::Open | PieceState::Hashing => self.lose_begun(piece, cx),
                PieceState::Missing | PieceState::Unchecked => {}
            }
        }
    }

    /// Suspects that the disk holds the missing pieces in a file's first `readable` bytes.
    fn suspect_within(&mut self, file: FileIndex, readable: u64) {
        for piece in self.pieces_of_file(file) {
            let range = self.content.geometry.range_in_file(piece, file);
            let needs = range.map_or(0, |range| range.end().get());
            if needs <= readable && self.ledger.pieces().state(piece) == PieceState::Missing {
                self.suspect(piece, false);
            }
        }
    }

    /// Another program changed a file: its verified pieces are hashed again.
    fn doubt(&mut self, file: FileIndex, readable: u64, cx: &mut Context<'_>) {
        // Nor does a cancelled check restore the pieces.
        if let Some(pieces) = self.content.geometry.pieces_of_file(file) {
            self.ledger.forget_doubted(&pieces);
        }
        self.lose_all(file, cx);
        self.suspect_within(file, readable);
        self.fetch.invalidate();
        self.record.touch(cx.now);
        self.refresh_all_interest(cx.now);
        self.next_tick = cx.now;
        self.check_next(cx);
        cx.changed();
    }

    pub(in crate::torrent) fn pieces_of_file(&self, file: FileIndex) -> Vec<PieceIndex> {
        self.content.geometry.pieces_of_file(file).into_iter().flat_map(each_piece).collect()
    }

    /// The daemon found that another program changed a file, before or during a reply.
    pub(crate) fn file_changed(
        &mut self,
        file: FileIndex,
        stat: Option<FileStat>,
        sending: bool,
        cx: &mut Context<'_>,
    ) {
        let proofs = proofs(&self.ledger, &self.record);
        let news = (stat, sending);
        let effects = self.storage.changed_by_others(&self.content, file, news, proofs, cx.now);
        self.apply_all(effects, cx);
    }

    /// Inspects a file when a viewer starts to read it. Another program may have changed the file.
    pub(in crate::torrent) fn glance(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        if self.life.linked {
            let order = self.storage.glance(&self.content, file, cx.now);
            order.into_iter().for_each(|order| self.order(order, cx));
        }
    }

    /// Inspects the files of a piece whose bytes could not be read.
    pub(in crate::torrent) fn distrust(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        for file in self.content.geometry.files_of(piece).collect::<Vec<_>>() {
            let order = self.storage.distrust(&self.content, file, cx.now);
            order.into_iter().for_each(|order| self.order(order, cx));
        }
    }

    /// Takes the stamps that are due.
    pub(in crate::torrent) fn stamp_next(&mut self, cx: &mut Context<'_>) {
        if self.life.linked {
            let is_stopped = self.is_stopped();
            let orders =
                self.with_files(cx, |storage, given| storage.stamp_next(is_stopped, given));
            self.order_all(orders, cx);
        }
    }

    /// Creates the selected empty files, unless the user has yet to decide.
    pub(in crate::torrent) fn create_empty(&mut self, cx: &mut Context<'_>) {
        if !self.is_undecided() {
            let orders = self.with_files(cx, Storage::create_empties);
            self.order_all(orders, cx);
        }
    }

    /// Whether all selected empty files exist.
    pub(in crate::torrent) fn has_all_empty_files(&self) -> bool {
        self.storage.has_all_empties(|file| self.selection.is_wanted(file))
    }
}
