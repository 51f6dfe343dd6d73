//! Whose the files at a torrent's paths are, decided file by file.
//!
//! Owns the rule that no byte of a file that we did not create is changed or deleted without the
//! person's word for this torrent. A file is recognised by its identity, never by its name. A file
//! that was there before is read only: it is used in place when it verifies, and otherwise
//! *displaces* ours, which then gets a name with a number. What of the found file verifies is
//! copied into ours ([`super::donor`]).
//!
//! A found file counts as verified when all pieces that lie wholly in it are right. A piece that it
//! shares with a file of ours is checked when our part has arrived; only then are its bytes served.

use crate::torrent::storage::origin::Kept;
use crate::torrent::storage::origin::Origin;
use crate::torrent::storage::origin::Verdict;
use shared_proto::IoCommand;
use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};

use crate::context::{Context, Owner};
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::metainfo::sanitise;
use crate::pick::piece_map::PieceState;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::storage::donor::Donor;
use crate::torrent::storage::look::Found;
use crate::view::{Sentence, Trouble};

/// Names with a number that are tried for one file before a person is asked to look.
const NAMES_TRIED: u32 = 100;
/// When this many names in a folder are taken, the folder itself must be the obstacle: the
/// torrent's own folder gets a number instead.
const NAMES_IN_FOLDER: u32 = 3;

impl Torrent {
    /// Whether somebody looked at all files.
    pub(in crate::torrent) fn is_settled(&self) -> bool {
        let real =
            self.content.geometry.files().filter(|&file| !self.content.geometry.is_padding(file));
        real.into_iter().all(|file| self.storage.files[file.as_usize()].origin != Origin::Unknown)
    }

    /// Decides whose a file is, by what was found at its path.
    pub(in crate::torrent) fn decide(
        &mut self,
        file: FileIndex,
        found: &Found,
        is_recheck: bool,
        cx: &mut Context<'_>,
    ) -> Verdict {
        let slot = &self.storage.files[file.as_usize()];
        let origin = slot.origin;
        match (origin, found) {
            (Origin::Unknown | Origin::Nothing, Found::Nothing) => {
                self.storage.files[file.as_usize()].origin = Origin::Nothing;
                Verdict::Same
            }
            (_, Found::Nothing) if is_recheck || !self.has_proof(file) => {
                let slot = &mut self.storage.files[file.as_usize()];
                (slot.origin, slot.stamp) = (Origin::Nothing, None);
                Verdict::Other
            }
            (_, Found::Nothing) => Verdict::Missing,
            (_, Found::File(stat)) => {
                let is_same = origin.identity().is_some() && origin.identity() == stat.identity;
                let is_as_left = slot.stamp.is_some_and(|stamp| stamp.agrees(stat));
                let is_undecided = origin.identity().is_none() || stat.identity.is_none();
                match origin {
                    _ if is_same => Verdict::Same,
                    Origin::Ours(_) | Origin::Theirs(_) if is_undecided && is_as_left => {
                        let slot = &mut self.storage.files[file.as_usize()];
                        (slot.origin, slot.is_ours_now) =
                            (origin.with_identity(stat.identity), true);
                        Verdict::Same
                    }
                    Origin::Ours(_) if is_undecided && slot.is_ours_now => Verdict::Same,
                    Origin::Adopted(_) if is_undecided => {
                        self.storage.files[file.as_usize()].origin = Origin::Adopted(stat.identity);
                        Verdict::Same
                    }
                    Origin::Ours(_) if is_undecided && self.has_proof(file) => {
                        let proofs: Vec<PieceIndex> = self.proofs(file).collect();
                        self.storage.evidence.extend(proofs);
                        self.let_go(file, cx);
                        self.storage.files[file.as_usize()].origin = Origin::Unsure;
                        Verdict::Other
                    }
                    _ => {
                        self.meet(file, *stat, cx);
                        Verdict::Other
                    }
                }
            }
            (_, Found::Foreign) => {
                self.displace(file, None, cx);
                Verdict::Other
            }
        }
    }

    /// Whether anything of a file was verified, by us or by the record.
    fn has_proof(&self, file: FileIndex) -> bool {
        if self.storage.files[file.as_usize()].verified > 0 {
            return true;
        }
        self.proofs(file).next().is_some()
    }

    /// The pieces of a file that were verified, by us or by the record.
    fn proofs(&self, file: FileIndex) -> impl Iterator<Item = PieceIndex> {
        let pieces = self.content.geometry.pieces_of_file(file).into_iter().flat_map(each_piece);
        pieces.filter(|&piece| {
            self.record.believes(piece) || self.ledger.pieces().state(piece) == PieceState::Have
        })
    }

