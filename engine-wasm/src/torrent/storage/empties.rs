//! Creates the empty files of a torrent, which contain no piece that would create them.

use std::collections::{BTreeSet, VecDeque};

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{FileRef, OpenMode};

use super::Storage;
use super::effect::Effect;
use super::open_files::Given;
use super::order::{Order, Request, Task};
use super::origin::{Origin, Proofs};
use crate::geometry::FileIndex;
use crate::limits;
use crate::torrent::content::Content;

/// The empty files to create.
#[derive(Debug, Default)]
pub(super) struct Empties {
    waiting: VecDeque<FileIndex>,
    underway: BTreeSet<FileRef>,
}

impl Empties {
    /// Adds a file to create, if it is still selected by then.
    pub(super) fn add(&mut self, file: FileIndex) {
        self.waiting.push_back(file);
    }

    /// Removes all waiting files.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Number of files being created.
    pub(super) fn underway(&self) -> usize {
        self.underway.len()
    }

    /// Forgets everything, because the link to the daemon is lost.
    pub(super) fn unlink(&mut self) {
        self.waiting.clear();
        self.underway.clear();
    }
}

impl Storage {
    /// An empty file was selected.
    pub(in crate::torrent) fn want_empty(&mut self, file: FileIndex) {
        self.empties.add(file);
    }

    /// Creates the selected empty files, a limited number at a time.
    pub(in crate::torrent) fn create_empties(&mut self, given: Given<'_>) -> Vec<Order> {
        let mut orders = Vec::new();
        while !self.mover.is_moving() && self.empties.underway.len() < limits::CREATED_AT_ONCE {
            let Some(file) = self.empties.waiting.pop_front() else { break };
            let is_theirs = matches!(self.files[file.as_usize()].origin, Origin::Theirs(_));
            if is_theirs || !(given.is_wanted)(file) {
                continue;
            }
            let handle = given.handles.new_number();
            self.empties.underway.insert(handle);
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
        self.empties.underway.is_empty()
            && !self.empties.waiting.iter().any(|&file| is_wanted(file))
    }

    /// Handles the end of the creation of an empty file.
    pub(in crate::torrent) fn created(
        &mut self,
        content: &Content,
        (file, handle): (FileIndex, FileRef),
        result: Result<OpOutput, OpError>,
        proofs: Proofs<'_>,
    ) -> Vec<Effect> {
        self.empties.underway.remove(&handle);
        let mut effects = vec![Effect::Order(Order::Close(handle))];
        if self.is_leaving() {
            effects.extend(self.made_too_late(content, file, result));
            return effects;
        }
        match result {
            Ok(output) => {
                effects.extend([self.made(file, &output), Effect::Create, Effect::Made]);
            }
            Err(error) => match self.give_way(content, file, &error, proofs) {
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
        std::mem::take(&mut self.empties.underway).into_iter().map(Order::Close).collect()
    }
}
