//! One torrent: routes its inputs to its parts, and turns their results into outputs.
//!
//! Owns the parts and the status. A part is a struct with private fields that knows no other part.
//! This file and [`routes`] take an input, call the parts, and pass their results to other parts
//! and to the daemon.

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
pub(crate) use storage::removal::RemovalEnd;

/// How often a torrent checks its peers and viewers.
const TICK: Duration = Duration::from_secs(1);
/// How often a torrent checks its peers while a viewer waits. The torrent then notices a late block
/// although nothing else happens.
const TICK_AWAITED: Duration = Duration::from_millis(100);

/// Why a torrent is inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Other torrents precede it in the queue.
    Queued,
    /// Its seeding goals are reached.
    Sated,
}

/// The status of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Status {
    /// No daemon is connected.
    Unlinked,
    /// The existing files at its place are being inspected.
    Looking,
    /// It is active.
    Running,
    /// It waits for its turn, or has seeded enough.
    Resting(Rest),
    /// Paused by the user.
    Paused,
    /// Stopped by an error of this kind, with a sentence for the user.
    Failed(crate::view::Trouble, crate::view::Sentence),
}

/// The status of a torrent and what it depends on.
#[derive(Debug)]
struct Life {
    status: Status,
    /// Its status before it was removed, while the removal can be undone.
    aside: Option<Status>,
    /// Whether a daemon is connected.
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
    /// Sets the maximum number of connections, including those being dialled.
    pub(crate) fn set_max_connections(&mut self, max_connections: usize) {
        self.swarm.set_max_connections(max_connections);
    }

    /// Sets the seeding goals, which the user's own for this torrent override.
    pub(crate) fn set_goals(&mut self, goals: Goals) {
        self.account.seeding.set_goals(goals);
    }

    /// Since when no viewer has a request; `None` while one has.
    pub(crate) fn unread_since(&self) -> Option<Instant> {
        self.watch.unread_since()
    }

    /// Its info hash.
    pub(crate) fn info_hash(&self) -> InfoHash {
        self.content.meta.info_hash
    }

    /// Whether a handshake with this hash is for this torrent.
    pub(crate) fn matches(&self, info_hash: InfoHash) -> bool {
        self.content.meta.identity().matches(info_hash)
    }

    /// The info hashes by which a handshake may name it: a hybrid has two.
    pub(crate) fn names(&self) -> impl Iterator<Item = InfoHash> + use<> {
        let Identity { key, v2 } = self.content.meta.identity();
        [Some(key), v2.map(|v2| v2.truncated()).filter(|second| *second != key)]
            .into_iter()
            .flatten()
    }

    /// The path of its file or folder below the download folder, with `/`.
    pub(crate) fn lies_at(&self) -> String {
        self.storage.lies_at(&self.content)
    }

    /// The name that its file or folder has if there is no conflict.
    pub(crate) fn own_top(&self) -> String {
        self.content
            .meta
            .files
            .first()
            .and_then(|file| file.path.first())
            .cloned()
            .unwrap_or_default()
    }

    /// A number that rises with each addition of a torrent.
    pub(crate) fn added(&self) -> u64 {
        self.content.added
    }

    /// Number of files.
    pub(crate) fn file(&self, index: u32) -> Option<FileIndex> {
        self.content.geometry.file(index)
    }

    /// The ids under which its files are served.
    pub(crate) fn file_ids(&self) -> impl Iterator<Item = (FileIndex, &FileId)> {
        self.content.geometry.files().zip(self.storage.ids())
    }

    /// A daemon is connected: starts or continues.
    pub(crate) fn link(&mut self, cx: &mut Context<'_>) {
        // A paused torrent also serves what it has; it only downloads nothing.
        if self.life.status == Status::Unlinked {
            self.life.status = Status::Running;
        }
        self.life.linked = true;
        self.announce_files(cx);
        self.link_sharing(cx);
        self.begin(cx);
        self.next_tick = cx.now;
    }

