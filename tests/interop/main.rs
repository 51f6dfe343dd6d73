//! The interoperability matrix: real transfers between `jstorrent` and other clients.
//!
//! By default it runs every transport, encryption and version with peers from an HTTP tracker, and
//! every source of peers with v1 over plain TCP. `INTEROP=full` runs all combinations;
//! `INTEROP_ONLY=words` runs the cells whose names contain all the words. The table is printed and
//! saved in `target/interop.txt`. Every byte is compared.

mod cell;
mod side;
mod table;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cell::{Cell, Direction, Other, Source};
use futures_util::StreamExt as _;
use jstorrent_tests::clock::until;
use jstorrent_tests::dht::Node;
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::nginx::Nginx;
use jstorrent_tests::party::{Kind, Part, Party};
use jstorrent_tests::plain::Server;
use jstorrent_tests::torrent::Torrent;
use jstorrent_tests::tracker::{Front, Tracker};
use jstorrent_tests::workspace;
use side::{Ours, complete, content};
use table::{Outcome, Table};

/// How many cells run at once; most of the time they wait.
const AT_ONCE: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn every_transfer_that_both_clients_support_succeeds() -> Result<()> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let (is_full, only) = (variable("INTEROP") == "full", variable("INTEROP_ONLY"));
    let is_chosen =
        |cell: &Cell| only.split_whitespace().all(|word| cell.to_string().contains(word));
    let mut cells: Vec<Cell> = Cell::all()
        .into_iter()
        .filter(|cell| (is_full || cell.is_in_short_form()) && is_chosen(cell))
        .collect();
    assert!(!cells.is_empty(), "no cell's name holds all of: {only}");
    // Slow cells begin first.
    cells.sort_by_key(|cell| cell.it_dials() || cell.direction == Direction::Down);
    // Clients send PEX once a minute, so these cells mostly wait.
    let (waiting, busy): (Vec<_>, Vec<_>) =
        cells.into_iter().enumerate().partition(|(_, cell)| cell.source == Source::Pex);
    let network = Network::new().await?;
    let run = |(number, cell): (usize, Cell)| {
        let network = &network;
        async move { (cell, look(number as u64, &cell, network).await) }
    };
    let all_of = |cells: Vec<(usize, Cell)>| {
        futures_util::stream::iter(cells.into_iter().map(&run))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
    };
    let (mut outcomes, others) = tokio::join!(all_of(waiting), all_of(busy));
    outcomes.extend(others);
    outcomes.sort_by_key(|(cell, _)| cell.to_string());
    let mut table = Table::default();
    outcomes.into_iter().for_each(|(cell, outcome)| table.add(cell, outcome));
    let (drawn, failures) = (table.draw(), table.failures());
    println!("{drawn}");
    std::fs::write(workspace::target().join("interop.txt"), drawn)?;
    assert!(failures.is_empty(), "broken cells:\n{}", failures.join("\n"));
    Ok(())
}

/// The private DHT of all cells.
struct Network {
    router: Node,
    _other: Node,
    _content: Fixture,
}

impl Network {
    async fn new() -> Result<Self> {
        let router = Node::first().await?;
        let fixture = content(u64::MAX, jstorrent_tests::made::Version::V1).await?;
        let other = Node::seed(router.address(), &fixture.torrent).await?;
        Ok(Self { router, _other: other, _content: fixture })
    }
}

async fn look(number: u64, cell: &Cell, network: &Network) -> Outcome {
    if let Some(reason) = cell.cannot() {
        return Outcome::Skipped(reason);
    }
    let begun = Instant::now();
    let transfer = async {
        let fixture = content(number, cell.version).await?;
        match cell.direction {
            Direction::Down => down(&fixture, cell, network).await,
            Direction::Up => up(&fixture, cell, network).await,
        }
    };
    match tokio::time::timeout(2 * cell.limit(), transfer).await {
        Ok(Ok(())) => Outcome::Passed(begun.elapsed()),
        Ok(Err(error)) => Outcome::Failed(format!("{error:#}")),
        Err(_) => Outcome::Failed("it takes too long".into()),
    }
}

