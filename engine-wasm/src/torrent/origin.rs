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

use serde::{Deserialize, Serialize};
use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};
use shared_proto::{FileIdentity, IoCommand};

use super::donor::Donor;
use super::look::Found;
use super::{Op, Status, Torrent};
use crate::context::{Context, Owner};
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::metainfo::sanitise;
use crate::pick::piece_map::PieceState;
use crate::view::Trouble;

/// Names with a number that are tried for one file before a person is asked to look.
const NAMES_TRIED: u32 = 100;
/// When this many names in a folder are taken, the folder itself must be the obstacle: the
/// torrent's own folder gets a number instead.
const NAMES_IN_FOLDER: u32 = 3;

/// Whose a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody looked yet.
    #[default]
    Unknown,
    /// Nothing has its path: it is made when it is first written to.
    Nothing,
    /// We made it.
    Ours(Option<FileIdentity>),
    /// It was there before, and the person said to go on with it. It is written to and never
    /// deleted.
    Adopted(Option<FileIdentity>),
    /// It was there before: it is only read.
    Theirs(Option<FileIdentity>),
    /// The record says that we made it, and the file system cannot tell whether it still is that
    /// file. Until a hash decides it is only read.
    Unsure,
}

/// What is written down of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kept {
    /// [`Origin::Ours`]
    Ours(Option<FileIdentity>),
    /// [`Origin::Adopted`]
    Adopted(Option<FileIdentity>),
    /// [`Origin::Theirs`]
    Theirs(Option<FileIdentity>),
}

impl Origin {
    /// As an earlier engine left it.
    pub(super) fn restored(kept: Kept) -> Self {
        match kept {
            Kept::Ours(identity) => Self::Ours(identity),
            Kept::Adopted(identity) => Self::Adopted(identity),
            Kept::Theirs(identity) => Self::Theirs(identity),
        }
    }

    /// For the record; `None` when there is no file.
    pub(super) fn kept(self) -> Option<Kept> {
        match self {
            Self::Unknown | Self::Nothing => None,
            Self::Ours(identity) => Some(Kept::Ours(identity)),
            Self::Adopted(identity) => Some(Kept::Adopted(identity)),
            Self::Theirs(identity) => Some(Kept::Theirs(identity)),
            Self::Unsure => Some(Kept::Ours(None)),
        }
    }

    /// Whether it may be written to once it is there.
    pub(super) fn is_writable(self) -> bool {
        !matches!(self, Self::Theirs(_) | Self::Unsure)
    }

    pub(super) fn identity(self) -> Option<FileIdentity> {
        match self {
            Self::Ours(identity) | Self::Adopted(identity) | Self::Theirs(identity) => identity,
            Self::Unknown | Self::Nothing | Self::Unsure => None,
        }
    }

    fn with_identity(self, identity: Option<FileIdentity>) -> Self {
        match self {
            Self::Ours(_) | Self::Unsure => Self::Ours(identity),
            Self::Adopted(_) => Self::Adopted(identity),
            Self::Theirs(_) => Self::Theirs(identity),
            Self::Unknown | Self::Nothing => self,
        }
    }
}

/// What a look at a file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the file that was there, or still nothing: its stamp decides about its content.
    Same,
    /// It is another file, or it is gone and need not be there: nothing that was known of its
    /// content holds.
    Other,
    /// It held verified bytes and is gone.
    Missing,
}

impl Torrent {
    /// Whether somebody looked at all files.
    pub(super) fn is_settled(&self) -> bool {
        let real = self.geometry.files().filter(|&file| !self.geometry.is_padding(file));
        real.into_iter().all(|file| self.files[file.as_usize()].origin != Origin::Unknown)
    }

