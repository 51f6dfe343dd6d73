//! Torrents that libtorrent makes: v1 with padding files, hybrids, and v2.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use data_encoding::HEXLOWER;

use crate::torrent::Torrent;
use crate::{peers, terminal, workspace};

/// The version of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// SHA-1 of pieces; padding files between the files.
    V1,
    /// Both.
    Hybrid,
    /// SHA-256 of blocks.
    V2,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::V1, Self::Hybrid, Self::V2];

    /// Its name on the command line and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
        }
    }
}

/// A torrent that libtorrent made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The torrent, with its v1 hash or its truncated v2 hash.
    pub torrent: Torrent,
    /// The exact topics of its magnet link.
    pub topics: Vec<String>,
}

impl Made {
    /// Makes a torrent of the file or folder `folder/name`.
    ///
    /// # Errors
    /// libtorrent is not installed, or can't.
    pub async fn new(
        folder: &Path,
        name: &str,
        piece_length: usize,
        version: Version,
    ) -> Result<Self> {
        let scratch = workspace::Scratch::new("made")?;
        let path = scratch.path().join("made.torrent");
        let mut command = peers::script("libtorrent_make.py");
        command.arg(folder).arg(name).arg(piece_length.to_string()).arg(version.word()).arg(&path);
        let (status, out, errors) = terminal::output(&mut command).await?;
        ensure!(status == 0, "libtorrent makes no torrent: {errors}");
        let (v1, v2) = out.trim().split_once(' ').context("two hashes")?;
        let v1 = (v1 != "-").then_some(v1);
        let v2 = (v2 != "-").then_some(v2);
        let known = v1.or(v2).context("a hash")?.get(..40).context("40 digits")?;
        let topics = v1.map(|v1| format!("xt=urn:btih:{v1}")).into_iter();
        let topics = topics.chain(v2.map(|v2| format!("xt=urn:btmh:1220{v2}"))).collect();
        let bytes = HEXLOWER.decode(known.as_bytes())?.try_into().ok().context("20 bytes")?;
        let torrent = Torrent {
            metainfo: std::fs::read(&path)?,
            info_hash: known.to_owned(),
            info_hash_bytes: bytes,
            name: name.to_owned(),
            folder: folder.to_owned(),
            paths: Vec::new(),
            length: 0,
            piece_length,
        };
        Ok(Self { torrent, topics })
    }
}
