//! The plain HTTP API, carried out: actions become answers, and what outlives a call is tended.
//!
//! The forms are [`crate::api`]'s; this part connects them with the engine's torrents and decides
//! what a call does to them.

use bytes::Bytes;
use shared_proto::{DaemonMessage, EngineMessage, RequestId};

use super::report::Reader;
use super::{Engine, context};
use crate::api::error::{Code, Failure};
use crate::api::view::{Added, Detail, List, Status};
use crate::api::{
    Action, AddOptions, Call, Reply, events, openapi, playlist, resolve, route, temporary, url,
};
use crate::io::Output;
use crate::limits;
use crate::magnet::{Patience, Pending};
use crate::metainfo::{InfoHash, Magnet, Metainfo};
use crate::time::Instant;
use crate::torrent::{Asker, Torrent};
use crate::view::{
    Intent, IntentReply, NoticeView, PortMappingView, Sentence, TorrentState, TorrentView,
};

/// More cells than any strip of a page has.
const MOST_CELLS: u32 = 4096;

/// Who calls, and what begins URLs in the answer.
struct Caller {
    id: RequestId,
    base: String,
}

impl Engine {
    /// `http_call` and `file_resolve`. A call waits for its content.
    pub(super) fn handle_question(&mut self, question: DaemonMessage, now: Instant) {
        match question {
            DaemonMessage::HttpCall { request_id, content_length, .. } if content_length > 0 => {
                let length = usize::try_from(content_length)
                    .ok()
                    .filter(|length| *length <= limits::METAINFO);
                let Some(length) = length else {
                    return self.say(
                        Failure::new(Code::TooLarge, "the body is too long").reply().to(request_id),
                    );
                };
                self.api.incoming.expect(request_id, question, length);
            }
            question => self.handle_whole(question, Bytes::new(), now),
        }
    }

    /// A part of the content of an `http_call`.
    pub(super) fn handle_content(&mut self, request_id: RequestId, data: &[u8], now: Instant) {
        if let Some((call, content)) = self.api.incoming.push(request_id, data) {
            self.handle_whole(call, content, now);
        }
    }

    /// A question with all its content. What comes before the engine knows what is there waits for
    /// that.
    fn handle_whole(&mut self, question: DaemonMessage, content: Bytes, now: Instant) {
        if !self.loaded && self.api.early.len() < limits::API_WAITING {
            return self.api.early.push((question, content));
        }
        match question {
            DaemonMessage::HttpCall {
                request_id, method, path, query, host, content_type, ..
            } => {
                let caller = Caller { id: request_id, base: url::base(&host) };
                let content_type = content_type.as_deref();
                let call =
                    Call { method: &method, path: &path, query: &query, content_type, content };
                self.handle_call(&caller, call, now);
            }
            DaemonMessage::FileResolve { request_id, path } => {
                let answer = match self.resolve(&path, now) {
                    Ok(file_id) => EngineMessage::FileResolved {
                        request_id,
                        file_id: Some(file_id.as_str().into()),
                        status: None,
                        body: None,
                    },
                    Err(failure) => failure.unresolved(request_id),
                };
                self.say(answer);
            }
            _ => {}
        }
    }

    /// The engine knows what is there: what came too early is answered, and what nobody asked to
    /// keep and is gone is forgotten.
    pub(super) fn begin_api(&mut self, now: Instant) {
        let gone: Vec<InfoHash> = self
            .api
            .temporary
            .all()
            .map(|(info_hash, _)| info_hash)
            .filter(|hash| !self.is_known(*hash))
            .collect();
        gone.into_iter().for_each(|info_hash| self.keep(info_hash, now));
        for (question, content) in std::mem::take(&mut self.api.early) {
            self.handle_whole(question, content, now);
        }
    }

    /// Keys of torrents that an earlier engine was to keep only while they are read.
    pub(super) fn restore_temporary(&mut self, keys: Vec<String>, now: Instant) {
        let named = keys
            .iter()
            .filter_map(|key| key.strip_prefix(temporary::PREFIX)?.parse::<InfoHash>().ok());
        named.for_each(|info_hash| self.api.temporary.touch(info_hash, now));
    }

    /// A caller is gone.
    pub(super) fn cancel_call(&mut self, request_id: RequestId) {
        self.api.adding.leave(request_id);
        self.api.events.leave(request_id);
        self.api.pages.leave(request_id);
        self.api.incoming.leave(request_id);
        self.api.early.retain(|(question, _)| {
            !matches!(question, DaemonMessage::HttpCall { request_id: id, .. } | DaemonMessage::FileResolve { request_id: id, .. }
                if *id == request_id)
        });
    }

