//! A torrent that goes with its data: its files are deleted first, and it is forgotten when they
//! are gone.
//!
//! Owns how far that is. What can't be deleted keeps the torrent: it is stopped and says why, so
//! that a person can try again, and what is left is as proven as before. A file that is not ours
//! any more is left alone, and whoever asked is told.

use shared_proto::FileIdentity;
use shared_proto::io::{OpError, OpErrorKind, OpOutput};

use super::Storage;
use super::effect::Effect;
use super::mover::Asker;
use super::order::{Location, Order, Request, Task};
use super::origin::Origin;
use crate::geometry::FileIndex;
use crate::torrent::content::Content;
use crate::view::Sentence;

/// A removal that is under way.
#[derive(Debug)]
pub(super) struct Removal {
    /// Who wants it; `None` for the clean-up of temporary torrents.
    asker: Option<Asker>,
    /// Files that are being deleted, or were being made when it began.
    underway: usize,
    /// Why the first file that could not be deleted could not.
    failure: Option<Sentence>,
    /// Files that are not ours any more: the first, and how many.
    spared: Option<(FileIndex, usize)>,
}

impl Removal {
    /// Fails: the daemon is gone in the middle of it.
    pub(super) fn unlink(&mut self) {
        self.underway = 0;
        self.failure.get_or_insert(Sentence::NotAllDeleted);
    }
}

/// How a removal ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// Its files are gone, and so should it be.
    Goes {
        /// Who wants to know.
        asker: Option<Asker>,
        /// What was left alone.
        left: Option<Sentence>,
    },
    /// It stays.
    Stays {
        /// Who wants to know.
        asker: Option<Asker>,
        /// Why.
        why: Sentence,
    },
}

impl Storage {
    /// Whether the torrent is being removed with its data.
    pub(in crate::torrent) fn is_leaving(&self) -> bool {
        self.removal.is_some()
    }

    /// Begins to delete all files that are ours; [`Storage::take_parting`] has the end. What is
    /// being made is deleted once its identity is known.
    pub(in crate::torrent) fn remove(
        &mut self,
        content: &Content,
        asker: Option<Asker>,
    ) -> Vec<Order> {
        self.call_look_off();
        let underway = self.empties.underway() + self.open_files.opening();
        self.removal = Some(Removal { asker, underway, failure: None, spared: None });
        let real = content.geometry.files().filter(|&file| !content.geometry.is_padding(file));
        real.flat_map(|file| self.delete(content, file)).collect()
    }

    fn delete(&mut self, content: &Content, file: FileIndex) -> Vec<Order> {
        let copies = self.our_copies(content, file);
        if let Some(removal) = &mut self.removal {
            removal.underway += copies.len();
        }
        let delete = |(at, identity)| Order::Ask(Task::Delete(file), Request::Delete(at, identity));
        copies.into_iter().map(delete).collect()
    }

    /// Where a file lies, if we made it and the disk can tell it from any other file. One that it
    /// can't tell stays: it may be another program's.
    pub(super) fn our_copies(
        &self,
        content: &Content,
        file: FileIndex,
    ) -> Vec<(Location, Option<FileIdentity>)> {
        let Origin::Ours(identity @ Some(_)) = self.files[file.as_usize()].origin else {
            return Vec::new();
        };
        let places = self.places_of(file).into_iter();
        places.map(|place| (place.location(file, content), identity)).collect()
    }

    /// A file that was being made, or opened for writing, when the removal began.
    pub(super) fn made_too_late(
        &mut self,
        content: &Content,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
    ) -> Vec<Effect> {
        if let Some(removal) = &mut self.removal {
            removal.underway = removal.underway.saturating_sub(1);
        }
        match (self.files[file.as_usize()].origin, result) {
            (Origin::Nothing | Origin::Unknown, Ok(output)) => {
                let mut effects = vec![self.made(file, &output)];
                effects.extend(self.delete(content, file).into_iter().map(Effect::Order));
                effects
            }
            _ => Vec::new(),
        }
    }

    /// A file was deleted, or not.
    pub(in crate::torrent) fn deleted(
        &mut self,
        content: &Content,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
    ) -> Vec<Effect> {
        let name = self.shown_path(content, file).join("/");
        let Some(removal) = &mut self.removal else { return Vec::new() };
        removal.underway = removal.underway.saturating_sub(1);
        match result {
            Err(error) if error.kind == OpErrorKind::Changed => {
                removal.spared.get_or_insert((file, 0)).1 += 1;
            }
            Err(error) if error.kind != OpErrorKind::NotFound => {
                let why = (&error).into();
                removal.failure.get_or_insert(match error.kind {
                    // The daemon names the folder.
                    OpErrorKind::Absent => Sentence::CantDeleteThere { why },
                    _ => Sentence::CantDelete { name, why },
                });
            }
            // Nothing lies there any more.
            Ok(_) | Err(_) => {
                let slot = &mut self.files[file.as_usize()];
                slot.is_gone(Origin::Nothing);
                return vec![Effect::LoseAll(file), Effect::Touch];
            }
        }
        Vec::new()
    }

    /// How a removal ended, once that is known.
    pub(in crate::torrent) fn take_parting(&mut self, content: &Content) -> Option<Parting> {
        let Removal { asker, failure, spared, .. } =
            self.removal.take_if(|removal| removal.underway == 0)?;
        Some(match failure {
            Some(why) => Parting::Stays { asker, why },
            None => {
                let left = spared.map(|(first, count)| Sentence::Spared {
                    name: self.shown_path(content, first).join("/"),
                    others: count.saturating_sub(1),
                });
                Parting::Goes { asker, left }
            }
        })
    }
}
