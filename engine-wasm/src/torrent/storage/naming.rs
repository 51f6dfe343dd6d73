//! Renames files whose own name is taken, or refused by the disk.
//!
//! Owns the names with numbers, and how many of them are tried. A name that another file has is
//! left to that file.

use shared_proto::io::{OpError, OpErrorKind, OpOutput};

use super::Storage;
use super::donor::Donor;
use super::effect::Effect;
use super::look::Found;
use super::order::Task;
use super::origin::{Origin, Proofs, Verdict};
use crate::geometry::FileIndex;
use crate::metainfo::sanitise;
use crate::time::Instant;
use crate::torrent::content::Content;
use crate::view::{Sentence, Trouble};

/// Numbered names that are tried for one file before the user has to act.
const NAMES_TRIED: u32 = 100;
/// Number of taken names after which the folder must be the obstacle. The torrent's own folder then
/// gets a number.
const NAMES_IN_FOLDER: u32 = 3;

impl Storage {
    /// Another file has the name: ours gets the next number.
    ///
    /// Afterwards nothing is armed on the file, and its verified pieces have to be inspected again.
    pub(super) fn displace(
        &mut self,
        content: &Content,
        file: FileIndex,
        donor: Option<Donor>,
        proofs: &mut Proofs<'_>,
    ) -> (Verdict, Vec<Effect>) {
        let torrent = content.meta.info_hash;
        let number = file.get();
        tracing::info!(%torrent, file = number, "another file has this name; ours gets a number");
        proofs.lose(content, file);
        let mut effects = vec![Effect::LetGo(file), Effect::LoseAll(file)];
        let slot = &mut self.files[file.as_usize()];
        slot.set_missing(Origin::Unknown);
        slot.is_displaced = true;
        // The first file that was found most probably contains our data.
        slot.donor = slot.donor.take().or(donor);
        let verdict = match self.number(content, file) {
            Ok(()) => {
                let look = self.look_at(content, file, Task::LookAgain(file));
                effects.extend([Effect::Announce(file), Effect::Order(look)]);
                Verdict::Other
            }
            Err(says) => {
                effects.push(Effect::Fail(Trouble::BadName, says));
                Verdict::Nameless
            }
        };
        if content.geometry.file_len(file) == 0 {
            self.empties.add(file);
        }
        effects.extend([Effect::WantsAreStale, Effect::Touch, Effect::Changed]);
        (verdict, effects)
    }

    /// Handles the answer about the new name of a file. A file that an earlier run left there is
    /// used.
    pub(in crate::torrent) fn looked_again(
        &mut self,
        content: &Content,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        mut proofs: Proofs<'_>,
        now: Instant,
    ) -> Vec<Effect> {
        if self.files[file.as_usize()].origin != Origin::Unknown {
            // It was created meanwhile, or all files were inspected.
            return Vec::new();
        }
        let found = match Found::from_result(result) {
            Ok(found) => found,
            Err(error) => return vec![Effect::DiskTrouble(error)],
        };
        let (_, mut effects) = self.decide(content, file, found, false, &mut proofs);
        let slot = &mut self.files[file.as_usize()];
        if let (Origin::Theirs(_), Some(stat)) = (slot.origin, found.stat()) {
            (slot.known, slot.is_there) = (Some(stat), true);
            self.wants_stamp(file, now);
            effects.push(Effect::Suspect { file, readable: content.geometry.file_len(file) });
        }
        let readable = self.files[file.as_usize()].donated();
        effects.extend([
            Effect::Suspect { file, readable },
            Effect::WantsAreStale,
            Effect::Create,
            Effect::Check,
        ]);
        effects
    }

    /// Gives a file the next name with a number.
    ///
    /// # Errors
    /// Too many names were tried.
    fn number(&mut self, content: &Content, file: FileIndex) -> Result<(), Sentence> {
        let slot = &mut self.files[file.as_usize()];
        slot.names_tried += 1;
        let tried = slot.names_tried;
        let meta = &content.meta.files[file.as_usize()];
        if tried > NAMES_TRIED {
            return Err(Sentence::NamesTaken { name: meta.path.join("/") });
        }
        let mut place = self.place.clone();
        place.renamed.remove(&file.get());
        let own = place.path(file.get(), meta).pop().unwrap_or_default();
        let current = self.place.path(file.get(), meta).pop().unwrap_or_default();
        let first = if self.place.renamed.contains_key(&file.get()) { tried } else { tried + 1 };
        let name = (first.max(2)..)
            .map(|number| sanitise::numbered(&own, number, true))
            .find(|name| *name != current);
        if let Some(name) = name {
            self.mover.rename(file, &name);
            self.place.renamed.insert(file.get(), name);
        }
        Ok(())
    }

    /// Finds a way when a file could not be opened for writing. The obstacle is the file's name, or
    /// what has its path.
    ///
    /// `None` if neither another name nor another inspection can help.
    pub(super) fn work_around(
        &mut self,
        content: &Content,
        file: FileIndex,
        error: &OpError,
        mut proofs: Proofs<'_>,
    ) -> Option<Vec<Effect>> {
        match error.kind {
            // Something took the name since the inspection, or the disk considers two of our names
            // equal.
            OpErrorKind::Exists => {
                let is_in_folder = content.meta.files[file.as_usize()].path.len() > 1;
                let has_tried = self.files[file.as_usize()].names_tried >= NAMES_IN_FOLDER;
                if is_in_folder && has_tried && self.place.name.is_none() {
                    return Some(self.number_folder(content));
                }
                let (_, mut effects) = self.displace(content, file, None, &mut proofs);
                let readable = self.files[file.as_usize()].donated();
                effects.extend([Effect::Suspect { file, readable }, Effect::Check]);
                Some(effects)
            }
            // It was replaced or removed while it was not open.
            OpErrorKind::Changed | OpErrorKind::NotFound
                if matches!(
                    self.files[file.as_usize()].origin,
                    Origin::Ours(_) | Origin::Adopted(_)
                ) =>
            {
                Some(vec![Effect::Close(file), Effect::Look(false)])
            }
            OpErrorKind::Name => {
                self.place.names = self.place.names.tamer()?;
                Some(vec![Effect::Touch, Effect::AnnounceAll, Effect::Look(false)])
            }
            _ => None,
        }
    }

    /// A file has the name of the torrent's folder: the folder gets a number.
    fn number_folder(&mut self, content: &Content) -> Vec<Effect> {
        let own = content.meta.files.first().and_then(|file| file.path.first());
        let own = own.map_or("", String::as_str);
        self.place.name = Some(sanitise::numbered(own, 2, false));
        self.place.renamed.clear();
        for slot in &mut self.files {
            (slot.names_tried, slot.is_displaced) = (0, false);
        }
        vec![Effect::CloseAll, Effect::AnnounceAll, Effect::Touch, Effect::Look(false)]
    }

    /// Whether a file gets another name or another inspection after this error.
    pub(in crate::torrent) fn can_work_around(&self, error: &OpError) -> bool {
        matches!(error.kind, OpErrorKind::Exists | OpErrorKind::Changed | OpErrorKind::NotFound)
            || (error.kind == OpErrorKind::Name && self.place.names.tamer().is_some())
    }
}
