//! A magnet link whose torrent is not described yet: it looks for peers and gets the info
//! dictionary from them.
//!
//! Owns its swarm and times; how blocks become a dictionary is [`assembly`]'s. It knows no files and
//! no pieces, and writes nothing to the disk. Invariant: what [`Pending::take_found`]
//! gives hashes to the link's info hash. It never gives up by itself, unless it is told how much
//! patience to have.

mod assembly;
mod peers;
mod record;
mod show;
mod trackers;

use std::time::Duration;

use bytes::Bytes;
use shared_proto::IoCommand;

use crate::context::Context;
use crate::discover::candidates::{Candidates, Source};
use crate::discover::dht::requests::Wish;
use crate::discover::tracker::announcer::Announcer;
use crate::metainfo::encode::{self, Dict};
use crate::metainfo::{InfoHash, Magnet};
use crate::time::Instant;
use crate::torrent::swarm::{Discovered, Swarm};
use crate::view::Sentence;
use assembly::Assembly;

pub(crate) use record::{PREFIX, Record, forget};

/// How often it looks after its peers.
const TICK: Duration = Duration::from_secs(1);

/// When to give up on a magnet link that nobody describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often it is tried; at least once.
    pub attempts: u32,
    /// How long each time.
    pub attempt_time: Duration,
    /// How long to rest in between.
    pub retry_delay: Duration,
}

/// What it is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Status {
    /// No daemon is there.
    Unlinked,
    /// At work.
    Seeking {
        /// Since when.
        since: Instant,
    },
    /// An attempt failed, and the next begins then.
    Resting(Instant),
    /// Stopped by a person.
    Paused,
    /// Stopped by trouble, in plain words.
    Failed(Sentence),
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Pending {
    link: Magnet,
    added: u64,
    /// Nobody has said yet whether its torrent is to be downloaded.
    undecided: bool,
    status: Status,
    /// What it did before it was removed, while it can be brought back.
    aside: Option<Status>,
    swarm: Swarm,
    assembly: Assembly,
    found: Option<Bytes>,
    patience: Option<Patience>,
    /// Attempts that failed.
    failed: u32,
    linked: bool,
    unsaved: bool,
    next_tick: Instant,
}

impl Pending {
    /// One that is new.
    pub(crate) fn new(
        link: Magnet,
        added: u64,
        patience: Option<Patience>,
        cx: &mut Context<'_>,
    ) -> Self {
        let mut candidates = Candidates::default();
        for &addr in &link.peers {
            candidates.add(addr, Source::Hand);
        }
        let tiers = link.trackers.iter().map(|url| vec![url.clone()]).collect();
        let allowed = cx.shared.sources.trackers;
        let trackers = Announcer::new(link.info_hash, tiers, allowed, cx.rng, cx.now);
        let discovered = Discovered { candidates, trackers };
        Self {
            swarm: Swarm::undescribed(link.identity(), discovered, cx.now),
            assembly: Assembly::new(link.identity()),
            link,
            added,
            undecided: false,
            status: Status::Unlinked,
            aside: None,
            found: None,
            patience,
            failed: 0,
            linked: false,
            unsaved: true,
            next_tick: cx.now,
        }
    }

    /// One that an earlier engine wrote down.
    pub(crate) fn restore(
        record: Record,
        patience: Option<Patience>,
        cx: &mut Context<'_>,
    ) -> Self {
        let mut pending = Self::new(record.link, record.added, patience, cx);
        pending.swarm.add_candidates(record.peers, Source::Record);
        if record.paused {
            pending.status = Status::Paused;
        }
        pending.unsaved = false;
        pending
    }

    /// At most this many connections, those being dialled included.
    pub(crate) fn set_max_connections(&mut self, max_connections: usize) {
        self.swarm.set_max_connections(max_connections);
    }

    /// When to give up on it.
    pub(crate) fn set_patience(&mut self, patience: Patience) {
        self.patience = Some(patience);
    }

