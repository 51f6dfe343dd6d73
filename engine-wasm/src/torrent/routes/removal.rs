//! A torrent that goes with its data: its files are deleted first, and it is forgotten when they
//! are gone.
//!
//! Owns how far that is. What can't be deleted keeps the torrent: it is stopped and says why, so
//! that a person can try again, and what is left is as proven as before. A file that is not ours
//! any more is left alone, and whoever asked is told.

use crate::torrent::storage::removal::Parting;
use crate::torrent::storage::removal::Removal;
use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{EngineMessage, IoCommand};

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::handles::Access;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::account::seeding;
use crate::torrent::ops::Op;
use crate::torrent::record;
use crate::torrent::storage::mover::Asker;
use crate::torrent::storage::origin::Origin;
use crate::view::{Sentence, Trouble};

impl Torrent {
    /// Stops it and begins to delete its files; [`Torrent::take_parting`] says what came of it.
    pub(crate) fn remove_with_data(&mut self, asker: Option<Asker>, cx: &mut Context<'_>) {
        self.stop(Status::Paused, cx);
        self.life.aside = None;
        self.close_files(cx);
        self.storage.looking = None;
        // What is being made is deleted once its identity is known.
        let is_made =
            |purpose: &&Op| matches!(purpose, Op::Create(..) | Op::Open(_, _, Access::Write));
        let underway = self.ops.values().filter(is_made).count();
        self.storage.removal = Some(Removal { asker, underway, failure: None, spared: None });
        for file in self
            .content
            .geometry
            .files()
            .filter(|&file| !self.content.geometry.is_padding(file))
            .collect::<Vec<_>>()
        {
            self.delete_for_removal(file, cx);
        }
        cx.changed();
    }

    /// Whether it is being removed with its data.
    pub(crate) fn is_leaving(&self) -> bool {
        self.storage.removal.is_some()
    }

    /// A file that was being made, or opened for writing, when the removal began.
    pub(in crate::torrent) fn made_too_late(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(removal) = &mut self.storage.removal else { return };
        removal.underway = removal.underway.saturating_sub(1);
        if let Ok(output) = result
            && matches!(
                self.storage.files[file.as_usize()].origin,
                Origin::Nothing | Origin::Unknown
            )
        {
            self.made(file, &output, cx);
            self.delete_for_removal(file, cx);
        }
    }

    fn delete_for_removal(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        // A file that the disk can't tell from another one stays: it may be somebody's.
        let Origin::Ours(identity @ Some(_)) = self.storage.files[file.as_usize()].origin else {
            return;
        };
        let meta = &self.content.meta.files[file.as_usize()];
        let places = self
            .places_of(file)
            .into_iter()
            .map(|place| (place.root.clone(), place.path(file.0, meta)));
        for (root, path) in places.collect::<Vec<_>>() {
            self.ask(Op::Delete(file), cx, |op| IoCommand::FileDelete { op, root, path, identity });
            if let Some(removal) = &mut self.storage.removal {
                removal.underway += 1;
            }
        }
    }

    /// A file was deleted, or not.
    pub(in crate::torrent) fn deleted(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let words = result.as_ref().err().map(|error| self.words_for_failure(file, error));
        let Some(removal) = &mut self.storage.removal else { return };
        removal.underway = removal.underway.saturating_sub(1);
        match result.map_err(|error| error.kind) {
            // Nothing lies there any more.
            Ok(_) | Err(OpErrorKind::NotFound) => self.is_deleted(file, cx),
            Err(OpErrorKind::Changed) => removal.spared.get_or_insert((file, 0)).1 += 1,
            Err(_) => removal.failure = removal.failure.take().or(words),
        }
    }

    fn is_deleted(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        self.lose_all(file, cx);
        let slot = &mut self.storage.files[file.as_usize()];
        (slot.origin, slot.stamp, slot.known, slot.is_there) = (Origin::Nothing, None, None, false);
        self.record.touch(cx.now);
    }

    /// What came of a removal, once that is known.
    pub(crate) fn take_parting(&mut self, cx: &mut Context<'_>) -> Option<Parting> {
        let Removal { asker, failure, spared, .. } =
            self.storage.removal.take_if(|removal| removal.underway == 0)?;
        let Some(why) = failure else {
            return Some(Parting::Goes {
                asker,
                left: spared.map(|spared| self.words_for_spared(spared)),
            });
        };
        self.fail(Trouble::NotDeleted, why.clone(), cx);
        Some(Parting::Stays { asker, why })
    }

    /// The daemon went away in the middle of it.
    pub(in crate::torrent) fn unlink_removal(&mut self) {
        if let Some(removal) = &mut self.storage.removal {
            removal.underway = 0;
            removal.failure.get_or_insert(Sentence::NotAllDeleted);
        }
    }

    fn words_for_failure(&self, file: FileIndex, error: &OpError) -> Sentence {
        let why = error.into();
        if error.kind == OpErrorKind::Absent {
            // The daemon names the folder.
            return Sentence::CantDeleteThere { why };
        }
        Sentence::CantDelete { name: self.shown_path(file).join("/"), why }
    }

    fn words_for_spared(&self, (first, count): (FileIndex, usize)) -> Sentence {
        Sentence::Spared { name: self.shown_path(first).join("/"), others: count.saturating_sub(1) }
    }

    /// It is taken out of the engine, and its files stay as they are.
    pub(crate) fn forget(&mut self, cx: &mut Context<'_>) {
        self.stop(Status::Paused, cx);
        self.close_files(cx);
        for purpose in self.ops.values() {
            if let Op::Create(_, file) = purpose {
                cx.order(IoCommand::FileClose { file: *file });
            }
        }
        for file in
            self.content.geometry.files().filter(|&file| !self.content.geometry.is_padding(file))
        {
            cx.say(EngineMessage::FileForget {
                file_id: self.storage.files[file.as_usize()].id.clone(),
            });
        }
        for key in record::keys(self.content.meta.info_hash)
            .into_iter()
            .chain([seeding::key(self.content.meta.info_hash)])
        {
            cx.write(key, None);
        }
    }
}
