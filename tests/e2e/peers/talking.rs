//! Connections with real clients: plain and encrypted, over TCP and uTP, dialled by either side.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::party::{Kind, Part, Party};
use jstorrent_tests::proxy::{Line, Proxy};

use jstorrent_tests::torrent::Torrent;

/// Longest wait for a transfer.
const LIMIT: Duration = Duration::from_secs(60);
/// Length of what is transferred, bytes: many frames, and not a whole number of blocks.
const LENGTH: usize = (4 << 20) + 777;

/// The way in which a client talks.
#[derive(Clone, Copy, Debug)]
struct Theirs {
    client: Kind,
    encrypted: bool,
    utp: bool,
    address: &'static str,
}

impl Theirs {
    fn new(client: Kind) -> Self {
        Self { client, encrypted: false, utp: false, address: "127.0.0.1" }
    }

    fn encrypted(self) -> Self {
        Self { encrypted: true, ..self }
    }

    fn over_utp(self) -> Self {
        Self { utp: true, ..self }
    }

    fn at(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    fn part<'a>(&self, torrent: &'a Torrent, seeds: bool) -> Part<'a> {
        let part = Part::new(self.client, torrent, seeds);
        Part { encrypted: self.encrypted, utp: self.utp, address: self.address, ..part }
    }
}

/// A torrent of one file without a tracker.
async fn film() -> Result<Fixture> {
    Fixture::random("film.bin", LENGTH).dice(7).pieces_of(64 << 10).trackerless().build().await
}

/// Options that leave only the named peers.
const ALONE: [&str; 2] = ["--no-lsd", "--no-pex"];

/// Downloads from a client that we dial.
async fn check_getting(theirs: Theirs, flags: &[&str]) -> Result<()> {
    let fixture = film().await?;
    let seeder = Party::start(&theirs.part(&fixture.torrent, true)).await?;
    let peer = seeder.address().to_string();
    let mut terminal = fixture.get(&[&ALONE, flags, &["--peer", &peer]].concat())?;
    let status = terminal
        .ended()
        .await
        .with_context(|| format!("{theirs:?}, {flags:?}: {}", seeder.log()))?;
    ensure!(status.success(), "{theirs:?}, {flags:?}: {status}; {}", seeder.log());
    fixture.is_in(&fixture.home.downloads).with_context(|| format!("{theirs:?}, {flags:?}"))
}

/// Seeds to a client: libtorrent dials us, and we dial the others.
async fn check_giving(theirs: Theirs, flags: &[&str]) -> Result<()> {
    let fixture = film().await?;
    let flags = [&ALONE, flags].concat();
    let (_terminal, leecher) = if theirs.client == Kind::Libtorrent {
        let mut terminal = fixture.give(&flags).await?;
        let us = [(theirs.address.parse::<IpAddr>()?, terminal.port().await?).into()];
        let part = Part { peers: &us, ..theirs.part(&fixture.torrent, false) };
        (terminal, Party::start(&part).await?)
    } else {
        let leecher = Party::start(&theirs.part(&fixture.torrent, false)).await?;
        let peer = leecher.address().to_string();
        (fixture.give(&[&flags[..], &["--peer", &peer]].concat()).await?, leecher)
    };
    let what = "the client to have everything";
    let done = fixture.comes_to(leecher.folder(), what, LIMIT).await;
    done.with_context(|| format!("{theirs:?}, {flags:?}: {}", leecher.log()))
}

/// Runs both directions at once, because clients mostly wait: Transmission unchokes after ten
/// seconds.
async fn check_both_ways(theirs: Theirs, flags: &[&str]) -> Result<()> {
    tokio::try_join!(check_getting(theirs, flags), check_giving(theirs, flags)).map(drop)
}

