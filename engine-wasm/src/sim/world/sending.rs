//! Replies that are sent step by step, with the rules of the real daemon.
//!
//! It sends no byte beyond the grant, no revoked byte, and no byte of a file that another program
//! changed since the engine last learned its state.
//!
//! A world sends only if a test enables it. Digests are then answered late and in any order.
//! Invariant, checked at each step: every sent byte belongs to a piece that the engine considers
//! verified at that moment, and equals the film's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use shared_proto::io::FileStat;
use shared_proto::{DaemonMessage, RequestId};

use super::{Event, World};
use crate::io::Input;

/// Longest step, bytes.
const STEP: u64 = 96 << 10;

/// The state of sending.
#[derive(Debug)]
pub(in crate::sim) struct Sending {
    rng: ChaCha8Rng,
    /// The state of each file that the engine last learned. Files that the daemon has written to
    /// since are left out.
    told: BTreeMap<Vec<String>, FileStat>,
    reported: BTreeSet<(usize, Option<u64>)>,
    etags: BTreeMap<usize, String>,
    pub(in crate::sim) sent_bytes: u64,
    pub(in crate::sim) revoked: u32,
    pub(in crate::sim) changed: u32,
}

impl World {
    /// Enables sending.
    pub(in crate::sim) fn send_replies(&mut self, seed: u64) {
        self.daemon.sending = Some(Sending {
            rng: ChaCha8Rng::seed_from_u64(seed),
            told: BTreeMap::new(),
            reported: BTreeSet::new(),
            etags: BTreeMap::new(),
            sent_bytes: 0,
            revoked: 0,
            changed: 0,
        });
    }

    /// Returns the entity tag of the first file.
    pub(in crate::sim) fn etag(&self) -> Option<String> {
        self.daemon.sending.as_ref()?.etags.get(&0).cloned()
    }

    /// Returns whether a change of this file by another program would be noticed.
    pub(in crate::sim) fn is_watched(&self, path: &[String]) -> bool {
        self.daemon.sending.as_ref().is_some_and(|sending| sending.told.contains_key(path))
    }

    /// Records the file state that the engine is told.
    pub(super) fn told(&mut self, path: &[String], stat: Option<FileStat>) {
        if let (Some(sending), Some(stat)) = (&mut self.daemon.sending, stat) {
            sending.told.entry(path.to_vec()).or_insert(stat);
        }
    }

    /// Records that the daemon writes to a file.
    pub(super) fn touched(&mut self, path: &[String]) {
        let Some(sending) = &mut self.daemon.sending else { return };
        sending.told.remove(path);
        let served = &self.daemon.served;
        let of_file = self
            .viewers
            .values_mut()
            .filter(|viewer| served.get(&viewer.file).is_some_and(|at| at == path));
        of_file.for_each(|viewer| viewer.seen = None);
    }

    /// Returns the additional delay of a digest.
    pub(super) fn late(&mut self) -> Duration {
        let Some(sending) = &mut self.daemon.sending else { return Duration::ZERO };
        Duration::from_micros(if sending.rng.random_bool(0.3) {
            sending.rng.random_range(0..60_000)
        } else {
            0
        })
    }

    /// Tells the engine of a changed file before a viewer's request.
    pub(super) fn look_before_asking(&mut self, file: usize) {
        let Some(path) = self.daemon.served.get(&file).cloned() else { return };
        let stat = self.disk.stat(&path);
        let expected =
            self.daemon.sending.as_ref().and_then(|sending| sending.told.get(&path)).copied();
        if expected.is_some() && expected != stat {
            self.report(file, &path, stat, false);
        }
    }

    fn report(&mut self, file: usize, path: &[String], stat: Option<FileStat>, sending: bool) {
        let file_id = format!("{}.{file}", self.info_hash()).as_str().into();
        let Some(state) = &mut self.daemon.sending else { return };
        let is_known = state.told.get(path).copied() == stat;
        let is_first = state.reported.insert((file, stat.map(|stat| stat.changed_ns)));
        match stat {
            Some(stat) => state.told.insert(path.to_vec(), stat),
            None => state.told.remove(path),
        };
        if !is_known || (sending && is_first) {
            state.changed += 1;
            self.input(Input::Control(DaemonMessage::FileChanged { file_id, stat, sending }));
        }
    }

    /// Handles an announced file: a new entity tag ends its replies.
    pub(super) fn announced(&mut self, file: usize, etag: String) {
        let Some(sending) = &mut self.daemon.sending else { return };
        if sending.etags.insert(file, etag.clone()).is_some_and(|before| before != etag) {
            let of_file: Vec<RequestId> = self
                .viewers
                .iter()
                .filter(|(_, viewer)| viewer.file == file)
                .map(|(&id, _)| id)
                .collect();
            of_file.into_iter().for_each(|id| self.cut(id));
        }
    }

    /// Handles revoked bytes: replies that have sent some of them end.
    pub(super) fn cut_from(&mut self, file: usize, start: u64, end: u64) {
        let Some(sending) = &mut self.daemon.sending else { return };
        let hit = self.viewers.iter().filter(|(_, viewer)| {
            viewer.file == file && viewer.start <= end && viewer.sent > start.max(viewer.start)
        });
        let hit: Vec<RequestId> = hit.map(|(&id, _)| id).collect();
        sending.revoked += 1;
        hit.into_iter().for_each(|id| self.cut(id));
    }

    /// The engine learns of it after the usual delay.
    fn cut(&mut self, id: RequestId) {
        if self.viewers.remove(&id).is_some() {
            let cancel = Input::Control(DaemonMessage::RangeCancel { request_id: id });
            self.at(self.now + super::DAEMON_DELAY, Event::ToEngine(cancel));
        }
    }

    pub(super) fn send_on(&mut self, id: RequestId) {
        let Some(sending) = &mut self.daemon.sending else { return };
        let Some(viewer) = self.viewers.get(&id).cloned() else { return };
        let step = sending.rng.random_range(1..=STEP);
        let pause = Duration::from_micros(sending.rng.random_range(100..20_000));
        let path =
            self.daemon.served.get(&viewer.file).expect("a requested file was announced").clone();
        let until = viewer.next.min(viewer.sent + step);
        if viewer.sent < until {
            let stat = self.disk.stat(&path);
            let expected = viewer.seen.or_else(|| sending.told.get(&path).copied());
            if expected.is_some() && expected != stat {
                self.report(viewer.file, &path, stat, true);
                return self.cut(id);
            }
            let is_proven =
                self.engine.is_proven(&self.info_hash(), viewer.file, (viewer.sent, until - 1));
            assert!(
                is_proven,
                "{}–{until} of file {} is sent and not proven",
                viewer.sent, viewer.file
            );
            let range = usize::try_from(viewer.sent).unwrap()..usize::try_from(until).unwrap();
            let on_disk = self.disk.read(&path).and_then(|bytes| bytes.get(range.clone()));
            assert!(on_disk == Some(&self.sample.file(viewer.file)[range]), "a wrong byte is sent");
            if let Some(viewer) = self.viewers.get_mut(&id) {
                (viewer.sent, viewer.seen) = (until, expected);
            }
            if let Some(sending) = &mut self.daemon.sending {
                sending.sent_bytes += until - viewer.sent;
            }
            self.input(Input::Control(DaemonMessage::RangeProgress {
                request_id: id,
                position: until,
            }));
        }
        self.at(self.now + pause, Event::Send(id));
    }
}
