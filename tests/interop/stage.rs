//! What one cell needs: a torrent whose content no other cell has, and `jstorrent` on one side of
//! it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::dice::Dice;
use jstorrent_tests::made::{Made, Version};
use jstorrent_tests::party::Party;
use jstorrent_tests::terminal::Terminal;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::workspace::Scratch;
use serde_json::Value;

use crate::cell::Cell;

const KIB: usize = 1 << 10;
/// Small, so that there are many pieces, and files end within them.
const PIECE_LENGTH: usize = 32 * KIB;
/// Odd lengths: nothing, less than a block, a piece and a byte, whole pieces, many pieces and a
/// byte.
const FILES: &[(&str, usize)] = &[
    ("a/film.mkv", 2_000_001),
    ("b.srt", 5),
    ("c.empty", 0),
    ("d/e/more", 32 * KIB + 1),
    ("f.exact", 4 * PIECE_LENGTH),
];

/// A torrent, and where everything lies.
pub(crate) struct Stage {
    pub(crate) torrent: Torrent,
    pub(crate) link: String,
    pub(crate) scratch: Scratch,
    truth: Vec<(PathBuf, Vec<u8>)>,
}

impl Stage {
    /// Content that follows from the number, described in this version, without trackers.
    pub(crate) async fn new(number: u64, version: Version) -> Result<Self> {
        let scratch = Scratch::new("interop")?;
        let folder = scratch.dir("content")?;
        let name = "set";
        let mut truth = Vec::new();
        for (salt, (path, length)) in (1..).zip(FILES) {
            let bytes = Dice::new(number).fork(salt).bytes(*length);
            let relative = Path::new(name).join(path);
            let path = folder.join(&relative);
            std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            std::fs::write(path, &bytes)?;
            truth.push((relative, bytes));
        }
        let (torrent, topics) = if version == Version::V1 {
            let files = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
            let recipe = Recipe {
                folder,
                name: name.into(),
                files,
                piece_length: PIECE_LENGTH,
                announce: None,
            };
            // A private torrent would rule out most of the sources.
            let torrent = Torrent::make(&recipe)?.public();
            let topic = format!("xt=urn:btih:{}", torrent.info_hash);
            (torrent, vec![topic])
        } else {
            let made = Made::new(&folder, name, PIECE_LENGTH, version).await?;
            (made.torrent, made.topics)
        };
        Ok(Self { torrent, link: format!("magnet:?{}", topics.join("&")), scratch, truth })
    }

    /// Waits until the other side has everything, byte for byte.
    pub(crate) async fn complete(&self, party: &mut Party, cell: &Cell) -> Result<()> {
        let folder = party.folder().to_owned();
        let mut ended = false;
        let done = until("it to have everything", cell.limit(), || {
            let missing = self.differs(&folder, cell.it_makes_empty_files());
            let gave_up = std::mem::replace(&mut ended, party.has_ended()) && missing.is_some();
            async move {
                match missing {
                    Some(path) if gave_up => bail!("it ended, and {} is not right", path.display()),
                    Some(_) => Ok(None),
                    None => Ok(Some(())),
                }
            }
        });
        done.await.with_context(|| {
            format!("first wrong: {:?}; {}", self.differs(&folder, false), party.log())
        })
    }

    /// Bytes in all.
    pub(crate) fn length(&self) -> u64 {
        FILES.iter().map(|(_, length)| *length as u64).sum()
    }

    /// The first file that is not as it was seeded; those that are empty count if they have to be
    /// there.
    fn differs(&self, folder: &Path, with_empty: bool) -> Option<&Path> {
        let is_wrong = |(path, bytes): &&(PathBuf, Vec<u8>)| {
            (with_empty || !bytes.is_empty())
                && std::fs::read(folder.join(path)).ok().as_ref() != Some(bytes)
        };
        self.truth.iter().find(is_wrong).map(|(path, _)| path.as_path())
    }
}

/// `jstorrent` on one side.
pub(crate) struct Ours {
    terminal: Terminal,
    folder: PathBuf,
}

impl Ours {
    /// Downloads; `source` is a torrent file or a link.
    pub(crate) fn get(
        stage: &Stage,
        source: &str,
        cell: &Cell,
        further: &[String],
    ) -> Result<Self> {
        let (state, folder) = (stage.scratch.dir("our-state")?, stage.scratch.dir("ours")?);
        let terminal = start(&state, &folder, source, cell, further)?;
        Ok(Self { terminal, folder })
    }

    /// Gives what lies there; its port for peers.
    pub(crate) async fn seed(
        stage: &Stage,
        source: &str,
        cell: &Cell,
        further: &[String],
    ) -> Result<(Self, u16)> {
        let state = stage.scratch.dir("giving-state")?;
        let folder = stage.torrent.folder.clone();
        let further = [&["--seed".to_owned()], further].concat();
        let mut terminal = start(&state, &folder, source, cell, &further)?;
        terminal.event("everything to be found", |event| event["event"] == "complete").await?;
        let port = port(&mut terminal).await?;
        Ok((Self { terminal, folder }, port))
    }

    /// Wants everything, takes and gives next to nothing, and tells others of others; its port for
    /// peers.
    pub(crate) async fn introduce(
        stage: &Stage,
        source: &str,
        cell: &Cell,
        further: &[String],
    ) -> Result<(Self, u16)> {
        let (state, folder) =
            (stage.scratch.dir("introducing-state")?, stage.scratch.dir("introducing")?);
        let further = [
            &["--seed", "--upload-limit", "1K", "--download-limit", "1K"].map(str::to_owned),
            further,
        ]
        .concat();
        let mut terminal = start(&state, &folder, source, cell, &further)?;
        let port = port(&mut terminal).await?;
        Ok((Self { terminal, folder }, port))
    }

    /// Waits until everything is there, byte for byte.
    pub(crate) async fn complete(&mut self, stage: &Stage, cell: &Cell) -> Result<()> {
        let mut last = None;
        let complete = async {
            while last.as_ref().is_none_or(|event: &Value| event["event"] != "complete") {
                last = Some(self.terminal.next().await?);
            }
            Ok::<(), anyhow::Error>(())
        };
        let done = tokio::time::timeout(cell.limit(), complete).await;
        done.map_err(|_| anyhow!("it takes too long"))
            .flatten()
            .with_context(|| format!("last heard: {last:?}"))?;
        let status = self.terminal.ended().await?;
        ensure!(status.success(), "it ended with {status}");
        match stage.differs(&self.folder, true) {
            None => Ok(()),
            Some(path) => bail!("{} is not what was seeded", path.display()),
        }
    }
}

fn start(
    state: &Path,
    folder: &Path,
    source: &str,
    cell: &Cell,
    further: &[String],
) -> Result<Terminal> {
    let dir = folder.to_str().context("a plain path")?;
    let mut args = vec!["get", source, "--dir", dir, "--no-lsd"];
    args.extend(crate::flags(cell));
    args.extend(further.iter().map(String::as_str));
    Terminal::start(state, args)
}

async fn port(terminal: &mut Terminal) -> Result<u16> {
    let event = terminal
        .event("its port", |event| event["port"].as_u64().is_some_and(|port| port != 0))
        .await?;
    Ok(u16::try_from(event["port"].as_u64().context("a port")?)?)
}