    /// Somebody wants this torrent for good.
    pub(super) fn keep(&mut self, info_hash: InfoHash, now: Instant) {
        self.api.adding.keep(info_hash);
        self.is_not_temporary(info_hash, now);
    }

    fn is_not_temporary(&mut self, info_hash: InfoHash, now: Instant) {
        if self.api.temporary.forget(info_hash) {
            let key = temporary::key(info_hash);
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(key, None);
        }
    }

    /// When the API has something to do.
    pub(super) fn api_timeout(&self) -> Option<Instant> {
        if !self.loaded || self.root.is_none() {
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

    /// After every input: those who wait for a description hear what became of it.
    pub(super) fn tend_adding(&mut self, now: Instant) {
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

    /// When its time has come: torrents that nobody reads go, followers hear the news.
    pub(super) fn tend_api(&mut self, now: Instant) {
        if !self.loaded || self.root.is_none() {
            return;
        }
        let due: Vec<InfoHash> = self
            .cleanups()
            .filter(|(_, due)| *due <= now)
            .map(|(info_hash, _)| info_hash)
            .collect();
        for info_hash in due {
            tracing::info!(torrent = %info_hash, "nobody reads this temporary torrent: it goes");
            self.remove(info_hash, true, None, now);
        }
        if self.api.adding.next_keep_alive().is_some_and(|next| next <= now) {
            for request_id in self.api.adding.keep_alive(now) {
                self.say(EngineMessage::RangeBlock { request_id, reason: None, eta_ms: None });
            }
        }
        if self.api.events.next().is_some_and(|next| next <= now) {
            let status = self.list(now).body;
            let news = self.api.events.updates(status, now);
            self.out.extend(news.into_iter().map(Output::Control));
        }
        if self.api.pages.next().is_some_and(|next| next <= now) {
            let mut pages = std::mem::take(&mut self.api.pages);
            let news = pages.updates(self, now);
            self.api.pages = pages;
            self.out.extend(news.into_iter().map(Output::Control));
        }
    }

    /// Temporary torrents that nobody reads, and when they go.
    fn cleanups(&self) -> impl Iterator<Item = (InfoHash, Instant)> + '_ {
        let idle = self.api.temporary.all().filter(|(info_hash, _)| {
            !self.api.adding.has(*info_hash) && !self.leavers.hides(*info_hash)
        });
        idle.filter_map(|(info_hash, wanted)| {
            let unread = match self.torrents.get(&info_hash) {
                Some(torrent) if torrent.is_leaving() => return None,
                Some(torrent) => torrent.unread_since()?.max(wanted),
                None => wanted,
            };
            Some((info_hash, unread + self.config.api.cleanup_delay))
        })
    }

    fn handle_call(&mut self, caller: &Caller, call: Call<'_>, now: Instant) {
        let outcome = route(call).and_then(|action| self.act(caller, action, now));
        if let Some(answer) = outcome.unwrap_or_else(|failure| Some(failure.reply().to(caller.id)))
        {
            self.say(answer);
        }
    }

    /// The answer; `None` when it comes later.
    fn act(
        &mut self,
        caller: &Caller,
        action: Action,
        now: Instant,
    ) -> Result<Option<EngineMessage>, Failure> {
        let reply = match action {
            Action::Topics { follow: false, .. } => events::preview(),
            Action::Topics { follow: true, names } => {
                return self.api.pages.follow(caller.id, names, now).map(Some);
            }
            Action::Intent(Intent::ShowInFolder { .. } | Intent::SetDownloadFolder { .. }) => {
                Reply::json(&IntentReply::failed(Sentence::OnlyExtension))
            }
            Action::Intent(intent) => {
                let id = self.api.pages.expect(caller.id, now);
                self.handle_intent(id, intent, now);
                return Ok(None);
            }
            Action::Pieces { info_hash, index, cells } => {
                Reply::json(&self.pieces(&info_hash.to_string(), index, cells.clamp(1, MOST_CELLS)))
            }
            Action::OpenApi => Reply::ok("application/json", openapi::DOCUMENT.to_owned()),
            Action::Events { follow: false } => events::preview(),
            Action::Events { follow: true } => {
                let status = self.list(now);
                if status.status != 200 {
                    return Ok(Some(status.to(caller.id)));
                }
                return self.api.events.follow(caller.id, status.body, now).map(Some);
            }
            Action::List => self.list(now),
            Action::Show(info_hash) => {
                let view = self.view(info_hash, now)?;
                let streams: Vec<_> =
                    self.torrents.get(&info_hash).iter().flat_map(|it| it.streams(now)).collect();
                let is_temporary = self.api.temporary.has(info_hash);
                Reply::json(&Detail::new(&view, &streams, is_temporary, &caller.base))
            }
            Action::Playlist { info_hash, file } => {
                let files = self.described_view(info_hash, now)?.files;
                let list = playlist::playlist(&files, file, &caller.base).ok_or_else(no_file)?;
                Reply::ok(playlist::CONTENT_TYPE, list)
            }
            Action::Share { info_hash, sharing } => {
                self.described_view(info_hash, now)?;
                self.with(info_hash, now, |torrent, cx| torrent.set_sharing(sharing, cx));
                Reply::no_content()
            }
            Action::Want { info_hash, files } => {
                self.described_view(info_hash, now)?;
                self.set_priorities(&info_hash.to_string(), &files, now).map_err(unfit)?;
                Reply::no_content()
            }
            Action::Prepare { info_hash, index, position } => {
                self.described_view(info_hash, now)?;
                self.prepare(&info_hash.to_string(), (index, position), now).map_err(unfit)?;
                Reply::no_content()
            }
            Action::Recheck { info_hash, begin } => {
                self.described_view(info_hash, now)?;
                let info_hash = info_hash.to_string();
                let done = if begin {
                    self.recheck(&info_hash, now)
                } else {
                    self.cancel_recheck(&info_hash, now)
                };
                done.map_err(|message| Failure::new(Code::NotReady, message))?;
                Reply::no_content()
            }
            Action::Adopt(info_hash) => {
                self.described_view(info_hash, now)?;
                let done = self.adopt(&info_hash.to_string(), now);
                done.map_err(|message| Failure::new(Code::NotReady, message))?;
                Reply::no_content()
            }
            Action::Move { info_hash, target } => {
                self.described_view(info_hash, now)?;
                self.relocate(&info_hash.to_string(), target, Asker::Call(caller.id), now)
                    .map_err(unfit)?;
                return Ok(None);
            }
            Action::RenameFile { info_hash, index, name } => {
                self.described_view(info_hash, now)?;
                let asker = Asker::Call(caller.id);
                self.rename_file(&info_hash.to_string(), (index, &name), asker, now)
                    .map_err(unfit)?;
                return Ok(None);
            }
            Action::Watched { info_hash, index, report } => {
                self.described_view(info_hash, now)?;
                self.watched(&info_hash.to_string(), &[index], report, now).map_err(unfit)?;
                Reply::no_content()
            }
            Action::Remove { info_hash, delete_data } => {
                self.check_known(info_hash)?;
                self.known(&info_hash.to_string())
                    .map_err(|message| Failure::new(Code::Conflict, message))?;
                if self.remove(info_hash, delete_data, Some(Asker::Call(caller.id)), now) {
                    return Ok(None);
                }
                Reply::no_content()
            }
            Action::Pause { info_hash, paused } => {
                self.check_known(info_hash)?;
                let info_hash = info_hash.to_string();
                let intent =
                    if paused { Intent::Pause { info_hash } } else { Intent::Resume { info_hash } };
                // Both are answered in the same turn, and refused to one that is on its way out.
                self.carry_out(0, intent, now)
                    .map_err(|message| Failure::new(Code::Conflict, message))?;
                self.out.push_back(Output::Changed);
                Reply::no_content()
            }
            Action::Decide { info_hash, decision } => {
                self.described_view(info_hash, now)?;
                self.decide(&info_hash.to_string(), (decision.choice, &decision.files), now)
                    .map_err(unfit)?;
                Reply::no_content()
            }
            Action::Report => {
                self.begin_report(Reader::Call(caller.id), Vec::new(), now);
                return Ok(None);
            }
            Action::AddTorrent { metainfo, stay } => {
                let (info_hash, duplicate) = self.take_torrent(metainfo, stay, now)?;
                added(&self.view(info_hash, now)?, &caller.base, duplicate)
            }
            Action::AddMagnet { link, stay } => return self.take_magnet(caller, &link, stay, now),
        };
        Ok(Some(reply.to(caller.id)))
    }

    fn take_torrent(
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
        self.out.push_back(Output::Changed);
        Ok((info_hash, !is_new && !was_removed))
    }

    fn take_magnet(
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
        self.out.push_back(Output::Changed);
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

    /// Whether a torrent would be new here, if there is room for it.
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

    /// A call wants a torrent: for good, or for as long as it is read. One that was to be kept
    /// before stays so.
    fn want(&mut self, info_hash: InfoHash, keep: bool, is_new: bool, now: Instant) {
        if keep {
            // Calls that fail take along what they brought, kept or not: nobody is told that it
            // stays.
            self.is_not_temporary(info_hash, now);
        } else if is_new {
            self.api.temporary.touch(info_hash, now);
            self.write_temporary(info_hash, now);
        } else if self.api.temporary.has(info_hash) {
            self.api.temporary.touch(info_hash, now);
        }
    }

    pub(super) fn write_temporary(&mut self, info_hash: InfoHash, now: Instant) {
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        cx.write(temporary::key(info_hash), Some(Bytes::new()));
    }

    /// A wait is over, one way or the other.
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
                Err(failure) => failure.reply(),
            };
            self.say(reply.to(request_id));
        }
    }