    /// A file that we did not make has the path.
    fn meet(&mut self, file: FileIndex, stat: FileStat, cx: &mut Context<'_>) {
        let length = self.content.geometry.file_len(file);
        self.let_go(file, cx);
        if self.storage.adopts {
            self.storage.files[file.as_usize()].origin = Origin::Adopted(stat.identity);
        } else if stat.length == length {
            self.storage.files[file.as_usize()].origin = Origin::Theirs(stat.identity);
        } else {
            let donor = self.donor_at(file, stat);
            self.displace(file, Some(donor), cx);
        }
    }

    /// Nothing more is written to a file or read from it: what is open may be another file than
    /// what has its path.
    fn let_go(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let Some(pieces) = self.content.geometry.pieces_of_file(file) else { return };
        self.withdraw(each_piece(pieces), cx);
        self.settle_pins(cx);
        self.close_file(file, cx);
    }

    /// A file of ours was replaced by another one, and has a path that nothing has.
    pub(in crate::torrent) fn replaced(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        self.let_go(file, cx);
        self.lose_all(file, cx);
        let slot = &mut self.storage.files[file.as_usize()];
        (slot.origin, slot.stamp, slot.known) = (Origin::Nothing, None, None);
        (slot.is_there, slot.is_stamping) = (false, false);
        self.fetch.invalidate();
        self.record.touch(cx.now);
    }

    /// Nothing that was known of a file's bytes holds any more. Nothing may be armed on it.
    pub(in crate::torrent) fn lose_all(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let pieces = self.content.geometry.pieces_of_file(file).into_iter().flat_map(each_piece);
        for piece in pieces.collect::<Vec<_>>() {
            match self.ledger.pieces().state(piece) {
                PieceState::Have => self.lose_piece(piece, cx),
                PieceState::Open | PieceState::Hashing => self.lose_begun(piece, cx),
                PieceState::Missing | PieceState::Unchecked => {}
            }
        }
    }

    /// Another file has the name: ours gets the next number. Nothing may be armed on the file
    /// afterwards, and what was verified of it is to be looked at anew.
    pub(in crate::torrent) fn displace(
        &mut self,
        file: FileIndex,
        donor: Option<Donor>,
        cx: &mut Context<'_>,
    ) {
        tracing::info!(torrent = %self.content.meta.info_hash, file = file.0, "another file has the name: ours gets a number");
        self.let_go(file, cx);
        self.lose_all(file, cx);
        let slot = &mut self.storage.files[file.as_usize()];
        (slot.origin, slot.stamp, slot.known) = (Origin::Unknown, None, None);
        (slot.is_there, slot.is_displaced, slot.is_stamping) = (false, true, false);
        // The first file that was found is the likeliest to have anything of ours.
        slot.donor = slot.donor.take().or(donor);
        if self.number(file, cx) {
            self.look_again(file, cx);
        }
        if self.content.geometry.file_len(file) == 0 {
            self.storage.empties.push_back(file);
        }
        self.fetch.invalidate();
        self.record.touch(cx.now);
        cx.changed();
    }

    /// Looks whether anything has the new name of a file.
    fn look_again(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let (root, path) = self.location(file);
        self.ask(Op::LookAgain(file), cx, |op| IoCommand::FileStat { op, root, path });
    }

    /// The new name of a file was looked at. What an earlier run left there is used.
    pub(in crate::torrent) fn looked_again(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if self.storage.files[file.as_usize()].origin != Origin::Unknown {
            // It was made meanwhile, or all files were looked at.
            return;
        }
        let found = match Found::from_result(result) {
            Ok(found) => found,
            Err(error) => return self.fail_for(&error, cx),
        };
        self.decide(file, &found, false, cx);
        let slot = &mut self.storage.files[file.as_usize()];
        if let (Origin::Theirs(_), Some(stat)) = (slot.origin, found.stat()) {
            (slot.known, slot.is_there) = (Some(stat), true);
            self.wants_stamp(file, cx.now);
            for piece in self
                .content
                .geometry
                .pieces_of_file(file)
                .into_iter()
                .flat_map(each_piece)
                .collect::<Vec<_>>()
            {
                if self.ledger.pieces().state(piece) == PieceState::Missing {
                    self.suspect(piece, false);
                }
            }
        }
        self.suspect_donated(file);
        self.fetch.invalidate();
        self.create_empty(cx);
        self.check_next(cx);
    }

