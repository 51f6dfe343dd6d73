//! Adds torrents whose metainfo is known.
//!
//! Two torrents may want the same paths. The torrent that creates a file first owns it; the other
//! one finds the file there and takes another name.

use bytes::Bytes;

use super::Engine;
use crate::limits;
use crate::magnet;
use crate::metainfo::{InfoHash, Metainfo};
use crate::time::Instant;
use crate::torrent::{Place, Record, Torrent};
use crate::view::Sentence;

impl Engine {
    pub(super) fn add(&mut self, metainfo: Bytes, now: Instant) -> Result<InfoHash, Sentence> {
        if metainfo.len() > limits::METAINFO {
            return Err(Sentence::FileTooLarge { most_mib: limits::METAINFO >> 20 });
        }
        let mut meta = Metainfo::parse(&metainfo)
            .map_err(|error| Sentence::TorrentDamaged { detail: error.to_string() })?;

        let info_hash = self.known_name(meta.identity());
        meta.use_key(info_hash);
        self.check_stays(info_hash)?;
        self.bring_back(info_hash, now);
        if self.torrents.contains_key(&info_hash) {
            self.keep_web_seeds(info_hash, &meta.web_seeds, now);
            self.keep_trackers(info_hash, meta.trackers.into_iter().flatten(), now);
            return Ok(info_hash);
        }
        let added = match self.magnets.get(&info_hash) {
            Some(pending) => pending.added(),
            None => {
                self.check_room()?;
                self.decisions.order.number()
            }
        };
        self.add_new(meta, metainfo, added, now)
            .map_err(|detail| Sentence::TorrentUnusable { detail })?;

        Ok(info_hash)
    }

    /// Starts a new torrent. The torrent replaces its magnet link, if there is one.
    pub(super) fn add_new(
        &mut self,
        meta: Metainfo,
        source: Bytes,
        added: u64,
        now: Instant,
    ) -> Result<(), String> {
        let info_hash = meta.info_hash;
        let root = self.roots.default_key().cloned().ok_or("the daemon is not there")?;
        let place = Place::new(root, None);
        self.insert(meta, source, place, added, None, now)?;
        let pending = self.magnets.remove(&info_hash);
        self.with(info_hash, now, |torrent, cx| {
            if let Some(pending) = pending {
                let discovered = pending.hand_over(cx);
                torrent.take_over(discovered, cx);
                torrent.save_all(cx);
                magnet::forget(info_hash, cx);
            } else {
                torrent.save_all(cx);
            }
        });
        // The plan must apply before the torrent announces or dials.
        self.follow_plan(info_hash, now);
        self.with(info_hash, now, Torrent::link);
        Ok(())
    }

    pub(super) fn insert(
        &mut self,
        meta: Metainfo,
        source: Bytes,
        place: Place,
        added: u64,
        record: Option<Record>,
        now: Instant,
    ) -> Result<(), String> {
        let mut cx = self.common.context(now);
        let mut torrent = Torrent::new(meta, source, place, added, record, &mut cx)?;
        torrent.set_max_connections(self.config.max_connections);
        torrent.set_goals(self.config.goals);
        let info_hash = torrent.info_hash();
        torrent.set_watching(self.notebook.of(info_hash), &mut cx);
        let files = torrent.file_ids().map(|(file, id)| (file, id.clone()));
        self.routes.add_files(info_hash, files);
        self.torrents.insert(info_hash, torrent);
        self.set_torrent_timers(info_hash);
        Ok(())
    }
}
