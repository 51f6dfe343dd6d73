//! The files of a torrent on the disk: their places, origins and states.
//!
//! Owns the files as the daemon knows them. It knows no pieces except those that it is asked about,
//! no peers and no viewers. It returns what has to be done: [`Order`]s for the daemon, and
//! [`Effect`]s that also concern other parts of the torrent. Both must be carried out in their
//! order.
//!
//! Each kind of state is a struct of its own with private fields, such as [`Looks`] or [`Mover`],
//! which knows nothing above it. The modules named after an activity, such as `looking` or
//! `moving`, are the methods of [`Storage`] that connect them.

mod copying;
mod creating;
mod donor;
mod effect;
mod empties;
mod look;
mod looking;
pub(in crate::torrent) mod mover;
mod moving;
mod naming;
pub(in crate::torrent) mod open_files;
mod opening;
pub(in crate::torrent) mod order;
pub(in crate::torrent) mod origin;
mod ownership;
pub(in crate::torrent) mod place;
pub(in crate::torrent) mod removal;
mod removing;
mod slot;
mod stamping;
pub(in crate::torrent) mod stamps;
#[cfg(test)]
mod tests;
pub(in crate::torrent) mod trouble;

use std::collections::BTreeSet;

use shared_proto::FileId;

use crate::geometry::{FileIndex, FileSpan, PieceIndex};
use crate::metainfo::Metainfo;
use crate::time::Instant;
use crate::torrent::content::Content;
use crate::view::Sentence;
use donor::Copies;
use empties::Empties;
use look::Looks;
use mover::Mover;
use open_files::OpenFiles;
use order::Location;
use origin::{Kept, Origin};
use place::Place;
use removal::Removal;
use slot::Slot;
use stamps::{Stamp, Stamps};
use trouble::Trouble;

pub(in crate::torrent) use donor::Copied;
pub(in crate::torrent) use effect::Effect;
pub(in crate::torrent) use look::{PieceLook, Round};
pub(in crate::torrent) use open_files::{Given, Opening, Use};
pub(in crate::torrent) use order::{Order, Task};
pub(in crate::torrent) use origin::Proofs;

/// The files of a torrent, as far as the daemon knows them.
#[derive(Debug)]
pub(in crate::torrent) struct Storage {
    place: Place,
    /// Whether the user allowed writing to files that existed before.
    adopts: bool,
    /// Whether the disk is known to hold all selected files. Each was seen since its last piece was
    /// verified.
    is_confirmed: bool,
    files: Vec<Slot>,
    open_files: OpenFiles,
    looks: Looks,
    stamps: Stamps,
    copies: Copies,
    /// Pieces that tell whether a file is still ours where the file system can't.
    evidence: BTreeSet<PieceIndex>,
    empties: Empties,
    mover: Mover,
    removal: Option<Removal>,
    trouble: Trouble,
}

/// The part of an earlier record that concerns files.
#[derive(Clone, Debug, Default)]
pub(in crate::torrent) struct Restored {
    /// The destination of an unfinished move.
    pub(in crate::torrent) moving: Option<Place>,
    /// The stamps of files at a time when their verified bytes were durable.
    pub(in crate::torrent) stamps: Vec<(u32, Stamp)>,
    /// The origin of each existing file; `None` before the first inspection.
    pub(in crate::torrent) kept: Option<Vec<(u32, Kept)>>,
    /// Files that existed before the torrent, from a record that says no more.
    pub(in crate::torrent) before: Option<Vec<u32>>,
    /// Files with a number in their name.
    pub(in crate::torrent) displaced: Vec<u32>,
    /// How often other programs changed a served file.
    pub(in crate::torrent) changes: Vec<(u32, u32)>,
    /// Whether the user chose to continue in files that existed before.
    pub(in crate::torrent) adopts: bool,
}

/// The announcement of a served file to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) struct Served {
    /// The id under which it is served.
    pub(in crate::torrent) id: FileId,
    /// Its place.
    pub(in crate::torrent) at: Location,
    /// Its entity tag.
    pub(in crate::torrent) etag: String,
}

