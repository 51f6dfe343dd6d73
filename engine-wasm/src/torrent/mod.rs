//! One torrent: routes what happens to its parts and turns what they return into outputs.
//!
//! It owns the parts and the torrent's state; the algorithms are theirs ([`crate::pick`],
//! [`crate::stream`], [`crate::peer`], [`crate::discover`]). The rest of it is in the files beside
//! this one, by concern.

mod aside;
mod birth;
mod disk;
mod donor;
mod exchange;
mod fetch;
mod files;
mod films;
mod give;
mod look;
mod ops;
mod origin;
mod pace;
mod peer_views;
mod place;
mod prove;
mod punch;
mod recheck;
mod relocate;
mod removal;
mod resume;
mod revoke;
mod selection;
mod settings;
mod sharing;
mod show;
mod stamps;
mod swarm;
mod trackers;
mod trouble;
mod warm;
mod watch;
mod web;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::{ConnId, FileId, IoCommand, OpId};

use crate::context::Context;
use crate::discover::candidates::Candidates;
use crate::discover::holepunch::seeking::Seeking;
use crate::discover::tracker::announcer::Announcer;
use crate::geometry::{Block, FileIndex, Geometry, PieceIndex};
use crate::hashes::asking::Asking;
use crate::hashes::trees::Trees;
use crate::metainfo::{Identity, InfoHash, Metainfo};
use crate::peer::Peer;
use crate::pick::availability::Availability;
use crate::pick::picker::Picker;
use crate::pick::piece_map::PieceMap;
use crate::pick::suspects::Suspects;
use crate::stream::desk::Desk;
use crate::time::Instant;
use donor::Copies;
use files::Slot;
use look::Look;
use ops::Op;
use pace::Pace;
use recheck::Recheck;
use relocate::Mover;
use removal::Removal;
use selection::Selection;
use stamps::Stamps;
use trouble::Trouble;
use warm::Warmth;

pub(crate) use place::Place;
pub(crate) use relocate::{Answer, Asker};
pub(crate) use removal::Parting;
pub(crate) use resume::{METAINFO_PREFIX, Record, keys};
pub use sharing::Goals;

/// How often a torrent looks after its peers and viewers.
const TICK: Duration = Duration::from_secs(1);
/// The same while a viewer waits: a late block must not stay unnoticed when nothing else happens.
const TICK_AWAITED: Duration = Duration::from_millis(100);

/// What the torrent is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Status {
    /// No daemon is there.
    Unlinked,
    /// What lies where it is to lie is being looked at.
    Looking,
    /// At work.
    Running,
    /// It is not its turn, or it has given enough.
    Resting(sharing::Rest),
    /// Stopped by a person.
    Paused,
    /// Stopped by trouble of this kind, in plain words.
    Failed(crate::view::Trouble, String),
}

/// One torrent.
#[derive(Debug)]
pub(crate) struct Torrent {
    meta: Metainfo,
    source: Bytes,
    geometry: Arc<Geometry>,
    place: Place,
    /// Whether a person said to go on in files that were there before.
    adopts: bool,
    copies: Copies,
    /// Pieces that tell whether a file is still ours where the file system can't.
    evidence: BTreeSet<PieceIndex>,
    /// Whether all that is wanted was seen to lie there since the last of it was verified.
    is_confirmed: bool,
    selection: Selection,
    looking: Option<Look>,
    /// Rounds of looking so far: an answer of an earlier one is of no use.
    looks: u32,
    recheck: Recheck,
    stamps: Stamps,
    trouble: Trouble,
    mover: Mover,
    removal: Option<Removal>,
    /// What it did before it was removed, while it can be brought back.
    aside: Option<Status>,
    films: films::Films,
    /// Pieces whose files stay open because somebody may write to them.
    pinned: BTreeSet<PieceIndex>,
    /// Full pieces that wait until their files can be open.
    to_hash: VecDeque<PieceIndex>,
    /// Files without bytes that are to be made, and how many are being made.
    empties: VecDeque<FileIndex>,
    creating: usize,
    /// Whether a daemon is there.
    linked: bool,
    added: u64,
    status: Status,
    files: Vec<Slot>,
    pieces: PieceMap,
    availability: Availability,
    picker: Picker,
    wants_are_stale: bool,
    suspects: Suspects,
    trees: Trees,
    asking: Asking,
    /// The last digest that was ordered of each block that is judged by itself.
    judging: BTreeMap<Block, OpId>,
    desk: Desk,
    warmth: Warmth,
    peers: BTreeMap<ConnId, Peer>,
    candidates: Candidates,
    seeking: Seeking,
    trackers: Announcer,
    web: web::Web,
    /// Whether the DHT is looking for peers of it.
    asks_dht: bool,
    ops: BTreeMap<OpId, Op>,
    checking: usize,
    /// Unchecked pieces that a record names: the likeliest to be there.
    check_first: VecDeque<PieceIndex>,
    record: resume::Keeper,
    downloaded: u64,
    wasted: u64,
    duplicated: u64,
    pace: Pace,
    next_tick: Instant,
    max_connections: usize,
    unread_since: Option<Instant>,
    /// Whether peers were told that we want nothing (BEP 21).
    told_upload_only: bool,
    /// When somebody last watched a file that is not complete, if that was a moment ago.
    watched_missing: Option<Instant>,
    giving: give::Giving,
    account: sharing::Account,
    goals: Goals,
    own_group: u32,
}

