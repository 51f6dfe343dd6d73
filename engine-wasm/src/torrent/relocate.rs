//! A torrent that moves: its files go one after the other, while it downloads and while viewers read.
//!
//! Owns which files lie at the new place already. Each is where [`Torrent::location`] says at every moment; one whose move is under way is not opened, and all
//! else goes on with it: who has it open reads and writes the same bytes. First nothing may lie at any of the new paths. Then that it moves is written down,
//! so that whoever comes after a sudden end looks for each file at both places. What can't be moved brings those back that were moved, and nothing is
//! ever replaced or lost. Moves and looks at all files exclude each other.

use std::collections::{BTreeSet, VecDeque};

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{IoCommand, RequestId};

use super::{Op, Place, Status, Torrent};
use crate::context::{Context, Owner};
use crate::geometry::FileIndex;
use crate::limits;

/// Files under way at once: renaming is quick, and copying to another disk one by one is as fast as it gets.
const MOVED_AT_ONCE: usize = 4;

/// Who is told whether the move has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A page.
    Intent(u64),
    /// A call of the HTTP API.
    Call(RequestId),
}

/// What is said to whoever asked.
pub(crate) type Answer = (Asker, Result<(), String>);

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// An earlier engine moved it: each file is looked for at both places.
    Finding,
    /// The new place is looked at.
    Looking,
    /// It is being written down that it moves.
    Writing,
    /// Files go there.
    Moving,
    /// They come back, because of this.
    Returning(String),
    /// Some lie here and some there, because of this.
    Stuck(String),
}

/// A move under way.
#[derive(Debug)]
pub(super) struct Relocation {
    to: Place,
    stage: Stage,
    /// Files that lie at the new place.
    moved: Vec<bool>,
    /// Files that are to be looked at, or moved.
    queue: VecDeque<FileIndex>,
    /// Looks and moves under way.
    underway: BTreeSet<FileIndex>,
    /// Bytes to move in all, and those that were.
    bytes: (u64, u64),
    /// A look at all files waits until no file is between two places: whether it is for a recheck.
    look_after: Option<bool>,
    /// Looks of an earlier round say nothing.
    round: u32,
}

/// A move, and what was said to whoever asked for one.
#[derive(Debug, Default)]
pub(super) struct Mover {
    relocation: Option<Relocation>,
    asker: Option<Asker>,
    answer: Option<Answer>,
    rounds: u32,
    /// Why the last move came to nothing.
    pub(super) notice: Option<String>,
}

impl Mover {
    /// As an earlier engine left it: on the way to this place.
    pub(super) fn restored(to: Option<Place>, files: usize) -> Self {
        let relocation = to.map(|to| Relocation::new(to, Stage::Finding, files));
        Self { relocation, ..Self::default() }
    }

    /// Where it is moving to, once that is written down.
    pub(super) fn target(&self) -> Option<&Place> {
        let relocation = self.relocation.as_ref()?;
        (relocation.stage != Stage::Looking).then_some(&relocation.to)
    }

    /// Where a file lies, if not at the old place.
    pub(super) fn place_of(&self, file: FileIndex) -> Option<&Place> {
        let relocation = self.relocation.as_ref()?;
        relocation.moved.get(file.as_usize()).copied().unwrap_or(false).then_some(&relocation.to)
    }

    /// Whether a file is between two places, or nobody knows at which it is.
    pub(super) fn holds(&self, file: FileIndex) -> bool {
        self.relocation.as_ref().is_some_and(|it| match it.stage {
            Stage::Finding => true,
            Stage::Moving | Stage::Returning(_) | Stage::Stuck(_) => it.underway.contains(&file),
            Stage::Looking | Stage::Writing => false,
        })
    }

    /// Whether there is anything to finish before files may be made without anybody asking for their bytes.
    pub(super) fn is_moving(&self) -> bool {
        self.relocation.is_some()
    }

    /// How much of it is at the new place, 0 to 1.
    pub(super) fn progress(&self) -> Option<f64> {
        let relocation = self.relocation.as_ref().filter(|it| !matches!(it.stage, Stage::Stuck(_)))?;
        let (all, done) = relocation.bytes;
        // Precise enough for a bar.
        let share = done.min(all).saturating_mul(1_000).checked_div(all).unwrap_or(0);
        Some(f64::from(u32::try_from(share).unwrap_or(0)) / 1_000.0)
    }

