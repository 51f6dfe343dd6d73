//! What a torrent writes down, so that any engine that comes after can go on with it.
//!
//! Two values in the daemon's state: the `.torrent` file as it was given, and a [`Record`]. The record names the pieces that the disk probably
//! holds: the verified ones and those under way. Whoever reads it hashes them first, and then all else that lies there: a record may promise too much
//! or too little and never does harm.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared_proto::IoCommand;

use super::{Op, Torrent};
use crate::bitfield::Bitfield;
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::limits;
use crate::metainfo::InfoHash;
use crate::pick::piece_map::PieceState;
use crate::time::Instant;

/// The form of the record; another one is not read.
const VERSION: u8 = 1;
/// Changes gather for so long before they are written.
const GATHER: Duration = Duration::from_millis(100);
/// And for so much longer with every byte of the record, so that a huge torrent does not write all the time: 128 KiB/s.
const GATHER_PER_BYTE: Duration = Duration::from_micros(8);

/// Keys of the `.torrent` file and of the record.
pub(crate) fn keys(info_hash: InfoHash) -> [String; 2] {
    [format!("{METAINFO_PREFIX}{info_hash}"), format!("resume/{info_hash}")]
}

/// Where the `.torrent` files lie.
pub(crate) const METAINFO_PREFIX: &str = "torrent/";

/// What is written about a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The folder it lies in.
    pub(crate) root: String,
    /// What its file or folder is called there, where that is not its own name.
    pub(crate) place: Option<String>,
    /// When it was added.
    pub(crate) added: u64,
    /// Whether a person stopped it.
    pub(crate) paused: bool,
    /// Pieces that the disk may hold.
    pub(crate) pieces: Bitfield,
    /// Which files were there before the torrent, by index; `None` when nobody has looked yet.
    pub(crate) before: Option<Vec<u32>>,
    /// Peers to begin with.
    pub(crate) peers: Vec<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u8,
    root: String,
    place: Option<String>,
    added: u64,
    paused: bool,
    pieces: Bytes,
    before: Option<Vec<u32>>,
    peers: Vec<SocketAddr>,
}

impl Record {
    /// The record as bytes.
    pub(crate) fn encode(&self) -> Bytes {
        let wire = Wire {
            version: VERSION,
            root: self.root.clone(),
            place: self.place.clone(),
            added: self.added,
            paused: self.paused,
            pieces: Bytes::from(self.pieces.to_wire()),
            before: self.before.clone(),
            peers: self.peers.clone(),
        };
        Bytes::from(postcard::to_stdvec(&wire).expect("a record has a postcard form"))
    }

    /// A record from bytes, `None` when it is not one of this version and for so many pieces.
    pub(crate) fn decode(bytes: &[u8], piece_count: u32) -> Option<Self> {
        let wire: Wire = postcard::from_bytes(bytes).ok()?;
        let pieces = Bitfield::from_wire(&wire.pieces, piece_count).ok()?;
        (wire.version == VERSION).then_some(Self {
            root: wire.root,
            place: wire.place,
            added: wire.added,
            paused: wire.paused,
            pieces,
            before: wire.before,
            peers: wire.peers,
        })
    }
}

/// Whether and when the record is to be written.
#[derive(Debug)]
pub(super) struct Keeper {
    recorded: Option<Bitfield>,
    due: Option<Instant>,
    writing: bool,
    size: u32,
}

impl Keeper {
    /// `recorded`: the pieces that an earlier engine wrote down.
    pub(super) fn new(recorded: Option<Bitfield>) -> Self {
        Self { recorded, due: None, writing: false, size: 0 }
    }

    /// What an earlier engine wrote down, until it was looked at.
    pub(super) fn recorded(&self) -> Option<&Bitfield> {
        self.recorded.as_ref()
    }

    /// Whether an earlier engine wrote down that the disk holds a piece.
    pub(super) fn names(&self, piece: PieceIndex) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.get(piece.0))
    }

    /// It was looked at.
    pub(super) fn forget_recorded(&mut self) {
        self.recorded = None;
    }

    /// Something changed.
    pub(super) fn touch(&mut self, now: Instant) {
        self.due.get_or_insert(now + GATHER + GATHER_PER_BYTE * self.size);
    }

    /// When to write; never while a write is under way.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.writing)
    }

    /// A write is done.
    pub(super) fn saved(&mut self) {
        self.writing = false;
    }

    /// The link is gone, and a write with it.
    pub(super) fn unlink(&mut self) {
        if std::mem::take(&mut self.writing) {
            self.due.get_or_insert(Instant(0));
        }
    }
}

impl Torrent {
    /// Writes the `.torrent` file down, and the record.
    pub(crate) fn save(&mut self, cx: &mut Context<'_>) {
        self.save_metainfo(cx);
        self.save_record(cx);
    }

    pub(super) fn save_metainfo(&mut self, cx: &mut Context<'_>) {
        let [key, _] = keys(self.meta.info_hash);
        let value = self.source.clone();
        self.ask(Op::SaveMetainfo, cx, |op| IoCommand::KvPut { op, key, value });
    }

    pub(super) fn save_record(&mut self, cx: &mut Context<'_>) {
        let mut pieces = self.pieces.have().clone();
        pieces.or(self.pieces.unchecked());
        self.pieces.begun().for_each(|piece| pieces.set(piece.0));
        if let Some(recorded) = self.record.recorded() {
            pieces.or(recorded);
        }
        debug_assert!(self.pieces.begun().all(|piece| self.pieces.state(piece) != PieceState::Missing));
        let record = Record {
            root: self.place.root.0.clone(),
            place: self.place.name.clone(),
            added: self.added,
            paused: self.status == super::Status::Paused,
            pieces,
            before: self.adoption.before(),
            peers: self.candidates.worth_keeping(limits::KEPT_PEERS),
        };
        let [_, key] = keys(self.meta.info_hash);
        let value = record.encode();
        self.record.size = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.record.due = None;
        self.record.writing = true;
        self.ask(Op::SaveRecord, cx, |op| IoCommand::KvPut { op, key, value });
    }
}