impl Torrent {
    /// At most so many peers at once, those being dialled included.
    pub(crate) fn set_max_connections(&mut self, max_connections: usize) {
        self.max_connections = max_connections;
    }

    /// When it has given enough, unless a person says otherwise for it.
    pub(crate) fn set_goals(&mut self, goals: Goals) {
        self.goals = goals;
    }

    /// Since when no request of a viewer is under way; `None` while one is.
    pub(crate) fn unread_since(&self) -> Option<Instant> {
        self.unread_since
    }

    /// Its name in the world.
    pub(crate) fn info_hash(&self) -> InfoHash {
        self.meta.info_hash
    }

    /// Whether a handshake with this hash is one for it.
    pub(crate) fn answers_to(&self, info_hash: InfoHash) -> bool {
        self.meta.identity().answers_to(info_hash)
    }

    /// The hashes by which a handshake may call it: a hybrid has two.
    pub(crate) fn names(&self) -> impl Iterator<Item = InfoHash> + use<> {
        let Identity { key, v2 } = self.meta.identity();
        [Some(key), v2.map(|v2| v2.truncated()).filter(|second| *second != key)]
            .into_iter()
            .flatten()
    }

    /// The way to its file or folder below the folder that the user chose.
    pub(crate) fn lies_at(&self) -> String {
        let path = self.meta.files.first().map(|file| self.place.path(0, file)).unwrap_or_default();
        path[..path.len().min(self.place.folder.len() + 1)].join("/")
    }

    /// The name of its file or folder, if nothing else has it.
    pub(crate) fn own_top(&self) -> String {
        self.meta.files.first().and_then(|file| file.path.first()).cloned().unwrap_or_default()
    }

    /// When it was added, as a number that rises.
    pub(crate) fn added(&self) -> u64 {
        self.added
    }

    /// How many files it has.
    pub(crate) fn file_count(&self) -> u32 {
        self.geometry.file_count()
    }

    /// The ids under which its files are served.
    pub(crate) fn file_ids(&self) -> impl Iterator<Item = (FileIndex, &FileId)> {
        (0u32..).zip(&self.files).map(|(index, slot)| (FileIndex(index), &slot.id))
    }

    /// A daemon is there: begins, or goes on.
    pub(crate) fn link(&mut self, cx: &mut Context<'_>) {
        // A paused torrent is served from as well, as far as it goes; it just fetches nothing.
        if self.status == Status::Unlinked {
            self.status = Status::Running;
        }
        self.linked = true;
        self.announce_files(cx);
        self.link_sharing(cx);
        self.begin(cx);
        self.next_tick = cx.now;
    }

    /// The daemon is gone.
    pub(crate) fn unlink(&mut self, now: Instant) {
        for (conn, peer) in std::mem::take(&mut self.peers) {
            self.suspects.release(conn);
            self.asking.leave(conn);
            self.lose(&peer);
            self.candidates.released(peer.addr());
        }
        self.ops.clear();
        self.judging.clear();
        self.checking = 0;
        self.check_first.clear();
        self.record.unlink();
        self.seeking.clear();
        self.trackers.unlink(now);
        self.web.unlink();
        self.pieces.unlink();
        self.desk.unlink(now);
        self.warmth.unlink();
        self.linked = false;
        self.looking = None;
        self.stamps.unlink();
        self.pinned.clear();
        self.to_hash.clear();
        self.empties.clear();
        self.creating = 0;
        for slot in &mut self.files {
            (slot.is_stamping, slot.is_ours_now) = (false, false);
        }
        self.unlink_move();
        self.unlink_removal();
        self.copies.unlink();
        self.trouble.can_write = false;
        self.evidence.clear();
        if matches!(self.status, Status::Running | Status::Looking | Status::Resting(_)) {
            self.status = Status::Unlinked;
        }
        self.wants_are_stale = true;
    }

