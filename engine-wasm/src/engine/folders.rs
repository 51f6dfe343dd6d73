//! Shows files in the system's file manager, and changes the download folder.
//!
//! Owns the intents that wait for the daemon's answer. The daemon decides which folder is usable,
//! remembers the choice, and shows only announced files. [`crate::config::Config::folders`] enables
//! both actions; the HTTP API offers neither.

use std::collections::BTreeMap;

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{EngineMessage, OpId, Root};

use super::{Engine, context};
use crate::context::Owner;
use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::view::{IntentReply, Sentence};

/// A command that awaits the daemon's answer.
#[derive(Clone, Copy, Debug)]
enum Question {
    Show(InfoHash),
    Prefer,
}

/// The outstanding commands and their intents.
#[derive(Debug, Default)]
pub(super) struct Folders {
    asked: BTreeMap<OpId, (u64, Question)>,
}

impl Engine {
    /// Shows a torrent or one of its files in the file manager. The reply comes later.
    pub(super) fn show_in_folder(
        &mut self,
        id: u64,
        (info_hash, file): (&str, Option<u32>),
        now: Instant,
    ) -> Result<(), Sentence> {
        self.check_folders()?;
        let torrent = self.described(info_hash)?;
        let index = file.unwrap_or_default();
        let file_id = torrent.file_to_show(file).ok_or(Sentence::NoSuchFile { index })?;

        let info_hash = torrent.info_hash();
        self.ask_daemon(
            id,
            Question::Show(info_hash),
            |answer| EngineMessage::FileShow { answer, file_id },
            now,
        );
        Ok(())
    }

    /// Makes a folder the default for new torrents. The reply comes later.
    pub(super) fn set_download_folder(
        &mut self,
        id: u64,
        path: String,
        now: Instant,
    ) -> Result<(), Sentence> {
        self.check_folders()?;
        self.ask_daemon(
            id,
            Question::Prefer,
            |answer| EngineMessage::RootPrefer { answer, path },
            now,
        );
        Ok(())
    }

    fn check_folders(&self) -> Result<(), Sentence> {
        if !self.config.folders {
            return Err(Sentence::NoFolders);
        }
        if self.root.is_none() {
            return Err(Sentence::NoDaemon);
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

    /// Handles an answer; returns false if this module did not send the command.
    pub(super) fn handle_folder_answer(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
    ) -> bool {
        let Some((id, question)) = self.folders.asked.remove(&op) else { return false };
        let reply = match (question, result) {
            (Question::Show(info_hash), Ok(_)) => IntentReply::done(info_hash),

            (Question::Prefer, Ok(OpOutput::Roots(roots))) => {
                self.root = roots.first().map(|root| root.key.clone()).or(self.root.take());
                self.change_roots(roots);
                IntentReply::Configured
            }
            (Question::Prefer, Ok(_)) => IntentReply::failed(Sentence::AnswerLost),
            (_, Err(error)) => IntentReply::failed(sentence(question, error)),
        };
        self.out.extend([Output::Reply { id, reply }, Output::Changed]);
        true
    }

    /// Replaces the folders that take new torrents. Folders that are dropped keep their files.
    fn change_roots(&mut self, roots: &[Root]) {
        let gone = std::mem::replace(&mut self.roots, roots.to_vec());
        self.roots_aside.extend(gone);
        self.roots_aside.retain(|aside| roots.iter().all(|root| root.key != aside.key));
    }

    /// Handles the daemon's list of folders that hold files but take no new torrents.
    pub(super) fn set_roots_aside(&mut self, roots: Vec<Root>) {
        self.roots_aside = roots;
        self.out.push_back(Output::Changed);
    }

    /// Returns a folder that holds torrents, whether or not it takes new ones.
    pub(super) fn root_called(&self, key: &str) -> Option<&Root> {
        self.roots.iter().chain(&self.roots_aside).find(|root| root.key.0 == key)
    }

    /// Handles the loss of the connection: fails the waiting intents.
    pub(super) fn unlink_folders(&mut self) {
        for (id, _) in std::mem::take(&mut self.folders.asked).into_values() {
            let reply = IntentReply::failed(Sentence::DaemonLost);
            self.out.push_back(Output::Reply { id, reply });
        }
    }
}

fn sentence(question: Question, error: &OpError) -> Sentence {
    match (question, error.kind) {
        (Question::Show(_), OpErrorKind::NotFound) => Sentence::NothingToShow,
        (Question::Show(_), _) => Sentence::CantShow { why: error.into() },
        (Question::Prefer, _) => Sentence::FolderUnusable { why: error.into() },
    }
}
