//! How a torrent comes into being: out of its file, with what an earlier engine wrote down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use shared_proto::FileId;

use super::donor::Copies;
use super::files::Slot;
use super::recheck::Recheck;
use super::relocate::Mover;
use super::selection::Selection;
use super::stamps::Stamps;
use super::trouble::Trouble;
use super::{Goals, Place, Record, Status, Torrent, films, give, resume, sharing, web};
use crate::context::Context;
use crate::discover::candidates::{Candidates, Source};
use crate::discover::holepunch::seeking::Seeking;
use crate::discover::tracker::announcer::Announcer;
use crate::geometry::PieceIndex;
use crate::hashes::asking::Asking;
use crate::hashes::trees::Trees;
use crate::limits;
use crate::metainfo::Metainfo;
use crate::pick::availability::Availability;
use crate::pick::picker::Picker;
use crate::pick::piece_map::{PieceMap, PieceState};
use crate::pick::suspects::Suspects;
use crate::stream::desk::Desk;

impl Torrent {
    /// A torrent from its `.torrent` file, or what is wrong with it in plain words. With a record
    /// it was here before.
    pub(crate) fn new(
        meta: Metainfo,
        source: Bytes,
        place: Place,
        added: u64,
        record: Option<Record>,
        cx: &mut Context<'_>,
    ) -> Result<Self, String> {
        let geometry = Arc::new(meta.geometry());
        let mut files: Vec<Slot> = (0..meta.files.len())
            .map(|index| Slot::new(FileId(format!("{}.{index}", meta.info_hash))))
            .collect();
        for &(file, stamp) in record.iter().flat_map(|record| &record.stamps) {
            if let Some(slot) = files.get_mut(file as usize) {
                slot.stamp = Some(stamp);
            }
        }
        let priorities =
            record.as_ref().map(|record| record.priorities.clone()).unwrap_or_default();
        let paused = record.as_ref().is_some_and(|record| record.paused);
        let mut candidates = Candidates::default();
        for &addr in record.iter().flat_map(|record| &record.peers) {
            candidates.add(addr, Source::Record);
        }
        if !meta.private {
            meta.nodes.iter().for_each(|(host, port)| cx.shared.errands.name_host(host, *port));
        }
        let adopts = record.as_ref().is_some_and(|record| record.adopts);
        let changes = record.as_ref().map(|record| record.changes.clone()).unwrap_or_default();
        let found =
            record.as_ref().map(|it| (it.kept.clone(), it.before.clone(), it.displaced.clone()));
        let trackers = Announcer::new(meta.info_hash, meta.trackers.clone(), cx);
        let trees = Trees::new(&meta, &geometry);
        let mut pieces = PieceMap::new(Arc::clone(&geometry));
        let mut availability = Availability::new(geometry.piece_count(), cx.rng);
        if meta.info_hash_v2.is_some() {
            pieces.judge_by_block();
        }
        geometry
            .pieces()
            .filter(|&piece| trees.is_sealed(piece))
            .for_each(|piece| pieces.seal(piece));
        let idle = |piece: &PieceIndex| {
            pieces.is_sealed(*piece) || pieces.state(*piece) == PieceState::Have
        };
        geometry.pieces().filter(idle).for_each(|piece| availability.take(piece));
        let web = web::Web::new(&meta, cx);
        let mut torrent = Self {
            selection: Selection::new(&meta),
            looking: None,
            looks: 0,
            recheck: Recheck::default(),
            stamps: Stamps::default(),
            trouble: Trouble::default(),
            removal: None,
            aside: None,
            films: films::Films::default(),
            mover: Mover::restored(
                record.as_ref().and_then(|record| record.moving.clone()),
                files.len(),
            ),
            pinned: BTreeSet::new(),
            to_hash: VecDeque::new(),
            empties: VecDeque::new(),
            creating: 0,
            linked: false,
            pieces,
            availability,
            trees,
            asking: Asking::default(),
            judging: BTreeMap::new(),
            picker: Picker::default(),
            wants_are_stale: true,
            suspects: Suspects::default(),
            desk: Desk::default(),
            warmth: super::Warmth::default(),
            peers: BTreeMap::new(),
            candidates,
            seeking: Seeking::default(),
            trackers,
            web,
            asks_dht: false,
            ops: BTreeMap::new(),
            checking: 0,
            check_first: VecDeque::new(),
            record: resume::Keeper::new(record.filter(|record| record.kept.is_some())),
            downloaded: 0,
            wasted: 0,
            duplicated: 0,
            pace: super::Pace::new(cx.now),
            next_tick: cx.now,
            max_connections: limits::CONNECTIONS_PER_TORRENT,
            unread_since: Some(cx.now),
            told_upload_only: false,
            watched_missing: None,
            giving: give::Giving::new(cx.now),
            account: sharing::Account::default(),
            goals: Goals::default(),
            own_group: cx.new_group(),
            status: if paused { Status::Paused } else { Status::Unlinked },
            meta,
            source,
            geometry,
            place,
            adopts,
            copies: Copies::default(),
            evidence: BTreeSet::new(),
            is_confirmed: false,
            added,
            files,
        };
        torrent.restore_priorities(&priorities);
        torrent.find_films();
        for (file, changes) in changes {
            if let Some(slot) = torrent.files.get_mut(file as usize) {
                slot.changes = changes;
            }
        }
        if let Some((kept, before, displaced)) = found {
            torrent.restore_origins(kept.as_deref(), before.as_deref(), &displaced);
        }
        Ok(torrent)
    }
}
