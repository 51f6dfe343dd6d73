//! Changes a torrent's files: their priorities, their location, and checks of their content.
//!
//! This module validates each request before it reaches the torrent.

use super::Engine;
use crate::api::{Code, Failure, Reply, Target};
use crate::io::Output;
use crate::limits;
use crate::metainfo::{InfoHash, sanitise};
use crate::time::Instant;
use crate::torrent::{Answer, Asker, Torrent};
use crate::view::{FilePriority, Sentence};

/// Returns a name if every file system accepts it; otherwise the error suggests another.
fn fit(name: &str) -> Result<String, Sentence> {
    let safe = sanitise::component(name.as_bytes());
    if safe == name { Ok(safe) } else { Err(Sentence::UnfitName { name: name.to_owned(), safe }) }
}

/// Checks that a folder is relative to a download folder.
fn check_relative(folder: &str) -> Result<(), Sentence> {
    let is_drive = |path: &str| {
        path.len() > 1 && path.as_bytes()[1] == b':' && path.as_bytes()[0].is_ascii_alphabetic()
    };
    if folder.starts_with(['/', '\\', '~']) || is_drive(folder) {
        return Err(Sentence::AbsoluteFolder { folder: folder.to_owned() });
    }
    Ok(())
}

impl Engine {
    /// Changes the priorities of files.
    pub(super) fn set_priorities(
        &mut self,
        info_hash: &str,
        files: &[FilePriority],
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let torrent = self.described(info_hash)?;
        let info_hash = torrent.info_hash();
        let change = |file: &FilePriority| match torrent.file(file.index) {
            Some(index) => Ok((index, file.priority)),
            None => Err(Sentence::NoSuchFile { index: file.index }),
        };
        let changes = files.iter().map(change).collect::<Result<Vec<_>, _>>()?;
        self.with(info_hash, now, |torrent, cx| torrent.set_priorities(&changes, cx));
        Ok(info_hash)
    }

    /// Checks all files of a torrent for errors.
    pub(super) fn recheck(&mut self, info_hash: &str, now: Instant) -> Result<InfoHash, Sentence> {
        let info_hash = self.described(info_hash)?.info_hash();
        let mut outcome = Ok(());
        self.with(info_hash, now, |torrent, cx| outcome = torrent.recheck(cx));
        outcome.map(|()| info_hash)
    }

    /// Continues with files that existed before the torrent was added.
    pub(super) fn adopt(&mut self, info_hash: &str, now: Instant) -> Result<InfoHash, Sentence> {
        let info_hash = self.described(info_hash)?.info_hash();
        let mut outcome = Ok(());
        self.with(info_hash, now, |torrent, cx| outcome = torrent.adopt(cx));
        outcome.map(|()| info_hash)
    }

    /// Cancels a check.
    pub(super) fn cancel_recheck(
        &mut self,
        info_hash: &str,
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let info_hash = self.described(info_hash)?.info_hash();
        self.with(info_hash, now, Torrent::cancel_recheck);
        Ok(info_hash)
    }

    /// Moves or renames a torrent. The reply comes later.
    pub(super) fn relocate(
        &mut self,
        info_hash: &str,
        target: Target,
        asker: Asker,
        now: Instant,
    ) -> Result<(), Sentence> {
        let torrent = self.described(info_hash)?;
        let info_hash = torrent.info_hash();
        let mut place = torrent.place().clone();
        // The torrent may stay in a folder that takes no new ones.
        if let Some(root) = target.root.filter(|root| *root != place.root.0) {
            place.root = self.roots.offered_key(&root).cloned().ok_or(Sentence::NoSuchFolder)?;
        }
        if let Some(folder) = target.folder {
            check_relative(&folder)?;
            let names = folder.split('/').filter(|name| !name.is_empty());
            place.folder = names.map(fit).collect::<Result<_, _>>()?;
            if place.folder.len() > limits::FOLDERS {
                return Err(Sentence::TooDeep);
            }
        }
        if let Some(name) = target.name {
            place.name = Some(fit(&name)?).filter(|name| *name != torrent.own_top());
            if torrent.is_one_file() {
                place.renamed.clear();
            }
        }
        self.with(info_hash, now, |torrent, cx| torrent.relocate(place, asker, cx));
        Ok(())
    }

    /// Renames a file. The reply comes later.
    pub(super) fn rename_file(
        &mut self,
        info_hash: &str,
        (index, name): (u32, &str),
        asker: Asker,
        now: Instant,
    ) -> Result<(), Sentence> {
        let torrent = self.described(info_hash)?;
        let info_hash = torrent.info_hash();
        let file = torrent.file(index).ok_or(Sentence::NoSuchFile { index })?;
        let place = torrent.renamed(file, fit(name)?)?;
        self.with(info_hash, now, |torrent, cx| torrent.relocate(place, asker, cx));
        Ok(())
    }

    /// Answers the intents and calls that asked for moves.
    pub(super) fn answer_movers(&mut self, answers: Vec<(InfoHash, Answer)>) {
        for (info_hash, (asker, outcome)) in answers {
            match asker {
                Asker::Intent(id) => self.reply(id, outcome.map(|()| info_hash)),
                Asker::Call(id) => {
                    let reply = match outcome {
                        Ok(()) => Reply::no_content(),
                        Err(message) => Reply::failure(&Failure::new(Code::Conflict, message)),
                    };
                    self.common.out.push_back(Output::Control(reply.to(id)));
                }
            }
        }
    }

    /// Returns a torrent whose files are known.
    pub(super) fn described(&self, info_hash: &str) -> Result<&Torrent, Sentence> {
        let info_hash = self.known(info_hash)?;
        self.torrents.get(&info_hash).ok_or(Sentence::FilesNotKnown)
    }
}
