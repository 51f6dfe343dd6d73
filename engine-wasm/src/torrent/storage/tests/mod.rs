//! Tests of the storage without a torrent: findings and answers go in, orders and effects come out.

mod looks;
mod moves;
mod opening;
mod origins;
mod removals;
mod stamping;

use std::sync::Arc;
use std::time::Duration;

use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};
use shared_proto::{FileIdentity, RootKey};

use super::effect::Effect;
use super::look::Looked;
use super::open_files::Given;
use super::order::{Location, Order, Request, Task};
use super::origin::Proofs;
use super::place::Place;
use super::{Restored, Storage};
use crate::bitfield::Bitfield;
use crate::geometry::{FileIndex, PieceIndex};
use crate::handles::Handles;
use crate::metainfo::testing;
use crate::time::Instant;
use crate::torrent::content::Content;

const PIECE: u32 = 16_384;

/// A storage and its surroundings.
struct Bench {
    content: Content,
    storage: Storage,
    handles: Handles,
    /// Verified pieces.
    have: Bitfield,
    now: Instant,
}

impl Bench {
    /// Creates a torrent with files of these lengths, in pieces; nothing was inspected yet.
    fn new(files: &[(&str, u32)]) -> Self {
        Self::restored(files, Restored::default())
    }

    fn restored(files: &[(&str, u32)], restored: Restored) -> Self {
        let files: Vec<(&str, usize)> =
            files.iter().map(|&(path, pieces)| (path, (pieces * PIECE) as usize)).collect();
        Self::of_bytes(&files, restored)
    }

    /// Creates files of these lengths, in bytes.
    fn of_bytes(files: &[(&str, usize)], restored: Restored) -> Self {
        let meta = testing::torrent(PIECE, files).metainfo;
        let geometry = Arc::new(meta.geometry());
        let storage = Storage::new(&meta, Place::new("d".into(), None), restored);
        Self {
            storage,
            have: Bitfield::new(geometry.piece_count()),
            content: Content { meta, geometry, added: 0 },
            handles: Handles::default(),
            now: Instant(1_000_000),
        }
    }

    /// The same after an inspection that found these files.
    fn with(files: &[(&str, u32)], found: &[Option<FileStat>]) -> Self {
        let mut bench = Self::new(files);
        bench.look(found);
        bench
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    /// Runs a function of the storage that may open files; every file is selected.
    fn open<T>(&mut self, act: impl FnOnce(&mut Storage, Given<'_>) -> T) -> T {
        let given = Given {
            content: &self.content,
            is_wanted: &|_| true,
            handles: &mut self.handles,
            now: self.now,
        };
        act(&mut self.storage, given)
    }

    /// Runs a round over all files, without padding, that finds these.
    fn look(&mut self, found: &[Option<FileStat>]) -> (Vec<Effect>, Option<Looked>) {
        self.look_again(found, false)
    }

    fn look_again(
        &mut self,
        found: &[Option<FileStat>],
        is_recheck: bool,
    ) -> (Vec<Effect>, Option<Looked>) {
        let orders = self.storage.look(&self.content, is_recheck);
        let tasks: Vec<Task> = orders.iter().map(task).collect();
        assert_eq!(tasks.len(), found.len());
        let mut round = None;
        for (task, &stat) in tasks.into_iter().zip(found) {
            let Task::Look(file, number) = task else { panic!("{task:?}") };
            let (content, proofs) = (&self.content, Proofs::new(&self.have, None));
            let result = Ok(OpOutput::Stat(stat));
            (_, round) = self.storage.looked(content, (file, number), result, proofs);
        }
        let round = round.expect("every file was looked at");
        let proofs = Proofs::new(&self.have, None);
        let (effects, looked) = self.storage.take_in(&self.content, &round, proofs);
        if let Some(looked) = &looked {
            self.storage.note(&self.content, looked, self.now);
        }
        (effects, looked)
    }
}

/// The state of a file of this many pieces with this identity. Number 0 has no identity.
fn stat(pieces: u32, number: u8) -> FileStat {
    FileStat {
        length: u64::from(pieces * PIECE),
        modified_ns: 1_500,
        changed_ns: 1_600,
        identity: identity(number),
    }
}

fn identity(number: u8) -> Option<FileIdentity> {
    (number > 0).then_some(FileIdentity([number; 16]))
}

/// The daemon's answer when a file is opened.
fn opened(number: u8) -> Result<OpOutput, OpError> {
    Ok(OpOutput::Opened { stat: stat(1, number) })
}

fn failed(kind: OpErrorKind) -> Result<OpOutput, OpError> {
    Err(OpError { kind, message: "because".into() })
}

fn file(index: u32) -> FileIndex {
    crate::geometry::testing::file(index)
}

fn at(path: &str) -> Location {
    Location { root: RootKey("d".into()), path: path.split('/').map(str::to_owned).collect() }
}

fn task(order: &Order) -> Task {
    match order {
        Order::Ask(task, _) => *task,
        other => panic!("no request: {other:?}"),
    }
}

/// The orders among effects.
fn orders(effects: &[Effect]) -> Vec<Order> {
    let order = |effect: &Effect| match effect {
        Effect::Order(order) => Some(order.clone()),
        _ => None,
    };
    effects.iter().filter_map(order).collect()
}

fn looks_at(task: Task, path: &str) -> Order {
    Order::Ask(task, Request::Stat(at(path)))
}

fn piece(index: u32) -> PieceIndex {
    crate::geometry::testing::piece(index)
}
