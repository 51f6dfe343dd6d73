//! What the HTTP API does over time: temporary torrents, reminders and events.

use bytes::Bytes;
use shared_proto::EngineMessage;

use super::super::Engine;
use crate::api::temporary;
use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::time::Instant;

impl Engine {
    /// Restores which torrents are temporary, from their state keys.
    pub(in crate::engine) fn restore_temporary(&mut self, keys: Vec<String>, now: Instant) {
        let named = keys
            .iter()
            .filter_map(|key| key.strip_prefix(temporary::PREFIX)?.parse::<InfoHash>().ok());
        named.for_each(|info_hash| self.api.temporary.touch(info_hash, now));
    }

    /// Keeps a torrent for good: it is no longer temporary, and a failed call does not remove it.
    pub(in crate::engine) fn keep(&mut self, info_hash: InfoHash, now: Instant) {
        self.api.adding.keep(info_hash);
        self.forget_temporary(info_hash, now);
    }

    pub(super) fn forget_temporary(&mut self, info_hash: InfoHash, now: Instant) {
        if self.api.temporary.forget(info_hash) {
            let key = temporary::key(info_hash);
            let mut cx = self.common.context(now);
            cx.write(key, None);
        }
    }

    /// Returns when the API must be woken.
    pub(in crate::engine) fn api_timeout(&self) -> Option<Instant> {
        if !self.loading.is_over() || !self.roots.is_linked() {
            return None;
        }
        let waits = self
            .api
            .adding
            .deadlines()
            .map(|(_, deadline)| deadline)
            .chain(self.api.adding.next_keep_alive());
        waits
            .chain(self.cleanups().map(|(_, due)| due))
            .chain(self.api.events.next())
            .chain(self.api.pages.next())
            .min()
    }

    /// Removes idle temporary torrents, and sends due events to followers.
    pub(in crate::engine) fn handle_api_timeout(&mut self, now: Instant) {
        if !self.loading.is_over() || !self.roots.is_linked() {
            return;
        }
        let due: Vec<InfoHash> = self
            .cleanups()
            .filter(|(_, due)| *due <= now)
            .map(|(info_hash, _)| info_hash)
            .collect();
        for info_hash in due {
            tracing::info!(torrent = %info_hash, "removing an unread temporary torrent");
            self.remove(info_hash, true, None, now);
        }
        if self.api.adding.next_keep_alive().is_some_and(|next| next <= now) {
            for request_id in self.api.adding.keep_alive(now) {
                self.send_control(EngineMessage::RangeBlock {
                    request_id,
                    reason: None,
                    eta_ms: None,
                });
            }
        }
        if self.api.events.next().is_some_and(|next| next <= now) {
            let status = self.list(now).body;
            let news = self.api.events.updates(status, now);
            self.common.out.extend(news.into_iter().map(Output::Control));
        }
        if self.api.pages.next().is_some_and(|next| next <= now) {
            let mut pages = std::mem::take(&mut self.api.pages);
            let news = pages.updates(|topic| self.topic(topic, now), now);
            self.api.pages = pages;
            self.common.out.extend(news.into_iter().map(Output::Control));
        }
    }

    /// Returns the idle temporary torrents and when each is removed.
    fn cleanups(&self) -> impl Iterator<Item = (InfoHash, Instant)> + '_ {
        let idle = self.api.temporary.all().filter(|(info_hash, _)| {
            !self.api.adding.has(*info_hash) && !self.decisions.removals.hides(*info_hash)
        });
        idle.filter_map(|(info_hash, wanted)| {
            let unread = match self.torrents.get(&info_hash) {
                Some(torrent) if torrent.is_being_removed() => return None,
                Some(torrent) => torrent.unread_since()?.max(wanted),
                None => wanted,
            };
            Some((info_hash, unread + self.config.api.cleanup_delay))
        })
    }

    pub(in crate::engine) fn write_temporary(&mut self, info_hash: InfoHash, now: Instant) {
        let mut cx = self.common.context(now);
        cx.write(temporary::key(info_hash), Some(Bytes::new()));
    }
}
