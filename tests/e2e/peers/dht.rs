//! Peers are found by way of the DHT and of nothing else: links without trackers, in a private DHT
//! on loopback.

use std::path::Path;

use anyhow::{Result, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::dht::Node;
use jstorrent_tests::scene::LIMIT;
use jstorrent_tests::terminal::Terminal;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::workspace::Scratch;

/// Two clients that are nodes only, and something to download.
struct Stage {
    router: Node,
    _other: Node,
    torrent: Torrent,
    truth: Vec<u8>,
    scratch: Scratch,
}

impl Stage {
    async fn new() -> Result<Self> {
        let scratch = Scratch::new("dht-content")?;
        let file = scratch.path().join("content.bin");
        let truth: Vec<u8> = (0..200_000_u32)
            .flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes())
            .collect();
        std::fs::write(&file, &truth)?;
        // The DHT knows no private torrents.
        let torrent = Torrent::make(&Recipe::of_file(&file, 64 << 10)?)?.public();
        let router = Node::first().await?;
        let other = Node::seed(router.address(), &Self::something_else(scratch.path())?).await?;
        Ok(Self { router, _other: other, torrent, truth, scratch })
    }

    fn something_else(folder: &Path) -> Result<Torrent> {
        let file = folder.join("else.bin");
        std::fs::write(&file, [7; 1000])?;
        Ok(Torrent::make(&Recipe::of_file(&file, 16 << 10)?)?.public())
    }

    fn link(&self) -> String {
        format!("magnet:?xt=urn:btih:{}", self.torrent.info_hash)
    }

    /// Downloads with `jstorrent`, which knows but one node.
    async fn download(&self, further: &[&str]) -> Result<()> {
        let (state, dir) = (self.scratch.dir("state")?, self.scratch.dir("downloads")?);
        let (link, router) = (self.link(), self.router.address().to_string());
        let dir_text = dir.to_str().expect("the target folder has a plain name");
        let args = ["get", &link, "--dir", dir_text, "--no-dht=no", "--dht-bootstrap", &router];
        let mut terminal = Terminal::start(&state, args.iter().chain(further))?;
        ensure!(terminal.ended().await?.success(), "it failed");
        ensure!(
            std::fs::read(dir.join("content.bin"))? == self.truth,
            "what was downloaded is not what was seeded"
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_without_a_tracker_leads_to_a_seeder_by_way_of_the_dht() -> Result<()> {
    let stage = Stage::new().await?;
    let _seeder = Node::seed(stage.router.address(), &stage.torrent).await?;
    stage.download(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_everything_is_found_by_way_of_the_dht() -> Result<()> {
    let stage = Stage::new().await?;
    let (state, dir) = (stage.scratch.dir("state")?, stage.scratch.dir("given")?);
    std::fs::write(dir.join("content.bin"), &stage.truth)?;
    let file = stage.torrent.write_to(stage.scratch.path())?;
    let router = stage.router.address().to_string();
    let text = |path: &Path| path.to_str().expect("the target folder has a plain name").to_owned();
    let args = [
        "get",
        &text(&file),
        "--seed",
        "--dir",
        &text(&dir),
        "--no-dht=no",
        "--dht-bootstrap",
        &router,
    ];
    let mut giver = Terminal::start(&state, args)?;
    giver.event("everything to be there", |event| event["event"] == "complete").await?;
    let getter = Node::get(stage.router.address(), &stage.link()).await?;
    until("the other client to have everything", LIMIT, || async {
        let got = std::fs::read(getter.folder().join("content.bin"));
        Ok(got.is_ok_and(|got| got == stage.truth).then_some(()))
    })
    .await
}
