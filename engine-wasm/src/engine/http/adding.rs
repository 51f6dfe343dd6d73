//! Adds torrents for HTTP calls, which wait for the metadata of magnet links.

use bytes::Bytes;
use shared_proto::EngineMessage;

use super::super::Engine;
use super::caller::Caller;
use crate::api::error::{Code, Failure};
use crate::api::view::Added;
use crate::api::{AddOptions, Reply};
use crate::io::Output;
use crate::limits;
use crate::magnet::{Patience, Pending};
use crate::metainfo::{InfoHash, Magnet, Metainfo};
use crate::time::Instant;
use crate::view::TorrentView;

impl Engine {
    /// Answers calls that added a magnet link. Each is answered once the metadata is known or the
    /// wait is over.
    pub(in crate::engine) fn answer_added(&mut self, now: Instant) {
        let due: Vec<InfoHash> = self
            .api
            .adding
            .deadlines()
            .filter(|(info_hash, deadline)| {
                let is_over = |pending: &Pending| pending.has_failed() || pending.is_aside();
                *deadline <= now || self.magnets.get(info_hash).is_none_or(is_over)
            })
            .map(|(info_hash, _)| info_hash)
            .collect();
        for info_hash in due {
            self.end_wait(info_hash, now);
        }
    }

    pub(super) fn take_torrent(
        &mut self,
        metainfo: Bytes,
        stay: AddOptions,
        now: Instant,
    ) -> Result<(InfoHash, bool), Failure> {
        let info_hash = Metainfo::parse(&metainfo)
            .map_err(|error| {
                Failure::new(
                    Code::Malformed,
                    format!("this .torrent file is damaged or incomplete: {error}"),
                )
            })?
            .info_hash;
        self.check_stays(info_hash).map_err(|message| Failure::new(Code::Conflict, message))?;
        let was_removed = self.bring_back(info_hash, now);
        let is_new = self.make_room(info_hash)?;
        self.want(info_hash, stay.keep, is_new, now);
        if let Err(message) = self.add(metainfo, now) {
            if is_new {
                self.keep(info_hash, now);
            }
            return Err(Failure::new(Code::Unusable, message));
        }
        self.hold(info_hash, is_new && stay.hold, now);
        self.common.out.push_back(Output::Changed);
        Ok((info_hash, !is_new && !was_removed))
    }

    pub(super) fn take_magnet(
        &mut self,
        caller: &Caller,
        link: &str,
        stay: AddOptions,
        now: Instant,
    ) -> Result<Option<EngineMessage>, Failure> {
        let info_hash = Magnet::parse(link)
            .map_err(|error| Failure::new(Code::Malformed, error.to_string()))?
            .info_hash;
        self.check_stays(info_hash).map_err(|message| Failure::new(Code::Conflict, message))?;
        let was_removed = self.bring_back(info_hash, now);
        let is_new = self.make_room(info_hash)?;
        if !self.torrents.contains_key(&info_hash) {
            self.api.adding.check_room()?;
        }
        self.want(info_hash, stay.keep, is_new, now);
        if let Err(message) = self.add_magnet(link, now) {
            if is_new {
                self.keep(info_hash, now);
            }
            return Err(Failure::new(Code::Unusable, message));
        }
        self.hold(info_hash, is_new && stay.hold, now);
        self.common.out.push_back(Output::Changed);
        if self.torrents.contains_key(&info_hash) {
            return Ok(Some(
                added(&self.view(info_hash, now)?, &caller.base, !is_new && !was_removed)
                    .to(caller.id),
            ));
        }
        if is_new {
            let patience = self.api_patience();
            self.with_magnet(info_hash, now, |pending, _| pending.set_patience(patience));
        }
        let deadline = now + self.config.api.patience();
        self.api.adding.join(info_hash, (caller.id, caller.base.clone()), is_new, deadline);
        Ok(None)
    }

    fn api_patience(&self) -> Patience {
        let api = &self.config.api;
        Patience {
            attempts: api.retries.max(1),
            attempt_time: api.metadata_timeout,
            retry_delay: api.retry_delay,
        }
    }

    /// Returns whether a torrent would be new. Fails if the torrent would be one too many.
    fn make_room(&self, info_hash: InfoHash) -> Result<bool, Failure> {
        let is_new = !self.is_known(info_hash);
        let most = self.config.api.max_torrents.min(limits::TORRENTS);
        if is_new && self.torrents.len() + self.magnets.len() >= most {
            return Err(Failure::new(
                Code::Full,
                format!("there are {most} torrents already: remove one first"),
            ));
        }
        Ok(is_new)
    }

    /// Records how long a call wants a torrent: for good, or only while it is read. A torrent that
    /// is kept already stays kept.
    fn want(&mut self, info_hash: InfoHash, keep: bool, is_new: bool, now: Instant) {
        if keep {
            // The torrent still belongs to its call, so that a failed call removes it.
            self.forget_temporary(info_hash, now);
        } else if is_new {
            self.api.temporary.touch(info_hash, now);
            self.write_temporary(info_hash, now);
        } else if self.api.temporary.has(info_hash) {
            self.api.temporary.touch(info_hash, now);
        }
    }

    /// Answers all calls that wait for a magnet link's metadata.
    fn end_wait(&mut self, info_hash: InfoHash, now: Instant) {
        let Some(wait) = self.api.adding.take(info_hash) else { return };
        if self.api.temporary.has(info_hash) {
            self.api.temporary.touch(info_hash, now);
        }
        let view = self.described_view(info_hash, now).map_err(|failure| match failure.code {
            Code::NotFound => {
                Failure::new(Code::Removed, "the torrent was removed while it was looked for")
            }
            _ => Failure::new(Code::MetadataTimeout, self.why_not(info_hash)),
        });
        if wait.is_ours && view.as_ref().is_err_and(|failure| failure.code == Code::MetadataTimeout)
        {
            self.remove(info_hash, true, None, now);
        }
        for (request_id, base) in wait.callers {
            let reply = match &view {
                Ok(view) => added(view, &base, !wait.is_ours),
                Err(failure) => Reply::failure(failure),
            };
            self.send_control(reply.to(request_id));
        }
    }

    fn why_not(&self, info_hash: InfoHash) -> String {
        let detail = self.magnets.get(&info_hash).and_then(|pending| pending.says());
        let detail = detail.map(|message| format!(" ({message})")).unwrap_or_default();
        format!("no peer described this torrent in time{detail}")
    }
}

/// Returns the reply to an added torrent. The list of files is left out if it is too long.
pub(super) fn added(view: &TorrentView, base: &str, duplicate: bool) -> Reply {
    let added = Added::new(view, base, duplicate);
    let reply = Reply::json(&added);
    if reply.status == 200 { reply } else { Reply::json(&added.without_files()) }
}
