//! Moves the files from one place to the other, some at a time.
//!
//! If one fails, all are moved back.

use shared_proto::io::{OpError, OpErrorKind, OpOutput};

use crate::geometry::FileIndex;
use crate::handles::Handles;
use crate::time::Instant;
use crate::torrent::content::Content;
use crate::torrent::storage::Storage;
use crate::torrent::storage::effect::Effect;
use crate::torrent::storage::mover::Stage;
use crate::torrent::storage::open_files::own;
use crate::torrent::storage::order::{Order, Request, Task};
use crate::torrent::storage::origin::Proofs;
use crate::view::Sentence;

impl Storage {
    pub(super) fn set_out(
        &mut self,
        content: &Content,
        stage: Stage,
        handles: &Handles,
    ) -> Vec<Effect> {
        if let Some(relocation) = self.mover.relocation_mut() {
            relocation.set_stage(stage);
        }
        self.fill_queue(content);
        let mut effects = self.move_next(content, handles);
        effects.push(Effect::Changed);
        effects
    }

    /// Fills the queue with the files that are still to be moved.
    pub(super) fn fill_queue(&mut self, content: &Content) {
        let Some(relocation) = self.mover.relocation() else { return };
        let all = self.movable(content, relocation.to());
        if let Some(relocation) = self.mover.relocation_mut() {
            relocation.refill(all, |file| content.geometry.file_len(file));
        }
    }

    /// Moves the next files, or ends the move. A daemon must be connected.
    pub(in crate::torrent) fn move_next(
        &mut self,
        content: &Content,
        handles: &Handles,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_looking = self.is_looking();
        let Some(relocation) = self.mover.relocation_mut() else { return effects };
        if relocation.is_idle()
            && let Some(is_recheck) = relocation.take_postponed_look()
        {
            return vec![Effect::Look(is_recheck)];
        }
        let is_back = match relocation.stage() {
            Stage::Moving => false,
            Stage::Returning(_) => true,
            _ => return effects,
        };
        if is_looking {
            return effects;
        }
        while let Some(file) = relocation.next_move() {
            let slot = &mut self.files[file.as_usize()];
            if !slot.is_there && !handles.is_open(own(content, file)) {
                // The file does not exist: it will be created at the new place.
                relocation.set_moved(file, !is_back);
                effects.push(Effect::Announce(file));
                continue;
            }
            relocation.begin(file);
            slot.is_stamping = false;
            let here = self.place.location(file, content);
            let there = relocation.to().location(file, content);
            let (from, to) = if is_back { (there, here) } else { (here, there) };
            let identity = slot.origin.identity();
            let request = Request::Move { identity, from, to };
            effects.push(Effect::Order(Order::Ask(Task::Move(file), request)));
        }
        if relocation.is_over() {
            effects.push(self.arrive());
        }
        effects
    }

    /// Handles the end of a file's move. Hashing and moving then continue.
    pub(in crate::torrent) fn file_moved(
        &mut self,
        content: &Content,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        proofs: Proofs<'_>,
        now: Instant,
    ) -> Vec<Effect> {
        let Some(relocation) = self.mover.relocation_mut() else { return Vec::new() };
        relocation.end(file);
        let (is_back, was_moved) = (relocation.is_returning(), relocation.is_moved(file));
        let kind = result.as_ref().err().map(|error| error.kind);
        if matches!(kind, None | Some(OpErrorKind::NotFound | OpErrorKind::Changed)) {
            relocation.set_moved(file, !was_moved);
        }
        let mut effects = vec![Effect::Announce(file)];
        match (kind, result) {
            // Another program removed it.
            (Some(OpErrorKind::NotFound), _) => {
                effects.extend(self.doubt(content, file, None, proofs, now));
            }
            // Another program replaced it: that file stays where it is, and ours is created again.
            (Some(OpErrorKind::Changed), _) => effects.extend(self.replaced(file)),
            (_, Err(error)) => effects = vec![self.turn_round(content, file, was_moved, &error)],
            (_, Ok(_)) => {
                relocation.add_bytes(content.geometry.file_len(file));
                let slot = &mut self.files[file.as_usize()];
                slot.is_there = true;
                // A new name is a change, and a copy is another file: it gets a new stamp.
                (slot.stamp, slot.known) = (None, None);
                self.wants_stamp(file, now);
                if is_back && !was_moved {
                    // It was being moved when the others turned round.
                    self.fill_queue(content);
                }
            }
        }
        effects.extend([Effect::WantsAreStale, Effect::Check]);
        effects
    }

    /// A file can't be moved: moves the others back. Those that can't be moved back stay.
    fn turn_round(
        &mut self,
        content: &Content,
        file: FileIndex,
        was_moved: bool,
        error: &OpError,
    ) -> Effect {
        let name = self.shown_path(content, file).join("/");
        let why = match error.kind {
            OpErrorKind::Full => Sentence::MoveFull,
            OpErrorKind::Denied => Sentence::MoveDenied { why: error.into() },
            OpErrorKind::Exists => Sentence::MoveExists { name },
            _ => Sentence::MoveFailed { name, why: error.into() },
        };
        let torrent = content.meta.info_hash;
        let kind = error.kind;
        tracing::warn!(%torrent, file = file.get(), ?kind, "a file could not be moved");
        if let Some(relocation) = self.mover.relocation_mut() {
            relocation.turn_round(was_moved, why);
        }
        self.fill_queue(content);
        Effect::Changed
    }

    /// All files are at one place.
    fn arrive(&mut self) -> Effect {
        if let Some(place) = self.mover.arrive() {
            self.place = place;
        }
        Effect::Arrived
    }
}
