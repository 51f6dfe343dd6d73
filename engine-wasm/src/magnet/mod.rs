//! A magnet link that waits for its metadata: it finds peers and downloads the info dictionary.
//!
//! Owns its swarm and its times; [`assembly`] turns blocks into a dictionary. It knows no files and
//! no pieces, and writes nothing to the disk. Invariant: what [`Pending::take_found`] returns
//! hashes to the link's info hash. It never gives up unless it has a [`Patience`].

mod assembly;
mod pace;
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
use crate::limits;
use crate::metainfo::encode::{self, Dict};
use crate::metainfo::{InfoHash, Magnet};
use crate::time::Instant;
use crate::torrent::swarm::{Discovered, Swarm};
use crate::view::Sentence;
use assembly::Assembly;

pub(crate) use record::{PREFIX, Record, forget};

/// How often the magnet link checks its peers.
const TICK: Duration = Duration::from_secs(1);

/// When to give up on a magnet link without metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Number of attempts, at least one.
    pub attempts: u32,
    /// Length of one attempt.
    pub attempt_time: Duration,
    /// Pause between two attempts.
    pub retry_delay: Duration,
}

/// The state of a magnet link.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Status {
    /// No daemon is connected.
    Unlinked,
    /// It is looking for metadata.
    Seeking {
        /// When the attempt began.
        since: Instant,
    },
    /// An attempt failed; the next one begins at this time.
    Resting(Instant),
    /// Paused by the user.
    Paused,
    /// Stopped by an error.
    Failed(Sentence),
}

/// A magnet link that waits for its metadata.
#[derive(Debug)]
pub(crate) struct Pending {
    link: Magnet,
    added: u64,
    /// Whether the user has yet to decide about its torrent.
    undecided: bool,
    status: Status,
    /// Its state before it was removed, while the removal can be undone.
    aside: Option<Status>,
    swarm: Swarm,
    assembly: Assembly,
    found: Option<Bytes>,
    patience: Option<Patience>,
    /// Number of failed attempts.
    failed: u32,
    linked: bool,
    unsaved: bool,
    next_tick: Instant,
}

impl Pending {
    /// Creates a new magnet link.
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

    /// Restores a magnet link that an earlier engine stored.
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

    /// Sets the maximum number of connections, including those being dialled.
    pub(crate) fn set_max_connections(&mut self, max_connections: usize) {
        self.swarm.set_max_connections(max_connections);
    }

    /// Sets when to give up.
    pub(crate) fn set_patience(&mut self, patience: Patience) {
        self.patience = Some(patience);
    }

    /// Whether it has given up.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.status, Status::Failed(_))
    }

    /// The info hash of its torrent.
    pub(crate) fn info_hash(&self) -> InfoHash {
        self.link.info_hash
    }

    /// A number that rises with each addition of a torrent.
    pub(crate) fn added(&self) -> u64 {
        self.added
    }

    /// A daemon is connected: starts or continues.
    pub(crate) fn link(&mut self, cx: &mut Context<'_>) {
        self.linked = true;
        if self.status == Status::Unlinked {
            self.seek(cx);
        }
    }

    /// The daemon is lost. Received blocks are kept.
    pub(crate) fn unlink(&mut self, now: Instant) {
        self.linked = false;
        self.assembly.leave_all();
        self.swarm.unlink(now);
        if matches!(self.status, Status::Seeking { .. } | Status::Resting(_)) {
            self.status = Status::Unlinked;
        }
    }

    /// Adds the trackers, peers and web seeds of another link to the same torrent.
    pub(crate) fn merge(&mut self, other: &Magnet, cx: &mut Context<'_>) {
        self.link.merge(other);
        self.swarm.add_trackers(&other.trackers, cx.now);
        self.add_peers(other.peers.iter().copied(), Source::Hand, cx);
        self.unsaved = true;
        self.next_tick = cx.now;
    }

    /// Pauses it for the user.
    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) {
        if self.status != Status::Paused {
            self.stop(Status::Paused, cx);
            self.unsaved = true;
        }
    }

    /// Resumes it for the user.
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

    /// Stops it after a removal that can still be undone.
    pub(crate) fn set_aside(&mut self, cx: &mut Context<'_>) {
        if self.aside.is_none() {
            self.aside = Some(self.status.clone());
            self.stop(Status::Paused, cx);
        }
    }

    /// Restores it after an undone removal.
    pub(crate) fn bring_back(&mut self, cx: &mut Context<'_>) {
        if let Some(before) = self.aside.take()
            && before != Status::Paused
        {
            self.resume(cx);
        }
    }

    /// Whether it was removed and can be restored.
    pub(crate) fn is_aside(&self) -> bool {
        self.aside.is_some()
    }

    /// The name to show.
    pub(crate) fn name(&self) -> String {
        self.link.name.clone().unwrap_or_else(|| self.link.info_hash.to_string())
    }

    /// Stops it with this error.
    pub(crate) fn fail(&mut self, says: Sentence, cx: &mut Context<'_>) {
        tracing::warn!(torrent = %self.link.info_hash, %says, "magnet link stopped");
        self.stop(Status::Failed(says), cx);
    }

    /// Stores the record of this link.
    pub(crate) fn save(&self, cx: &mut Context<'_>) {
        let record = Record {
            link: self.link.clone(),
            added: self.added,
            paused: *self.aside.as_ref().unwrap_or(&self.status) == Status::Paused,
            peers: self.swarm.worth_keeping(limits::KEPT_PEERS),
        };
        record.save(cx);
    }

    /// Removes it from the engine and from the daemon's stored state.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>) {
        self.stop(Status::Paused, cx);
        self.unsaved = false;
        forget(self.link.info_hash, cx);
    }

    /// The info dictionary, once it is complete.
    pub(crate) fn take_found(&mut self) -> Option<Bytes> {
        self.found.take()
    }

    /// The files that the link selects (BEP 53), by index; empty for all.
    pub(crate) fn meant_files(&self) -> &[std::ops::RangeInclusive<u32>] {
        &self.link.files
    }

    /// Builds the `.torrent` file from an info dictionary. The link gives the trackers and web
    /// seeds.
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

    /// Passes the discovered peers to its torrent. Its connections are closed, and their peers can
    /// be dialled again at once.
    pub(crate) fn hand_over(mut self, cx: &mut Context<'_>) -> Discovered {
        self.release_all(cx);
        self.swarm.unlink(cx.now);
        self.swarm.into_discovered()
    }

    /// When it next needs [`Pending::handle_timeout`].
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        match self.status {
            Status::Seeking { .. } => {
                self.assembly.next_check().into_iter().chain([self.next_tick]).min()
            }
            Status::Resting(until) => Some(until),
            Status::Unlinked | Status::Paused | Status::Failed(_) => None,
        }
    }

    /// Does what is due at this time.
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

    /// Ends a step: requests what became possible, and sends pending messages.
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