    /// Gives a file the next name with a number. False when too many were tried: then the torrent
    /// is stopped.
    fn number(&mut self, file: FileIndex, cx: &mut Context<'_>) -> bool {
        let slot = &mut self.storage.files[file.as_usize()];
        slot.names_tried += 1;
        let tried = slot.names_tried;
        let meta = &self.content.meta.files[file.as_usize()];
        if tried > NAMES_TRIED {
            let name = meta.path.join("/");
            self.fail(Trouble::BadName, Sentence::NamesTaken { name }, cx);
            return false;
        }
        let mut place = self.storage.place.clone();
        place.renamed.remove(&file.0);
        let own = place.path(file.0, meta).pop().unwrap_or_default();
        let current = self.storage.place.path(file.0, meta).pop().unwrap_or_default();
        let first =
            if self.storage.place.renamed.contains_key(&file.0) { tried } else { tried + 1 };
        let name = (first.max(2)..)
            .map(|number| sanitise::numbered(&own, number, true))
            .find(|name| *name != current);
        if let Some(name) = name {
            self.storage.mover.rename(file, &name);
            self.storage.place.renamed.insert(file.0, name);
        }
        self.announce_file(file, cx);
        true
    }

    /// A file could not be opened for writing, because of what has its path or of its name. False
    /// when that is no reason to try otherwise.
    pub(in crate::torrent) fn gave_way(
        &mut self,
        file: FileIndex,
        error: &OpError,
        cx: &mut Context<'_>,
    ) -> bool {
        match error.kind {
            // Something took the name since we looked; or the disk takes two of our names for the
            // same.
            OpErrorKind::Exists => {
                let is_in_folder = self.content.meta.files[file.as_usize()].path.len() > 1;
                if is_in_folder
                    && self.storage.files[file.as_usize()].names_tried >= NAMES_IN_FOLDER
                    && self.storage.place.name.is_none()
                {
                    self.number_folder(cx);
                } else {
                    self.displace(file, None, cx);
                    self.suspect_donated(file);
                    self.check_next(cx);
                }
                true
            }
            // It was replaced or taken away while it was not open.
            OpErrorKind::Changed | OpErrorKind::NotFound
                if matches!(
                    self.storage.files[file.as_usize()].origin,
                    Origin::Ours(_) | Origin::Adopted(_)
                ) =>
            {
                self.close_file(file, cx);
                self.look(false, cx);
                true
            }
            OpErrorKind::Name => {
                let Some(names) = self.storage.place.names.tamer() else { return false };
                self.storage.place.names = names;
                self.record.touch(cx.now);
                self.announce_files(cx);
                self.look(false, cx);
                true
            }
            _ => false,
        }
    }

    /// A file has the name of the torrent's folder: the folder gets a number.
    fn number_folder(&mut self, cx: &mut Context<'_>) {
        let own = self.own_top();
        self.close_files(cx);
        self.storage.place.name = Some(sanitise::numbered(&own, 2, false));
        self.storage.place.renamed.clear();
        for slot in &mut self.storage.files {
            (slot.names_tried, slot.is_displaced) = (0, false);
        }
        self.announce_files(cx);
        self.record.touch(cx.now);
        self.look(false, cx);
    }

    /// Whether this is an error after which a file gets another name, or another look.
    pub(in crate::torrent) fn is_to_be_renamed(&self, error: &OpError) -> bool {
        matches!(error.kind, OpErrorKind::Exists | OpErrorKind::Changed | OpErrorKind::NotFound)
            || (error.kind == OpErrorKind::Name && self.storage.place.names.tamer().is_some())
    }

    /// A piece on the disk is not right: a found file that it lies in is not what it should be.
    pub(in crate::torrent) fn found_wrong(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let files: Vec<FileIndex> = self
            .content
            .geometry
            .files_of(piece)
            .filter(|&file| !self.content.geometry.is_padding(file))
            .collect();
        // Which of several files is wrong can't be told before ours has arrived.
        if files.iter().any(|&file| self.storage.files[file.as_usize()].origin.is_writable()) {
            return;
        }
        let is_evidence = self.storage.evidence.remove(&piece);
        for file in files {
            // What was never verified says nothing about whose file it is.
            if is_evidence || self.storage.files[file.as_usize()].origin != Origin::Unsure {
                self.disprove(file, cx);
            }
        }
    }

    /// A piece that was fetched is not right, and part of it is in files that were there before.
    /// True if there were any: then no peer is to blame, and the piece is missing again.
    pub(in crate::torrent) fn found_was_wrong(
        &mut self,
        piece: PieceIndex,
        cx: &mut Context<'_>,
    ) -> bool {
        let files: Vec<FileIndex> = self
            .content
            .geometry
            .files_of(piece)
            .filter(|&file| !self.content.geometry.is_padding(file))
            .collect();
        let theirs: Vec<FileIndex> = files
            .into_iter()
            .filter(|&file| !self.storage.files[file.as_usize()].origin.is_writable())
            .collect();
        if theirs.is_empty() {
            return false;
        }
        self.reset(piece);
        for file in theirs {
            self.disprove(file, cx);
        }
        true
    }