impl Storage {
    /// Creates the storage, with the part of an earlier record that concerns files.
    pub(in crate::torrent) fn new(meta: &Metainfo, place: Place, restored: Restored) -> Self {
        let id = |index| FileId(format!("{}.{index}", meta.info_hash));
        let mut files: Vec<Slot> =
            (0..meta.files.len()).map(|index| Slot::new(id(index))).collect();
        for (file, stamp) in restored.stamps {
            if let Some(slot) = files.get_mut(file as usize) {
                slot.stamp = Some(stamp);
            }
        }
        for (file, changes) in restored.changes {
            if let Some(slot) = files.get_mut(file as usize) {
                slot.changes = changes;
            }
        }
        if let Some(kept) = restored.kept {
            for (file, slot) in (0..).zip(&mut files) {
                slot.origin = match &restored.before {
                    None => Origin::Nothing,
                    Some(before) if before.contains(&file) => Origin::Theirs(None),
                    Some(_) => Origin::Ours(None),
                };
            }
            for (file, kept) in kept {
                if let Some(slot) = files.get_mut(file as usize) {
                    slot.origin = Origin::restored(kept);
                }
            }
            for file in restored.displaced {
                if let Some(slot) = files.get_mut(file as usize) {
                    slot.is_displaced = true;
                }
            }
        }
        Self {
            place,
            adopts: restored.adopts,
            is_confirmed: false,
            open_files: OpenFiles::default(),
            looks: Looks::default(),
            stamps: Stamps::default(),
            copies: Copies::default(),
            evidence: BTreeSet::new(),
            empties: Empties::default(),
            mover: Mover::restored(restored.moving, files.len()),
            removal: None,
            trouble: Trouble::default(),
            files,
        }
    }

    /// The part of the record that concerns files. Which files existed before is known for each
    /// file.
    pub(in crate::torrent) fn record(&self) -> Restored {
        let slots = || (0..).zip(&self.files);
        let was_looked_at = self.files.iter().any(|slot| slot.origin != Origin::Unknown);
        let kept = slots().filter_map(|(file, slot)| Some((file, slot.origin.kept()?)));
        Restored {
            moving: self.target().cloned(),
            stamps: slots().filter_map(|(file, slot)| Some((file, slot.stamp?))).collect(),
            kept: was_looked_at.then(|| kept.collect()),
            before: None,
            displaced: slots()
                .filter(|(_, slot)| slot.is_displaced)
                .map(|(file, _)| file)
                .collect(),
            changes: slots()
                .map(|(file, slot)| (file, slot.changes))
                .filter(|&(_, changes)| changes > 0)
                .collect(),
            adopts: self.adopts,
        }
    }

    /// The link to the daemon is lost. All open files and pending commands are lost with it.
    pub(in crate::torrent) fn unlink(&mut self) {
        self.looks.call_off();
        self.stamps.unlink();
        self.open_files = OpenFiles::default();
        self.empties.unlink();
        for slot in &mut self.files {
            (slot.is_stamping, slot.is_ours_now) = (false, false);
        }
        self.mover.unlink();
        if let Some(removal) = &mut self.removal {
            removal.unlink();
        }
        self.copies.unlink();
        self.evidence.clear();
    }

    /// When the next stamp is due; only while a daemon is connected.
    pub(in crate::torrent) fn next_wakeup(&self) -> Option<Instant> {
        self.stamps.due()
    }

    /// The place of the torrent, or its former place during a move.
    pub(in crate::torrent) fn place(&self) -> &Place {
        &self.place
    }

    /// The path of the torrent's file or folder below the download folder.
    pub(in crate::torrent) fn lies_at(&self, content: &Content) -> String {
        let first = content.meta.files.first();
        let path = first.map(|file| self.place.path(0, file)).unwrap_or_default();
        path[..path.len().min(self.place.folder.len() + 1)].join("/")
    }

    /// The current place of a file.
    pub(in crate::torrent) fn location(&self, content: &Content, file: FileIndex) -> Location {
        self.place_of(file).location(file, content)
    }

