//! Magnet links and downloaded `.torrent` files, until they become torrents.

use bytes::Bytes;
use shared_proto::IoCommand;
use shared_proto::io::{OpError, OpOutput};

use super::Engine;
use super::parts::Purpose;
use crate::context::{Context, Owner};
use crate::io::Output;
use crate::limits;
use crate::magnet::{self, Pending};
use crate::metainfo::{Identity, InfoHash, Magnet, Metainfo};
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{IntentReply, Sentence};

/// Timeout for the download of a `.torrent` file, milliseconds.
const FETCH_TIMEOUT_MS: u32 = 60_000;

impl Engine {
    /// Adds a magnet link. If its torrent exists, the link's trackers, web seeds and peers are
    /// added to it.
    pub(super) fn add_magnet(&mut self, uri: &str, now: Instant) -> Result<InfoHash, Sentence> {
        let link = Magnet::parse(uri)
            .map_err(|error| Sentence::LinkUnusable { detail: error.to_string() })?;

        let info_hash = self.known_name(link.identity());
        self.check_stays(info_hash)?;
        self.bring_back(info_hash, now);
        if self.torrents.contains_key(&info_hash) {
            self.with(info_hash, now, |torrent, cx| torrent.merge(&link, cx));
            self.keep_web_seeds(info_hash, &link.web_seeds, now);
            self.keep_trackers(info_hash, link.trackers.into_iter(), now);
        } else if self.magnets.contains_key(&info_hash) {
            self.with_magnet(info_hash, now, |pending, cx| pending.merge(&link, cx));
            // Trackers that the user removed stay removed.
            self.follow_plan(info_hash, now);
        } else {
            self.check_room()?;
            let (added, linked) = (self.decisions.order.number(), self.roots.is_linked());
            let patience = self.config.magnet_patience;
            let mut cx = self.common.context(now);
            let mut pending = Pending::new(link, added, patience, &mut cx);
            pending.set_max_connections(self.config.max_connections);
            self.magnets.insert(info_hash, pending);
            self.with_magnet(info_hash, now, |pending, cx| {
                if linked {
                    pending.link(cx);
                }
            });
        }
        Ok(info_hash)
    }