    fn why_not(&self, info_hash: InfoHash) -> String {
        let said = self.magnets.get(&info_hash).and_then(|pending| pending.says());
        let said = said.map(|message| format!(" ({message})")).unwrap_or_default();
        format!("no peer described this torrent in time{said}")
    }

    fn resolve(&self, path: &str, now: Instant) -> Result<String, Failure> {
        if path.len() > limits::API_URI {
            return Err(Failure::new(Code::UriTooLong, "this address is too long"));
        }
        let (info_hash, name) = resolve::split(path)?;
        let view = self.described_view(info_hash, now)?;
        let file = resolve::file(&view, &name)?;
        Ok(format!("{info_hash}.{}", file.index))
    }

    fn list(&self, now: Instant) -> Reply {
        let snapshot = self.snapshot(now);
        let torrents = snapshot.torrents.iter().map(|torrent| {
            let is_temporary =
                torrent.info_hash.parse().is_ok_and(|info_hash| self.api.temporary.has(info_hash));
            Status::new(torrent, &snapshot.streams, is_temporary)
        });
        let (torrents, listen_port) = (torrents.collect(), snapshot.listen_port);
        Reply::json(&List {
            torrents,
            listen_port,
            port_mapping: snapshot.port_mapping.map(PortMappingView::in_english),
            notices: snapshot.notices.into_iter().map(NoticeView::in_english).collect(),
        })
    }

