//! Records what the user watched, and shares it with other programs through notes.
//!
//! This module validates reports. [`crate::marks`] owns the rules of marks; [`crate::notebook`]
//! stores them.

use std::collections::BTreeSet;

use shared_proto::OpId;
use shared_proto::io::{Notes, OpError, OpOutput};

use super::Engine;
use crate::context::Owner;
use crate::io::Output;
use crate::marks::{Choices, Report};
use crate::metainfo::InfoHash;
use crate::notebook;
use crate::time::Instant;
use crate::view::Sentence;

impl Engine {
    /// Records playback progress of files, or whether they were watched.
    pub(super) fn watched(
        &mut self,
        info_hash: &str,
        files: &[u32],
        report: Report,
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let torrent = self.described(info_hash)?;
        if let Some(unknown) = files.iter().find(|&&file| !torrent.has_file(file)) {
            return Err(Sentence::NoSuchFile { index: *unknown });
        }
        let info_hash = torrent.info_hash();
        let watching = self.notebook.of(info_hash);
        for &file in files {
            let before = watching.mark(file);
            let mark = before.after(report);
            let is_first = !watching.marks.contains_key(&file);
            if mark != before || is_first {
                let at_once = is_first || report.is_from_user() || mark.watched != before.watched;
                self.notebook.mark((info_hash, file), mark, at_once, now);
            }
        }
        self.show_watching([info_hash].into(), now);
        Ok(info_hash)
    }

    /// Records the user's playback choices for a torrent.
    pub(super) fn choose(
        &mut self,
        info_hash: &str,
        choices: Choices,
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let info_hash = self.described(info_hash)?.info_hash();
        if !notebook::are_within_limits(&choices) {
            return Err(Sentence::TooManyChoices);
        }
        self.notebook.choose(info_hash, choices, now);
        self.show_watching([info_hash].into(), now);
        Ok(info_hash)
    }

    /// Sends the due reads and writes of notes.
    pub(super) fn sync_notes(&mut self, now: Instant) {
        if !self.roots.is_linked() {
            return;
        }
        for task in self.notebook.due(now) {
            let mut cx = self.common.context(now);
            let op = cx.new_op(Owner::Engine);
            if let Some(command) = self.notebook.command(task, op, now) {
                cx.order(command);
            }
        }
    }

    /// Returns when the next read or write is due.
    pub(super) fn notes_timeout(&self) -> Option<Instant> {
        self.notebook.next_wakeup().filter(|_| self.roots.is_linked())
    }

    /// Handles an answer; returns false if this module did not send the command.
    pub(super) fn handle_notes_answer(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
        now: Instant,
    ) -> bool {
        let before = self.notebook.notices().count();
        let Some(changed) = self.notebook.answered(op, result, now) else { return false };
        if changed.is_empty() && self.notebook.notices().count() != before {
            self.common.out.push_back(Output::Changed);
        }
        self.show_watching(changed, now);
        true
    }

    /// Handles notes that other programs wrote.
    pub(super) fn handle_notes_changed(&mut self, notes: &Notes, now: Instant) {
        let changed = self.notebook.update(notes);
        self.common.out.push_back(Output::Changed);
        self.show_watching(changed, now);
    }

    /// Shows the changed notes in their torrents.
    fn show_watching(&mut self, changed: BTreeSet<InfoHash>, now: Instant) {
        for info_hash in changed {
            let watching = self.notebook.of(info_hash);
            self.with(info_hash, now, |torrent, cx| torrent.set_watching(watching, cx));
        }
    }
}
