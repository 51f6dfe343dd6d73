//! No unverified byte leaves the daemon. Lying seeders and the engine's end change nothing.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use jstorrent_tests::browser::Options;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::daemon::{Daemon, Endpoint};
use jstorrent_tests::dice::Dice;
use jstorrent_tests::fixture::{Builder, Fixture};
use jstorrent_tests::http;
use jstorrent_tests::liar::{Liar, Lie};
use jstorrent_tests::media::Film;
use jstorrent_tests::plain::url_of;
use jstorrent_tests::proxy::Proxy;
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::workspace::Scratch;
use shared_proto::frame::{decode_control, encode_control};
use shared_proto::{DaemonMessage, EngineMessage, FileId, PROTOCOL_VERSION};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long to watch a viewer that must get nothing.
const WATCHED: Duration = Duration::from_secs(6);

/// A film in a swarm of honest seeders and one liar.
async fn film_with(lie: Lie, honest_rate_bps: &[u64]) -> Result<(Fixture, Liar)> {
    let film = Fixture::film(Film::Mp4MoovFirst);
    let seeded = |film: Builder, rate: &u64| film.seeded(Client::Libtorrent, *rate);
    let fixture = honest_rate_bps.iter().fold(film, seeded).build().await?;
    let liar = Liar::start(&fixture.torrent, lie).await?;
    let honest = fixture.lines.iter().map(Proxy::address);
    fixture.tracker.name(honest.chain([liar.address()]));
    Ok((fixture, liar))
}

