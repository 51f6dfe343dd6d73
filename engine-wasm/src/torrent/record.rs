//! The stored record of a torrent, from which the next engine continues.
//!
//! Two values in the daemon's state: the original `.torrent` file, and a [`Record`]. The record
//! names the pieces that the disk probably holds, those that were verified, and the stamps of the
//! files at that time. The next engine trusts the verified pieces of files whose stamps still
//! match. Of all other files it first checks the pieces in the record, and then the rest. So a
//! record may be older than the data, and may name too many or too few pieces, without harm.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared_proto::RootKey;

use crate::bitfield::Bitfield;
use crate::geometry::PieceIndex;
use crate::metainfo::InfoHash;
use crate::pick::priority::Priority;
use crate::time::Instant;
use crate::torrent::storage::origin::Kept;
use crate::torrent::storage::place::Names;
use crate::torrent::storage::place::Place;
use crate::torrent::storage::stamps::Stamp;

/// Prefix of the keys of `.torrent` files.
pub(crate) const METAINFO_PREFIX: &str = "torrent/";

/// The keys of the `.torrent` file and of the record.
pub(crate) fn keys(info_hash: InfoHash) -> [String; 2] {
    [format!("{METAINFO_PREFIX}{info_hash}"), format!("resume/{info_hash}")]
}

/// Delay before a failed write is repeated.
const AGAIN: Duration = Duration::from_secs(5);

/// Additional delay per byte of the record. A huge torrent then writes at most 128 KiB/s.
const GATHER_PER_BYTE: Duration = Duration::from_micros(8);

/// How long changes are collected before they are written.
const GATHER: Duration = Duration::from_millis(100);

/// The previous version of the format, which is still read. For each file it only says whether it
/// existed before.
const VERSION_WITHOUT_IDENTITIES: u8 = 3;

/// Version of the record's format; other versions are not read.
const VERSION: u8 = 4;

/// The stored state of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The place of its files.
    pub(crate) place: Place,
    /// The place to which it is being moved. Some of its files may be there already.
    pub(crate) moving: Option<Place>,
    /// The number of its addition, which orders torrents.
    pub(crate) added: u64,
    /// Whether the user paused it.
    pub(crate) paused: bool,
    /// Pieces that the disk may hold.
    pub(crate) pieces: Bitfield,
    /// Those of them that were verified.
    pub(crate) verified: Bitfield,
    /// The stamps of files at a time when their verified bytes were durable.
    pub(crate) stamps: Vec<(u32, Stamp)>,
    /// Files whose priority is not the default.
    pub(crate) priorities: Vec<(u32, Priority)>,
    /// The origin of each existing file, by index; `None` before the first inspection.
    pub(crate) kept: Option<Vec<(u32, Kept)>>,
    /// Files that existed before the torrent, from a record of the previous version.
    pub(crate) before: Option<Vec<u32>>,
    /// Files with a number in their name, because another file had theirs.
    pub(crate) displaced: Vec<u32>,
    /// How often other programs changed a served file; its entity tag contains this count.
    pub(crate) changes: Vec<(u32, u32)>,
    /// Whether the user chose to continue in files that existed before.
    pub(crate) adopts: bool,
    /// Peers to dial first.
    pub(crate) peers: Vec<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
pub(in crate::torrent) struct Wire {
    pub(in crate::torrent) version: u8,
    pub(in crate::torrent) place: Place,
    pub(in crate::torrent) moving: Option<Place>,
    pub(in crate::torrent) added: u64,
    pub(in crate::torrent) paused: bool,
    pub(in crate::torrent) pieces: Bytes,
    pub(in crate::torrent) verified: Bytes,
    pub(in crate::torrent) stamps: Vec<(u32, Stamp)>,
    pub(in crate::torrent) priorities: Vec<(u32, Priority)>,
    pub(in crate::torrent) kept: Option<Vec<(u32, Kept)>>,
    pub(in crate::torrent) displaced: Vec<u32>,
    pub(in crate::torrent) changes: Vec<(u32, u32)>,
    pub(in crate::torrent) adopts: bool,
    pub(in crate::torrent) peers: Vec<SocketAddr>,
    #[serde(skip)]
    pub(in crate::torrent) before: Option<Vec<u32>>,
}

