//! Seeders: real BitTorrent clients on loopback, each behind a line of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::{ChildStdin, Command};

use crate::clock::until;
use crate::peers;
use crate::ports;
use crate::process::{Group, log_to, logged};
use crate::proxy::{Line, Proxy, quiet};
use crate::torrent::{Recipe, Torrent};
use crate::tracker::Tracker;
use crate::workspace::Scratch;

/// Which client seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// libtorrent (rasterbar), as in qBittorrent and Deluge.
    Libtorrent,
    /// aria2.
    Aria2,
    /// Transmission.
    Transmission,
}

/// A client that seeds one torrent, or several; dropping it kills it.
#[derive(Debug)]
pub struct Seeder {
    address: SocketAddr,
    _group: Group,
    /// libtorrent's script ends when its input does.
    _stdin: Option<ChildStdin>,
    _scratch: Scratch,
}

impl Seeder {
    /// Starts the client and waits until it answers for the torrent.
    ///
    /// # Errors
    /// The client is not installed, refuses the torrent, or is not ready in time.
    pub async fn start(client: Client, torrent: &Torrent) -> Result<Self> {
        let scratch = Scratch::new("seeder")?;
        let file = torrent.write_to(scratch.path())?;
        match client {
            Client::Libtorrent => Self::libtorrent(torrent, &file, &[], scratch).await,
            Client::Aria2 => Self::aria2(torrent, &file, scratch).await,
            Client::Transmission => Self::transmission(torrent, scratch).await,
        }
    }

    /// Starts libtorrent with large buffers, as fast as it can seed.
    ///
    /// # Errors
    /// As [`Seeder::start`].
    pub async fn start_wide(torrent: &Torrent) -> Result<Self> {
        let scratch = Scratch::new("seeder")?;
        let file = torrent.write_to(scratch.path())?;
        Self::libtorrent(torrent, &file, &["wide"], scratch).await
    }

    /// Starts one libtorrent that seeds several torrents from one folder.
    ///
    /// # Errors
    /// As [`Seeder::start`].
    pub async fn start_several(torrents: &[Torrent]) -> Result<Self> {
        let first = torrents.first().context("a torrent")?;
        let scratch = Scratch::new("seeder")?;
        let files = scratch.dir("torrents")?;
        for torrent in torrents {
            ensure!(torrent.folder == first.folder, "{} lies elsewhere", torrent.name);
            torrent.write_to(&files)?;
        }
        Self::libtorrent(first, &files, &[], scratch).await
    }

    /// Where it listens for peers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn libtorrent(
        torrent: &Torrent,
        file: &Path,
        options: &[&str],
        scratch: Scratch,
    ) -> Result<Self> {
        let mut command = peers::script("libtorrent_seed.py");
        command.arg(file).arg(&torrent.folder).args(options);
        let (group, stdin, port) = peers::start(command, &scratch).await?;
        Ok(Self {
            address: ([127, 0, 0, 1], port).into(),
            _group: group,
            _stdin: Some(stdin),
            _scratch: scratch,
        })
    }

    async fn aria2(torrent: &Torrent, file: &Path, scratch: Scratch) -> Result<Self> {
        let port = ports::reserve()?;
        let mut command = Command::new("aria2c");
        command.args([
            "--no-conf",
            "--seed-ratio=0.0",
            "--enable-dht=false",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
        ]);
        command.args([
            "--enable-peer-exchange=false",
            "--bt-exclude-tracker=*",
            "--check-integrity=true",
            "--allow-overwrite=true",
        ]);
        command.args([
            "--summary-interval=0",
            "--console-log-level=warn",
            "--file-allocation=none",
            "--interface=127.0.0.1",
        ]);
        command
            .arg(format!("--listen-port={port}"))
            .arg(format!("--dir={}", torrent.folder.display()))
            .arg(file);
        command.env("HOME", scratch.path());
        Self::by_port(command, port, torrent, scratch).await
    }

    async fn transmission(torrent: &Torrent, scratch: Scratch) -> Result<Self> {
        let port = ports::reserve()?;
        let config = scratch.dir("config")?;
        let settings = serde_json::json!({
            "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1",
            "download-dir": torrent.folder, "peer-port": port,
            "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
            "port-forwarding-enabled": false, "rpc-enabled": false, "ratio-limit-enabled": false,
            "message-level": 2,
            "watch-dir-enabled": true, "watch-dir": scratch.dir("watch")?,
            "trash-original-torrent-files": false,
        });
        std::fs::write(config.join("settings.json"), settings.to_string())?;
        // Transmission dials no peers of 127.*, whatever a tracker names.
        torrent.write_to(&scratch.dir("watch")?)?;
        let mut command = Command::new("transmission-daemon");
        command.arg("--foreground").arg("--config-dir").arg(config);
        Self::by_port(command, port, torrent, scratch).await
    }

    async fn by_port(
        mut command: Command,
        port: u16,
        torrent: &Torrent,
        scratch: Scratch,
    ) -> Result<Self> {
        let log = log_to(&scratch.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(log_to(&scratch.path().join("errors"))?);
        let mut group = Group::spawn(&mut command)?;
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let mut ended = false;
        let ready = until(
            "the seeder to answer a handshake with everything",
            Duration::from_secs(30),
            || {
                ended = group.has_ended();
                async move {
                    if ended {
                        bail!("it ended");
                    }
                    Ok(crate::wire::has_everything(
                        address,
                        torrent.info_hash_bytes,
                        torrent.piece_count(),
                    )
                    .await
                    .then_some(()))
                }
            },
        );
        ready.await.with_context(|| logged(scratch.path()))?;
        Ok(Self { address, _group: group, _stdin: None, _scratch: scratch })
    }
}

