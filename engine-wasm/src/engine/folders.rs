//! Shows files in the system's file manager, and changes the download folder.
//!
//! The daemon decides which folder is usable, remembers the choice, and shows only announced files.
//! [`crate::config::Config::folders`] enables both actions; the HTTP API offers neither.

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{EngineMessage, OpId};

use super::Engine;
use super::parts::Purpose;
use crate::context::Owner;
use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::view::{IntentReply, Sentence};

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
        let purpose = Purpose::Show(id, torrent.info_hash());
        self.ask_daemon(purpose, |answer| EngineMessage::FileShow { answer, file_id }, now);
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
        let purpose = Purpose::PreferFolder(id);
        self.ask_daemon(purpose, |answer| EngineMessage::RootPrefer { answer, path }, now);
        Ok(())
    }

    fn check_folders(&self) -> Result<(), Sentence> {
        if !self.config.folders {
            return Err(Sentence::NoFolders);
        }
        if !self.roots.is_linked() {
            return Err(Sentence::NoDaemon);
        }
        Ok(())
    }

    fn ask_daemon(
        &mut self,
        purpose: Purpose,
        message: impl FnOnce(OpId) -> EngineMessage,
        now: Instant,
    ) {
        let mut cx = self.common.context(now);
        let op = cx.new_op(Owner::Engine);
        cx.send_control(message(op));
        self.awaited.insert(op, purpose);
    }

    /// Handles the answer to [`Engine::show_in_folder`].
    pub(super) fn handle_show_answer(
        &mut self,
        id: u64,
        info_hash: InfoHash,
        result: &Result<OpOutput, OpError>,
    ) {
        let reply = match result {
            Ok(_) => IntentReply::done(info_hash),
            Err(error) if error.kind == OpErrorKind::NotFound => {
                IntentReply::failed(Sentence::NothingToShow)
            }
            Err(error) => IntentReply::failed(Sentence::CantShow { why: error.into() }),
        };
        self.common.out.extend([Output::Reply { id, reply }, Output::Changed]);
    }

    /// Handles the answer to [`Engine::set_download_folder`].
    pub(super) fn handle_prefer_answer(&mut self, id: u64, result: &Result<OpOutput, OpError>) {
        let reply = match result {
            Ok(OpOutput::Roots(roots)) => {
                self.roots.offer(roots);
                IntentReply::Configured
            }
            Ok(_) => IntentReply::failed(Sentence::AnswerLost),
            Err(error) => IntentReply::failed(Sentence::FolderUnusable { why: error.into() }),
        };
        self.common.out.extend([Output::Reply { id, reply }, Output::Changed]);
    }
}