/// A place in the format of [`VERSION_WITHOUT_IDENTITIES`].
#[derive(Serialize, Deserialize)]
pub(in crate::torrent) struct OldPlace {
    pub(in crate::torrent) root: RootKey,
    pub(in crate::torrent) folder: Vec<String>,
    pub(in crate::torrent) name: Option<String>,
    pub(in crate::torrent) renamed: BTreeMap<u32, String>,
}

/// A record in the format of [`VERSION_WITHOUT_IDENTITIES`].
#[derive(Serialize, Deserialize)]
pub(in crate::torrent) struct OldWire {
    pub(in crate::torrent) version: u8,
    pub(in crate::torrent) place: OldPlace,
    pub(in crate::torrent) moving: Option<OldPlace>,
    pub(in crate::torrent) added: u64,
    pub(in crate::torrent) paused: bool,
    pub(in crate::torrent) pieces: Bytes,
    pub(in crate::torrent) verified: Bytes,
    pub(in crate::torrent) stamps: Vec<(u32, Stamp)>,
    pub(in crate::torrent) priorities: Vec<(u32, Priority)>,
    pub(in crate::torrent) before: Option<Vec<u32>>,
    pub(in crate::torrent) peers: Vec<SocketAddr>,
}

impl From<OldPlace> for Place {
    fn from(OldPlace { root, folder, name, renamed }: OldPlace) -> Self {
        // That version made every name safe.
        Self { root, folder, name, renamed, names: Names::Safe }
    }
}

impl From<OldWire> for Wire {
    fn from(old: OldWire) -> Self {
        Self {
            version: VERSION,
            place: old.place.into(),
            moving: old.moving.map(Place::from),
            added: old.added,
            paused: old.paused,
            pieces: old.pieces,
            verified: old.verified,
            stamps: old.stamps,
            priorities: old.priorities,
            kept: old.before.as_ref().map(|_| Vec::new()),
            before: old.before,
            displaced: Vec::new(),
            changes: Vec::new(),
            adopts: false,
            peers: old.peers,
        }
    }
}

impl Record {
    /// Encodes the record.
    pub(crate) fn encode(&self) -> Bytes {
        let wire = Wire {
            version: VERSION,
            place: self.place.clone(),
            moving: self.moving.clone(),
            added: self.added,
            paused: self.paused,
            pieces: Bytes::from(self.pieces.to_wire()),
            verified: Bytes::from(self.verified.to_wire()),
            stamps: self.stamps.clone(),
            priorities: self.priorities.clone(),
            kept: self.kept.clone(),
            before: None,
            displaced: self.displaced.clone(),
            changes: self.changes.clone(),
            adopts: self.adopts,
            peers: self.peers.clone(),
        };
        Bytes::from(postcard::to_stdvec(&wire).expect("a record has a postcard form"))
    }

    /// Decodes a record; `None` if it has another version or another number of pieces.
    pub(crate) fn decode(bytes: &[u8], piece_count: u32) -> Option<Self> {
        let wire: Wire = match *bytes.first()? {
            VERSION => postcard::from_bytes(bytes).ok()?,
            VERSION_WITHOUT_IDENTITIES => postcard::from_bytes::<OldWire>(bytes).ok()?.into(),
            _ => return None,
        };
        let pieces = Bitfield::from_wire(&wire.pieces, piece_count).ok()?;
        let verified = Bitfield::from_wire(&wire.verified, piece_count).ok()?;
        Some(Self {
            place: wire.place,
            moving: wire.moving,
            added: wire.added,
            paused: wire.paused,
            pieces,
            verified,
            stamps: wire.stamps,
            priorities: wire.priorities,
            kept: wire.kept,
            before: wire.before,
            displaced: wire.displaced,
            changes: wire.changes,
            adopts: wire.adopts,
            peers: wire.peers,
        })
    }
}

/// The stored data of a torrent, and the time of the record's next write.
#[derive(Debug)]
pub(in crate::torrent) struct Keeper {
    /// The bytes of the `.torrent` file.
    source: Bytes,
    recorded: Option<Box<Record>>,
    due: Option<Instant>,
    writing: bool,
    /// Length of the last written record, in bytes.
    size: u32,
}

