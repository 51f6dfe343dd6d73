//! What one cell needs: its own torrent, and `jstorrent` on one side.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::made::Version;
use jstorrent_tests::party::Party;
use jstorrent_tests::terminal::Terminal;
use serde_json::Value;

use crate::cell::Cell;

const KIB: usize = 1 << 10;
/// Small, so that there are many pieces, and files end inside pieces.
const PIECE_LENGTH: usize = 32 * KIB;
/// Odd lengths: empty, less than a block, a piece and a byte, whole pieces, many pieces and a byte.
const FILES: &[(&str, usize)] = &[
    ("a/film.mkv", 2_000_001),
    ("b.srt", 5),
    ("c.empty", 0),
    ("d/e/more", 32 * KIB + 1),
    ("f.exact", 4 * PIECE_LENGTH),
];

/// A torrent in this version, without trackers. Each number has a content of its own.
pub(crate) async fn content(number: u64, version: Version) -> Result<Fixture> {
    let set = Fixture::random_files("set", FILES).dice(number).pieces_of(PIECE_LENGTH);
    // A private torrent would rule out most of the sources.
    let set = if version == Version::V1 { set.linked() } else { set.version(version) };
    set.build().await
}

/// Waits until the other side has everything, compared byte for byte.
pub(crate) async fn complete(fixture: &Fixture, party: &mut Party, cell: &Cell) -> Result<()> {
    let folder = party.folder().to_owned();
    let mut ended = false;
    let done = until("it to have everything", cell.limit(), || {
        let missing = differs(fixture, &folder, cell.it_makes_empty_files());
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
        format!("first wrong: {:?}; {}", differs(fixture, &folder, false), party.log())
    })
}

/// The first file that is not as it was seeded. Empty files count only `with_empty`.
fn differs<'a>(fixture: &'a Fixture, folder: &Path, with_empty: bool) -> Option<&'a Path> {
    let torrent = &fixture.torrent;
    let is_wrong = |(path, bytes): &(&PathBuf, &Vec<u8>)| {
        let relative = path.strip_prefix(&torrent.folder).unwrap_or(path);
        (with_empty || !bytes.is_empty())
            && std::fs::read(folder.join(relative)).ok().as_ref() != Some(*bytes)
    };
    torrent.paths.iter().zip(&fixture.truth).find(is_wrong).map(|(path, _)| path.as_path())
}

/// `jstorrent` on one side.
pub(crate) struct Ours {
    terminal: Terminal,
    folder: PathBuf,
}

impl Ours {
    /// Downloads; `source` is a torrent file or a link.
    pub(crate) fn get(
        fixture: &Fixture,
        source: &str,
        cell: &Cell,
        further: &[String],
    ) -> Result<Self> {
        let (state, folder) = (fixture.scratch.dir("our-state")?, fixture.scratch.dir("ours")?);
        let terminal = start(&state, &folder, source, cell, further)?;
        Ok(Self { terminal, folder })
    }

    /// Seeds the fixture's files; returns its listen port.
    pub(crate) async fn seed(
        fixture: &Fixture,
        source: &str,
        cell: &Cell,
        further: &[String],
    ) -> Result<(Self, u16)> {
        let state = fixture.scratch.dir("giving-state")?;
        let folder = fixture.torrent.folder.clone();
        let further = [&["--seed".to_owned()], further].concat();
        let mut terminal = start(&state, &folder, source, cell, &further)?;
        terminal.complete().await?;
        let port = terminal.port().await?;
        Ok((Self { terminal, folder }, port))
    }

    /// Downloads and uploads almost nothing, and sends PEX; returns its listen port.
    pub(crate) async fn introduce(
        fixture: &Fixture,
        source: &str,
        cell: &Cell,
        further: &[String],
    ) -> Result<(Self, u16)> {
        let (state, folder) =
            (fixture.scratch.dir("introducing-state")?, fixture.scratch.dir("introducing")?);
        let further = [
            &["--seed", "--upload-limit", "1K", "--download-limit", "1K"].map(str::to_owned),
            further,
        ]
        .concat();
        let mut terminal = start(&state, &folder, source, cell, &further)?;
        let port = terminal.port().await?;
        Ok((Self { terminal, folder }, port))
    }

    /// Waits until everything is there, compared byte for byte.
    pub(crate) async fn complete(&mut self, fixture: &Fixture, cell: &Cell) -> Result<()> {
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
        match differs(fixture, &self.folder, true) {
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
    args.extend(cell.flags());
    args.extend(further.iter().map(String::as_str));
    Terminal::start(state, args)
}
