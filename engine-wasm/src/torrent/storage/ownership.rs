//! Decides the origin of each file at a torrent's paths: ours or another program's.
//!
//! Owns the rule that no byte of a file that we did not create is changed or deleted without the
//! user's consent for this torrent. A file is recognised by its identity, never by its name. A file
//! that existed before is read only: it is used in place if it verifies, and otherwise *displaces*
//! ours, which then gets a name with a number ([`super::naming`]). Valid pieces of the existing
//! file are copied into ours ([`super::copying`]).
//!
//! An existing file counts as verified if all pieces that lie completely in it are valid. A piece
//! that it shares with a file of ours is checked once our part has arrived; only then are its bytes
//! served.

use shared_proto::io::FileStat;

use super::Storage;
use super::effect::Effect;
use super::look::Found;
use super::order::{Order, Request};
use super::origin::{Origin, Proofs, Verdict};
use crate::geometry::{FileIndex, PieceIndex};
use crate::torrent::content::Content;
use crate::view::Sentence;

/// The files of a piece, without padding.
fn real_files(content: &Content, piece: PieceIndex) -> Vec<FileIndex> {
    let files = content.geometry.files_of(piece);
    files.filter(|&file| !content.geometry.is_padding(file)).collect()
}

impl Storage {
    /// Whether every file was inspected.
    pub(in crate::torrent) fn is_settled(&self, content: &Content) -> bool {
        let mut real = content.geometry.files().filter(|&file| !content.geometry.is_padding(file));
        real.all(|file| self.files[file.as_usize()].origin != Origin::Unknown)
    }

    /// Decides about the origin of a file, given what has its path.
    pub(super) fn decide(
        &mut self,
        content: &Content,
        file: FileIndex,
        found: Found,
        is_recheck: bool,
        proofs: &mut Proofs<'_>,
    ) -> (Verdict, Vec<Effect>) {
        let slot = &mut self.files[file.as_usize()];
        let origin = slot.origin;
        match (origin, found) {
            (Origin::Unknown | Origin::Nothing, Found::Nothing) => {
                slot.origin = Origin::Nothing;
                (Verdict::Same, Vec::new())
            }
            (_, Found::Nothing) if is_recheck || !proofs.has_any(content, file) => {
                (slot.origin, slot.stamp) = (Origin::Nothing, None);
                (Verdict::Other, Vec::new())
            }
            (_, Found::Nothing) => (Verdict::Missing, Vec::new()),
            (_, Found::File(stat)) => self.recognise(content, file, stat, proofs),
            (_, Found::Foreign) => self.displace(content, file, None, proofs),
        }
    }

    fn recognise(
        &mut self,
        content: &Content,
        file: FileIndex,
        stat: FileStat,
        proofs: &mut Proofs<'_>,
    ) -> (Verdict, Vec<Effect>) {
        let slot = &mut self.files[file.as_usize()];
        let origin = slot.origin;
        let is_same = origin.identity().is_some() && origin.identity() == stat.identity;
        let is_as_left = slot.stamp.is_some_and(|stamp| stamp.agrees(&stat));
        let is_undecided = origin.identity().is_none() || stat.identity.is_none();
        match origin {
            _ if is_same => (Verdict::Same, Vec::new()),
            Origin::Ours(_) | Origin::Theirs(_) if is_undecided && is_as_left => {
                (slot.origin, slot.is_ours_now) = (origin.with_identity(stat.identity), true);
                (Verdict::Same, Vec::new())
            }
            Origin::Ours(_) if is_undecided && slot.is_ours_now => (Verdict::Same, Vec::new()),
            // Its content was handled when it was found. It is only read.
            Origin::Theirs(_) if is_undecided && slot.known == Some(stat) => {
                (Verdict::Same, Vec::new())
            }
            Origin::Adopted(_) if is_undecided => {
                slot.origin = Origin::Adopted(stat.identity);
                (Verdict::Same, Vec::new())
            }
            Origin::Ours(_) if is_undecided && proofs.has_any(content, file) => {
                slot.origin = Origin::Unsure;
                self.evidence.extend(proofs.of(content, file));
                (Verdict::Other, vec![Effect::LetGo(file)])
            }
            _ => self.handle_foreign_file(content, file, stat, proofs),
        }
    }

