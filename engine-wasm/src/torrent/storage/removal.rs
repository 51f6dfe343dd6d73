//! Removes a torrent with its files, which are deleted first.
//!
//! Owns the progress of that. If a file can't be deleted, the torrent stays. It is stopped with the
//! reason, so that the user can try again, and the remaining pieces are as verified as before. A
//! file that is no longer ours is not touched, and the answer reports it.

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

/// A removal in progress.
#[derive(Debug)]
pub(super) struct Removal {
    /// The origin of the request; `None` for the clean-up of temporary torrents.
    asker: Option<Asker>,
    /// Files that are being deleted, or were being created when the removal began.
    underway: usize,
    /// The error of the first file that could not be deleted.
    failure: Option<Sentence>,
    /// Files that are no longer ours: the first, and their number.
    spared: Option<(FileIndex, usize)>,
}

impl Removal {
    /// Fails, because the link to the daemon is lost.
    pub(super) fn unlink(&mut self) {
        self.underway = 0;
        self.failure.get_or_insert(Sentence::NotAllDeleted);
    }
}

/// The result of a removal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The files are deleted, and the torrent is to be removed.
    Goes {
        /// The origin of the request.
        asker: Option<Asker>,
        /// The files that were spared.
        left: Option<Sentence>,
    },
    /// The torrent stays.
    Stays {
        /// The origin of the request.
        asker: Option<Asker>,
        /// The reason.
        why: Sentence,
    },
}

impl Storage {
    /// Whether the torrent is being removed with its files.
    pub(in crate::torrent) fn is_leaving(&self) -> bool {
        self.removal.is_some()
    }

    /// Starts to delete all files that are ours; [`Storage::take_parting`] returns the result.
    ///
    /// Files that are being created are deleted once their identity is known.
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

    /// The locations of a file, if we created it and the disk can identify it.
    ///
    /// A file without an identity stays, because it may be another program's.
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

    /// Handles a file that was being created or opened for writing when the removal began.
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

    /// Handles the end of a file's deletion.
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
                    // The daemon's message names the folder.
                    OpErrorKind::Absent => Sentence::CantDeleteThere { why },
                    _ => Sentence::CantDelete { name, why },
                });
            }
            // The file no longer exists.
            Ok(_) | Err(_) => {
                let slot = &mut self.files[file.as_usize()];
                slot.is_gone(Origin::Nothing);
                return vec![Effect::LoseAll(file), Effect::Touch];
            }
        }
        Vec::new()
    }

    /// Takes the result of a removal, once it is known.
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
