//! Replies that are sent step by step, as the daemon does it: no byte beyond the watermark, none
//! that was revoked, and none of a file that another program changed since the engine was told what
//! it looks like.
//!
//! Only worlds that ask for it send. In them digests are answered late and in any order. The
//! invariant, held at each step: every byte that is sent is of a piece that the engine holds for
//! proven at that moment, and it is the film's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use shared_proto::io::FileStat;
use shared_proto::{DaemonMessage, RequestId};

use super::{Event, World};
use crate::io::Input;

/// Longest step.
const STEP: u64 = 96 << 10;

/// What a world keeps that sends.
#[derive(Debug)]
pub(in crate::sim) struct Sending {
    rng: ChaCha8Rng,
    /// What files look like as the engine was told last, with nothing written to them by the daemon
    /// since.
    told: BTreeMap<Vec<String>, FileStat>,
    reported: BTreeSet<(usize, Option<u64>)>,
    etags: BTreeMap<usize, String>,
    pub(in crate::sim) sent_bytes: u64,
    pub(in crate::sim) revoked: u32,
    pub(in crate::sim) changed: u32,
}

impl World {
    /// From now on replies are sent.
    pub(in crate::sim) fn send_replies(&mut self, seed: u64) {
        self.sending = Some(Sending {
            rng: ChaCha8Rng::seed_from_u64(seed),
            told: BTreeMap::new(),
            reported: BTreeSet::new(),
            etags: BTreeMap::new(),
            sent_bytes: 0,
            revoked: 0,
            changed: 0,
        });
    }

    /// The entity tag of the first file, in a world that sends.
    pub(in crate::sim) fn etag(&self) -> Option<String> {
        self.sending.as_ref()?.etags.get(&0).cloned()
    }

    /// Whether a change of this file by another program would be noticed.
    pub(in crate::sim) fn is_watched(&self, path: &[String]) -> bool {
        self.sending.as_ref().is_some_and(|sending| sending.told.contains_key(path))
    }

    /// The engine is being told what a file looks like.
    pub(super) fn told(&mut self, path: &[String], stat: Option<FileStat>) {
        if let (Some(sending), Some(stat)) = (&mut self.sending, stat) {
            sending.told.entry(path.to_vec()).or_insert(stat);
        }
    }

    /// The daemon changes a file.
    pub(super) fn touched(&mut self, path: &[String]) {
        let Some(sending) = &mut self.sending else { return };
        sending.told.remove(path);
        let served = &self.served;
        let of_file = self
            .viewers
            .values_mut()
            .filter(|viewer| served.get(&viewer.file).is_some_and(|at| at == path));
        of_file.for_each(|viewer| viewer.seen = None);
    }

    /// For how much longer a digest takes than anything else.
    pub(super) fn late(&mut self) -> Duration {
        let Some(sending) = &mut self.sending else { return Duration::ZERO };
        Duration::from_micros(if sending.rng.random_bool(0.3) {
            sending.rng.random_range(0..60_000)
        } else {
            0
        })
    }

    /// A viewer is about to ask: the engine hears first if another program changed the file.
    pub(super) fn look_before_asking(&mut self, file: usize) {
        let Some(path) = self.served.get(&file).cloned() else { return };
        let stat = self.disk.stat(&path);
        let expected = self.sending.as_ref().and_then(|sending| sending.told.get(&path)).copied();
        if expected.is_some() && expected != stat {
            self.report(file, &path, stat, false);
        }
    }

    fn report(&mut self, file: usize, path: &[String], stat: Option<FileStat>, sending: bool) {
        let file_id = format!("{}.{file}", self.info_hash()).as_str().into();
        let Some(state) = &mut self.sending else { return };
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

    /// A file is announced: with another entity tag its replies are cut.
    pub(super) fn announced(&mut self, file: usize, etag: String) {
        let Some(sending) = &mut self.sending else { return };
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

    /// Bytes are revoked: replies that have sent some are cut.
    pub(super) fn cut_from(&mut self, file: usize, start: u64, end: u64) {
        let Some(sending) = &mut self.sending else { return };
        let hit = self.viewers.iter().filter(|(_, viewer)| {
            viewer.file == file && viewer.start <= end && viewer.sent > start.max(viewer.start)
        });
        let hit: Vec<RequestId> = hit.map(|(&id, _)| id).collect();
        sending.revoked += 1;
        hit.into_iter().for_each(|id| self.cut(id));
    }

    /// The engine hears of it a little later, as of everything.
    fn cut(&mut self, id: RequestId) {
        if self.viewers.remove(&id).is_some() {
            let cancel = Input::Control(DaemonMessage::RangeCancel { request_id: id });
            self.at(self.now + super::DAEMON_DELAY, Event::ToEngine(cancel));
        }
    }

    pub(super) fn send_on(&mut self, id: RequestId) {
        let Some(sending) = &mut self.sending else { return };
        let Some(viewer) = self.viewers.get(&id).cloned() else { return };
        let step = sending.rng.random_range(1..=STEP);
        let pause = Duration::from_micros(sending.rng.random_range(100..20_000));
        let path =
            self.served.get(&viewer.file).expect("a file that is asked for was announced").clone();
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
            if let Some(sending) = &mut self.sending {
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
