//! Inspects both places of a move: for obstacles before it, and for its progress after a crash.

use shared_proto::io::{OpError, OpErrorKind, OpOutput};

use crate::geometry::FileIndex;
use crate::torrent::content::Content;
use crate::torrent::storage::Storage;
use crate::torrent::storage::effect::Effect;
use crate::torrent::storage::mover::Stage;
use crate::torrent::storage::order::{Order, Request, Task};
use crate::view::Sentence;

impl Storage {
    /// After a restart: inspects how far the move of an earlier engine came. `None` if there was
    /// none.
    pub(in crate::torrent) fn find_moved(&mut self, content: &Content) -> Option<Vec<Effect>> {
        let relocation = self.mover.relocation().filter(|it| *it.stage() == Stage::Finding)?;
        let queue = self.movable(content, relocation.to());
        self.mover.begin_round(queue);
        Some(self.look_ahead(content))
    }

    /// Inspects the new paths, a limited number at a time.
    pub(super) fn look_ahead(&mut self, content: &Content) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(relocation) = self.mover.relocation_mut() else { return effects };
        while let Some(file) = relocation.next_look() {
            relocation.begin(file);
            let task = Task::LookAhead(file, relocation.round());
            let at = relocation.to().location(file, content);
            effects.push(Effect::Order(Order::Ask(task, Request::Stat(at))));
        }
        if relocation.is_idle() {
            effects.extend(self.looked_everywhere(content));
        }
        effects
    }

    /// Handles the answer about a new path.
    pub(in crate::torrent) fn looked_ahead(
        &mut self,
        content: &Content,
        (file, round): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
    ) -> Vec<Effect> {
        let relocation = self.mover.relocation_mut().filter(|it| it.round() == round);
        let Some(relocation) = relocation else { return Vec::new() };
        let is_empty = match &result {
            Ok(OpOutput::Stat(found)) => found.is_none(),
            Err(error) => error.kind == OpErrorKind::NotFound,
            Ok(_) => false,
        };
        match (relocation.stage(), is_empty) {
            (Stage::Finding, false) => {
                let at = self.place.location(file, content);
                let order = Order::Ask(Task::LookBack(file, round), Request::Stat(at));
                return vec![Effect::Order(order)];
            }
            (Stage::Looking, false) => {
                let path = relocation.to().location(file, content).path.join("/");
                return self.call_off(match &result {
                    Err(error) if error.kind != OpErrorKind::Exists => {
                        Sentence::CantMoveThere { why: error.into() }
                    }
                    _ => Sentence::PlaceTaken { path },
                });
            }
            _ => {}
        }
        relocation.end(file);
        self.look_ahead(content)
    }

    /// Handles the answer about the old path of a file whose new path exists.
    pub(in crate::torrent) fn looked_back(
        &mut self,
        content: &Content,
        (file, round): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
    ) -> Vec<Effect> {
        let relocation = self.mover.relocation_mut().filter(|it| it.round() == round);
        let Some(relocation) = relocation else { return Vec::new() };
        // A file that exists at both places did not come from here, or was copied but not deleted
        // yet: the old one counts.
        relocation.set_moved(file, matches!(result, Ok(OpOutput::Stat(None))));
        relocation.end(file);
        self.look_ahead(content)
    }

    fn looked_everywhere(&mut self, content: &Content) -> Vec<Effect> {
        let Some(relocation) = self.mover.relocation_mut() else { return Vec::new() };
        match relocation.stage() {
            Stage::Finding => {
                relocation.set_stage(Stage::Moving);
                let is_recheck = relocation.take_postponed_look().unwrap_or(false);
                self.fill_queue(content);
                vec![Effect::AnnounceAll, Effect::Look(is_recheck)]
            }
            Stage::Looking => {
                relocation.set_stage(Stage::Writing);
                vec![Effect::SaveMove]
            }
            _ => Vec::new(),
        }
    }
}