const FORCED: &[&str] = &["--encryption", "forced"];
const OFF: &[&str] = &["--encryption", "off"];

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_that_insists_on_encryption_gets_it() -> Result<()> {
    let theirs = Theirs::new(Kind::Libtorrent).encrypted();
    check_both_ways(theirs, FORCED).await?;
    // We dial plainly at first, then encrypted.
    check_both_ways(theirs, &[]).await?;
    check_both_ways(theirs, &["--encryption", "preferred"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_that_refuses_encryption_gets_plain_connections() -> Result<()> {
    let theirs = Theirs::new(Kind::Libtorrent);
    check_both_ways(theirs, OFF).await?;
    check_both_ways(theirs, &["--encryption", "preferred"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transmission_that_insists_on_encryption_gets_it() -> Result<()> {
    let theirs = Theirs::new(Kind::Transmission).encrypted();
    tokio::try_join!(check_both_ways(theirs, FORCED), check_both_ways(theirs, &[])).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn aria2_that_insists_on_encryption_gets_it() -> Result<()> {
    let theirs = Theirs::new(Kind::Aria2).encrypted();
    tokio::try_join!(check_both_ways(theirs, FORCED), check_both_ways(theirs, &[])).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_encryption_works_with_clients_that_do_not_insist_on_it() -> Result<()> {
    let (transmission, aria2) = (Theirs::new(Kind::Transmission), Theirs::new(Kind::Aria2));
    tokio::try_join!(check_both_ways(transmission, FORCED), check_both_ways(aria2, FORCED))
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_between_forced_encryption_and_no_encryption() -> Result<()> {
    let (forced, plain) =
        (Theirs::new(Kind::Libtorrent).encrypted(), Theirs::new(Kind::Libtorrent));
    for (theirs, flags) in [(forced, OFF), (plain, FORCED)] {
        let fixture = film().await?;
        let seeder = Party::start(&theirs.part(&fixture.torrent, true)).await?;
        let line = Proxy::start(seeder.address(), Line::of_rate(0))?;
        let peer = line.address().to_string();
        let flags = [&ALONE, flags, &["--no-utp", "--peer", &peer]].concat();
        let mut terminal = fixture.get(&flags)?;
        // We dial more than once: after a refusal in another way, or later.
        let mut after = 0;
        while after < 4 {
            let event = terminal.event("progress", |event| event["event"] == "progress").await?;
            ensure!(event["verified"] == 0, "{theirs:?}, {flags:?}: {event}");
            after += u32::from(line.connections() > 0);
        }
        // The positive control: with matching options everything passes.
        drop(terminal);
        let willing = if theirs.encrypted { FORCED } else { OFF };
        let flags = [&ALONE, willing, &["--no-utp", "--peer", &peer]].concat();
        let mut terminal = fixture.home("willing")?.get(fixture.torrent_file()?, &flags)?;
        ensure!(terminal.ended().await?.success(), "{theirs:?}, {flags:?}: nothing passes at all");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_without_tcp_is_reached_over_utp() -> Result<()> {
    let theirs = Theirs::new(Kind::Libtorrent).over_utp();
    // Our first dial, over TCP, is refused.
    check_both_ways(theirs, &[]).await?;
    check_both_ways(theirs, &["--no-tcp", "--encryption", "off"]).await?;
    check_both_ways(theirs.encrypted(), &["--no-tcp", "--encryption", "forced"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transmission_is_reached_over_utp_when_tcp_is_off() -> Result<()> {
    let theirs = Theirs::new(Kind::Transmission).over_utp();
    let secretly = ["--no-tcp", "--encryption", "forced"];
    let (plainly, secretly) =
        (check_both_ways(theirs, &["--no-tcp"]), check_both_ways(theirs.encrypted(), &secretly));
    tokio::try_join!(plainly, secretly).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_is_reached_over_ipv6() -> Result<()> {
    let theirs = Theirs::new(Kind::Libtorrent).at("::1");
    check_both_ways(theirs, &["--peer-address", "::1"]).await?;
    check_both_ways(theirs.encrypted(), &["--peer-address", "::1", "--no-utp"]).await?;
    check_both_ways(theirs.over_utp(), &["--peer-address", "::1", "--no-tcp"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_connect_over_utp() -> Result<()> {
    for flags in [&["--no-tcp"][..], &["--no-tcp", "--encryption", "forced"]] {
        let fixture = film().await?;
        let mut giving = fixture.give(&[&ALONE, flags].concat()).await?;
        let peer = giving.address().await?.to_string();
        let mut terminal = fixture.get(&[&ALONE, flags, &["--peer", &peer]].concat())?;
        ensure!(terminal.ended().await?.success());
        fixture.is_in(&fixture.home.downloads)?;
    }
    Ok(())
}
