//! An adapter for side-by-side benchmarks: runs `jstorrent serve` and speaks JSON lines.
//!
//! It starts the server with a folder and a port, adds torrent files over HTTP, passes on the URLs
//! that the server returns, and watches the torrents. It uses no shortcut into the daemon and
//! measures nothing.
//!
//! - Environment: `BENCH_HTTP_PORT` (where the server listens, on 127.0.0.1) and `BENCH_DIR` (where
//!   downloads lie).
//! - Started, it says `{"ready":true,"pid":N}`: the daemon is that process's child.
//! - `{"cmd":"add","torrent":PATH,"dir":DIR,"complete":BOOL}` is answered with
//!   `{"added":true,"url":URL}`: at once, or with `complete` once the file that lies in the folder
//!   is checked.
//! - `{"done":true}` follows when every piece of a torrent is verified, `{"error":TEXT}` when
//!   something went wrong.
//! - The end of its input, or SIGTERM, ends it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jstorrent_tests::http;
use jstorrent_tests::terminal::Terminal;
use jstorrent_tests::workspace::Scratch;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often to look at torrents while they are new or progress. Otherwise the adapter looks when
/// the server prints a line, so that it does not disturb measurements of idle torrents.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a torrent counts as progressing.
const MOVING_FOR: Duration = Duration::from_secs(2);

/// A line of input.
#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "lowercase")]
enum Command {
    Add {
        torrent: PathBuf,
        dir: PathBuf,
        #[serde(default)]
        complete: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime handles signals");
    tokio::select! {
        result = run() => match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&json!({ "error": format!("{error:#}") }));
                ExitCode::FAILURE
            }
        },
        // Dropping the future ends the server.
        _ = terminate.recv() => ExitCode::SUCCESS,
    }
}

async fn run() -> Result<()> {
    let mut contender = Contender::start().await?;
    say(&json!({ "ready": true, "pid": contender.terminal.pid() }));
    let mut input = input();
    loop {
        let look_at = Instant::now() + LOOK_EVERY;
        tokio::select! {
            line = input.recv() => match line {
                Some(line) => contender.obey(&line).await?,
                None => break,
            },
            event = contender.terminal.next() => drop(event.context("the server")?),
            () = sleep_until(look_at), if contender.moves_until > look_at => {}
        }
        contender.look().await?;
    }
    let status = contender.terminal.interrupt().await?;
    ensure!(status.success(), "the server ended with {status}");
    Ok(())
}

/// A server and its torrents that are not complete.
struct Contender {
    terminal: Terminal,
    base: String,
    authorization: String,
    folder: PathBuf,
    /// Verified bytes of incomplete torrents, by info hash.
    unfinished: BTreeMap<String, u64>,
    moves_until: Instant,
    _state: Scratch,
}

impl Contender {
    async fn start() -> Result<Self> {
        let port: u16 =
            from_environment("BENCH_HTTP_PORT")?.parse().context("BENCH_HTTP_PORT is no port")?;
        let folder = PathBuf::from(from_environment("BENCH_DIR")?);
        let state = Scratch::new("contender")?;
        let listen = format!("127.0.0.1:{port}");
        let args = [
            "serve".as_ref(),
            "--listen".as_ref(),
            listen.as_ref(),
            "--dir".as_ref(),
            folder.as_os_str(),
        ];
        let mut terminal = Terminal::start(state.path(), args)?;
        let ready = terminal.event("the address", |event| event["event"] == "ready").await?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let (base, authorization) = (text("base"), format!("Bearer {}", text("token")));
        let (unfinished, moves_until) = (BTreeMap::new(), Instant::now());
        Ok(Self { terminal, base, authorization, folder, unfinished, moves_until, _state: state })
    }

    async fn obey(&mut self, line: &str) -> Result<()> {
        let command =
            serde_json::from_str(line).with_context(|| format!("not a command: {line}"))?;
        let Command::Add { torrent, dir, complete } = command;
        ensure!(
            same_folder(&dir, &self.folder)?,
            "the server was started with another folder than {}",
            dir.display()
        );
        let metainfo =
            std::fs::read(&torrent).with_context(|| format!("reading {}", torrent.display()))?;
        let added = self.call("POST", "add?keep=1", &metainfo).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let info_hash = text(&added["infoHash"]).context("an info hash")?;
        let url = text(&added["files"][0]["url"]).context("a URL")?;
        if complete {
            while !self.is_complete(&info_hash).await? {
                self.terminal.next().await.context("the server")?;
            }
        } else {
            self.unfinished.insert(info_hash, 0);
            self.moves_until = Instant::now() + MOVING_FOR;
        }
        say(&json!({ "added": true, "url": url }));
        Ok(())
    }

    async fn is_complete(&self, info_hash: &str) -> Result<bool> {
        is_complete(&self.call("GET", &format!("torrents/{info_hash}"), &[]).await?)
    }

    /// Reports the torrents that completed since the last look.
    async fn look(&mut self) -> Result<()> {
        if self.unfinished.is_empty() {
            return Ok(());
        }
        let list = self.call("GET", "torrents", &[]).await?;
        for torrent in list["torrents"].as_array().context("a list")? {
            let info_hash = torrent["infoHash"].as_str().context("an info hash")?;
            let Some(before) = self.unfinished.get_mut(info_hash) else { continue };
            let verified = torrent["verified"].as_u64().context("a number")?;
            if std::mem::replace(before, verified) < verified {
                self.moves_until = Instant::now() + MOVING_FOR;
            }
            if is_complete(torrent)? {
                self.unfinished.remove(info_hash);
                say(&json!({ "done": true }));
            }
        }
        Ok(())
    }

    async fn call(&self, method: &str, path: &str, body: &[u8]) -> Result<Value> {
        let headers = [
            ("Authorization", self.authorization.as_str()),
            ("Content-Type", "application/x-bittorrent"),
        ];
        let reply = http::send(method, &format!("{}{path}", self.base), &headers, body).await?;
        ensure!(reply.status == 200, "{method} {path}: {} {}", reply.status, reply.text());
        Ok(serde_json::from_slice(&reply.body)?)
    }
}

fn is_complete(torrent: &Value) -> Result<bool> {
    if torrent["state"] == "error" {
        bail!("{}", torrent["message"].as_str().unwrap_or("the torrent has stopped"));
    }
    Ok(torrent["state"] == "complete")
}

/// The lines of standard input, read by a detached thread: the runtime would wait for its own
/// thread.
fn input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn same_folder(one: &Path, other: &Path) -> Result<bool> {
    Ok(one.canonicalize()? == other.canonicalize()?)
}

fn from_environment(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}

/// Standard output writes whole lines.
fn say(message: &Value) {
    println!("{message}");
}