    /// Starts the download of a `.torrent` file. The reply comes later.
    pub(super) fn fetch(&mut self, id: u64, url: String, now: Instant) -> Result<(), Sentence> {
        let url = url.trim().to_owned();
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(Sentence::NotAnAddress);
        }
        if !self.roots.is_linked() {
            return Err(Sentence::NoDaemon);
        }
        if self.awaited.fetches() >= limits::FETCHES {
            return Err(Sentence::TooManyFetches { most: limits::FETCHES });
        }
        let max_bytes = u32::try_from(limits::METAINFO).unwrap_or(u32::MAX);
        let mut cx = self.common.context(now);
        let op = cx.ask(Owner::Engine, |op| IoCommand::HttpGet {
            op,
            url,
            max_bytes,
            timeout_ms: FETCH_TIMEOUT_MS,
        });
        self.awaited.insert(op, Purpose::Fetch(id));
        Ok(())
    }

    /// Handles the end of a download.
    pub(super) fn handle_fetch_answer(
        &mut self,
        id: u64,
        result: &Result<OpOutput, OpError>,
        now: Instant,
    ) {
        let outcome = match result {
            Ok(OpOutput::Http { status: 200, body }) => {
                let before = self.listed_count();
                match self.add_for_page(|it| it.add(body.clone(), now), now) {
                    Ok(info_hash) => return self.reply_added(id, info_hash, before),
                    Err(why) => Err(why),
                }
            }
            Ok(OpOutput::Http { status, .. }) => Err(Sentence::FetchStatus { status: *status }),
            Ok(_) => Err(Sentence::AnswerLost),
            Err(error) => Err(Sentence::FetchFailed { why: error.into() }),
        };
        self.reply(id, outcome);
    }

    /// Sends the reply to an intent.
    pub(super) fn reply(&mut self, id: u64, outcome: Result<InfoHash, Sentence>) {
        let reply = match outcome {
            Ok(info_hash) => IntentReply::done(info_hash),
            Err(says) => IntentReply::failed(says),
        };
        self.common.out.push_back(Output::Reply { id, reply });
        self.common.out.push_back(Output::Changed);
    }

    /// Replies that a torrent was added. `before` is the number of torrents listed before that.
    pub(super) fn reply_added(&mut self, id: u64, info_hash: InfoHash, before: usize) {
        let duplicate = self.listed_count() == before;
        let reply = IntentReply::added(info_hash, duplicate);
        self.common.out.extend([Output::Reply { id, reply }, Output::Changed]);
    }

    /// Returns the hash by which a torrent is known here: a hybrid may have been added by its v2
    /// hash.
    pub(super) fn known_name(&self, identity: Identity) -> InfoHash {
        let second = identity.v2.map(|v2| v2.truncated());
        let is_known =
            |name: &InfoHash| self.torrents.contains_key(name) || self.magnets.contains_key(name);
        second.filter(|second| !is_known(&identity.key) && is_known(second)).unwrap_or(identity.key)
    }

    /// Checks that a torrent may be added again.
    ///
    /// # Errors
    /// Its files are being deleted.
    pub(super) fn check_stays(&self, info_hash: InfoHash) -> Result<(), Sentence> {
        if self.torrents.get(&info_hash).is_some_and(Torrent::is_being_removed) {
            return Err(Sentence::BeingRemoved);
        }
        Ok(())
    }

    /// Checks that there is room for one more torrent.
    pub(super) fn check_room(&self) -> Result<(), Sentence> {
        if self.torrents.len() + self.magnets.len() >= limits::TORRENTS {
            return Err(Sentence::TooManyTorrents { most: limits::TORRENTS });
        }
        Ok(())
    }

    /// Restores a magnet link from the stored state.
    pub(super) fn restore_magnet(&mut self, info_hash: InfoHash, bytes: &[u8], now: Instant) {
        let record =
            magnet::Record::decode(bytes).filter(|record| record.link.info_hash == info_hash);
        let Some(record) = record else {
            self.store.found_unreadable();
            return tracing::warn!(%info_hash, "a magnet link in the state store can't be read");
        };
        self.decisions.order.saw_number(record.added);
        let patience = self.config.magnet_patience;
        let mut cx = self.common.context(now);
        let mut pending = Pending::restore(record, patience, &mut cx);
        pending.set_max_connections(self.config.max_connections);
        self.magnets.insert(info_hash, pending);
    }

    /// Starts all magnet links after loading, and forgets those whose torrent exists.
    pub(super) fn link_magnets(&mut self, now: Instant) {
        let described: Vec<InfoHash> = self
            .magnets
            .keys()
            .filter(|info_hash| self.torrents.contains_key(info_hash))
            .copied()
            .collect();
        for info_hash in described {
            self.with_magnet(info_hash, now, Pending::remove);
            self.magnets.remove(&info_hash);
        }
        let links: Vec<InfoHash> = self.magnets.keys().copied().collect();
        for info_hash in links {
            self.with_magnet(info_hash, now, Pending::link);
        }
    }

    /// Calls `act` on a magnet link. If its metadata is then complete, the link becomes a torrent.
    pub(super) fn with_magnet(
        &mut self,
        info_hash: InfoHash,
        now: Instant,
        act: impl FnOnce(&mut Pending, &mut Context<'_>),
    ) {
        let Some(pending) = self.magnets.get_mut(&info_hash) else { return };
        let mut cx = self.common.context(now);
        act(pending, &mut cx);
        self.agenda.unsettle(info_hash);
        if let Some(info) = pending.take_found() {
            let source = pending.torrent_file(&info);
            self.describe(info_hash, source, now);
        }
    }

    fn describe(&mut self, info_hash: InfoHash, source: Bytes, now: Instant) {
        let added = self
            .magnets
            .get(&info_hash)
            .map_or_else(|| self.decisions.order.next_number(), Pending::added);
        let meant = self
            .magnets
            .get(&info_hash)
            .map(|pending| pending.meant_files().to_vec())
            .unwrap_or_default();
        let outcome =
            Metainfo::parse(&source).map_err(|error| error.to_string()).and_then(|mut meta| {
                meta.use_key(info_hash);
                self.add_new(meta, source, added, now)
            });
        self.with(info_hash, now, |torrent, cx| torrent.select_only(&meant, cx));
        if let Err(error) = outcome {
            let says = Sentence::TorrentUnusable { detail: error };
            self.with_magnet(info_hash, now, |pending, cx| pending.fail(says, cx));
        }
        self.common.out.push_back(Output::Changed);
    }
}