    /// Whether it was given up.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.status, Status::Failed(_))
    }

    /// The torrent.
    pub(crate) fn info_hash(&self) -> InfoHash {
        self.link.info_hash
    }

    /// When it was added, as a number that rises.
    pub(crate) fn added(&self) -> u64 {
        self.added
    }

    /// A daemon is there: begins, or goes on.
    pub(crate) fn link(&mut self, cx: &mut Context<'_>) {
        self.linked = true;
        if self.status == Status::Unlinked {
            self.seek(cx);
        }
    }

    /// The daemon is gone. Blocks that came are kept.
    pub(crate) fn unlink(&mut self, now: Instant) {
        self.linked = false;
        self.assembly.leave_all();
        self.swarm.unlink(now);
        if matches!(self.status, Status::Seeking { .. } | Status::Resting(_)) {
            self.status = Status::Unlinked;
        }
    }

    /// Another link for the same torrent: what it knows is added.
    pub(crate) fn merge(&mut self, other: &Magnet, cx: &mut Context<'_>) {
        self.link.merge(other);
        self.swarm.add_trackers(&other.trackers, cx.now);
        self.add_peers(other.peers.iter().copied(), Source::Hand, cx);
        self.unsaved = true;
        self.next_tick = cx.now;
    }

    /// A person stops it.
    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) {
        if self.status != Status::Paused {
            self.stop(Status::Paused, cx);
            self.unsaved = true;
        }
    }

    /// A person lets it go on.
    pub(crate) fn resume(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.status, Status::Paused | Status::Failed(_) | Status::Resting(_)) {
            return;
        }
        self.failed = 0;
        self.status = Status::Unlinked;
        self.unsaved = true;
        if self.linked {
            self.seek(cx);
        }
        cx.changed();
    }

    /// Stops it for now: it was removed, and can be brought back for a while.
    pub(crate) fn set_aside(&mut self, cx: &mut Context<'_>) {
        if self.aside.is_none() {
            self.aside = Some(self.status.clone());
            self.stop(Status::Paused, cx);
        }
    }

    /// It goes on with what it did before.
    pub(crate) fn bring_back(&mut self, cx: &mut Context<'_>) {
        if let Some(before) = self.aside.take()
            && before != Status::Paused
        {
            self.resume(cx);
        }
    }

    /// Whether it was removed and can be brought back.
    pub(crate) fn is_aside(&self) -> bool {
        self.aside.is_some()
    }

    /// Its name in front of a person.
    pub(crate) fn name(&self) -> String {
        self.link.name.clone().unwrap_or_else(|| self.link.info_hash.to_string())
    }

    /// Stops it for this reason.
    pub(crate) fn fail(&mut self, says: Sentence, cx: &mut Context<'_>) {
        tracing::warn!(torrent = %self.link.info_hash, %says, "magnet link stopped");
        self.stop(Status::Failed(says), cx);
    }

    /// It is taken out of the engine, and out of the daemon's state.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>) {
        self.stop(Status::Paused, cx);
        self.unsaved = false;
        forget(self.link.info_hash, cx);
    }

    /// The info dictionary, once it is there.
    pub(crate) fn take_found(&mut self) -> Option<Bytes> {
        self.found.take()
    }

    /// Which files the link means (BEP 53), by index; empty for all.
    pub(crate) fn meant_files(&self) -> &[std::ops::RangeInclusive<u32>] {
        &self.link.files
    }

    /// The `.torrent` file that an info dictionary and the link's addresses make.
    pub(crate) fn torrent_file(&self, info: &[u8]) -> Bytes {
        let tiers = self.link.trackers.iter().map(|url| encode::list([encode::bytes(url)]));
        let seeds = self.link.web_seeds.iter().map(encode::bytes);
        let mut file = Dict::new().raw("info", info.to_vec());
        if !self.link.trackers.is_empty() {
            file = file.raw("announce-list", encode::list(tiers));
        }
        if !self.link.web_seeds.is_empty() {
            file = file.raw("url-list", encode::list(seeds));
        }
        file.encode().into()
    }

    /// What it has discovered, for its torrent. Its connections are closed, and their peers can be
    /// dialled again at once.
    pub(crate) fn hand_over(mut self, cx: &mut Context<'_>) -> Discovered {
        self.release_all(cx);
        self.swarm.unlink(cx.now);
        self.swarm.into_discovered()
    }

    /// When it wants to be woken.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        match self.status {
            Status::Seeking { .. } => Some(self.next_tick),
            Status::Resting(until) => Some(until),
            Status::Unlinked | Status::Paused | Status::Failed(_) => None,
        }
    }

    /// It is woken: does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        match self.status {
            Status::Resting(until) if until <= cx.now => self.seek(cx),
            Status::Seeking { since } if self.next_tick <= cx.now => {
                if self
                    .patience
                    .is_some_and(|patience| cx.now.saturating_since(since) >= patience.attempt_time)
                {
                    return self.attempt_failed(cx);
                }
                self.check_peers(cx);
                self.announce_to_trackers(cx);
                self.swarm.set_asks_dht(cx.ask_dht(self.link.info_hash, Wish::Peers));
                if cx.shared.sources.lsd {
                    cx.shared.lsd.ask(self.link.info_hash, cx.now);
                }
                self.dial(cx);
                self.next_tick = cx.now + TICK;
            }
            _ => {}
        }
    }

    /// The end of a turn: what became possible is asked for, and what was said goes out.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        if self.linked && std::mem::take(&mut self.unsaved) {
            self.save(cx);
        }
        if self.is_seeking() {
            self.ask_for_blocks(cx);
        }
        for (conn, data) in self.swarm.take_out() {
            cx.order(IoCommand::TcpSend { conn, data });
        }
    }

    fn seek(&mut self, cx: &mut Context<'_>) {
        self.status = Status::Seeking { since: cx.now };
        self.next_tick = cx.now;
        self.handle_timeout(cx);
    }

    fn attempt_failed(&mut self, cx: &mut Context<'_>) {
        let Some(patience) = self.patience else { return };
        self.failed += 1;
        if self.failed >= patience.attempts {
            let seconds = u32::try_from(patience.attempt_time.as_secs()).unwrap_or(u32::MAX);
            return self.fail(Sentence::NotDescribed { tries: self.failed, seconds }, cx);
        }
        self.stop(Status::Resting(cx.now + patience.retry_delay), cx);
    }

    fn stop(&mut self, status: Status, cx: &mut Context<'_>) {
        self.release_all(cx);
        self.announce_stopped(cx);
        self.status = status;
        cx.changed();
    }

    fn is_seeking(&self) -> bool {
        matches!(self.status, Status::Seeking { .. })
    }
}