/// A torrent, its seeders behind lines, and a tracker that names the lines.
#[derive(Debug)]
pub struct Swarm {
    /// The torrent; its metainfo names the tracker.
    pub torrent: Torrent,
    /// The tracker.
    pub tracker: Tracker,
    /// The line of each seeder, in order.
    pub lines: Vec<Proxy>,
    seeders: Vec<Seeder>,
}

impl Swarm {
    /// Seeds a file with these clients, each behind its line.
    ///
    /// # Errors
    /// The file cannot be read, or a client does not come up.
    pub async fn of_file(
        file: &Path,
        piece_length: usize,
        seeders: &[(Client, Line)],
    ) -> Result<Self> {
        Self::of(Recipe::of_file(file, piece_length)?, seeders).await
    }

    /// Seeds what a recipe names, with a tracker of its own.
    ///
    /// # Errors
    /// A file cannot be read, or a client does not come up.
    pub async fn of(mut recipe: Recipe, seeders: &[(Client, Line)]) -> Result<Self> {
        let tracker = Tracker::start().await?;
        recipe.announce = Some(tracker.url());
        Self::seed(Torrent::make(&recipe)?, tracker, seeders).await
    }

    /// Seeds a torrent and lets the tracker name the lines.
    ///
    /// # Errors
    /// A client does not come up.
    pub async fn seed(
        torrent: Torrent,
        tracker: Tracker,
        seeders: &[(Client, Line)],
    ) -> Result<Self> {
        let mut swarm = Self { torrent, tracker, lines: Vec::new(), seeders: Vec::new() };
        for (client, line) in seeders {
            let seeder = Seeder::start(*client, &swarm.torrent).await?;
            swarm.lines.push(Proxy::start(seeder.address(), *line)?);
            swarm.seeders.push(seeder);
        }
        let near: Vec<_> = swarm.lines.iter().map(Proxy::address).collect();
        swarm.tracker.name(near);
        Ok(swarm)
    }

    /// Bytes that the lines passed towards the leecher, protocol overhead included.
    pub fn passed(&self) -> u64 {
        self.lines.iter().map(Proxy::passed).sum()
    }

    /// Waits until nothing has passed towards the leecher for a second.
    ///
    /// # Errors
    /// The lines are busy for a minute.
    pub async fn is_quiet(&self) -> Result<()> {
        quiet(|| self.passed()).await
    }

    /// Changes every line's rate.
    pub fn set_rate(&self, rate_bps: u64) {
        self.lines.iter().for_each(|line| line.set_rate(rate_bps));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::wire;

    /// Checks that this client seeds a torrent of the harness. A client that is ready has checked
    /// the content against the metainfo, so this also tests the torrent maker.
    async fn check(client: Client) {
        let scratch = Scratch::new("swarm").unwrap();
        let file = scratch.path().join("content.bin");
        std::fs::write(&file, Dice::new(1).bytes(400_000)).unwrap();
        let swarm = Swarm::of_file(&file, 32 << 10, &[(client, Line::of_rate(0))]).await.unwrap();
        let torrent = &swarm.torrent;
        let through_line = swarm.lines[0].address();
        // Some clients refuse a second connection from an address while the first one closes.
        until("the seeder to answer through its line", Duration::from_secs(10), || async {
            Ok(wire::has_everything(through_line, torrent.info_hash_bytes, torrent.piece_count())
                .await
                .then_some(()))
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn libtorrent_seeds_a_torrent_of_the_harness() {
        check(Client::Libtorrent).await;
    }

    #[tokio::test]
    async fn aria2_seeds_a_torrent_of_the_harness() {
        check(Client::Aria2).await;
    }

    #[tokio::test]
    async fn transmission_seeds_a_torrent_of_the_harness() {
        check(Client::Transmission).await;
    }
}
