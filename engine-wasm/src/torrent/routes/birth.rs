//! Creates a torrent from its `.torrent` file and the record of an earlier engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::context::Context;
use crate::discover::candidates::{Candidates, Source};
use crate::discover::tracker::announcer::Announcer;
use crate::geometry::PieceIndex;
use crate::metainfo::Metainfo;
use crate::pick::piece_map::PieceState;
use crate::torrent::Life;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::account::Account;
use crate::torrent::content::Content;
use crate::torrent::fetch::Fetch;
use crate::torrent::ledger::Ledger;
use crate::torrent::record::Keeper;
use crate::torrent::record::Record;
use crate::torrent::selection::Selection;
use crate::torrent::storage::place::Place;
use crate::torrent::storage::{Restored, Storage};
use crate::torrent::swarm::web_seeds::WebSeeds;
use crate::torrent::swarm::{Discovered, Swarm};
use crate::torrent::watch::Watch;

impl Torrent {
    /// Creates a torrent from its `.torrent` file. The error is a sentence for the user.
    ///
    /// With a record it continues where an earlier engine stopped.
    pub(crate) fn new(
        meta: Metainfo,
        source: Bytes,
        place: Place,
        added: u64,
        record: Option<Record>,
        cx: &mut Context<'_>,
    ) -> Result<Self, String> {
        let geometry = Arc::new(meta.geometry());
        let priorities =
            record.as_ref().map(|record| record.priorities.clone()).unwrap_or_default();
        let paused = record.as_ref().is_some_and(|record| record.paused);
        let mut candidates = Candidates::default();
        for &addr in record.iter().flat_map(|record| &record.peers) {
            candidates.add(addr, Source::Record);
        }
        if !meta.private {
            meta.nodes.iter().for_each(|(host, port)| cx.shared.dht_requests.add_host(host, *port));
        }
        let allowed = cx.shared.sources.trackers;
        let trackers =
            Announcer::new(meta.info_hash, meta.trackers.clone(), allowed, cx.rng, cx.now);
        let ledger = Ledger::new(&meta, Arc::clone(&geometry));
        let is_idle = |piece: PieceIndex| {
            ledger.pieces().is_sealed(piece) || ledger.pieces().state(piece) == PieceState::Have
        };
        let fetch = Fetch::new(&geometry, is_idle, cx.rng);
        let restored = record.as_ref().map(|record| Restored {
            moving: record.moving.clone(),
            stamps: record.stamps.clone(),
            kept: record.kept.clone(),
            before: record.before.clone(),
            displaced: record.displaced.clone(),
            changes: record.changes.clone(),
            adopts: record.adopts,
        });
        let storage = Storage::new(&meta, place, restored.unwrap_or_default());
        let web = WebSeeds::new(&meta, cx.shared.sources.web_seeds);
        let discovered = Discovered { candidates, trackers };
        let swarm =
            Swarm::new(meta.identity(), meta.private, discovered, web, cx.new_group(), cx.now);
        let watch = Watch::new(cx.now);
        let mut torrent = Self {
            selection: Selection::new(&meta, &geometry),
            storage,
            ledger,
            fetch,
            watch,
            swarm,
            account: Account::new(cx.now),
            record: Keeper::new(source, record.filter(|record| record.kept.is_some())),
            ops: BTreeMap::new(),
            life: Life {
                status: if paused { Status::Paused } else { Status::Unlinked },
                aside: None,
                linked: false,
            },
            next_tick: cx.now,
            content: Content { meta, geometry, added },
        };
        torrent.restore_priorities(&priorities);
        torrent.find_films();
        Ok(torrent)
    }
}