    /// A person stops it.
    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) {
        self.mover.notice = None;
        if self.status != Status::Paused {
            self.stop(Status::Paused, cx);
        }
    }

    /// A person lets it go on.
    pub(crate) fn resume(&mut self, linked: bool, cx: &mut Context<'_>) {
        if self.is_leaving()
            || self.insist(cx)
            || !matches!(self.status, Status::Paused | Status::Failed(..))
        {
            return;
        }
        self.trouble.forget();
        self.go_on(linked, cx);
    }

    fn go_on(&mut self, linked: bool, cx: &mut Context<'_>) {
        self.status = Status::Unlinked;
        self.record.touch(cx.now);
        self.next_tick = cx.now;
        if linked {
            self.status = Status::Running;
            self.begin(cx);
        }
        cx.changed();
    }

    /// When it wants to be woken.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        let work = self
            .linked
            .then(|| [self.record.due(), self.stamps.due()].into_iter().flatten().min())
            .flatten();
        let tick = self.ticks().then_some(self.next_tick);
        [work, tick, self.tried_again_at()].into_iter().flatten().min()
    }

    /// It is woken: does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if self.linked && self.record.due().is_some_and(|due| due <= cx.now) {
            self.save_record(cx);
        }
        if self.stamps.due().is_some_and(|due| due <= cx.now) {
            self.tend_stamps(cx);
        }
        if self.tried_again_at().is_some_and(|at| at <= cx.now) {
            self.try_again(cx);
        }
        if self.next_tick > cx.now || !self.ticks() {
            return;
        }
        if self.status != Status::Running && !self.awaits_hashes() {
            return;
        }
        self.tend_peers(cx);
        if self.trees.lacks_layers() {
            self.ask_for_hashes(cx);
        }
        self.tend_giving(cx);
        self.tend_sharing(cx);
        self.announce_to_trackers(cx);
        self.ask_dht(cx);
        self.ask_lsd(cx);
        self.tend_exchange(cx);
        self.dial(cx);
        self.wants_are_stale |= self.web.is_due(cx.now) && self.lacks_something();
        self.tend_viewers(cx);
        self.tend_pace(cx.now);
        let pause = if self.desk.is_waited() { TICK_AWAITED } else { TICK };
        self.next_tick = cx.now + pause;
    }

    /// The end of a turn: everything that became possible is asked for, and what was said goes out.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        self.settle_pins(cx);
        self.hash_delayed(cx);
        if self.wants_are_stale {
            self.refresh_wants(cx.now);
            self.read_warm(cx);
            self.ask_for_hashes(cx);
            self.next_tick = self.next_tick.min(cx.now + TICK_AWAITED);
            self.fill_all(cx);
        }
        self.tell_upload_only(cx);
        self.unread_since =
            if self.desk.is_read() { None } else { self.unread_since.or(Some(cx.now)) };
        for (&conn, peer) in &mut self.peers {
            if let Some(data) = peer.take_out() {
                cx.order(IoCommand::TcpSend { conn, data });
            }
        }
    }

    /// Looks where it is to lie, or opens its files if that was done.
    fn begin(&mut self, cx: &mut Context<'_>) {
        if self.find_moved(cx) {
            return;
        }
        if self.is_settled() || self.status == Status::Running {
            self.look(false, cx);
        }
    }

    /// Peers go and viewers are told; files stay open for those who read what is there.
    fn stop(&mut self, status: Status, cx: &mut Context<'_>) {
        self.end_runs(cx);
        self.release_all(cx);
        if !self.is_settled() {
            self.looking = None;
            self.close_files(cx);
        }
        self.status = status;
        self.announce_stopped(cx);
        self.turn_away(cx);
        self.record.touch(cx.now);
        cx.changed();
    }

    fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    /// Whether it looks after its peers, or after what it could not do for want of open files.
    fn ticks(&self) -> bool {
        self.status == Status::Running || self.awaits_hashes()
    }

    /// Where the torrent lies with this file: during a move some are there already and some are
    /// not.
    fn place_of(&self, file: FileIndex) -> &Place {
        self.mover.place_of(file).unwrap_or(&self.place)
    }

    /// The path of a file as people see it: without the folders that the torrent was moved to.
    fn shown_path(&self, file: FileIndex) -> Vec<String> {
        let place = self.place_of(file);
        place.path(file.0, &self.meta.files[file.as_usize()]).split_off(place.folder.len())
    }
}
