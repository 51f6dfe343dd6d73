//! Creates the empty files of a torrent. An empty file contains no piece that would create it.

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{FileRef, OpenMode};

use super::Storage;
use super::effect::Effect;
use super::open_files::Given;
use super::order::{Order, Request, Task};
use super::origin::{Origin, Proofs};
use crate::geometry::FileIndex;
use crate::torrent::content::Content;

impl Storage {
    /// An empty file was selected.
    pub(in crate::torrent) fn want_empty(&mut self, file: FileIndex) {
        self.empties.add(file);
    }

    /// Creates the selected empty files, a limited number at a time.
    pub(in crate::torrent) fn create_empties(&mut self, given: Given<'_>) -> Vec<Order> {
        let mut orders = Vec::new();
        while !self.mover.is_moving()
            && let Some(file) = self.empties.next()
        {
            let is_theirs = matches!(self.files[file.as_usize()].origin, Origin::Theirs(_));
            if is_theirs || !(given.is_wanted)(file) {
                continue;
            }
            let handle = given.handles.new_number();
            self.empties.begin(handle);
            let at = self.location(given.content, file);
            let request = Request::Open { file: handle, at, length: 0, mode: OpenMode::Create };
            orders.push(Order::Ask(Task::Create(file, handle), request));
        }
        orders
    }

    /// Whether all selected empty files exist.
    pub(in crate::torrent) fn has_all_empties(
        &self,
        is_wanted: impl Fn(FileIndex) -> bool,
    ) -> bool {
        self.empties.are_made(is_wanted)
    }

    /// Handles the end of the creation of an empty file.
    pub(in crate::torrent) fn created(
        &mut self,
        content: &Content,
        (file, handle): (FileIndex, FileRef),
        result: Result<OpOutput, OpError>,
        proofs: Proofs<'_>,
    ) -> Vec<Effect> {
        self.empties.end(handle);
        let mut effects = vec![Effect::Order(Order::Close(handle))];
        if self.is_being_removed() {
            effects.extend(self.made_too_late(content, file, result));
            return effects;
        }
        match result {
            Ok(output) => {
                effects.extend([self.made(file, &output), Effect::Create, Effect::Made]);
            }
            Err(error) => match self.work_around(content, file, &error, proofs) {
                Some(other) => {
                    effects.extend(other);
                    effects.push(Effect::Create);
                }
                None => {
                    self.empties.add(file);
                    effects.push(Effect::DiskTrouble(error));
                }
            },
        }
        effects
    }

    /// A file of ours was created.
    pub(super) fn made(&mut self, file: FileIndex, output: &OpOutput) -> Effect {
        let identity = if let OpOutput::Opened { stat } = output { stat.identity } else { None };
        let slot = &mut self.files[file.as_usize()];
        (slot.origin, slot.is_there, slot.is_ours_now) = (Origin::Ours(identity), true, true);
        // The next engine must not mistake it for another program's.
        Effect::Hurry
    }

    /// Closes the files being created, because the torrent is removed.
    pub(in crate::torrent) fn abandon_empties(&mut self) -> Vec<Order> {
        self.empties.abandon().into_iter().map(Order::Close).collect()
    }
}
