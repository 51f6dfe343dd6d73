//! Removes a torrent with its files, which are deleted first.
//!
//! Owns the progress of that. If a file can't be deleted, the torrent stays. It is stopped with the
//! reason, so that the user can try again. The remaining pieces are as verified as before. A file
//! that is no longer ours is not touched, and the answer reports it.

use shared_proto::FileIdentity;
use shared_proto::io::{OpError, OpOutput};

use super::Storage;
use super::effect::Effect;
use super::mover::Asker;
use super::order::{Location, Order, Request, Task};
use super::origin::Origin;
use super::removal::{Removal, RemovalEnd};
use crate::geometry::FileIndex;
use crate::torrent::content::Content;

impl Storage {
    /// Whether the torrent is being removed with its files.
    pub(in crate::torrent) fn is_being_removed(&self) -> bool {
        self.removal.is_some()
    }

    /// Starts to delete all files that are ours; [`Storage::take_removal_end`] returns the result.
    ///
    /// Files that are being created are deleted once their identity is known.
    pub(in crate::torrent) fn remove(
        &mut self,
        content: &Content,
        asker: Option<Asker>,
    ) -> Vec<Order> {
        self.call_look_off();
        let underway = self.empties.underway() + self.open_files.opening();
        self.removal = Some(Removal::new(asker, underway));
        let real = content.geometry.files().filter(|&file| !content.geometry.is_padding(file));
        real.flat_map(|file| self.delete(content, file)).collect()
    }

    fn delete(&mut self, content: &Content, file: FileIndex) -> Vec<Order> {
        let copies = self.our_copies(content, file);
        if let Some(removal) = &mut self.removal {
            removal.begin(copies.len());
        }
        let delete = |(at, identity)| Order::Ask(Task::Delete(file), Request::Delete(at, identity));
        copies.into_iter().map(delete).collect()
    }

    /// Returns the locations of a file that we created. The result is empty if the disk can't
    /// identify the file.
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

    /// Handles a file that was opened too late: it was being created or opened for writing when the
    /// removal began.
    pub(super) fn made_too_late(
        &mut self,
        content: &Content,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
    ) -> Vec<Effect> {
        if let Some(removal) = &mut self.removal {
            removal.end();
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
        removal.end();
        if let Err(error) = result
            && removal.fail(file, name, &error)
        {
            return Vec::new();
        }
        self.files[file.as_usize()].set_missing(Origin::Nothing);
        vec![Effect::LoseAll(file), Effect::Touch]
    }

    /// Takes the result of a removal, once it is known.
    pub(in crate::torrent) fn take_removal_end(&mut self, content: &Content) -> Option<RemovalEnd> {
        let removal = self.removal.take_if(|removal| removal.is_over())?;
        Some(removal.into_parting(|file| self.shown_path(content, file).join("/")))
    }
}
