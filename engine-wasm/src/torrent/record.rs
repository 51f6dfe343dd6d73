//! What a torrent writes down, so that the next engine can go on with it.
//!
//! Two values in the daemon's state: the `.torrent` file as it was given, and a [`Record`]. The
//! record names the pieces that the disk probably holds, those that were verified, and what the
//! files looked like then: their stamps. The next engine believes the verified pieces of files that
//! still look so. Of all other files it first checks what the record names, and then everything
//! else. So a record may be older than the data, and may promise too much or too little, without
//! doing harm.

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

/// Where the `.torrent` files lie.
pub(crate) const METAINFO_PREFIX: &str = "torrent/";

/// Keys of the `.torrent` file and of the record.
pub(crate) fn keys(info_hash: InfoHash) -> [String; 2] {
    [format!("{METAINFO_PREFIX}{info_hash}"), format!("resume/{info_hash}")]
}

/// When a write failed, it is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);

/// And for so much longer with every byte of the record, so that a huge torrent does not write all
/// the time: 128 KiB/s.
const GATHER_PER_BYTE: Duration = Duration::from_micros(8);

/// Changes gather for so long before they are written.
const GATHER: Duration = Duration::from_millis(100);

/// The form before it, which is still read: it says of a file only whether it was there before.
const VERSION_WITHOUT_IDENTITIES: u8 = 3;

/// The form of the record; another one is not read.
const VERSION: u8 = 4;

/// What is written about a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where it lies.
    pub(crate) place: Place,
    /// Where it is being moved to: some of its files may lie there already.
    pub(crate) moving: Option<Place>,
    /// When it was added.
    pub(crate) added: u64,
    /// Whether a person stopped it.
    pub(crate) paused: bool,
    /// Pieces that the disk may hold.
    pub(crate) pieces: Bitfield,
    /// Those of them that were verified.
    pub(crate) verified: Bitfield,
    /// What files looked like when what was verified of them was durable.
    pub(crate) stamps: Vec<(u32, Stamp)>,
    /// The files that are wanted more or less than usual.
    pub(crate) priorities: Vec<(u32, Priority)>,
    /// Whose the files are that are there, by index; `None` when nobody has looked yet.
    pub(crate) kept: Option<Vec<(u32, Kept)>>,
    /// Which files were there before the torrent, in a record that says no more than that.
    pub(crate) before: Option<Vec<u32>>,
    /// Files that have a name with a number, because another file had theirs.
    pub(crate) displaced: Vec<u32>,
    /// How often other programs changed a file while viewers were sent it: its entity tag tells.
    pub(crate) changes: Vec<(u32, u32)>,
    /// Whether a person said to go on in files that were there before.
    pub(crate) adopts: bool,
    /// Peers to begin with.
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

/// A place as [`VERSION_WITHOUT_IDENTITIES`] has it.
#[derive(Serialize, Deserialize)]
pub(in crate::torrent) struct OldPlace {
    pub(in crate::torrent) root: RootKey,
    pub(in crate::torrent) folder: Vec<String>,
    pub(in crate::torrent) name: Option<String>,
    pub(in crate::torrent) renamed: BTreeMap<u32, String>,
}

/// A record as [`VERSION_WITHOUT_IDENTITIES`] has it.
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
        // Every name was made safe then.
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
    /// The record as bytes.
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

    /// A record from bytes, `None` when it is not one of this version and for so many pieces.
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

/// What is persisted of a torrent, and when the record is written next.
#[derive(Debug)]
pub(in crate::torrent) struct Keeper {
    /// The bytes of the `.torrent` file.
    source: Bytes,
    recorded: Option<Box<Record>>,
    due: Option<Instant>,
    writing: bool,
    /// Bytes of the record that was written last.
    size: u32,
}

impl Keeper {
    /// Nothing is to be written. `recorded` is what an earlier engine wrote down.
    pub(in crate::torrent) fn new(source: Bytes, recorded: Option<Record>) -> Self {
        Self { source, recorded: recorded.map(Box::new), due: None, writing: false, size: 0 }
    }

    /// The bytes of the `.torrent` file.
    pub(in crate::torrent) fn source(&self) -> &Bytes {
        &self.source
    }

    /// The `.torrent` file with more in it than before: layers that peers sent.
    pub(in crate::torrent) fn set_source(&mut self, source: Bytes) {
        self.source = source;
    }

    /// The record is being written: nothing else is due.
    pub(in crate::torrent) fn begin_write(&mut self) {
        (self.due, self.writing) = (None, true);
    }

    /// The record has so many bytes: a longer one is written less often.
    pub(in crate::torrent) fn set_size(&mut self, bytes: usize) {
        self.size = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// What an earlier engine wrote down, until it was looked at.
    pub(in crate::torrent) fn recorded(&self) -> Option<&Record> {
        self.recorded.as_deref()
    }

    /// Whether an earlier engine wrote down that the disk may hold a piece.
    pub(in crate::torrent) fn names(&self, piece: PieceIndex) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.pieces.get(piece.get()))
    }

    /// Whether an earlier engine wrote down that it verified a piece.
    pub(in crate::torrent) fn believes(&self, piece: PieceIndex) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.verified.get(piece.get()))
    }

    /// What is known now counts as written down by an earlier engine, until all files were looked
    /// at again.
    pub(in crate::torrent) fn remember(&mut self, record: Record) {
        self.recorded.get_or_insert_with(|| Box::new(record));
    }

    /// It was looked at.
    pub(in crate::torrent) fn forget_recorded(&mut self) {
        self.recorded = None;
    }

    /// Something changed.
    pub(in crate::torrent) fn touch(&mut self, now: Instant) {
        self.due.get_or_insert(now + GATHER + GATHER_PER_BYTE * self.size);
    }

    /// Something changed that must not be lost: nothing else is waited for.
    pub(in crate::torrent) fn hurry(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When to write; never while a write is under way.
    pub(in crate::torrent) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.writing)
    }

    /// A write has ended. One that failed, as on a full disk, is tried again.
    pub(in crate::torrent) fn saved(&mut self, is_saved: bool, now: Instant) {
        self.writing = false;
        if !is_saved {
            self.due = Some(now + AGAIN);
        }
    }

    /// The link is gone, and a write with it.
    pub(in crate::torrent) fn unlink(&mut self) {
        // The next daemon gets at once what this one could not write.
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