/// A download from the other side.
async fn down(fixture: &Fixture, cell: &Cell, network: &Network) -> Result<()> {
    let Other::Client(client) = cell.other else { return from_web_server(fixture, cell).await };
    let part = |torrent| Part {
        encrypted: cell.encrypted,
        utp: cell.utp,
        ..Part::new(client, torrent, true)
    };
    match cell.source {
        Source::Http | Source::Udp | Source::Magnet => {
            let known = Known::new(fixture, cell.source).await?;
            let party = Party::start(&part(&known.torrent)).await?;
            known.announced(party.address().port()).await.with_context(|| party.log())?;
            let source = if cell.source == Source::Magnet { known.link } else { known.file };
            Ours::get(fixture, &source, cell, &[])?.complete(fixture, cell).await
        }
        Source::Dht => {
            let router = network.router.address();
            let _party =
                Party::start(&Part { dht: Some(router), ..part(&fixture.torrent) }).await?;
            Ours::get(fixture, &file(fixture, &fixture.torrent)?, cell, &in_dht(router))?
                .complete(fixture, cell)
                .await
        }
        Source::Pex => {
            let introducer =
                Part { seeds: false, pex: true, gives: false, ..part(&fixture.torrent) };
            // aria2 sends a peer no PEX about peers at the same address.
            let (giver, introducer) = acquainted(fixture, &introducer, "127.0.0.2").await?;
            let peer = ["--peer".to_owned(), introducer.address().to_string()];
            let got = Ours::get(fixture, &file(fixture, &fixture.torrent)?, cell, &peer)?
                .complete(fixture, cell)
                .await;
            got.with_context(|| {
                format!("the giver: {}; the introducer: {}", giver.log(), introducer.log())
            })
        }
        Source::WebSeed => unreachable!("no client serves HTTP"),
    }
}

/// A download of the other side from us.
async fn up(fixture: &Fixture, cell: &Cell, network: &Network) -> Result<()> {
    let Other::Client(client) = cell.other else { unreachable!("a web server wants nothing") };
    let part = |torrent| Part {
        encrypted: cell.encrypted,
        utp: cell.utp,
        ..Part::new(client, torrent, false)
    };
    match cell.source {
        Source::Http | Source::Udp | Source::Magnet => {
            let known = Known::new(fixture, cell.source).await?;
            let link = (cell.source == Source::Magnet).then_some(known.link.as_str());
            let part = Part { link, ..part(&known.torrent) };
            if cell.it_dials() {
                let (_ours, port) = Ours::seed(fixture, &known.file, cell, &[]).await?;
                known.announced(port).await?;
                let mut party = Party::start(&part).await?;
                complete(fixture, &mut party, cell).await
            } else {
                let mut party = Party::start(&part).await?;
                known.announced(party.address().port()).await.with_context(|| party.log())?;
                let (_ours, _) = Ours::seed(fixture, &known.file, cell, &[]).await?;
                complete(fixture, &mut party, cell).await
            }
        }
        Source::Dht => {
            let router = network.router.address();
            let (_ours, _) =
                Ours::seed(fixture, &file(fixture, &fixture.torrent)?, cell, &in_dht(router))
                    .await?;
            let mut party =
                Party::start(&Part { dht: Some(router), ..part(&fixture.torrent) }).await?;
            complete(fixture, &mut party, cell).await
        }
        Source::Pex => {
            introduced(fixture, cell, &Part { pex: true, ..part(&fixture.torrent) }).await
        }
        Source::WebSeed => {
            let state = fixture.scratch.dir("server")?;
            let server = Server::start(&state, &fixture.torrent.folder, &["--no-token"]).await?;
            let path = fixture.torrent.write_to(fixture.scratch.path())?;
            server.add_file(&path, "?keep=1").await?;
            server.verified(&fixture.torrent.info_hash, fixture.torrent.length).await?;
            let url = format!("{}stream/{}/", server.base, fixture.torrent.info_hash);
            let torrent = fixture.torrent.with_web_seed(&url);
            let mut party = Party::start(&part(&torrent)).await?;
            complete(fixture, &mut party, cell).await
        }
    }
}

