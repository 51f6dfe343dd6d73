//! One torrent: routes what happens to its parts, and turns what they return into outputs.
//!
//! Owns the parts and whether the torrent is at work. A part is a struct with private fields that
//! knows no other part. This file and [`routes`] take an input, call the parts, and hand what they
//! return to other parts and to the daemon.

mod account;
mod content;
mod fetch;
mod ledger;
mod ops;
mod record;
mod routes;
mod selection;
mod storage;
pub(crate) mod swarm;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::{FileId, IoCommand, OpId};

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::metainfo::{Identity, InfoHash};
use crate::time::Instant;
use crate::timers::TimerReason;
use account::Account;
use content::Content;
use fetch::Fetch;
use ledger::Ledger;
use ops::Op;
use selection::Selection;
use storage::Storage;
use swarm::Swarm;
use watch::Watch;

pub use account::seeding::Goals;
pub(crate) use record::{METAINFO_PREFIX, Record, keys};
pub(crate) use storage::mover::{Answer, Asker};
pub(crate) use storage::place::Place;
pub(crate) use storage::removal::Parting;

/// How often a torrent looks after its peers and viewers.
const TICK: Duration = Duration::from_secs(1);
/// The same while a viewer waits: a late block must not stay unnoticed when nothing else happens.
const TICK_AWAITED: Duration = Duration::from_millis(100);

/// Why a torrent rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Other torrents are before it in the queue.
    Queued,
    /// It has seeded enough.
    Sated,
}

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
    Resting(Rest),
    /// Stopped by a person.
    Paused,
    /// Stopped by trouble of this kind, in plain words.
    Failed(crate::view::Trouble, crate::view::Sentence),
}

/// Whether the torrent is at work, and with what.
#[derive(Debug)]
struct Life {
    status: Status,
    /// What it did before it was removed, while it can be brought back.
    aside: Option<Status>,
    /// Whether a daemon is there.
    linked: bool,
}

/// One torrent.
#[derive(Debug)]
pub(crate) struct Torrent {
    content: Content,
    selection: Selection,
    storage: Storage,
    ledger: Ledger,
    fetch: Fetch,
    watch: Watch,
    swarm: Swarm,
    account: Account,
    record: record::Keeper,
    ops: BTreeMap<OpId, Op>,
    life: Life,
    next_tick: Instant,
}

impl Torrent {
    /// At most so many peers at once, those being dialled included.
    pub(crate) fn set_max_connections(&mut self, max_connections: usize) {
        self.swarm.set_max_connections(max_connections);
    }

    /// When it has given enough, unless a person says otherwise for it.
    pub(crate) fn set_goals(&mut self, goals: Goals) {
        self.account.seeding.set_goals(goals);
    }

    /// Since when no request of a viewer is under way; `None` while one is.
    pub(crate) fn unread_since(&self) -> Option<Instant> {
        self.watch.unread_since()
    }

    /// Its name in the world.
    pub(crate) fn info_hash(&self) -> InfoHash {
        self.content.meta.info_hash
    }

    /// Whether a handshake with this hash is one for it.
    pub(crate) fn matches(&self, info_hash: InfoHash) -> bool {
        self.content.meta.identity().matches(info_hash)
    }

    /// The hashes by which a handshake may call it: a hybrid has two.
    pub(crate) fn names(&self) -> impl Iterator<Item = InfoHash> + use<> {
        let Identity { key, v2 } = self.content.meta.identity();
        [Some(key), v2.map(|v2| v2.truncated()).filter(|second| *second != key)]
            .into_iter()
            .flatten()
    }

    /// The way to its file or folder below the folder that the user chose.
    pub(crate) fn lies_at(&self) -> String {
        self.storage.lies_at(&self.content)
    }

    /// The name of its file or folder, if nothing else has it.
    pub(crate) fn own_top(&self) -> String {
        self.content
            .meta
            .files
            .first()
            .and_then(|file| file.path.first())
            .cloned()
            .unwrap_or_default()
    }

    /// When it was added, as a number that rises.
    pub(crate) fn added(&self) -> u64 {
        self.content.added
    }

    /// How many files it has.
    pub(crate) fn file_count(&self) -> u32 {
        self.content.geometry.file_count()
    }

    /// The ids under which its files are served.
    pub(crate) fn file_ids(&self) -> impl Iterator<Item = (FileIndex, &FileId)> {
        self.storage.ids()
    }

    /// A daemon is there: begins, or goes on.
    pub(crate) fn link(&mut self, cx: &mut Context<'_>) {
        // A paused torrent is served from as well, as far as it goes; it just fetches nothing.
        if self.life.status == Status::Unlinked {
            self.life.status = Status::Running;
        }
        self.life.linked = true;
        self.announce_files(cx);
        self.link_sharing(cx);
        self.begin(cx);
        self.next_tick = cx.now;
    }