async fn is_dropped(liar: &Liar) -> Result<()> {
    until("the liar to be dropped", LIMIT, || async {
        Ok((liar.blocks() > 0 && liar.open() == 0).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_no_byte_from_a_liar() -> Result<()> {
    let (fixture, liar) = film_with(Lie::EveryBlock, &[]).await?;
    let scene = Scene::with(fixture, Options::default()).await?;
    let url = scene.stream_url().await?;
    let viewer = tokio::spawn(async move {
        tokio::time::timeout(WATCHED, http::get_range(&url, 0, 99_999)).await
    });
    is_dropped(&liar).await.with_context(|| scene.browser.report())?;
    scene
        .torrent_when("the lies to be counted as waste", |t| t.wasted > 0 && t.verified == 0)
        .await?;
    // The request waits or is refused, but no byte of the film comes.
    if let Ok(reply) = viewer.await? {
        let reply = reply?;
        ensure!(reply.status >= 400, "status {} with {} bytes", reply.status, reply.body.len());
    }
    let metrics = scene.browser.daemon().await?.metrics().await?;
    let served =
        metrics.get("jstorrent_served_bytes_total").context("a counter of served bytes")?;
    ensure!(*served == 0.0, "{served} bytes were served");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_liar_and_an_honest_seeder_the_film_is_complete_and_the_liar_dropped() -> Result<()>
{
    let (fixture, liar) = film_with(Lie::EveryBlock, &[2 << 20]).await?;
    let scene = Scene::with(fixture, Options::default()).await?;
    let url = scene.stream_url().await?;
    let whole = http::get(&url).await?;
    ensure!(
        whole.whole && whole.body == scene.truth(),
        "the film that was served is not the film that was seeded"
    );
    is_dropped(&liar).await.with_context(|| scene.browser.report())?;
    let torrent = scene.torrent_when("the film to be complete", |t| t.state == "complete").await?;
    ensure!(torrent.wasted < torrent.length / 4, "{} bytes were wasted", torrent.wasted);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_seeder_does_not_delay_a_film() -> Result<()> {
    let (fixture, silent) = film_with(Lie::NoAnswer, &[1 << 20]).await?;
    let scene = Scene::with(fixture, Options::default()).await?;
    let player = scene.play().await?;
    player.first_frame(LIMIT).await.with_context(|| scene.browser.report())?;
    player.plays_on(3.0, LIMIT).await.with_context(|| scene.browser.report())?;
    player.seek(45.0, LIMIT).await.with_context(|| scene.browser.report())?;
    ensure!(silent.requests() > 0, "the silent seeder was never asked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_only_correct_bytes_when_the_browser_vanishes() -> Result<()> {
    let mut scene = Scene::of(Film::Mp4MoovFirst, Client::Libtorrent).await?;
    let mut viewer = http::open(&scene.stream_url().await?, &[("Range", "bytes=0-")]).await?;
    ensure!(viewer.status == 206, "status {}", viewer.status);
    let mut body = Vec::new();
    while body.len() < 1 << 20 {
        ensure!(
            viewer.read_some(&mut body).await? > 0,
            "the body ended after {} bytes",
            body.len()
        );
    }
    scene.is_incomplete().await?;
    scene.browser.kill().await;
    let whole = viewer.read_to_end(&mut body).await?;
    ensure!(!whole, "an incomplete film was sent as whole");
    let truth = scene.truth();
    ensure!(
        body.len() < truth.len() && body == truth[..body.len()],
        "{} bytes came, and they differ",
        body.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_follows_the_last_grant_of_an_engine_that_disappears() -> Result<()> {
    let scratch = Scratch::new("brain")?;
    let (state, downloads) = (scratch.dir("state")?, scratch.dir("downloads")?);
    let content = Dice::new(1).bytes(4_000_000);
    std::fs::write(downloads.join("film.mp4"), &content)?;
    let daemon = Daemon::start(&state, &downloads).await?;
    let mut brain = Brain::connect(&daemon.endpoint, &content).await?;
    let url = daemon.endpoint.url("/stream/film?key=secret");
    let viewer = tokio::spawn(async move { http::get_range(&url, 1000, 3_999_999).await });
    let granted = 1_234_567;
    brain.grant_next_up_to(granted).await?;
    // The engine disappears as soon as the viewer is served.
    until("the viewer to be served", LIMIT, || async {
        let metrics = daemon.endpoint.metrics().await?;
        Ok((metrics.get("jstorrent_served_bytes_total").copied().unwrap_or_default() > 0.0)
            .then_some(()))
    })
    .await?;
    drop(brain);
    let reply = viewer.await??;
    ensure!(reply.status == 206 && !reply.whole, "status {}, whole: {}", reply.status, reply.whole);
    let last = usize::try_from(granted)?;
    ensure!(
        reply.body == content[1000..=last],
        "{} bytes came of {} granted",
        reply.body.len(),
        last - 999
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_overwritten_rechecked_and_refilled_by_a_liar_is_not_sent_to_its_end()
-> Result<()> {
    // More than the buffers hold between the daemon and a viewer that reads nothing.
    let fixture = Fixture::random("film.mp4", 48 << 20)
        .linked()
        .seeded(Client::Libtorrent, 0)
        .build()
        .await?;
    let content = &fixture.truth[0];
    let liar = Liar::start(&fixture.torrent, Lie::EveryBlock).await?;
    let server = fixture.serve(&[]).await?;
    let added = server.add(&fixture.magnet()).await?;
    let url = url_of(&added)?;
    ensure!(http::get(url).await?.whole, "the film does not come");
    // The daemon watches the file for changes from now on.
    let (hash, path) = (fixture.torrent.info_hash.clone(), fixture.downloaded());
    let recheck = format!("torrents/{hash}/recheck");
    ensure!(server.curl(&recheck, &["-X", "POST"]).await?.0 < 300, "it can't be checked");
    server.verified(&hash, content.len() as u64).await?;

    let mut viewer = http::open(url, &[("Range", "bytes=0-")]).await?;
    let mut body = Vec::new();
    while body.len() < 1 << 20 {
        ensure!(
            viewer.read_some(&mut body).await? > 0,
            "the body ended after {} bytes",
            body.len()
        );
    }
    fixture.lines[0].cut();
    let modified = std::fs::metadata(&path)?.modified()?;
    let mut film = std::fs::OpenOptions::new().write(true).open(&path)?;
    film.write_all(&vec![0; content.len()])?;
    film.set_times(std::fs::FileTimes::new().set_modified(modified))?;
    ensure!(server.curl(&recheck, &["-X", "POST"]).await?.0 < 300, "it can't be checked");
    server.add(&format!("magnet:?xt=urn:btih:{hash}&x.pe={}", liar.address())).await?;
    until("the liar to be asked", LIMIT, || async { Ok((liar.blocks() > 0).then_some(())) })
        .await?;

    let whole = viewer.read_to_end(&mut body).await?;
    ensure!(viewer.status == 206 && !whole, "status {}, whole: {whole}", viewer.status);
    let wrong = body.iter().zip(content).filter(|(sent, right)| sent != right).count();
    ensure!(wrong == 0, "{wrong} wrong bytes of {}", body.len());
    Ok(())
}

/// A fake engine that knows one file and sends grants on demand.
struct Brain(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Brain {
    async fn connect(endpoint: &Endpoint, content: &[u8]) -> Result<Self> {
        let url = format!("ws://127.0.0.1:{}/control", endpoint.port);
        let mut brain = Self(tokio_tungstenite::connect_async(url).await?.0);
        let hello = EngineMessage::Hello {
            protocol: PROTOCOL_VERSION,
            token: endpoint.token.clone(),
            engine: "test".into(),
            session: "test".into(),
        };
        brain.say(&hello).await?;
        let DaemonMessage::Welcome { roots, .. } = brain.hear().await? else { bail!("no welcome") };
        let announce = EngineMessage::FileAnnounce {
            file_id: FileId::from("film"),
            root: roots.first().context("a root")?.key.clone(),
            path: vec!["film.mp4".into()],
            length: content.len() as u64,
            content_type: "video/mp4".into(),
            etag: "test".into(),
            key: "secret".into(),
        };
        brain.say(&announce).await?;
        Ok(brain)
    }

    async fn grant_next_up_to(&mut self, end: u64) -> Result<()> {
        loop {
            if let DaemonMessage::RangeRequest { request_id, .. } = self.hear().await? {
                return self.say(&EngineMessage::RangeReady { request_id, end: Some(end) }).await;
            }
        }
    }

    async fn say(&mut self, message: &EngineMessage) -> Result<()> {
        Ok(self.0.send(Message::text(encode_control(message))).await?)
    }

    async fn hear(&mut self) -> Result<DaemonMessage> {
        loop {
            let next = tokio::time::timeout(LIMIT, self.0.next())
                .await
                .context("the daemon says nothing")?;
            if let Message::Text(text) = next.context("the daemon hung up")?? {
                return Ok(decode_control(&text)?);
            }
        }
    }
}
