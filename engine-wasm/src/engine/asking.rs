//! Changes a torrent's trackers and web seeds. Exports its magnet link and `.torrent` file.

use bytes::Bytes;

use super::Engine;
use crate::discover::tracker::url::TrackerUrl;
use crate::metainfo::torrent::{MAX_URL_LENGTH, MAX_URLS};
use crate::metainfo::{InfoHash, sanitise};
use crate::time::Instant;
use crate::view::Sentence;

impl Engine {
    /// Announces to a torrent's trackers now; returns what to tell the user.
    ///
    /// # Errors
    /// No tracker may be asked now.
    pub(super) fn announce_now(
        &mut self,
        info_hash: &str,
        now: Instant,
    ) -> Result<(InfoHash, Sentence), Sentence> {
        let info_hash = self.known(info_hash)?;
        let mut outcome = Ok(0);
        self.with(info_hash, now, |torrent, cx| outcome = torrent.announce_now(cx));
        self.with_magnet(info_hash, now, |pending, cx| outcome = pending.announce_now(cx));
        Ok((info_hash, Sentence::Announcing { count: outcome? }))
    }

    /// Adds trackers to a torrent.
    ///
    /// # Errors
    /// The torrent is private, a URL is not a tracker's, or there would be too many.
    pub(super) fn add_trackers(
        &mut self,
        info_hash: &str,
        urls: &[String],
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let info_hash = self.known(info_hash)?;
        if self.torrents.get(&info_hash).is_some_and(|torrent| torrent.is_private()) {
            return Err(Sentence::PrivateTrackers);
        }
        let urls: Vec<&str> =
            urls.iter().map(|url| url.trim()).filter(|url| !url.is_empty()).collect();
        let is_none = |url: &&&str| url.len() > MAX_URL_LENGTH || TrackerUrl::parse(url).is_none();
        if let Some(url) = urls.iter().find(is_none) {
            return Err(Sentence::NotATracker { url: url.chars().take(100).collect() });
        }
        if urls.is_empty() {
            return Err(Sentence::NoTrackerNamed);
        }
        let known = self.decisions.plans.get(&info_hash).map_or(0, |plan| plan.added.len());
        if known + urls.len() > MAX_URLS {
            return Err(Sentence::TooManyTrackers { most: MAX_URLS });
        }
        self.change_plan(info_hash, |plan| urls.iter().for_each(|url| plan.add_tracker(url)), now);
        Ok(info_hash)
    }

    /// Adds the trackers that a torrent names when it is added again. Trackers that the user
    /// removed stay removed, and a private torrent takes none.
    pub(super) fn keep_trackers(
        &mut self,
        info_hash: InfoHash,
        urls: impl Iterator<Item = String>,
        now: Instant,
    ) {
        if self.torrents.get(&info_hash).is_none_or(|torrent| torrent.is_private()) {
            return;
        }
        let (_, known) = self.contents(&info_hash.to_string(), now);
        let plan = self.decisions.plans.get(&info_hash).cloned().unwrap_or_default();
        let is_new = |url: &String| {
            known.iter().all(|tracker| tracker.url != *url)
                && !plan.removed.contains(url)
                && TrackerUrl::parse(url).is_some()
        };
        let fresh: Vec<String> =
            urls.filter(is_new).take(MAX_URLS.saturating_sub(plan.added.len())).collect();
        if !fresh.is_empty() {
            self.change_plan(
                info_hash,
                |plan| fresh.iter().for_each(|url| plan.add_tracker(url)),
                now,
            );
        }
    }

    /// Adds the web seeds that a torrent names when it is added again. A private torrent gets none.
    pub(super) fn keep_web_seeds(&mut self, info_hash: InfoHash, urls: &[String], now: Instant) {
        let fresh = self
            .torrents
            .get(&info_hash)
            .map(|torrent| torrent.new_web_seeds(urls))
            .unwrap_or_default();
        if !fresh.is_empty() {
            self.change_plan(info_hash, |plan| plan.web_seeds.extend(fresh), now);
        }
    }

    /// Removes a tracker from a torrent.
    ///
    /// # Errors
    /// The torrent has no such tracker.
    pub(super) fn remove_tracker(
        &mut self,
        info_hash: &str,
        url: &str,
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let info_hash = self.known(info_hash)?;
        let (_, trackers) = self.contents(&info_hash.to_string(), now);
        if !trackers.iter().any(|tracker| tracker.url == url) {
            return Err(Sentence::NoSuchTracker);
        }
        self.change_plan(info_hash, |plan| plan.remove_tracker(url), now);
        Ok(info_hash)
    }

    /// Returns a torrent's magnet link.
    pub(super) fn magnet_link(&self, info_hash: &str) -> Result<String, Sentence> {
        let info_hash = self.known(info_hash)?;
        let torrent = self.torrents.get(&info_hash).map(|torrent| torrent.magnet());
        let link = torrent.or_else(|| self.magnets.get(&info_hash).map(|pending| pending.magnet()));
        Ok(link.expect("a known torrent is one of both").to_string())
    }

    /// Returns the file name and the bytes of a torrent's `.torrent` file.
    ///
    /// # Errors
    /// The metadata of the magnet link is not known yet.
    pub(super) fn torrent_file(&self, info_hash: &str) -> Result<(String, Bytes), Sentence> {
        let torrent = self.described(info_hash)?;
        let name = sanitise::component(format!("{}.torrent", torrent.name()).as_bytes());
        Ok((name, torrent.source()))
    }
}