    /// The torrent's place for this file: during a move some files have moved and others have not.
    fn place_of(&self, file: FileIndex) -> &Place {
        self.mover.place_of(file).unwrap_or(&self.place)
    }

    /// The path of a file as shown: without the folders into which the torrent was moved.
    pub(in crate::torrent) fn shown_path(&self, content: &Content, file: FileIndex) -> Vec<String> {
        let place = self.place_of(file);
        let path = place.path(file.get(), &content.meta.files[file.as_usize()]);
        path[place.folder.len()..].to_vec()
    }

    /// The announcement of a served file to the daemon.
    pub(in crate::torrent) fn served(&self, content: &Content, file: FileIndex) -> Served {
        let slot = &self.files[file.as_usize()];
        Served { id: slot.id.clone(), at: self.location(content, file), etag: slot.etag() }
    }

    /// The ids under which the files are served.
    pub(in crate::torrent) fn ids(&self) -> impl Iterator<Item = &FileId> {
        self.files.iter().map(|slot| &slot.id)
    }

    /// The id under which a file is served.
    pub(in crate::torrent) fn id(&self, file: FileIndex) -> &FileId {
        &self.files[file.as_usize()].id
    }

    /// Number of verified bytes of a file.
    pub(in crate::torrent) fn verified(&self, file: FileIndex) -> u64 {
        self.files[file.as_usize()].verified
    }

    /// Returns whether our file has a number in its name. Another file had the name.
    pub(in crate::torrent) fn is_displaced(&self, file: FileIndex) -> bool {
        self.files[file.as_usize()].is_displaced
    }

    /// Whether the state of a file is known.
    #[cfg(test)]
    pub(in crate::torrent) fn is_known(&self, file: FileIndex) -> bool {
        self.files[file.as_usize()].known.is_some()
    }

    /// Adds verified bytes.
    pub(in crate::torrent) fn add_verified(&mut self, spans: impl Iterator<Item = FileSpan>) {
        for span in spans {
            self.files[span.file.as_usize()].verified += u64::from(span.length);
        }
    }

    /// Removes verified bytes.
    pub(in crate::torrent) fn take_verified(&mut self, spans: impl Iterator<Item = FileSpan>) {
        for span in spans {
            let slot = &mut self.files[span.file.as_usize()];
            slot.verified = slot.verified.saturating_sub(u64::from(span.length));
        }
        self.is_confirmed = false;
    }

    /// Returns whether the disk is known to hold all selected files. Each was seen since its last
    /// piece was verified.
    pub(in crate::torrent) fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// Sets whether all selected files were seen on the disk.
    pub(in crate::torrent) fn set_confirmed(&mut self, is_confirmed: bool) {
        self.is_confirmed = is_confirmed;
    }

    /// When to retry after an error that may pass.
    pub(in crate::torrent) fn tried_again_at(&self) -> Option<Instant> {
        self.trouble.again_at()
    }

    /// Cancels the next retry, if one is due.
    pub(in crate::torrent) fn call_try_off(&mut self) {
        self.trouble.call_off();
    }

    /// Waits for an error to pass, longer each time.
    pub(in crate::torrent) fn wait_for_disk(&mut self, now: Instant) {
        self.trouble.wait(now);
    }

    /// Downloaded bytes could be written: the next error is a new one.
    pub(in crate::torrent) fn has_written(&mut self) {
        self.trouble.is_over();
    }

    /// The user acts on the error: no retry is due, and the next error is a new one.
    pub(in crate::torrent) fn forget_trouble(&mut self) {
        self.trouble.forget();
    }

    /// A player requests missing bytes: a retry that is due comes soon.
    pub(in crate::torrent) fn await_disk(&mut self, now: Instant) {
        self.trouble.await_it(now);
    }

    /// The sentence for the user about missing files.
    pub(in crate::torrent) fn says_missing(
        &self,
        content: &Content,
        files: &[FileIndex],
    ) -> Sentence {
        let first = files.first().map(|&file| self.shown_path(content, file).join("/"));
        let others = files.len().saturating_sub(1);
        Sentence::FilesMissing { name: first.unwrap_or_default(), others }
    }
}