    /// A found file is not what the torrent has: it is left alone, and what of it is right is
    /// copied.
    fn disprove(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let Some(stat) = self.storage.files[file.as_usize()].known else {
            return self.displace(file, None, cx);
        };
        let donor = self.donor_at(file, stat);
        self.displace(file, Some(donor), cx);
        self.suspect_donated(file);
        self.check_next(cx);
    }

    /// A piece that lies on the disk is right: a file of ours of which that was not sure is ours.
    pub(in crate::torrent) fn found_right(&mut self, piece: PieceIndex) {
        if !self.storage.evidence.remove(&piece) {
            return;
        }
        let files: Vec<FileIndex> = self.content.geometry.files_of(piece).collect();
        for file in files {
            let slot = &mut self.storage.files[file.as_usize()];
            if slot.origin == Origin::Unsure {
                slot.origin = Origin::Ours(slot.known.and_then(|stat| stat.identity));
                slot.is_ours_now = true;
            }
        }
    }

    /// The person says that the torrent goes on in the files that were there before.
    ///
    /// # Errors
    /// In plain words, when it can't be done now.
    pub(crate) fn adopt(&mut self, cx: &mut Context<'_>) -> Result<(), Sentence> {
        if self.storage.mover.is_moving() {
            return Err(Sentence::MovingAlready);
        }
        // What is being looked at may lie under another name from now on.
        self.storage.looking = None;
        self.storage.adopts = true;
        self.record.touch(cx.now);
        let displaced: Vec<FileIndex> = self
            .content
            .geometry
            .files()
            .filter(|file| self.storage.files[file.as_usize()].is_displaced)
            .collect();
        let theirs = self
            .content
            .geometry
            .files()
            .filter(|file| !self.storage.files[file.as_usize()].origin.is_writable());
        for file in theirs.collect::<Vec<_>>() {
            let slot = &mut self.storage.files[file.as_usize()];
            slot.origin = Origin::Adopted(slot.known.and_then(|stat| stat.identity));
        }
        for file in displaced {
            self.let_go(file, cx);
            self.close_donor(file, cx);
            self.delete_file(file, cx);
            self.lose_all(file, cx);
            self.storage.place.renamed.remove(&file.0);
            let slot = &mut self.storage.files[file.as_usize()];
            (slot.origin, slot.stamp, slot.known) = (Origin::Unknown, None, None);
            (slot.is_there, slot.is_displaced, slot.names_tried) = (false, false, 0);
            self.announce_file(file, cx);
        }
        if matches!(self.life.status, Status::Running | Status::Looking | Status::Resting(_))
            || self.is_settled()
        {
            self.look(false, cx);
        }
        cx.changed();
        Ok(())
    }

    /// Deletes our copy of a file, if we made it and it still is that file.
    fn delete_file(&self, file: FileIndex, cx: &mut Context<'_>) {
        // A file that the disk can't tell from another one stays: it may be somebody's.
        let Origin::Ours(identity @ Some(_)) = self.storage.files[file.as_usize()].origin else {
            return;
        };
        for place in self.places_of(file) {
            let (root, path) =
                (place.root.clone(), place.path(file.0, &self.content.meta.files[file.as_usize()]));
            cx.ask(Owner::Engine, |op| IoCommand::FileDelete { op, root, path, identity });
        }
    }

    /// The files that were made, found or adopted, for the record; `None` while nobody has looked.
    pub(in crate::torrent) fn kept(&self) -> Option<Vec<(u32, Kept)>> {
        let was_looked_at = self.storage.files.iter().any(|slot| slot.origin != Origin::Unknown);
        let kept = (0..)
            .zip(&self.storage.files)
            .filter_map(|(file, slot)| Some((file, slot.origin.kept()?)));
        was_looked_at.then(|| kept.collect())
    }

    /// Takes over what an earlier engine wrote down of whose the files are.
    pub(in crate::torrent) fn restore_origins(
        &mut self,
        kept: Option<&[(u32, Kept)]>,
        before: Option<&[u32]>,
        displaced: &[u32],
    ) {
        let Some(kept) = kept else { return };
        for (file, slot) in (0..).zip(&mut self.storage.files) {
            slot.origin = match before {
                None => Origin::Nothing,
                Some(before) if before.contains(&file) => Origin::Theirs(None),
                Some(_) => Origin::Ours(None),
            };
        }
        for &(file, kept) in kept {
            if let Some(slot) = self.storage.files.get_mut(file as usize) {
                slot.origin = Origin::restored(kept);
            }
        }
        for &file in displaced {
            if let Some(slot) = self.storage.files.get_mut(file as usize) {
                slot.is_displaced = true;
            }
        }
    }
}