    /// Decides whose a file is, by what was found at its path.
    pub(super) fn decide(
        &mut self,
        file: FileIndex,
        found: &Found,
        is_recheck: bool,
        cx: &mut Context<'_>,
    ) -> Verdict {
        let slot = &self.files[file.as_usize()];
        let origin = slot.origin;
        match (origin, found) {
            (Origin::Unknown | Origin::Nothing, Found::Nothing) => {
                self.files[file.as_usize()].origin = Origin::Nothing;
                Verdict::Same
            }
            (_, Found::Nothing) if is_recheck || !self.has_proof(file) => {
                let slot = &mut self.files[file.as_usize()];
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
                        let slot = &mut self.files[file.as_usize()];
                        (slot.origin, slot.is_ours_now) =
                            (origin.with_identity(stat.identity), true);
                        Verdict::Same
                    }
                    Origin::Ours(_) if is_undecided && slot.is_ours_now => Verdict::Same,
                    Origin::Adopted(_) if is_undecided => {
                        self.files[file.as_usize()].origin = Origin::Adopted(stat.identity);
                        Verdict::Same
                    }
                    Origin::Ours(_) if is_undecided && self.has_proof(file) => {
                        let proofs: Vec<PieceIndex> = self.proofs(file).collect();
                        self.evidence.extend(proofs);
                        self.let_go(file, cx);
                        self.files[file.as_usize()].origin = Origin::Unsure;
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
        if self.files[file.as_usize()].verified > 0 {
            return true;
        }
        self.proofs(file).next().is_some()
    }

    /// The pieces of a file that were verified, by us or by the record.
    fn proofs(&self, file: FileIndex) -> impl Iterator<Item = PieceIndex> {
        let pieces = self.geometry.pieces_of_file(file).into_iter().flat_map(each_piece);
        pieces.filter(|&piece| {
            self.record.believes(piece) || self.pieces.state(piece) == PieceState::Have
        })
    }

    /// A file that we did not make has the path.
    fn meet(&mut self, file: FileIndex, stat: FileStat, cx: &mut Context<'_>) {
        let length = self.geometry.file_len(file);
        self.let_go(file, cx);
        if self.adopts {
            self.files[file.as_usize()].origin = Origin::Adopted(stat.identity);
        } else if stat.length == length {
            self.files[file.as_usize()].origin = Origin::Theirs(stat.identity);
        } else {
            let donor = self.donor_at(file, stat);
            self.displace(file, Some(donor), cx);
        }
    }

    /// Nothing more is written to a file or read from it: what is open may be another file than
    /// what has its path.
    fn let_go(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let Some(pieces) = self.geometry.pieces_of_file(file) else { return };
        self.withdraw(each_piece(pieces), cx);
        self.settle_pins(cx);
        self.close_file(file, cx);
    }

    /// A file of ours was replaced by another one, and has a path that nothing has.
    pub(super) fn replaced(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        self.let_go(file, cx);
        self.lose_all(file, cx);
        let slot = &mut self.files[file.as_usize()];
        (slot.origin, slot.stamp, slot.known) = (Origin::Nothing, None, None);
        (slot.is_there, slot.is_stamping) = (false, false);
        self.wants_are_stale = true;
        self.record.touch(cx.now);
    }

    /// Nothing that was known of a file's bytes holds any more. Nothing may be armed on it.
    pub(super) fn lose_all(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let pieces = self.geometry.pieces_of_file(file).into_iter().flat_map(each_piece);
        for piece in pieces.collect::<Vec<_>>() {
            match self.pieces.state(piece) {
                PieceState::Have => self.lose_piece(piece, cx),
                PieceState::Open | PieceState::Hashing => self.lose_begun(piece, cx),
                PieceState::Missing | PieceState::Unchecked => {}
            }
        }
    }

    /// Another file has the name: ours gets the next number. Nothing may be armed on the file
    /// afterwards, and what was verified of it is to be looked at anew.
    pub(super) fn displace(&mut self, file: FileIndex, donor: Option<Donor>, cx: &mut Context<'_>) {
        tracing::info!(torrent = %self.meta.info_hash, file = file.0, "another file has the name: ours gets a number");
        self.let_go(file, cx);
        self.lose_all(file, cx);
        let slot = &mut self.files[file.as_usize()];
        (slot.origin, slot.stamp, slot.known) = (Origin::Unknown, None, None);
        (slot.is_there, slot.is_displaced, slot.is_stamping) = (false, true, false);
        // The first file that was found is the likeliest to have anything of ours.
        slot.donor = slot.donor.take().or(donor);
        if self.number(file, cx) {
            self.look_again(file, cx);
        }
        if self.geometry.file_len(file) == 0 {
            self.empties.push_back(file);
        }
        self.wants_are_stale = true;
        self.record.touch(cx.now);
        cx.changed();
    }

    /// Looks whether anything has the new name of a file.
    fn look_again(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let (root, path) = self.location(file);
        self.ask(Op::LookAgain(file), cx, |op| IoCommand::FileStat { op, root, path });
    }

    /// The new name of a file was looked at. What an earlier run left there is used.
    pub(super) fn looked_again(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if self.files[file.as_usize()].origin != Origin::Unknown {
            // It was made meanwhile, or all files were looked at.
            return;
        }
        let found = match Found::from_result(result) {
            Ok(found) => found,
            Err(error) => return self.fail_for(&error, cx),
        };
        self.decide(file, &found, false, cx);
        let slot = &mut self.files[file.as_usize()];
        if let (Origin::Theirs(_), Some(stat)) = (slot.origin, found.stat()) {
            (slot.known, slot.is_there) = (Some(stat), true);
            self.wants_stamp(file, cx.now);
            for piece in self
                .geometry
                .pieces_of_file(file)
                .into_iter()
                .flat_map(each_piece)
                .collect::<Vec<_>>()
            {
                if self.pieces.state(piece) == PieceState::Missing {
                    self.suspect(piece, false);
                }
            }
        }
        self.suspect_donated(file);
        self.wants_are_stale = true;
        self.create_empty(cx);
        self.check_next(cx);
    }

    /// Gives a file the next name with a number. False when too many were tried: then the torrent
    /// is stopped.
    fn number(&mut self, file: FileIndex, cx: &mut Context<'_>) -> bool {
        let slot = &mut self.files[file.as_usize()];
        slot.names_tried += 1;
        let tried = slot.names_tried;
        let meta = &self.meta.files[file.as_usize()];
        if tried > NAMES_TRIED {
            let name = meta.path.join("/");
            self.fail(
                Trouble::BadName,
                format!("Every name for “{name}” is taken in its folder. Move some of them away, then resume."),
                cx,
            );
            return false;
        }
        let mut place = self.place.clone();
        place.renamed.remove(&file.0);
        let own = place.path(file.0, meta).pop().unwrap_or_default();
        let current = self.place.path(file.0, meta).pop().unwrap_or_default();
        let first = if self.place.renamed.contains_key(&file.0) { tried } else { tried + 1 };
        let name = (first.max(2)..)
            .map(|number| sanitise::numbered(&own, number, true))
            .find(|name| *name != current);
        if let Some(name) = name {
            self.mover.rename(file, &name);
            self.place.renamed.insert(file.0, name);
        }
        self.announce_file(file, cx);
        true
    }

    /// A file could not be opened for writing, because of what has its path or of its name. False
    /// when that is no reason to try otherwise.
    pub(super) fn gave_way(
        &mut self,
        file: FileIndex,
        error: &OpError,
        cx: &mut Context<'_>,
    ) -> bool {
        match error.kind {
            // Something took the name since we looked; or the disk takes two of our names for the
            // same.
            OpErrorKind::Exists => {
                let is_in_folder = self.meta.files[file.as_usize()].path.len() > 1;
                if is_in_folder
                    && self.files[file.as_usize()].names_tried >= NAMES_IN_FOLDER
                    && self.place.name.is_none()
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
                    self.files[file.as_usize()].origin,
                    Origin::Ours(_) | Origin::Adopted(_)
                ) =>
            {
                self.close_file(file, cx);
                self.look(false, cx);
                true
            }
            OpErrorKind::Name => {
                let Some(names) = self.place.names.tamer() else { return false };
                self.place.names = names;
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
        self.place.name = Some(sanitise::numbered(&own, 2, false));
        self.place.renamed.clear();
        for slot in &mut self.files {
            (slot.names_tried, slot.is_displaced) = (0, false);
        }
        self.announce_files(cx);
        self.record.touch(cx.now);
        self.look(false, cx);
    }

    /// Whether this is an error after which a file gets another name, or another look.
    pub(super) fn is_to_be_renamed(&self, error: &OpError) -> bool {
        matches!(error.kind, OpErrorKind::Exists | OpErrorKind::Changed | OpErrorKind::NotFound)
            || (error.kind == OpErrorKind::Name && self.place.names.tamer().is_some())
    }

    /// A piece on the disk is not right: a found file that it lies in is not what it should be.
    pub(super) fn found_wrong(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let files: Vec<FileIndex> =
            self.geometry.files_of(piece).filter(|&file| !self.geometry.is_padding(file)).collect();
        // Which of several files is wrong can't be told before ours has arrived.
        if files.iter().any(|&file| self.files[file.as_usize()].origin.is_writable()) {
            return;
        }
        let is_evidence = self.evidence.remove(&piece);
        for file in files {
            // What was never verified says nothing about whose file it is.
            if is_evidence || self.files[file.as_usize()].origin != Origin::Unsure {
                self.disprove(file, cx);
            }
        }
    }

    /// A piece that was fetched is not right, and part of it is in files that were there before.
    /// True if there were any: then nobody who gave is to blame.
    pub(super) fn found_was_wrong(&mut self, piece: PieceIndex, cx: &mut Context<'_>) -> bool {
        let files: Vec<FileIndex> =
            self.geometry.files_of(piece).filter(|&file| !self.geometry.is_padding(file)).collect();
        let theirs: Vec<FileIndex> = files
            .into_iter()
            .filter(|&file| !self.files[file.as_usize()].origin.is_writable())
            .collect();
        for &file in &theirs {
            self.disprove(file, cx);
        }
        !theirs.is_empty()
    }

    /// A found file is not what the torrent has: it is left alone, and what of it is right is
    /// copied.
    fn disprove(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let Some(stat) = self.files[file.as_usize()].known else {
            return self.displace(file, None, cx);
        };
        let donor = self.donor_at(file, stat);
        self.displace(file, Some(donor), cx);
        self.suspect_donated(file);
        self.check_next(cx);
    }

    /// A piece that lies on the disk is right: a file of ours of which that was not sure is ours.
    pub(super) fn found_right(&mut self, piece: PieceIndex) {
        if !self.evidence.remove(&piece) {
            return;
        }
        let files: Vec<FileIndex> = self.geometry.files_of(piece).collect();
        for file in files {
            let slot = &mut self.files[file.as_usize()];
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
    pub(crate) fn adopt(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        if self.mover.is_moving() {
            return Err("The torrent is being moved. Try again when that is done.".to_owned());
        }
        // What is being looked at may lie under another name from now on.
        self.looking = None;
        self.adopts = true;
        self.record.touch(cx.now);
        let displaced: Vec<FileIndex> =
            self.geometry.files().filter(|file| self.files[file.as_usize()].is_displaced).collect();
        let theirs =
            self.geometry.files().filter(|file| !self.files[file.as_usize()].origin.is_writable());
        for file in theirs.collect::<Vec<_>>() {
            let slot = &mut self.files[file.as_usize()];
            slot.origin = Origin::Adopted(slot.known.and_then(|stat| stat.identity));
        }
        for file in displaced {
            self.let_go(file, cx);
            self.close_donor(file, cx);
            self.delete_file(file, cx);
            self.lose_all(file, cx);
            self.place.renamed.remove(&file.0);
            let slot = &mut self.files[file.as_usize()];
            (slot.origin, slot.stamp, slot.known) = (Origin::Unknown, None, None);
            (slot.is_there, slot.is_displaced, slot.names_tried) = (false, false, 0);
            self.announce_file(file, cx);
        }
        if matches!(self.status, Status::Running | Status::Looking | Status::Resting(_))
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
        let Origin::Ours(identity @ Some(_)) = self.files[file.as_usize()].origin else { return };
        for place in self.places_of(file) {
            let (root, path) =
                (place.root.clone(), place.path(file.0, &self.meta.files[file.as_usize()]));
            cx.ask(Owner::Engine, |op| IoCommand::FileDelete { op, root, path, identity });
        }
    }

    /// The files that were made, found or adopted, for the record; `None` while nobody has looked.
    pub(super) fn kept(&self) -> Option<Vec<(u32, Kept)>> {
        let was_looked_at = self.files.iter().any(|slot| slot.origin != Origin::Unknown);
        let kept =
            (0..).zip(&self.files).filter_map(|(file, slot)| Some((file, slot.origin.kept()?)));
        was_looked_at.then(|| kept.collect())
    }

    /// Takes over what an earlier engine wrote down of whose the files are.
    pub(super) fn restore_origins(
        &mut self,
        kept: Option<&[(u32, Kept)]>,
        before: Option<&[u32]>,
        displaced: &[u32],
    ) {
        let Some(kept) = kept else { return };
        for (file, slot) in (0..).zip(&mut self.files) {
            slot.origin = match before {
                None => Origin::Nothing,
                Some(before) if before.contains(&file) => Origin::Theirs(None),
                Some(_) => Origin::Ours(None),
            };
        }
        for &(file, kept) in kept {
            if let Some(slot) = self.files.get_mut(file as usize) {
                slot.origin = Origin::restored(kept);
            }
        }
        for &file in displaced {
            if let Some(slot) = self.files.get_mut(file as usize) {
                slot.is_displaced = true;
            }
        }
    }
}