    /// What to tell a person about it.
    pub(super) fn message(&self) -> Option<String> {
        match self.relocation.as_ref().map(|it| &it.stage) {
            Some(Stage::Stuck(why)) => Some(why.clone()),
            Some(Stage::Returning(why)) => Some(format!("{why} It goes back to where it was.")),
            Some(_) => Some("Moving its files".to_owned()),
            None => self.notice.clone(),
        }
    }

    /// What is to be said to whoever asked.
    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    fn answer(&mut self, outcome: Result<(), String>) {
        if let Some(asker) = self.asker.take() {
            self.answer = Some((asker, outcome));
        }
    }
}

impl Relocation {
    fn new(to: Place, stage: Stage, files: usize) -> Self {
        Self {
            to,
            stage,
            moved: vec![false; files],
            queue: VecDeque::new(),
            underway: BTreeSet::new(),
            bytes: (0, 0),
            look_after: None,
            round: 0,
        }
    }
}

impl Torrent {
    /// Moves its files to another place, under other names, or both. The answer comes from [`Torrent::take_answer`]: when the move begins, or when it
    /// can't.
    pub(crate) fn relocate(&mut self, to: Place, asker: Asker, cx: &mut Context<'_>) {
        if self.mover.asker.is_some() {
            self.mover.answer = Some((asker, Err("It is being moved already: try again in a moment.".to_owned())));
            return;
        }
        self.mover.asker = Some(asker);
        if let Err(why) = self.begin_move(to, cx) {
            self.mover.answer(Err(why));
        }
    }

    fn begin_move(&mut self, to: Place, cx: &mut Context<'_>) -> Result<(), String> {
        if !self.linked || !self.adoption.is_settled() || self.creating > 0 || self.looking.is_some() {
            return Err("The torrent is not ready to be moved: try again in a moment.".to_owned());
        }
        if let Some(relocation) = &mut self.mover.relocation {
            if !matches!(relocation.stage, Stage::Stuck(_)) {
                return Err("It is being moved already: try again when it is there.".to_owned());
            }
            let stage = if to == relocation.to {
                Stage::Moving
            } else if to == self.place {
                Stage::Returning("It is moved back.".to_owned())
            } else {
                return Err("Its files lie at two places: move it to one of them first.".to_owned());
            };
            self.mover.answer(Ok(()));
            self.set_out(stage, cx);
            return Ok(());
        }
        if to == self.place {
            self.mover.answer(Ok(()));
            return Ok(());
        }
        let top = to.top(&self.own_top());
        if cx.shared.is_taken(&to.root, &top, self.meta.info_hash) {
            return Err(format!("Another torrent lies at “{top}”."));
        }
        self.mover.notice = None;
        cx.shared.claim_too(&to.root, &top, self.meta.info_hash);
        let mut relocation = Relocation::new(to, Stage::Looking, self.files.len());
        relocation.queue = self.movable(&relocation.to);
        self.mover.rounds += 1;
        relocation.round = self.mover.rounds;
        self.mover.relocation = Some(relocation);
        self.look_ahead(cx);
        cx.changed();
        Ok(())
    }

    /// Where it lies, or lay when it began to move.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The place that differs from its own in the name of one file.
    ///
    /// # Errors
    /// Another file would have the same path.
    pub(crate) fn renamed(&self, file: FileIndex, name: String) -> Result<Place, String> {
        let mut place = self.place.clone();
        if self.is_one_file() {
            place.name = Some(name);
        } else {
            place.renamed.insert(file.0, name);
        }
        let path =
            |file: FileIndex| place.path(file.0, &self.meta.files[file.as_usize()].path).join("/").to_lowercase();
        let new = path(file);
        let folder = format!("{new}/");
        let mut others = self.geometry.files().filter(|other| *other != file && !self.geometry.is_padding(*other));
        if others.any(|other| path(other) == new || path(other).starts_with(&folder)) {
            return Err(format!(
                "The torrent has “{}” already.",
                place.path(file.0, &self.meta.files[file.as_usize()].path).join("/")
            ));
        }
        Ok(place)
    }

    /// Whether it is a file, and not a folder.
    pub(crate) fn is_one_file(&self) -> bool {
        self.meta.files.iter().all(|file| file.path.len() == 1)
    }

