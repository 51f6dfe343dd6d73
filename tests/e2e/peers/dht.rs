//! The DHT as the only source of peers, in a private DHT on loopback.

use anyhow::{Result, ensure};
use jstorrent_tests::clock::LIMIT;
use jstorrent_tests::dht::Node;
use jstorrent_tests::fixture::Fixture;

/// A public torrent without a tracker.
async fn content() -> Result<Fixture> {
    Fixture::random("content.bin", 800_000).pieces_of(64 << 10).linked().build().await
}

/// Two clients that are only DHT nodes: the bootstrap node and another.
async fn network() -> Result<(Node, Node)> {
    let router = Node::first().await?;
    let something_else = Fixture::random("else.bin", 1_000).dice(1).linked().build().await?;
    let other = Node::seed(router.address(), &something_else.torrent).await?;
    Ok((router, other))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_without_a_tracker_finds_a_seeder_through_the_dht() -> Result<()> {
    let (fixture, (router, _other)) = (content().await?, network().await?);
    let _seeder = Node::seed(router.address(), &fixture.torrent).await?;
    let router = router.address().to_string();
    let in_dht = ["--no-dht=no", "--dht-bootstrap", &router];
    let mut terminal = fixture.home.get(fixture.magnet(), &in_dht)?;
    ensure!(terminal.ended().await?.success(), "it failed");
    fixture.is_in(&fixture.home.downloads)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seeder_is_found_through_the_dht() -> Result<()> {
    let (fixture, (router, _other)) = (content().await?, network().await?);
    let address = router.address().to_string();
    let _giver = fixture.give(&["--no-dht=no", "--dht-bootstrap", &address]).await?;
    let getter = Node::get(router.address(), &fixture.magnet()).await?;
    fixture.comes_to(getter.folder(), "the other client to have everything", LIMIT).await
}