    /// The daemon is lost.
    pub(crate) fn unlink(&mut self, now: Instant) {
        for ended in self.swarm.unlink(now) {
            self.ledger.release(ended.conn);
            self.lose(&ended.peer);
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

    /// Pauses it for the user.
    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) {
        self.storage.forget_move_notice();
        if self.life.status != Status::Paused {
            self.stop(Status::Paused, cx);
        }
    }

    /// Resumes it for the user.
    pub(crate) fn resume(&mut self, linked: bool, cx: &mut Context<'_>) {
        if self.is_being_removed()
            || self.force_seeding(cx)
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

    /// When it next needs [`Torrent::handle_timeout`], for each reason.
    pub(crate) fn wakeups(&self) -> [(TimerReason, Option<Instant>); 4] {
        let linked = |at: Option<Instant>| at.filter(|_| self.life.linked);
        [
            (TimerReason::Record, linked(self.record.due())),
            (TimerReason::Stamps, linked(self.storage.next_wakeup())),
            (TimerReason::Retry, self.tried_again_at()),
            (TimerReason::Tick, self.ticks().then_some(self.next_tick)),
        ]
    }

    /// Does what is due for this reason. Early or repeated calls do no harm.
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

    /// Checks peers and viewers.
    fn tick(&mut self, cx: &mut Context<'_>) {
        self.check_peers(cx);
        if self.ledger.trees().lacks_layers() {
            self.ask_for_hashes(cx);
        }
        self.maintain_uploads(cx);
        self.maintain_sharing(cx);
        self.announce_to_trackers(cx);
        self.seek_peers(cx);
        self.send_peers(cx);
        self.dial(cx);
        if self.swarm.web_seeds().is_due(cx.now) && self.lacks_something() {
            self.fetch.invalidate();
        }
        self.maintain_viewers(cx);
        self.report_shortage(cx);
        if cx.shared.precedence.shortage(self.info_hash(), cx.now).is_some() {
            self.fetch.invalidate();
        }
        self.update_pace(cx.now);
        let pause = if self.watch.desk().is_waited() { TICK_AWAITED } else { TICK };
        self.next_tick = cx.now + pause;
    }

    /// Ends a step: requests everything that became possible, and sends pending messages.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        self.settle_pins(cx);
        self.verify_delayed(cx);
        if self.fetch.is_stale() {
            self.refresh_wants(cx.now);
            self.report_shortage(cx);
            self.read_prepared(cx);
            self.ask_for_hashes(cx);
            self.next_tick = self.next_tick.min(cx.now + TICK_AWAITED);
            self.fill_all(cx);
        }
        self.announce_upload_only(cx);
        self.watch.settle(cx.now);
        for (conn, data) in self.swarm.take_out() {
            cx.order(IoCommand::TcpSend { conn, data });
        }
    }

    /// Inspects the files at its place, or opens them if that was done.
    fn begin(&mut self, cx: &mut Context<'_>) {
        if self.find_moved(cx) {
            return;
        }
        if self.is_settled() || self.life.status == Status::Running {
            self.look(false, cx);
        }
    }

    /// Stops downloading: peers are disconnected and waiting viewers rejected.
    ///
    /// Files stay open for viewers of verified bytes.
    fn stop(&mut self, status: Status, cx: &mut Context<'_>) {
        self.end_runs(cx);
        self.release_all(cx);
        if !self.is_settled() {
            self.storage.call_look_off();
            self.close_files(cx);
        }
        self.life.status = status;
        self.announce_stopped(cx);
        self.reject_all_waiting(cx);
        self.record.touch(cx.now);
        cx.changed();
    }

    fn is_running(&self) -> bool {
        self.life.status == Status::Running
    }

    /// Returns whether the torrent needs ticks. The peers need ticks, and so does work that waits
    /// for open files.
    fn ticks(&self) -> bool {
        self.life.status == Status::Running || self.awaits_hashes()
    }

    /// The path of a file as shown: without the folders into which the torrent was moved.
    fn shown_path(&self, file: FileIndex) -> Vec<String> {
        self.storage.shown_path(&self.content, file)
    }
}