    /// Files whose path is another one there.
    fn movable(&self, to: &Place) -> VecDeque<FileIndex> {
        let own = |file: FileIndex| &self.meta.files[file.as_usize()];
        let differs = |file: &FileIndex| {
            let (here, there) = (self.place.path(file.0, &own(*file).path), to.path(file.0, &own(*file).path));
            !own(*file).padding && (&self.place.root, here) != (&to.root, there)
        };
        self.geometry.files().filter(differs).collect()
    }

    /// A daemon is there, and an earlier engine moved it: finds out how far that went. False when there is nothing to find out.
    pub(super) fn find_moved(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(relocation) = &mut self.mover.relocation else { return false };
        if relocation.stage != Stage::Finding {
            return false;
        }
        let to = relocation.to.clone();
        let top = to.top(&self.own_top());
        cx.shared.claim_too(&to.root, &top, self.meta.info_hash);
        let queue = self.movable(&to);
        self.mover.rounds += 1;
        if let Some(relocation) = &mut self.mover.relocation {
            (relocation.queue, relocation.underway, relocation.round) = (queue, BTreeSet::new(), self.mover.rounds);
        }
        if self.status == Status::Running {
            self.status = Status::Looking;
        }
        self.look_ahead(cx);
        true
    }

    /// Looks at the new paths, some at a time.
    fn look_ahead(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(relocation) = &mut self.mover.relocation else { return };
            if relocation.underway.len() >= limits::LOOKS as usize {
                return;
            }
            let Some(file) = relocation.queue.pop_front() else { break };
            relocation.underway.insert(file);
            let (to, round) = (relocation.to.clone(), relocation.round);
            self.stat_at(file, &to, Op::LookAhead(file, round), cx);
        }
        if self.mover.relocation.as_ref().is_some_and(|it| it.underway.is_empty()) {
            self.looked_everywhere(cx);
        }
    }

    fn stat_at(&mut self, file: FileIndex, place: &Place, purpose: Op, cx: &mut Context<'_>) {
        let (root, path) = (place.root.clone(), place.path(file.0, &self.meta.files[file.as_usize()].path));
        self.ask(purpose, cx, |op| IoCommand::FileStat { op, root, path });
    }

    /// A new path was looked at.
    pub(super) fn looked_ahead(
        &mut self,
        (file, round): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(relocation) = self.mover.relocation.as_mut().filter(|it| it.round == round) else { return };
        let is_empty = match &result {
            Ok(OpOutput::Stat(found)) => found.is_none(),
            Err(error) => error.kind == OpErrorKind::NotFound,
            Ok(_) => false,
        };
        match (&relocation.stage, is_empty) {
            (Stage::Finding, false) => {
                let here = self.place.clone();
                return self.stat_at(file, &here, Op::LookBack(file, round), cx);
            }
            (Stage::Looking, false) => {
                let path = relocation.to.path(file.0, &self.meta.files[file.as_usize()].path).join("/");
                return self.call_off(
                    match result {
                        Err(error) if error.kind != OpErrorKind::Exists => {
                            format!("It can't be moved there: {}.", error.message)
                        }
                        _ => format!("Something lies at “{path}” already: nothing was moved."),
                    },
                    cx,
                );
            }
            _ => {}
        }
        relocation.underway.remove(&file);
        self.look_ahead(cx);
    }

    /// Something is at a file's new path; its old one was looked at.
    pub(super) fn looked_back(
        &mut self,
        (file, round): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(relocation) = self.mover.relocation.as_mut().filter(|it| it.round == round) else { return };
        // What lies at both places did not come from here, or was not taken away yet: the old one counts.
        relocation.moved[file.as_usize()] = matches!(result, Ok(OpOutput::Stat(None)));
        relocation.underway.remove(&file);
        self.look_ahead(cx);
    }

    fn looked_everywhere(&mut self, cx: &mut Context<'_>) {
        let Some(relocation) = &mut self.mover.relocation else { return };
        match relocation.stage {
            Stage::Finding => {
                relocation.stage = Stage::Moving;
                let is_recheck = relocation.look_after.take().unwrap_or(false);
                self.fill_queue();
                self.announce_files(cx);
                self.look(is_recheck, cx);
            }
            Stage::Looking => {
                relocation.stage = Stage::Writing;
                self.put_record(Op::SaveMove, cx);
            }
            _ => {}
        }
    }

    /// That it moves is written down.
    pub(super) fn saved_move(&mut self, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        if self.mover.relocation.as_ref().is_none_or(|it| it.stage != Stage::Writing) {
            return;
        }
        match result {
            Ok(_) => {
                self.mover.answer(Ok(()));
                self.set_out(Stage::Moving, cx);
            }
            Err(error) => self.call_off(format!("It can't be written down that it moves: {}.", error.message), cx),
        }
    }

    /// Nothing was moved.
    fn call_off(&mut self, why: String, cx: &mut Context<'_>) {
        self.mover.relocation = None;
        self.mover.answer(Err(why));
        self.claim_own(cx);
        self.create_empty(cx);
        self.record.touch(cx.now);
        cx.changed();
    }

    pub(super) fn claim_own(&self, cx: &mut Context<'_>) {
        let (root, top) = self.lies_at();
        cx.shared.claim(&root, &top, self.meta.info_hash);
    }

    fn set_out(&mut self, stage: Stage, cx: &mut Context<'_>) {
        if let Some(relocation) = &mut self.mover.relocation {
            relocation.stage = stage;
        }
        self.fill_queue();
        self.move_next(cx);
        cx.changed();
    }

    /// Which files are still to be moved.
    fn fill_queue(&mut self) {
        let Some(relocation) = &self.mover.relocation else { return };
        let is_back = matches!(relocation.stage, Stage::Returning(_));
        let all = self.movable(&relocation.to);
        let left: VecDeque<FileIndex> =
            all.iter().copied().filter(|file| relocation.moved[file.as_usize()] == is_back).collect();
        let length = |files: &VecDeque<FileIndex>| files.iter().map(|&file| self.geometry.file_len(file)).sum::<u64>();
        let bytes = (length(&all), length(&all) - length(&left));
        if let Some(relocation) = &mut self.mover.relocation {
            let left = left.into_iter().filter(|file| !relocation.underway.contains(file)).collect();
            (relocation.queue, relocation.bytes) = (left, bytes);
        }
    }

    /// Moves the next files, or ends the move.
    pub(super) fn move_next(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(relocation) = &mut self.mover.relocation else { return };
            if relocation.underway.is_empty()
                && let Some(is_recheck) = relocation.look_after.take()
            {
                return self.look(is_recheck, cx);
            }
            let is_back = match relocation.stage {
                Stage::Moving => false,
                Stage::Returning(_) => true,
                _ => return,
            };
            if !self.linked || self.looking.is_some() || relocation.look_after.is_some() {
                return;
            }
            if relocation.underway.len() >= MOVED_AT_ONCE {
                return;
            }
            let Some(file) = relocation.queue.pop_front() else { break };
            if !self.files[file.as_usize()].is_there && !cx.shared.handles.is_open((self.meta.info_hash, file)) {
                // There is nothing to move: it comes into being at the new place.
                relocation.moved[file.as_usize()] = !is_back;
                self.announce_file(file, cx);
                continue;
            }
            relocation.underway.insert(file);
            self.files[file.as_usize()].is_stamping = false;
            let own = &self.meta.files[file.as_usize()].path;
            let (here, there) = (self.place.clone(), relocation.to.clone());
            let (from, to) = if is_back { (&there, &here) } else { (&here, &there) };
            let (from, to) = ((from.root.clone(), from.path(file.0, own)), (to.root.clone(), to.path(file.0, own)));
            self.ask(Op::Move(file), cx, |op| IoCommand::FileMove {
                op,
                root: from.0,
                from: from.1,
                to_root: to.0,
                to: to.1,
            });
        }
        if self.mover.relocation.as_ref().is_some_and(|it| it.underway.is_empty()) {
            self.arrive(cx);
        }
    }

    /// A file was moved, or was not.
    pub(super) fn file_moved(&mut self, file: FileIndex, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        let Some(relocation) = &mut self.mover.relocation else { return };
        relocation.underway.remove(&file);
        let is_back = matches!(relocation.stage, Stage::Returning(_));
        let was_moved = relocation.moved[file.as_usize()];
        match result {
            Ok(_) => {
                relocation.moved[file.as_usize()] = !was_moved;
                relocation.bytes.1 += self.geometry.file_len(file);
                self.lies_elsewhere(file, cx);
                if is_back && !was_moved {
                    // It was on its way when the others turned round.
                    self.fill_queue();
                }
            }
            Err(error) if error.kind == OpErrorKind::NotFound => {
                // Somebody took it away.
                relocation.moved[file.as_usize()] = !was_moved;
                self.announce_file(file, cx);
                self.doubt(file, None, cx);
            }
            Err(error) => self.turn_round(file, was_moved, &error, cx),
        }
        self.wants_are_stale = true;
        self.check_next(cx);
        self.move_next(cx);
    }

    /// A file has another path now.
    fn lies_elsewhere(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        self.announce_file(file, cx);
        let slot = &mut self.files[file.as_usize()];
        slot.is_there = true;
        // A new name is a change, and a copy is another file: it is stamped anew.
        (slot.stamp, slot.known) = (None, None);
        self.wants_stamp(file, cx.now);
    }

    /// A file can't be moved: those that were go back. Those that can't go back stay where they are.
    fn turn_round(&mut self, file: FileIndex, was_moved: bool, error: &OpError, cx: &mut Context<'_>) {
        let name = self.shown_path(file).join("/");
        let Some(relocation) = &mut self.mover.relocation else { return };
        let why = match error.kind {
            OpErrorKind::Full => "It can't be moved: the disk is full there.".to_owned(),
            OpErrorKind::Denied => format!("It can't be moved: that folder can't be written ({}).", error.message),
            OpErrorKind::Exists => format!("It can't be moved: something lies where “{name}” is to go."),
            _ => format!("It can't be moved: “{name}”: {}.", error.message),
        };
        tracing::warn!(torrent = %self.meta.info_hash, why, "a file could not be moved");
        relocation.stage = match &relocation.stage {
            Stage::Moving => Stage::Returning(why),
            // It was on its way when another one turned all round, and is where it was.
            stage if !was_moved => stage.clone(),
            _ => Stage::Stuck(format!(
                "{why} Some of its files lie at the old place and some at the new one: move it again."
            )),
        };
        self.fill_queue();
        cx.changed();
    }

    /// All files lie at one place.
    fn arrive(&mut self, cx: &mut Context<'_>) {
        let Some(relocation) = self.mover.relocation.take() else { return };
        match relocation.stage {
            Stage::Returning(why) => self.mover.notice = Some(format!("{why} It lies where it was.")),
            _ => self.place = relocation.to,
        }
        self.claim_own(cx);
        self.create_empty(cx);
        self.wants_are_stale = true;
        self.next_tick = cx.now;
        self.record.touch(cx.now);
        self.check_next(cx);
        cx.changed();
    }

    /// Whether a look at all files has to wait for a move; it comes then.
    pub(super) fn postpones_look(&mut self, is_recheck: bool) -> bool {
        let Some(relocation) = &mut self.mover.relocation else { return false };
        let waits = match relocation.stage {
            Stage::Finding => true,
            Stage::Moving | Stage::Returning(_) | Stage::Stuck(_) => !relocation.underway.is_empty(),
            Stage::Looking | Stage::Writing => false,
        };
        if waits {
            relocation.look_after = Some(relocation.look_after.unwrap_or(false) | is_recheck);
        }
        waits
    }

    /// The daemon is gone: how far the move came is to be found out.
    pub(super) fn unlink_move(&mut self) {
        let gone = || Err("The daemon went away before it began to move: try again.".to_owned());
        self.mover.answer(gone());
        if self.mover.relocation.as_ref().is_some_and(|it| it.stage == Stage::Looking) {
            self.mover.relocation = None;
        }
        if let Some(relocation) = &mut self.mover.relocation {
            relocation.stage = Stage::Finding;
            relocation.underway.clear();
            relocation.look_after = None;
            relocation.moved.fill(false);
        }
    }

    /// What is to be said to whoever asked for a move.
    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        self.mover.take_answer()
    }

    /// It is taken out of the engine: whoever waits is told.
    pub(crate) fn end_move(&mut self) -> Option<Answer> {
        self.mover.answer(Err("The torrent was removed.".to_owned()));
        self.mover.take_answer()
    }

    /// Deletes a file of ours, wherever it lies or is going to.
    pub(super) fn delete_file(&self, file: FileIndex, cx: &mut Context<'_>) {
        let own = &self.meta.files[file.as_usize()].path;
        let mut places = vec![self.place_of(file)];
        if let Some(relocation) = self.mover.relocation.as_ref().filter(|it| it.underway.contains(&file))
            && matches!(relocation.stage, Stage::Moving | Stage::Returning(_) | Stage::Stuck(_))
        {
            // The daemon deletes after the move, whichever way that goes.
            places = vec![&self.place, &relocation.to];
        }
        for place in places {
            let (root, path) = (place.root.clone(), place.path(file.0, own));
            cx.ask(Owner::Engine, |op| IoCommand::FileDelete { op, root, path });
        }
    }
}
