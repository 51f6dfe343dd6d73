//! A torrent and the films that are made ready before their viewers come.
//!
//! Owns which films these are: one that somebody is likely to open next
//! ([`crate::view::Intent::Prepare`]), the one that a click on play opens, and the one after a film
//! that is watched and complete. What of them is wanted comes after all that viewers want. It reads
//! bytes of a film for its index only when they are verified.

use std::time::Duration;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, Span};

use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex};
use crate::handles::Access;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::watch::ahead;
use crate::torrent::watch::desk::Verified;
use crate::torrent::watch::viewer::Want;
use crate::torrent::watch::warm::Warm;
use crate::view::Position;

/// How long a film is kept ready that nobody opened.
const PREPARED_FOR: Duration = Duration::from_secs(300);

impl Torrent {
    /// The file of this number, if it is one that is served.
    pub(crate) fn servable(&self, file: u32) -> Option<FileIndex> {
        self.content.geometry.file(file).filter(|&file| !self.content.geometry.is_padding(file))
    }

    /// Somebody is likely to open this file, at this position: it is made ready for a while, and no
    /// other one that was prepared.
    pub(crate) fn prepare(
        &mut self,
        file: FileIndex,
        position: Option<Position>,
        cx: &mut Context<'_>,
    ) {
        let until = cx.now + PREPARED_FOR;
        let before = self.watch.warmth.prepared.take().filter(|(warm, _)| warm.file == file);
        let mut warm =
            before.map_or_else(|| Warm::new(file, None, &self.content.geometry), |(warm, _)| warm);
        warm.move_to(position);
        self.watch.warmth.prepared = Some((warm, until));
        self.prepared_changed(cx);
    }

    /// Nothing of it was prepared that is still to be.
    pub(crate) fn forget_prepared(&mut self, cx: &mut Context<'_>) {
        if self.watch.warmth.prepared.take().is_some() {
            self.prepared_changed(cx);
        }
    }

    fn prepared_changed(&mut self, cx: &mut Context<'_>) {
        self.refresh_wants(cx.now);
        self.drop_what_nobody_wants(cx);
        self.check_next(cx);
        self.refresh_all_interest(cx.now);
        self.fetch.wants_are_stale = true;
    }

    /// Once a tick: what was prepared long ago and not opened is forgotten.
    pub(in crate::torrent) fn tend_prepared(&mut self, cx: &mut Context<'_>) {
        if self.watch.warmth.prepared.as_ref().is_some_and(|(_, until)| *until <= cx.now) {
            self.forget_prepared(cx);
        }
    }

    /// What films need that are made ready, after these wants of viewers.
    pub(in crate::torrent) fn add_warm_wants(&mut self, wants: &mut Vec<Want>, now: Instant) {
        self.choose_films();
        let mut seen: std::collections::BTreeSet<PieceIndex> =
            wants.iter().map(|want| want.piece).collect();
        let ledger = Verified { geometry: &self.content.geometry, pieces: self.ledger.pieces() };
        for warm in self.watch.warmth.all() {
            for part in warm.parts() {
                wants.extend(
                    ahead::wants(warm.file, part, ledger, now)
                        .filter(|want| seen.insert(want.piece)),
                );
            }
        }
    }

    /// What is verified of films that are made ready is read: for their indexes, and ahead of
    /// viewers.
    pub(in crate::torrent) fn read_warm(&mut self, cx: &mut Context<'_>) {
        if !self.life.linked || self.storage.looking.is_some() {
            return;
        }
        self.hint_prepared(cx);
        let ledger = Verified { geometry: &self.content.geometry, pieces: self.ledger.pieces() };
        let prepared = self.watch.warmth.prepared.as_ref().map(|(warm, _)| warm.file);
        let is_checked = self.ledger.is_checked();
        let mut due = Vec::new();
        for warm in self.watch.warmth.all() {
            let is_new = due.iter().all(|&(file, _)| file != warm.file);
            // Of a film that is complete nothing is to be fetched, and so its index need not be
            // found. Which films are is known after the check.
            let is_due = prepared == Some(warm.file) || (is_checked && !self.is_whole(warm.file));
            if let Some((first, last)) =
                warm.search.reads().filter(|_| is_new && is_due && !warm.is_reading)
                && ledger.verified_until(warm.file, first, last) > last
            {
                due.push((warm.file, (first, last)));
            }
        }
        for (file, (first, last)) in due {
            let Some(handle) = self.handle(file, Access::Read, cx) else { continue };
            let length = u32::try_from(last - first + 1).expect("a read is short");
            let span = Span { file: handle, offset: first, length };
            self.ask(Op::ReadIndex(file, (first, last)), cx, |op| IoCommand::FileRead { op, span });
            self.watch
                .warmth
                .all_mut()
                .filter(|warm| warm.file == file)
                .for_each(|warm| warm.is_reading = true);
        }
    }

    /// The daemon reads ahead what of a prepared film is verified: it may have lain on the disk for
    /// long.
    fn hint_prepared(&mut self, cx: &mut Context<'_>) {
        let ledger = Verified { geometry: &self.content.geometry, pieces: self.ledger.pieces() };
        let Some((warm, _)) = &mut self.watch.warmth.prepared else { return };
        let file = warm.file;
        for bytes in warm.hints(|(first, last)| ledger.verified_until(file, first, last) > last) {
            self.hint(file, bytes, cx);
        }
    }

    /// Bytes of a film came that lead to its index.
    pub(in crate::torrent) fn index_read(
        &mut self,
        file: FileIndex,
        bytes: (u64, u64),
        result: Result<OpOutput, OpError>,
    ) {
        let ledger = Verified { geometry: &self.content.geometry, pieces: self.ledger.pieces() };
        // They may have been changed by another program, if they are not verified any more.
        let is_verified = ledger.verified_until(file, bytes.0, bytes.1) > bytes.1;
        for warm in self.watch.warmth.all_mut().filter(|warm| warm.file == file) {
            warm.is_reading = false;
            match &result {
                Ok(OpOutput::Bytes(data)) if is_verified && warm.search.reads() == Some(bytes) => {
                    warm.search.feed(data)
                }
                Ok(_) => {}
                Err(_) => warm.search.give_up(),
            }
        }
        self.fetch.wants_are_stale = true;
    }

    /// The first film is the one that a click on play opens, with the place where it was left; the
    /// next one follows from what is watched.
    fn choose_films(&mut self) {
        let film = self.film_ahead();
        if self.watch.warmth.first.as_ref().map(|warm| warm.file) != film {
            self.watch.warmth.first =
                film.map(|file| Warm::new(file, None, &self.content.geometry));
        }
        let position = film.and_then(|file| self.left_at(file));
        if let Some(warm) = &mut self.watch.warmth.first {
            warm.move_to(position);
        }
        let watched = self.watch.desk.watched_files().find(|&file| self.is_whole(file));
        if self.watch.warmth.watched != watched {
            let next = watched.and_then(|file| self.selection.film_after(file, &self.content.meta));
            self.watch.warmth.next = next.map(|file| Warm::new(file, None, &self.content.geometry));
            self.watch.warmth.watched = watched;
        }
    }

    /// Whether all of a file is verified.
    fn is_whole(&self, file: FileIndex) -> bool {
        self.storage.files[file.as_usize()].verified >= self.content.geometry.file_len(file)
    }
}
