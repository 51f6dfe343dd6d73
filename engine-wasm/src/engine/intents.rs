//! Carries out intents of pages, the terminal program and the HTTP API.

use std::net::SocketAddr;

use super::Engine;
use super::parts::Recipient;
use crate::api::Target;
use crate::discover::candidates::Source;
use crate::io::Output;
use crate::magnet::Pending;
use crate::marks::Report;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::{Asker, Torrent};
use crate::view::{Intent, IntentReply, Sentence};

impl Engine {
    pub(super) fn handle_intent(&mut self, id: u64, intent: Intent, now: Instant) {
        if !self.loading.is_over() {
            // A report is most useful when the daemon cannot be reached.
            if let Intent::Report { about } = intent {
                return self.begin_report(Recipient::Intent(id), about, now);
            }
            self.loading.defer(id, intent);
            return;
        }
        if let Some(outcome) = self.carry_out(id, intent, now).transpose() {
            self.reply(id, outcome);
        }
    }

    /// Carries out an intent and returns its torrent. `None` if the reply is sent elsewhere.
    pub(super) fn carry_out(
        &mut self,
        id: u64,
        intent: Intent,
        now: Instant,
    ) -> Result<Option<InfoHash>, Sentence> {
        let info_hash = match intent {
            Intent::AddTorrent { metainfo } => {
                let before = self.listed_count();
                let info_hash = self.add_for_page(|it| it.add(metainfo, now), now)?;
                self.reply_added(id, info_hash, before);
                return Ok(None);
            }
            Intent::AddMagnet { uri } => {
                let before = self.listed_count();
                let info_hash = self.add_for_page(|it| it.add_magnet(&uri, now), now)?;
                self.reply_added(id, info_hash, before);
                return Ok(None);
            }
            Intent::AddUrl { url } => {
                self.fetch(id, url, now)?;
                return Ok(None);
            }
            Intent::AddPeers { info_hash, peers } => {
                let info_hash = self.known(&info_hash)?;
                let peers: Vec<SocketAddr> = peers
                    .iter()
                    .map(|peer| {
                        let no_peer = |_| Sentence::NotAPeer { address: peer.clone() };
                        peer.trim().parse().map_err(no_peer)
                    })
                    .collect::<Result<_, _>>()?;
                self.with(info_hash, now, |torrent, cx| {
                    torrent.add_peers(peers.iter().copied(), Source::Hand, cx)
                });
                self.with_magnet(info_hash, now, |it, cx| {
                    it.add_peers(peers.into_iter(), Source::Hand, cx)
                });
                info_hash
            }
            Intent::SetSharing { info_hash, sharing } => {
                let info_hash = self.known(&info_hash)?;
                if self.magnets.contains_key(&info_hash) {
                    return Err(Sentence::FilesNotKnown);
                }
                self.with(info_hash, now, |torrent, cx| torrent.set_sharing(sharing, cx));
                info_hash
            }
            Intent::Configure { settings } => {
                self.configure(id, &settings, now)?;
                return Ok(None);
            }
            Intent::Pause { info_hash } => {
                let info_hash = self.known(&info_hash)?;
                self.with(info_hash, now, Torrent::pause);
                self.with_magnet(info_hash, now, Pending::pause);
                info_hash
            }
            Intent::Resume { info_hash } => {
                let info_hash = self.known(&info_hash)?;
                let linked = self.roots.is_linked();
                self.with(info_hash, now, |torrent, cx| torrent.resume(linked, cx));
                self.with_magnet(info_hash, now, Pending::resume);
                info_hash
            }
            Intent::Decide { info_hash, choice, files, root } => {
                self.check_decision(&info_hash, (choice, &files))?;
                if let Some(root) = root {
                    let lies = self.described(&info_hash)?.place().root.0.clone();
                    if lies != root {
                        // The move comes first: it makes no sense to download into the folder that
                        // was not chosen.
                        let target = Target { root: Some(root), ..Target::default() };
                        self.relocate(&info_hash, target, Asker::Intent(id), now)?;
                        if self.described(&info_hash)?.is_moving() {
                            self.decide(&info_hash, (choice, &files), now)?;
                        }
                        return Ok(None);
                    }
                }
                self.decide(&info_hash, (choice, &files), now)?
            }
            Intent::MoveInQueue { info_hash, to } => {
                let info_hash = self.known(&info_hash)?;
                self.move_in_queue(info_hash, to, now);
                info_hash
            }
            Intent::Announce { info_hash } => {
                let (info_hash, says) = self.announce_now(&info_hash, now)?;
                return Ok(self.answer(id, IntentReply::telling(info_hash, Some(says))));
            }
            Intent::AddTrackers { info_hash, trackers } => {
                self.add_trackers(&info_hash, &trackers, now)?
            }
            Intent::RemoveTracker { info_hash, url } => {
                self.remove_tracker(&info_hash, &url, now)?
            }
            Intent::MagnetLink { info_hash } => {
                let text = self.magnet_link(&info_hash)?;
                return Ok(self.answer(id, IntentReply::Text { text }));
            }
            Intent::TorrentFile { info_hash } => {
                let (name, content) = self.torrent_file(&info_hash)?;
                return Ok(self.answer(id, IntentReply::File { name, content }));
            }
            Intent::Report { about } => {
                self.begin_report(Recipient::Intent(id), about, now);
                return Ok(None);
            }
            Intent::SetPriorities { info_hash, files } => {
                self.set_priorities(&info_hash, &files, now)?
            }
            Intent::Prepare { info_hash, file, position } => {
                self.prepare(&info_hash, (file, position), now)?
            }
            Intent::Recheck { info_hash } => self.recheck(&info_hash, now)?,
            Intent::Adopt { info_hash } => self.adopt(&info_hash, now)?,
            Intent::CancelRecheck { info_hash } => self.cancel_recheck(&info_hash, now)?,
            Intent::Move { info_hash, root, folder, name } => {
                let target = Target { root, folder, name };
                self.relocate(&info_hash, target, Asker::Intent(id), now)?;
                return Ok(None);
            }
            Intent::RenameFile { info_hash, index, name } => {
                self.rename_file(&info_hash, (index, &name), Asker::Intent(id), now)?;
                return Ok(None);
            }
            Intent::Watched { info_hash, file, position_s, duration_s, watched } => {
                let report = Report::new(Some(position_s), duration_s, watched)?;
                self.watched(&info_hash, &[file], report, now)?
            }
            Intent::SetWatched { info_hash, files, watched } => {
                self.watched(&info_hash, &files, Report::watched(watched), now)?
            }
            Intent::Choose { info_hash, choices } => self.choose(&info_hash, choices, now)?,
            Intent::Remove { info_hash, delete_data, undo } => {
                let info_hash = self.known(&info_hash)?;
                if !self.roots.is_linked() {
                    // Without the daemon, neither the stored state nor the files could be deleted.
                    return Err(Sentence::NoDaemon);
                }
                if undo {
                    self.hide_removed(info_hash, delete_data, now);
                } else if self.remove(info_hash, delete_data, Some(Asker::Intent(id)), now) {
                    return Ok(None);
                }
                info_hash
            }
            Intent::UndoRemove { info_hash } => self.undo_remove(&info_hash, now)?,
            Intent::ShowInFolder { info_hash, file } => {
                self.show_in_folder(id, (&info_hash, file), now)?;
                return Ok(None);
            }
            Intent::SetDownloadFolder { path } => {
                self.set_download_folder(id, path, now)?;
                return Ok(None);
            }
        };
        Ok(Some(info_hash))
    }

    /// Sends the reply to an intent; returns `None` because no other reply follows.
    fn answer(&mut self, id: u64, reply: IntentReply) -> Option<InfoHash> {
        self.common.out.push_back(Output::Reply { id, reply });
        None
    }

    /// Returns the torrent with this info hash.
    ///
    /// # Errors
    /// There is none, or it is being removed.
    pub(super) fn known(&self, info_hash: &str) -> Result<InfoHash, Sentence> {
        let info_hash = info_hash
            .parse::<InfoHash>()
            .ok()
            .filter(|info_hash| {
                self.torrents.contains_key(info_hash) || self.magnets.contains_key(info_hash)
            })
            .filter(|info_hash| !self.decisions.removals.hides(*info_hash))
            .ok_or(Sentence::NoSuchTorrent)?;

        match self.torrents.get(&info_hash) {
            Some(torrent) if torrent.is_being_removed() => Err(Sentence::BeingRemoved),
            _ => Ok(info_hash),
        }
    }
}
