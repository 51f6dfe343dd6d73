//! Folders for one run of the programs under test.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::plain::Server;
use crate::terminal::Terminal;
use crate::workspace::Scratch;

/// Where a program keeps its state and what it downloads. The folders go with their [`Scratch`].
#[derive(Clone, Debug)]
pub struct Home {
    /// For the program to remember in.
    pub state: PathBuf,
    /// For the program to download to.
    pub downloads: PathBuf,
}

impl Home {
    /// Makes both folders below `scratch`; `name` tells this home from others there.
    ///
    /// # Errors
    /// The folders cannot be made.
    pub fn below(scratch: &Scratch, name: &str) -> Result<Self> {
        let dir = |part: &str| scratch.dir(&format!("{name}/{part}"));
        Ok(Self { state: dir("state")?, downloads: dir("downloads")? })
    }

    /// Starts `jstorrent serve` here.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn serve(&self, further: &[&str]) -> Result<Server> {
        Server::start(&self.state, &self.downloads, further).await
    }

    /// Starts `jstorrent get` for a `.torrent` file, a link, or a URL.
    ///
    /// # Errors
    /// As [`Terminal::start`].
    pub fn get(&self, source: impl AsRef<OsStr>, further: &[&str]) -> Result<Terminal> {
        self.get_into(&self.downloads, source, further)
    }

    /// Starts `jstorrent get` with another download folder.
    ///
    /// # Errors
    /// As [`Terminal::start`].
    pub(crate) fn get_into(
        &self,
        folder: &Path,
        source: impl AsRef<OsStr>,
        further: &[&str],
    ) -> Result<Terminal> {
        let mut args: Vec<OsString> = vec!["get".into(), source.as_ref().into()];
        args.extend(["--dir".into(), folder.into()]);
        args.extend(further.iter().map(OsString::from));
        Terminal::start(&self.state, args)
    }

    /// Starts `jstorrent stream`, which chooses its folder itself unless `further` names one.
    ///
    /// # Errors
    /// As [`Terminal::start`].
    pub fn stream(&self, source: impl AsRef<OsStr>, further: &[&str]) -> Result<Terminal> {
        let mut args: Vec<OsString> = vec!["stream".into(), source.as_ref().into()];
        args.extend(further.iter().map(OsString::from));
        Terminal::start(&self.state, args)
    }

    /// The download folder as an argument.
    ///
    /// # Panics
    /// Never: folders below the target folder have plain names.
    pub fn downloads_text(&self) -> &str {
        self.downloads.to_str().expect("the target folder has a plain name")
    }

    /// Whether the download folder is empty.
    ///
    /// # Errors
    /// The folder is gone.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(std::fs::read_dir(&self.downloads)?.next().is_none())
    }

    /// How many files lie in the download folder and its folders.
    ///
    /// # Errors
    /// A folder can't be read.
    pub fn files(&self) -> Result<usize> {
        let (mut count, mut folders) = (0, vec![self.downloads.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() { folders.push(path) } else { count += 1 }
            }
        }
        Ok(count)
    }

    /// The state folder of the only server that ran here.
    ///
    /// # Errors
    /// No server ran here.
    pub fn server_state(&self) -> Result<PathBuf> {
        let mut folders = std::fs::read_dir(&self.state)?.flatten().map(|entry| entry.path());
        folders.find(|path| path.join("identity.json").exists()).context("a state folder")
    }
}
