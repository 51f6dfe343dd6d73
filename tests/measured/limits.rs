//! The cost of many connections, requests and uploads for the plain server, measured.
//!
//! `cargo test -p jstorrent-tests --test measured -- --nocapture` prints the figures.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::plain::Server;
use jstorrent_tests::torrent::{self, Recipe, Torrent};
use jstorrent_tests::workspace::Scratch;
use jstorrent_tests::{http, plain};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const MIB: usize = 1 << 20;

/// A server in its own folders.
async fn server(further: &[&str]) -> Result<(Scratch, Server)> {
    // This process needs descriptors for its own ends of the connections, too.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = rustix::process::Rlimit {
        current: limit.maximum.map(|most| most.min(8_192)),
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, wanted)?;
    let scratch = Scratch::new("limits")?;
    let (state, dir) = (scratch.dir("state")?, scratch.dir("downloads")?);
    let server = Server::start(&state, &dir, further).await?;
    Ok((scratch, server))
}

impl Figures {
    /// The daemon at this address.
    async fn of(server: &Server) -> Result<Self> {
        let health = server.json("health", &[]).await?;
        let pid = health["pid"].as_u64().context("a process")?;
        Ok(Self { pid, host: host(server).to_owned() })
    }

    /// Bytes of memory that the daemon holds.
    fn resident(&self) -> Result<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kilobytes: usize = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes << 10)
    }

    async fn connect(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(&self.host).await?)
    }
}

/// The server's figures, seen from outside.
struct Figures {
    pid: u64,
    host: String,
}

fn host(server: &Server) -> &str {
    server.base.trim_start_matches("http://").trim_end_matches('/')
}