    /// The daemon is gone.
    pub(crate) fn unlink(&mut self, now: Instant) {
        for parted in self.swarm.unlink(now) {
            self.ledger.release(parted.conn);
            self.lose(&parted.peer);
        }
        self.ops.clear();
        self.record.unlink();
        self.ledger.unlink();
        self.watch.unlink(now);
        self.life.linked = false;
        self.storage.unlink();
        if matches!(self.life.status, Status::Running | Status::Looking | Status::Resting(_)) {
            self.life.status = Status::Unlinked;
        }
        self.fetch.invalidate();
    }

    /// A person stops it.
    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) {
        self.storage.forget_move_notice();
        if self.life.status != Status::Paused {
            self.stop(Status::Paused, cx);
        }
    }

    /// A person lets it go on.
    pub(crate) fn resume(&mut self, linked: bool, cx: &mut Context<'_>) {
        if self.is_leaving()
            || self.insist(cx)
            || !matches!(self.life.status, Status::Paused | Status::Failed(..))
        {
            return;
        }
        self.storage.forget_trouble();
        self.go_on(linked, cx);
    }

    fn go_on(&mut self, linked: bool, cx: &mut Context<'_>) {
        self.life.status = Status::Unlinked;
        self.record.touch(cx.now);
        self.next_tick = cx.now;
        if linked {
            self.life.status = Status::Running;
            self.begin(cx);
        }
        cx.changed();
    }

    /// When it wants to be woken, and for what.
    pub(crate) fn wakeups(&self) -> [(TimerReason, Option<Instant>); 4] {
        let linked = |at: Option<Instant>| at.filter(|_| self.life.linked);
        [
            (TimerReason::Record, linked(self.record.due())),
            (TimerReason::Stamps, linked(self.storage.next_wakeup())),
            (TimerReason::Retry, self.tried_again_at()),
            (TimerReason::Tick, self.ticks().then_some(self.next_tick)),
        ]
    }

    /// It is woken for this reason. Too early or too often does no harm.
    pub(crate) fn handle_timeout(&mut self, reason: TimerReason, cx: &mut Context<'_>) {
        let due = self.wakeups().into_iter().find(|(other, _)| *other == reason);
        if due.and_then(|(_, at)| at).is_none_or(|at| at > cx.now) {
            return;
        }
        match reason {
            TimerReason::Record => self.save_record(cx),
            TimerReason::Stamps => self.stamp_next(cx),
            TimerReason::Retry => self.try_again(cx),
            _ => self.tick(cx),
        }
    }

    /// Looks after peers and viewers.
    fn tick(&mut self, cx: &mut Context<'_>) {
        self.check_peers(cx);
        if self.ledger.trees().lacks_layers() {
            self.ask_for_hashes(cx);
        }
        self.maintain_uploads(cx);
        self.tend_sharing(cx);
        self.announce_to_trackers(cx);
        self.ask_around(cx);
        self.tell_peers(cx);
        self.dial(cx);
        if self.swarm.web_seeds().is_due(cx.now) && self.lacks_something() {
            self.fetch.invalidate();
        }
        self.tend_viewers(cx);
        self.tend_pace(cx.now);
        let pause = if self.watch.desk().is_waited() { TICK_AWAITED } else { TICK };
        self.next_tick = cx.now + pause;
    }

    /// The end of a turn: everything that became possible is asked for, and what was said goes out.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        self.settle_pins(cx);
        self.verify_delayed(cx);
        if self.fetch.is_stale() {
            self.refresh_wants(cx.now);
            self.read_prepared(cx);
            self.ask_for_hashes(cx);
            self.next_tick = self.next_tick.min(cx.now + TICK_AWAITED);
            self.fill_all(cx);
        }
        self.tell_upload_only(cx);
        self.watch.settle(cx.now);
        for (conn, data) in self.swarm.take_out() {
            cx.order(IoCommand::TcpSend { conn, data });
        }
    }

    /// Looks where it is to lie, or opens its files if that was done.
    fn begin(&mut self, cx: &mut Context<'_>) {
        if self.find_moved(cx) {
            return;
        }
        if self.is_settled() || self.life.status == Status::Running {
            self.look(false, cx);
        }
    }

    /// Peers go and viewers are told; files stay open for those who read what is there.
    fn stop(&mut self, status: Status, cx: &mut Context<'_>) {
        self.end_runs(cx);
        self.release_all(cx);
        if !self.is_settled() {
            self.storage.call_look_off();
            self.close_files(cx);
        }
        self.life.status = status;
        self.announce_stopped(cx);
        self.turn_away(cx);
        self.record.touch(cx.now);
        cx.changed();
    }

    fn is_running(&self) -> bool {
        self.life.status == Status::Running
    }

    /// Whether it looks after its peers, or after what it could not do for want of open files.
    fn ticks(&self) -> bool {
        self.life.status == Status::Running || self.awaits_hashes()
    }

    /// The path of a file as people see it: without the folders that the torrent was moved to.
    fn shown_path(&self, file: FileIndex) -> Vec<String> {
        self.storage.shown_path(&self.content, file)
    }
}