impl Keeper {
    /// Creates a keeper with nothing to write. `recorded` is the record of an earlier engine.
    pub(in crate::torrent) fn new(source: Bytes, recorded: Option<Record>) -> Self {
        Self { source, recorded: recorded.map(Box::new), due: None, writing: false, size: 0 }
    }

    /// The bytes of the `.torrent` file.
    pub(in crate::torrent) fn source(&self) -> &Bytes {
        &self.source
    }

    /// Replaces the `.torrent` file, after peers sent piece layers.
    pub(in crate::torrent) fn set_source(&mut self, source: Bytes) {
        self.source = source;
    }

    /// A write of the record has begun: nothing else is due.
    pub(in crate::torrent) fn begin_write(&mut self) {
        (self.due, self.writing) = (None, true);
    }

    /// Sets the record's length in bytes: a longer one is written less often.
    pub(in crate::torrent) fn set_size(&mut self, bytes: usize) {
        self.size = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// The record of an earlier engine, until the files were inspected.
    pub(in crate::torrent) fn recorded(&self) -> Option<&Record> {
        self.recorded.as_deref()
    }

    /// Whether the earlier record says that the disk may hold a piece.
    pub(in crate::torrent) fn names(&self, piece: PieceIndex) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.pieces.get(piece.get()))
    }

    /// Whether the earlier record says that a piece was verified.
    pub(in crate::torrent) fn believes(&self, piece: PieceIndex) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.verified.get(piece.get()))
    }

    /// Uses this as the earlier record until all files were inspected again.
    pub(in crate::torrent) fn remember(&mut self, record: Record) {
        self.recorded.get_or_insert_with(|| Box::new(record));
    }

    /// Drops the earlier record, because the files were inspected.
    pub(in crate::torrent) fn forget_recorded(&mut self) {
        self.recorded = None;
    }

    /// Something changed: schedules a write.
    pub(in crate::torrent) fn touch(&mut self, now: Instant) {
        self.due.get_or_insert(now + GATHER + GATHER_PER_BYTE * self.size);
    }

    /// Something changed that must not be lost: schedules a write at once.
    pub(in crate::torrent) fn hurry(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When to write; `None` while a write is pending.
    pub(in crate::torrent) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.writing)
    }

    /// A write has ended. A failed one, as on a full disk, is repeated.
    pub(in crate::torrent) fn saved(&mut self, is_saved: bool, now: Instant) {
        self.writing = false;
        if !is_saved {
            self.due = Some(now + AGAIN);
        }
    }

    /// The link to the daemon is lost, and a pending write with it.
    pub(in crate::torrent) fn unlink(&mut self) {
        // The next daemon immediately receives what this one did not confirm.
        if std::mem::take(&mut self.writing) || self.due.is_some() {
            self.due = Some(Instant(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_identities_is_still_read() {
        let mut have = Bitfield::new(9);
        have.set(2);
        let pieces = Bytes::from(have.to_wire());
        let old = OldWire {
            version: VERSION_WITHOUT_IDENTITIES,
            place: OldPlace {
                root: "d".into(),
                folder: vec!["films".into()],
                name: Some("film (2).mp4".into()),
                renamed: BTreeMap::new(),
            },
            moving: None,
            added: 7,
            paused: true,
            pieces: pieces.clone(),
            verified: pieces,
            stamps: Vec::new(),
            priorities: vec![(1, Priority::High)],
            before: Some(vec![1]),
            peers: vec![([127, 0, 0, 1], 6881).into()],
        };
        let bytes = postcard::to_stdvec(&old).unwrap();
        let record = Record::decode(&bytes, 9).expect("it is read");
        assert_eq!(
            (record.kept.as_deref(), record.before.as_deref()),
            (Some(&[][..]), Some(&[1][..]))
        );
        assert_eq!(
            (record.place.names, record.place.name.as_deref()),
            (Names::Safe, Some("film (2).mp4"))
        );
        assert_eq!((record.added, record.paused, record.verified), (7, true, have));
        assert_eq!(Record::decode(&[99, 0, 0], 9), None, "a version of the future");
    }
}
