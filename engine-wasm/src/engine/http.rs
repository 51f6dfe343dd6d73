//! Serves the HTTP API: carries out actions and answers calls.
//!
//! [`crate::api`] owns routes and formats. This module applies them to the engine's torrents.

mod adding;
mod caller;
mod lifetime;

use bytes::Bytes;
use shared_proto::{DaemonMessage, EngineMessage, RequestId};

use self::adding::added;
use self::caller::Caller;
use super::Engine;
use super::parts::Recipient;
use crate::api::error::{Code, Failure};
use crate::api::view::{Detail, List, Status};
use crate::api::{Action, Call, Reply, events, openapi, playlist, resolve, route, url};
use crate::io::Output;
use crate::limits;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::{Asker, Torrent};
use crate::view::{
    Intent, IntentReply, NoticeView, PortMappingView, Sentence, TorrentState, TorrentView,
};

/// Most cells of a piece map that a caller may ask for.
const MOST_CELLS: u32 = 4096;

impl Engine {
    /// Handles `http_call` and `file_resolve`. A call with content waits until the content is
    /// complete.
    pub(super) fn handle_question(&mut self, question: DaemonMessage, now: Instant) {
        match question {
            DaemonMessage::HttpCall { request_id, content_length, .. } if content_length > 0 => {
                let length = usize::try_from(content_length)
                    .ok()
                    .filter(|length| *length <= limits::METAINFO);
                let Some(length) = length else {
                    let failure = Failure::new(Code::TooLarge, "the body is too long");
                    return self.send_control(Reply::failure(&failure).to(request_id));
                };
                self.api.incoming.expect(request_id, question, length);
            }
            question => self.handle_whole(question, Bytes::new(), now),
        }
    }

    /// Handles a part of the content of an `http_call`.
    pub(super) fn handle_content(&mut self, request_id: RequestId, data: &[u8], now: Instant) {
        if let Some((call, content)) = self.api.incoming.push(request_id, data) {
            self.handle_whole(call, content, now);
        }
    }

    /// Handles a call with its whole content. Calls wait until the stored state is loaded.
    fn handle_whole(&mut self, question: DaemonMessage, content: Bytes, now: Instant) {
        if !self.loading.is_over() && self.api.early.len() < limits::API_WAITING {
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
                self.send_control(answer);
            }
            _ => {}
        }
    }

    /// Handles the end of loading: answers the waiting calls, and forgets temporary torrents that
    /// no longer exist.
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

    /// Handles a caller that left before its reply was complete.
    pub(super) fn cancel_call(&mut self, request_id: RequestId) {
        self.api.adding.leave(request_id);
        self.api.events.leave(request_id);
        self.api.pages.leave(request_id);
        self.api.incoming.leave(request_id);
        self.api.early.retain(|(question, _)| {
            !matches!(
                question,
                DaemonMessage::HttpCall { request_id: id, .. }
                    | DaemonMessage::FileResolve { request_id: id, .. }
                    if *id == request_id
            )
        });
    }

    fn handle_call(&mut self, caller: &Caller, call: Call<'_>, now: Instant) {
        let outcome = route(call).and_then(|action| self.act(caller, action, now));
        let refuse = |failure| Some(Reply::failure(&failure).to(caller.id));
        if let Some(answer) = outcome.unwrap_or_else(refuse) {
            self.send_control(answer);
        }
    }

    /// Carries out an action; returns the reply, or `None` if it comes later.
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
                self.set_priorities(&info_hash.to_string(), &files, now).map_err(unusable)?;
                Reply::no_content()
            }
            Action::Prepare { info_hash, index, position } => {
                self.described_view(info_hash, now)?;
                self.prepare(&info_hash.to_string(), (index, position), now).map_err(unusable)?;
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
                    .map_err(unusable)?;
                return Ok(None);
            }
            Action::RenameFile { info_hash, index, name } => {
                self.described_view(info_hash, now)?;
                let asker = Asker::Call(caller.id);
                self.rename_file(&info_hash.to_string(), (index, &name), asker, now)
                    .map_err(unusable)?;
                return Ok(None);
            }
            Action::Watched { info_hash, index, report } => {
                self.described_view(info_hash, now)?;
                self.watched(&info_hash.to_string(), &[index], report, now).map_err(unusable)?;
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
                // Both intents complete at once; a torrent that is being removed refuses them.
                self.carry_out(0, intent, now)
                    .map_err(|message| Failure::new(Code::Conflict, message))?;
                self.common.out.push_back(Output::Changed);
                Reply::no_content()
            }
            Action::Decide { info_hash, decision } => {
                self.described_view(info_hash, now)?;
                self.decide(&info_hash.to_string(), (decision.choice, &decision.files), now)
                    .map_err(unusable)?;
                Reply::no_content()
            }
            Action::Report => {
                self.begin_report(Recipient::Call(caller.id), Vec::new(), now);
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

    /// Returns the view of a torrent whose files are known.
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
        is_there && !self.decisions.removals.hides(info_hash)
    }

    fn check_known(&self, info_hash: InfoHash) -> Result<(), Failure> {
        if self.is_known(info_hash) { Ok(()) } else { Err(unknown()) }
    }

    fn send_control(&mut self, message: EngineMessage) {
        self.common.out.push_back(Output::Control(message));
    }
}

/// Returns the failure of an action that this torrent does not allow.
fn unusable(message: Sentence) -> Failure {
    Failure::new(Code::Unusable, message)
}

fn no_file() -> Failure {
    Failure::new(Code::NotFound, "this torrent has no such file")
}

fn unknown() -> Failure {
    Failure::new(Code::NotFound, "there is no such torrent")
}
