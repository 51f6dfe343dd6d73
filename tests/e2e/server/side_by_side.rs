//! The adapter for side-by-side benchmarks keeps to its protocol.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture};
use jstorrent_tests::http;
use jstorrent_tests::media::Film;
use jstorrent_tests::ports;
use jstorrent_tests::process::{Group, is_alive, log_to, terminate_pid};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::workspace::Scratch;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A running adapter, used like in a benchmark.
struct Adapter {
    group: Group,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    server: u32,
}

impl Adapter {
    async fn start(scratch: &Scratch, dir: &Path) -> Result<Self> {
        let port = ports::reserve()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_contender"));
        command
            .env("BENCH_HTTP_PORT", port.to_string())
            .env("BENCH_PEER_PORT", "1")
            .env("BENCH_DIR", dir);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_to(&scratch.path().join("adapter.err"))?);
        let mut group = Group::spawn(&mut command)?;
        let (input, output) = (Some(group.stdin()?), BufReader::new(group.stdout()?).lines());
        let mut adapter = Self { group, input, output, server: 0 };
        let pid = adapter.said("ready").await?["pid"].as_u64().context("a pid")?;
        adapter.server = u32::try_from(pid)?;
        ensure!(is_alive(adapter.server), "there is a process to measure");
        Ok(adapter)
    }

    async fn add(&mut self, torrent: &Path, dir: &Path, complete: bool) -> Result<String> {
        let command = json!({ "cmd": "add", "torrent": torrent, "dir": dir, "complete": complete });
        let input = self.input.as_mut().context("its input is open")?;
        input.write_all(format!("{command}\n").as_bytes()).await?;
        Ok(self.said("added").await?["url"].as_str().context("a URL")?.to_owned())
    }

    /// The next line with this key.
    async fn said(&mut self, word: &str) -> Result<Value> {
        let find = async {
            loop {
                let line = self.output.next_line().await?.context("it ended")?;
                let message: Value =
                    serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
                ensure!(message["error"].is_null(), "{message}");
                if !message[word].is_null() {
                    return Ok(message);
                }
            }
        };
        timeout(LIMIT, find).await.with_context(|| format!("it does not say {word}"))?
    }

    /// Ends the adapter, and with it its server.
    async fn ends(mut self) -> Result<()> {
        let status = timeout(LIMIT, self.group.wait()).await.context("it goes on")??;
        ensure!(status.success(), "it ended with {status}");
        let server = self.server;
        until("the server to end", LIMIT, || async { Ok((!is_alive(server)).then_some(())) }).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_benchmark_gets_a_stream_at_once_and_an_event_when_it_is_verified() -> Result<()> {
    let film = Fixture::film(Film::Mp4MoovFirst).seeded(Client::Libtorrent, FILM_RATE_BPS);
    let fixture = film.build().await?;
    let (dir, truth) = (&fixture.home.downloads, &fixture.truth[0]);
    let mut adapter = Adapter::start(&fixture.scratch, dir).await?;
    let url = adapter.add(&fixture.torrent_file()?, dir, false).await?;
    let middle = truth.len() / 2;
    let part = http::get_range(&url, middle as u64, middle as u64 + 99_999).await?;
    ensure!(
        part.status == 206 && part.body == truth[middle..middle + 100_000],
        "the URL streams while it downloads"
    );
    fixture.set_rate(0);
    adapter.said("done").await?;
    fixture.is_in(dir)?;
    drop(adapter.input.take());
    adapter.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_benchmark_gets_a_finished_file_served_in_place() -> Result<()> {
    // The torrent has no seeder: what is served existed.
    let fixture = Fixture::film(Film::Mp4MoovFirst).build().await?;
    let dir = &fixture.home.downloads;
    std::fs::hard_link(&fixture.torrent.paths[0], fixture.downloaded())?;
    let mut adapter = Adapter::start(&fixture.scratch, dir).await?;
    let url = adapter.add(&fixture.torrent_file()?, dir, true).await?;
    ensure!(http::get(&url).await?.body == fixture.truth[0], "the film is served");
    ensure!(fixture.home.files()? == 1, "nothing was copied");
    terminate_pid(adapter.group.pid());
    adapter.ends().await
}
