//! Leechers: real BitTorrent clients on loopback that download a torrent.
//!
//! libtorrent dials the one peer that it gets. The other clients don't dial 127.*, so they wait for
//! a connection.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

use crate::clock::until;
use crate::peers;
use crate::ports;
use crate::process::{Group, log_to, logged};
use crate::swarm::Client;
use crate::torrent::Torrent;
use crate::workspace::Scratch;

/// A client that downloads one torrent; dropping it kills it.
#[derive(Debug)]
pub struct Leecher {
    group: Group,
    port: u16,
    folder: PathBuf,
    scratch: Scratch,
}

impl Leecher {
    /// Starts libtorrent, which dials this peer.
    ///
    /// # Errors
    /// The client is not installed.
    pub async fn dialling(torrent: &Torrent, peer: SocketAddr) -> Result<Self> {
        Self::start(Client::Libtorrent, torrent, Some(peer)).await
    }

    /// Starts a client that waits until it is dialled.
    ///
    /// # Errors
    /// The client is not installed, or can't be told to wait.
    pub async fn waiting(client: Client, torrent: &Torrent) -> Result<Self> {
        Self::start(client, torrent, None).await
    }

    /// Where it listens, if it does.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    async fn start(client: Client, torrent: &Torrent, peer: Option<SocketAddr>) -> Result<Self> {
        let scratch = Scratch::new("leecher")?;
        let folder = scratch.dir("downloads")?;
        let file = torrent.write_to(scratch.path())?;
        let port = ports::reserve()?;
        let mut command = match (client, peer) {
            (Client::Libtorrent, Some(peer)) => libtorrent(&file, &folder, peer),
            (Client::Libtorrent, None) => bail!("this libtorrent dials and does not listen"),
            (Client::Aria2, _) => aria2(&file, &folder, &scratch, port),
            (Client::Transmission, _) => transmission(torrent, &folder, &scratch, port)?,
        };
        let log = log_to(&scratch.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(log_to(&scratch.path().join("errors"))?);
        let group = Group::spawn(&mut command)?;
        Ok(Self { group, port, folder, scratch })
    }

    /// Waits until it has the torrent's content, compared byte for byte.
    ///
    /// # Errors
    /// It ends with less, or the time runs out.
    pub async fn complete(&mut self, torrent: &Torrent, limit: Duration) -> Result<()> {
        let truth: Vec<(PathBuf, Vec<u8>)> = torrent
            .paths
            .iter()
            .map(|path| {
                Ok((self.folder.join(path.strip_prefix(&torrent.folder)?), std::fs::read(path)?))
            })
            .collect::<Result<_>>()?;
        let mut ended = false;
        let done = until("the leecher to have everything", limit, || {
            let is_there = truth
                .iter()
                .all(|(path, bytes)| std::fs::read(path).is_ok_and(|have| have == *bytes));
            let gave_up = std::mem::replace(&mut ended, self.group.has_ended()) && !is_there;
            async move {
                ensure!(!gave_up, "it ended with less");
                Ok(is_there.then_some(()))
            }
        });
        done.await.with_context(|| logged(self.scratch.path()))
    }
}

fn libtorrent(file: &Path, folder: &Path, peer: SocketAddr) -> Command {
    let mut command = peers::script("libtorrent_leech.py");
    command.arg(file).arg(folder).args([peer.ip().to_string(), peer.port().to_string()]);
    command
}

fn aria2(file: &Path, folder: &Path, scratch: &Scratch, port: u16) -> Command {
    let mut command = Command::new("aria2c");
    command.args([
        "--no-conf",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--bt-enable-lpd=false",
        "--seed-time=0",
    ]);
    command.args([
        "--enable-peer-exchange=false",
        "--summary-interval=0",
        "--console-log-level=notice",
    ]);
    command.args(["--file-allocation=none", "--interface=127.0.0.1"]);
    command
        .arg(format!("--listen-port={port}"))
        .arg(format!("--dir={}", folder.display()))
        .arg(file);
    command.env("HOME", scratch.path());
    command
}

fn transmission(torrent: &Torrent, folder: &Path, scratch: &Scratch, port: u16) -> Result<Command> {
    let (config, watch) = (scratch.dir("config")?, scratch.dir("watch")?);
    let settings = serde_json::json!({
        "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1", "download-dir": folder,
        "peer-port": port,
        "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
        "port-forwarding-enabled": false, "rpc-enabled": false, "ratio-limit-enabled": false,
        "message-level": 4,
        "watch-dir-enabled": true, "watch-dir": watch, "trash-original-torrent-files": false,
    });
    std::fs::write(config.join("settings.json"), settings.to_string())?;
    torrent.write_to(&watch)?;
    let mut command = Command::new("transmission-daemon");
    command.arg("--foreground").arg("--config-dir").arg(config);
    Ok(command)
}