    /// A file that we did not create has the path.
    fn handle_foreign_file(
        &mut self,
        content: &Content,
        file: FileIndex,
        stat: FileStat,
        proofs: &mut Proofs<'_>,
    ) -> (Verdict, Vec<Effect>) {
        if !self.adopts && stat.length != content.geometry.file_len(file) {
            let donor = self.donor_at(content, file, stat);
            return self.displace(content, file, Some(donor), proofs);
        }
        self.files[file.as_usize()].origin = match self.adopts {
            true => Origin::Adopted(stat.identity),
            false => Origin::Theirs(stat.identity),
        };
        (Verdict::Other, vec![Effect::LetGo(file)])
    }

    /// A file of ours was replaced by another one, and gets a free path.
    pub(super) fn replaced(&mut self, file: FileIndex) -> [Effect; 4] {
        self.files[file.as_usize()].set_missing(Origin::Nothing);
        [Effect::LetGo(file), Effect::LoseAll(file), Effect::WantsAreStale, Effect::Touch]
    }

    /// A piece on the disk is wrong: an existing file in it is not what it should be.
    pub(in crate::torrent) fn found_wrong(
        &mut self,
        content: &Content,
        piece: PieceIndex,
        proofs: Proofs<'_>,
    ) -> Vec<Effect> {
        // Which of several files is wrong is unknown until ours has arrived.
        let mut files = real_files(content, piece);
        if files.iter().any(|file| self.files[file.as_usize()].origin.is_writable()) {
            return Vec::new();
        }
        if !self.evidence.remove(&piece) {
            // A piece that was never verified says nothing about a file's origin.
            files.retain(|file| self.files[file.as_usize()].origin != Origin::Unsure);
        }
        self.disprove(content, &files, proofs)
    }

    /// A downloaded piece is wrong. If part of it lies in existing files, no peer is to blame.
    pub(in crate::torrent) fn found_was_wrong(
        &mut self,
        content: &Content,
        piece: PieceIndex,
        proofs: Proofs<'_>,
    ) -> Vec<Effect> {
        let mut files = real_files(content, piece);
        files.retain(|file| !self.files[file.as_usize()].origin.is_writable());
        self.disprove(content, &files, proofs)
    }

    /// Existing files differ from the torrent's: they are not touched, and their valid pieces are
    /// copied.
    fn disprove(
        &mut self,
        content: &Content,
        files: &[FileIndex],
        mut proofs: Proofs<'_>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        for &file in files {
            let known = self.files[file.as_usize()].known;
            let donor = known.map(|stat| self.donor_at(content, file, stat));
            effects.extend(self.displace(content, file, donor, &mut proofs).1);
            if known.is_some() {
                let readable = self.files[file.as_usize()].donated();
                effects.push(Effect::Suspect { file, readable });
            }
        }
        if !effects.is_empty() {
            effects.push(Effect::Check);
        }
        effects
    }

    /// A piece on the disk is valid: an unsure file of ours in it is confirmed.
    pub(in crate::torrent) fn found_right(&mut self, content: &Content, piece: PieceIndex) {
        if !self.evidence.remove(&piece) {
            return;
        }
        for file in content.geometry.files_of(piece) {
            let slot = &mut self.files[file.as_usize()];
            if slot.origin == Origin::Unsure {
                slot.origin = Origin::Ours(slot.known.and_then(|stat| stat.identity));
                slot.is_ours_now = true;
            }
        }
    }

    /// Continues in files that existed before the torrent, as the user wants. All files have to be
    /// inspected afterwards.
    ///
    /// # Errors
    /// It can't be done now.
    pub(in crate::torrent) fn adopt(&mut self, content: &Content) -> Result<Vec<Effect>, Sentence> {
        if self.mover.is_moving() {
            return Err(Sentence::MovingAlready);
        }
        // Files that are being inspected may get another name now.
        self.call_look_off();
        self.adopts = true;
        let mut effects = vec![Effect::Touch];
        for slot in self.files.iter_mut().filter(|slot| !slot.origin.is_writable()) {
            slot.origin = Origin::Adopted(slot.known.and_then(|stat| stat.identity));
        }
        let displaced =
            content.geometry.files().filter(|it| self.files[it.as_usize()].is_displaced);
        for file in displaced.collect::<Vec<_>>() {
            effects.extend([Effect::LetGo(file), Effect::CloseDonor(file)]);
            let ours = self.our_copies(content, file).into_iter();
            let delete = |(at, it)| Effect::Order(Order::Tell(Request::Delete(at, it)));
            effects.extend(ours.map(delete));
            effects.push(Effect::LoseAll(file));
            self.place.renamed.remove(&file.get());
            let slot = &mut self.files[file.as_usize()];
            slot.set_missing(Origin::Unknown);
            (slot.is_displaced, slot.names_tried, slot.donor) = (false, 0, None);
            effects.push(Effect::Announce(file));
        }
        Ok(effects)
    }
}
