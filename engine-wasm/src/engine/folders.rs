//! Folders of this computer: where a torrent lies is shown in the file manager, and new torrents
//! are stored elsewhere.
//!
//! Owns who waits for the daemon's answer. The daemon decides which folder can be used, keeps that,
//! and shows only files that were announced to it. An engine that is not told to
//! ([`super::Config::folders`]) does neither, and the HTTP API reaches neither.

use std::collections::BTreeMap;

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{EngineMessage, OpId};

use super::{Engine, context};
use crate::context::Owner;
use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::view::IntentReply;

/// What the daemon was asked.
#[derive(Clone, Copy, Debug)]
enum Question {
    Show(InfoHash),
    Prefer,
}

/// The questions under way, with the intents that want them answered.
#[derive(Debug, Default)]
pub(super) struct Folders {
    asked: BTreeMap<OpId, (u64, Question)>,
}

impl Engine {
    /// Has a torrent, or one of its files, shown in the file manager. The answer comes later.
    pub(super) fn show_in_folder(
        &mut self,
        id: u64,
        (info_hash, file): (&str, Option<u32>),
        now: Instant,
    ) -> Result<(), String> {
        self.check_folders()?;
        let torrent = self.described(info_hash)?;
        let file_id = torrent.file_to_show(file).ok_or("There is no such file in this torrent.")?;
        let info_hash = torrent.info_hash();
        self.ask_daemon(
            id,
            Question::Show(info_hash),
            |answer| EngineMessage::FileShow { answer, file_id },
            now,
        );
        Ok(())
    }

    /// Has new torrents stored in another folder. The answer comes later.
    pub(super) fn set_download_folder(
        &mut self,
        id: u64,
        path: String,
        now: Instant,
    ) -> Result<(), String> {
        self.check_folders()?;
        self.ask_daemon(
            id,
            Question::Prefer,
            |answer| EngineMessage::RootPrefer { answer, path },
            now,
        );
        Ok(())
    }

    fn check_folders(&self) -> Result<(), String> {
        if !self.config.folders {
            return Err("Folders of this computer can't be shown or changed here.".to_owned());
        }
        if self.root.is_none() {
            return Err("The daemon is not there. Try again when it is back.".to_owned());
        }
        Ok(())
    }

    fn ask_daemon(
        &mut self,
        id: u64,
        question: Question,
        message: impl FnOnce(OpId) -> EngineMessage,
        now: Instant,
    ) {
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        let op = cx.new_op(Owner::Engine);
        cx.say(message(op));
        self.folders.asked.insert(op, (id, question));
    }

    /// An answer; false when it is to nothing that was asked here.
    pub(super) fn folders_answered(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
    ) -> bool {
        let Some((id, question)) = self.folders.asked.remove(&op) else { return false };
        let reply = match (question, result) {
            (Question::Show(info_hash), Ok(_)) => IntentReply::Done {
                info_hash: info_hash.to_string(),
                message: None,
                duplicate: false,
            },
            (Question::Prefer, Ok(OpOutput::Roots(roots))) => {
                self.root = roots.first().map(|root| root.key.clone()).or(self.root.take());
                self.roots.clone_from(roots);
                IntentReply::Configured
            }
            (Question::Prefer, Ok(_)) => {
                IntentReply::Failed { message: "The daemon’s answer was lost.".to_owned() }
            }
            (_, Err(error)) => IntentReply::Failed { message: words(question, error) },
        };
        self.out.extend([Output::Reply { id, reply }, Output::Changed]);
        true
    }

    /// The daemon is gone.
    pub(super) fn unlink_folders(&mut self) {
        for (id, _) in std::mem::take(&mut self.folders.asked).into_values() {
            let message = "The daemon went away: try again when it is back.".to_owned();
            self.out.push_back(Output::Reply { id, reply: IntentReply::Failed { message } });
        }
    }
}

fn words(question: Question, error: &OpError) -> String {
    let said = &error.message;
    match (question, error.kind) {
        (Question::Show(_), OpErrorKind::NotFound) => "There is nothing to show yet.".to_owned(),
        (Question::Show(_), _) => format!("It can’t be shown: {said}."),
        (Question::Prefer, _) => format!("This folder can’t be used: {said}."),
    }
}
