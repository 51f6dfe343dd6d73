//! Removes torrents, with or without their files.
//!
//! Owns the clean-up of the engine's own tables, and the reply to the intent or call.

use serde_json::json;

use super::Engine;
use crate::api::{Code, Failure, Reply};
use crate::io::Output;
use crate::magnet::Pending;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::timers::TimerOwner;
use crate::torrent::{Asker, RemovalEnd, Torrent};
use crate::view::{IntentReply, Sentence};

impl Engine {
    /// Removes a torrent, and its files if `delete_data`. Returns true if the files are being
    /// deleted first; the reply then comes later.
    pub(super) fn remove(
        &mut self,
        info_hash: InfoHash,
        delete_data: bool,
        asker: Option<Asker>,
        now: Instant,
    ) -> bool {
        let answer = self.torrents.get_mut(&info_hash).and_then(Torrent::end_move);
        self.answer_movers(answer.map(|answer| (info_hash, answer)).into_iter().collect());
        if delete_data && self.torrents.contains_key(&info_hash) {
            self.with(info_hash, now, |torrent, cx| torrent.remove_with_data(asker, cx));
            return true;
        }
        self.forget(info_hash, now);
        false
    }

    fn forget(&mut self, info_hash: InfoHash, now: Instant) {
        self.with(info_hash, now, Torrent::forget);
        self.torrents.remove(&info_hash);
        self.with_magnet(info_hash, now, Pending::remove);
        self.magnets.remove(&info_hash);
        self.agenda.timers.stop_all_of(TimerOwner::Torrent(info_hash));
        self.routes.forget(info_hash);
        self.keep(info_hash, now);
        self.forget_plan(info_hash, now);
        self.forget_turn(info_hash, now);
        self.common.out.push_back(Output::Changed);
    }

    /// Handles ended removals.
    pub(super) fn handle_removal_ends(&mut self, ends: Vec<(InfoHash, RemovalEnd)>, now: Instant) {
        for (info_hash, end) in ends {
            match end {
                RemovalEnd::Goes { asker, left } => {
                    self.forget(info_hash, now);
                    self.decisions.removals.end(info_hash, left.as_ref(), now);
                    self.answer_remover(asker, info_hash, Ok(left));
                }
                RemovalEnd::Stays { asker, why } => {
                    if self.api.temporary.has(info_hash) {
                        // The clean-up tries again after a delay.
                        self.api.temporary.touch(info_hash, now);
                    }
                    self.decisions.removals.end(info_hash, None, now);
                    self.answer_remover(asker, info_hash, Err(why));
                }
            }
        }
    }

    fn answer_remover(
        &mut self,
        asker: Option<Asker>,
        info_hash: InfoHash,
        outcome: Result<Option<Sentence>, Sentence>,
    ) {
        match (asker, outcome) {
            (Some(Asker::Intent(id)), Ok(says)) => {
                let reply = IntentReply::telling(info_hash, says);
                self.common.out.push_back(Output::Reply { id, reply });
            }
            (Some(Asker::Intent(id)), Err(why)) => self.reply(id, Err(why)),
            (Some(Asker::Call(id)), outcome) => {
                let reply = match outcome {
                    Ok(None) => Reply::no_content(),
                    Ok(Some(says)) => Reply::json(&json!({ "message": says.to_string() })),

                    Err(why) => Reply::failure(&Failure::new(Code::Conflict, why)),
                };
                self.common.out.push_back(Output::Control(reply.to(id)));
            }
            (None, Ok(Some(_))) => {
                tracing::warn!(torrent = %info_hash, "some files of a removed torrent were kept")
            }
            (None, _) => {}
        }
    }
}