fn print(line: std::fmt::Arguments<'_>) {
    // A line of its own, not in the middle of another test's line.
    let _ = writeln!(std::io::stdout().lock(), "    {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_connections_before_hello_cost_little_memory() -> Result<()> {
    let _turn = crate::turn().await;
    let (_scratch, server) = server(&["--no-token"]).await?;
    let figures = Figures::of(&server).await?;
    let before = figures.resident()?;
    let mut sockets = Vec::new();
    let mut taken = 0;
    for _ in 0..32 {
        let mut socket = figures.connect().await?;
        let upgrade = format!(
            "GET /control HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            figures.host
        );
        socket.write_all(upgrade.as_bytes()).await?;
        let mut head = [0; 12];
        socket.read_exact(&mut head).await?;
        ensure!(&head == b"HTTP/1.1 101", "{head:?}");
        // One frame of almost the largest size for a hello, without its last byte, and one of the
        // largest size of all.
        let large = if sockets.len() % 2 == 0 { 16 * 1024 } else { 57 * MIB };
        let frame = [
            &[0x82, 0xff][..],
            &(large as u64).to_be_bytes(),
            &[0; 4],
            &vec![7; large.min(8 * MIB) - 1],
        ]
        .concat();
        let mut sent = 0;
        while sent < frame.len() {
            match timeout(Duration::from_millis(200), socket.write(&frame[sent..])).await {
                Ok(Ok(count @ 1..)) => sent += count,
                _ => break,
            }
        }
        taken += sent;
        sockets.push(socket);
    }
    let grown = figures.resident()?.saturating_sub(before);
    print(format_args!(
        "32 connections before hello: {:.1} MiB sent to them, and the daemon grew by {:.2} MiB",
        taken as f64 / MIB as f64,
        grown as f64 / MIB as f64
    ));
    ensure!(grown < 8 * MIB, "the daemon grew by {grown} bytes");
    let (status, _) = server.curl("torrents", &[]).await?;
    ensure!(status == 200, "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_silent_connections_block_no_viewer() -> Result<()> {
    let _turn = crate::turn().await;
    let (_scratch, server) = server(&["--no-token"]).await?;
    let figures = Figures::of(&server).await?;
    let mut silent = Vec::new();
    for _ in 0..2_048 {
        silent.push(figures.connect().await?);
    }
    let began = Instant::now();
    for _ in 0..10 {
        let reply = http::get(&format!("{}torrents", server.base)).await?;
        ensure!(reply.status == 200, "{}", reply.status);
    }
    print(format_args!(
        "2,048 silent connections: a request is answered in {:?}",
        began.elapsed() / 10
    ));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_viewers_do_not_delay_viewers_of_a_complete_file() -> Result<()> {
    let _turn = crate::turn().await;
    let (scratch, server) = server(&["--no-token"]).await?;
    let content = scratch.dir("content")?;
    std::fs::write(content.join("there.bin"), vec![7; MIB])?;
    std::fs::write(content.join("missing.bin"), vec![8; MIB])?;
    let there = Torrent::make(&Recipe::of_file(&content.join("there.bin"), 64 << 10)?)?;
    let missing = Torrent::make(&Recipe::of_file(&content.join("missing.bin"), 64 << 10)?)?;
    std::fs::copy(content.join("there.bin"), scratch.path().join("downloads/there.bin"))?;
    let add = async |torrent: &Torrent| {
        let added = server.add_file(&torrent.write_to(scratch.path())?, "").await?;
        anyhow::Ok(plain::url_of(&added)?.to_owned())
    };
    let (there_url, missing_url) = (add(&there).await?, add(&missing).await?);
    server.verified(&there.info_hash, MIB as u64).await?;
    let figures = Figures::of(&server).await?;
    let path = missing_url.split_once(&figures.host).context("a URL of this server")?.1.to_owned();
    let mut waiting = Vec::new();
    for _ in 0..600 {
        let mut socket = figures.connect().await?;
        socket
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", figures.host).as_bytes())
            .await?;
        waiting.push(socket);
    }
    let began = Instant::now();
    let reply = http::get(&there_url).await?;
    ensure!(reply.status == 200 && reply.whole && reply.body.len() == MIB, "{}", reply.status);
    let took = began.elapsed();
    let mut refused = 0;
    for socket in &mut waiting {
        let mut head = [0; 12];
        if timeout(Duration::from_millis(1), socket.read_exact(&mut head))
            .await
            .is_ok_and(|read| read.is_ok())
        {
            ensure!(&head == b"HTTP/1.1 503", "{}", head.escape_ascii());
            refused += 1;
        }
    }
    print(format_args!(
        "600 requests for a file that does not come: {} wait, {refused} got 503; \
         a complete file of 1 MiB is served in {took:?}",
        waiting.len() - refused
    ));
    ensure!(refused > 0 && refused < waiting.len(), "{refused} of {} were refused", waiting.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_uploads_block_no_other_upload() -> Result<()> {
    let _turn = crate::turn().await;
    let (scratch, server) = server(&["--no-token"]).await?;
    let figures = Figures::of(&server).await?;
    let mut unfinished = Vec::new();
    let body = vec![7; 8 * MIB - 1];
    for _ in 0..17 {
        let mut socket = figures.connect().await?;
        let head = format!(
            "POST /add HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-bittorrent\r\n\
             Content-Length: {}\r\n\r\n",
            figures.host,
            8 * MIB
        );
        socket.write_all(head.as_bytes()).await?;
        // The server stops reading when it has no room.
        let _ = timeout(Duration::from_secs(1), socket.write_all(&body)).await;
        unfinished.push(socket);
    }
    let file = many_files(scratch.path(), 2_000)?;
    let began = Instant::now();
    let added = server.add_file(&file, "").await?;
    ensure!(added["fileCount"] == 2_000, "{added:.200}");
    print(format_args!(
        "17 unfinished uploads of 8 MiB: another add is answered in {:.2?}",
        began.elapsed()
    ));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_thousand_files_are_added() -> Result<()> {
    let _turn = crate::turn().await;
    let (scratch, server) = server(&["--no-token"]).await?;
    for count in [7_500, 15_000, 30_000] {
        let file = many_files(scratch.path(), count)?;
        let began = Instant::now();
        let added = server.add_file(&file, "").await?;
        let took = began.elapsed();
        let listed = added["files"].as_array().map(Vec::len);
        ensure!(added["fileCount"] == count && listed == Some(count), "{added:.200}");
        print(format_args!("a torrent of {count} files: added in {took:.2?}"));
    }
    Ok(())
}

/// A torrent file that names `count` files of ten bytes. The content does not exist.
fn many_files(folder: &Path, count: usize) -> Result<PathBuf> {
    let names: Vec<String> = (0..count).map(|at| format!("{at:09}")).collect();
    let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 10)).collect();
    torrent::of_nobody(folder, &format!("many-{count}"), &files)
}