/// A client downloads from us after a slow peer introduced us by PEX.
async fn introduced(fixture: &Fixture, cell: &Cell, part: &Part<'_>) -> Result<()> {
    let source = file(fixture, &fixture.torrent)?;
    // Another address than the introducer's, as in reality.
    let elsewhere = ["--peer-address", "127.0.0.2"].map(str::to_owned);
    let (_ours, port) = Ours::seed(fixture, &source, cell, &elsewhere).await?;
    let us = SocketAddr::from(([127, 0, 0, 2], port));
    if cell.it_dials() {
        let us = ["--peer".to_owned(), us.to_string()];
        let (_introducer, port) = Ours::introduce(fixture, &source, cell, &us).await?;
        let tracker = Tracker::start().await?;
        tracker.name([([127, 0, 0, 1], port).into()]);
        let torrent = fixture.torrent.with_tracker(&tracker.url());
        let mut party = Party::start(&Part { torrent: &torrent, ..part.clone() }).await?;
        return complete(fixture, &mut party, cell).await;
    }
    // The client takes one connection from each address, so another client dials it and us.
    let mut party = Party::start(part).await?;
    let peers = [us, party.address()];
    let introducer = Part {
        client: Kind::Libtorrent,
        address: "127.0.0.3",
        gives: false,
        peers: &peers,
        ..part.clone()
    };
    let introducer = Party::start(&introducer).await?;
    complete(fixture, &mut party, cell).await.with_context(|| introducer.log())
}

/// A client that uploads almost nothing, and a seeder that it is connected to.
async fn acquainted(
    fixture: &Fixture,
    introducer: &Part<'_>,
    address: &str,
) -> Result<(Party, Party)> {
    let giver = |peers| Part {
        address,
        encrypted: introducer.encrypted,
        utp: introducer.utp,
        pex: true,
        peers,
        ..Part::new(Kind::Libtorrent, &fixture.torrent, true)
    };
    if introducer.client == Kind::Transmission {
        // Transmission dials no peer of 127.*.
        let party = Party::start(introducer).await?;
        let giver = Party::start(&giver(&[party.address()])).await?;
        return Ok((giver, party));
    }
    let giver = Party::start(&giver(&[])).await?;
    let tracker = Tracker::start().await?;
    tracker.name([giver.address()]);
    let torrent = fixture.torrent.with_tracker(&tracker.url());
    let party = Party::start(&Part { torrent: &torrent, ..introducer.clone() }).await?;
    until("it to ask its tracker", Duration::from_secs(30), || async {
        Ok((tracker.announces() > 0).then_some(()))
    })
    .await?;
    Ok((giver, party))
}

/// A download from a web server.
async fn from_web_server(fixture: &Fixture, cell: &Cell) -> Result<()> {
    let nginx = Nginx::start(&fixture.torrent.folder).await?;
    let torrent = fixture.torrent.with_web_seed(&nginx.url(""));
    Ours::get(fixture, &file(fixture, &torrent)?, cell, &[])?.complete(fixture, cell).await
}

fn in_dht(router: SocketAddr) -> [String; 3] {
    ["--no-dht=no".into(), "--dht-bootstrap".into(), router.to_string()]
}

/// Writes the torrent's file for our side.
fn file(fixture: &Fixture, torrent: &Torrent) -> Result<String> {
    path_text(&torrent.write_to(&fixture.scratch.dir("torrent")?)?)
}

fn path_text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a plain path")?.to_owned())
}

/// A tracker, with a torrent and a link that name it.
struct Known {
    tracker: Tracker,
    torrent: Torrent,
    file: String,
    link: String,
}

impl Known {
    async fn new(fixture: &Fixture, source: Source) -> Result<Self> {
        let tracker =
            Tracker::open(if source == Source::Udp { Front::Udp } else { Front::Http }).await?;
        let url = tracker.url();
        let torrent = fixture.torrent.with_tracker(&url);
        let file = file(fixture, &torrent)?;
        let link = format!("{}&tr={}", fixture.magnet(), jstorrent_tests::plain::encoded(&url));
        Ok(Self { tracker, torrent, file, link })
    }

    /// Waits until a peer announced this port.
    async fn announced(&self, port: u16) -> Result<()> {
        const SOON: Duration = Duration::from_secs(30);
        until("an announce", SOON, || async {
            Ok(self.tracker.announced().iter().any(|peer| peer.port() == port).then_some(()))
        })
        .await
    }
}