    fn view(&self, info_hash: InfoHash, now: Instant) -> Result<TorrentView, Failure> {
        self.check_known(info_hash)?;
        let url = |id: &_| self.stream_url(id);
        let torrent =
            self.torrents.get(&info_hash).map(|torrent: &Torrent| torrent.view(now, &url));
        let pending = || self.magnets.get(&info_hash).map(|pending| pending.view(now));
        torrent.or_else(pending).ok_or_else(unknown)
    }

    /// A torrent whose files are known.
    fn described_view(&self, info_hash: InfoHash, now: Instant) -> Result<TorrentView, Failure> {
        let view = self.view(info_hash, now)?;
        if !self.torrents.contains_key(&info_hash) || view.state == TorrentState::Metadata {
            return Err(Failure::new(Code::NotReady, "this torrent's files are not known yet"));
        }
        Ok(view)
    }

    fn is_known(&self, info_hash: InfoHash) -> bool {
        let is_there =
            self.torrents.contains_key(&info_hash) || self.magnets.contains_key(&info_hash);
        is_there && !self.leavers.hides(info_hash)
    }

    fn check_known(&self, info_hash: InfoHash) -> Result<(), Failure> {
        if self.is_known(info_hash) { Ok(()) } else { Err(unknown()) }
    }

    fn say(&mut self, message: EngineMessage) {
        self.out.push_back(Output::Control(message));
    }
}

/// The answer to an added torrent. The torrent is there, however long the list of its files: a list
/// that is too long is left out.
fn added(view: &TorrentView, base: &str, duplicate: bool) -> Reply {
    let added = Added::new(view, base, duplicate);
    let reply = Reply::json(&added);
    if reply.status == 200 { reply } else { Reply::json(&added.without_files()) }
}

/// What was asked for can't be done with this torrent.
fn unfit(message: Sentence) -> Failure {
    Failure::new(Code::Unusable, message)
}

fn no_file() -> Failure {
    Failure::new(Code::NotFound, "this torrent has no such file")
}

fn unknown() -> Failure {
    Failure::new(Code::NotFound, "there is no such torrent")
}
