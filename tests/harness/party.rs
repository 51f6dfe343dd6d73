//! A real client on one side of a transfer.
//!
//! A [`Part`] says what the client has or wants, how it talks, and where it looks for peers. Some
//! clients can't be restricted to one way of talking; then the other side must insist on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{ChildStdin, Command};

use crate::clock::until;
use crate::peers;
use crate::ports;
use crate::process::{Group, log_to, logged};
use crate::swarm::Client;
use crate::terminal;
use crate::torrent::Torrent;
use crate::workspace::Scratch;

/// Longest wait for a client to listen.
const LIMIT: Duration = Duration::from_secs(30);

/// The role of a client.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Which client.
    pub client: Client,
    /// The torrent; its content lies in its folder.
    pub torrent: &'a Torrent,
    /// A magnet link, known in place of the torrent file.
    pub link: Option<&'a str>,
    /// Whether it seeds; otherwise it downloads into a folder of its own.
    pub seeds: bool,
    /// The address of this machine that libtorrent listens at.
    pub address: &'a str,
    /// Whether it insists on RC4; otherwise it talks plainly.
    pub encrypted: bool,
    /// Whether it uses uTP; otherwise it uses TCP.
    pub utp: bool,
    /// A node of the DHT to join; `None` for no DHT.
    pub dht: Option<SocketAddr>,
    /// Whether it exchanges addresses with peers.
    pub pex: bool,
    /// Whether it uploads at full speed. Otherwise it uploads almost nothing; aria2 and
    /// Transmission then also download slowly, so that they stay in the swarm.
    pub gives: bool,
    /// Peers that libtorrent dials. The other clients have no such option.
    pub peers: &'a [SocketAddr],
}

impl<'a> Part<'a> {
    /// A client with plain TCP whose only source of peers is the torrent's trackers.
    pub fn new(client: Client, torrent: &'a Torrent, seeds: bool) -> Self {
        Self {
            client,
            torrent,
            link: None,
            seeds,
            address: "127.0.0.1",
            encrypted: false,
            utp: false,
            dht: None,
            pex: false,
            gives: true,
            peers: &[],
        }
    }
}

/// A running client; dropping it kills it.
#[derive(Debug)]
pub struct Party {
    address: SocketAddr,
    folder: PathBuf,
    group: Group,
    /// libtorrent's script ends when its input does.
    _stdin: Option<ChildStdin>,
    scratch: Scratch,
}

impl Party {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// It is not installed, refuses the torrent, or does not come up.
    pub async fn start(part: &Part<'_>) -> Result<Self> {
        let scratch = Scratch::new("party")?;
        let folder =
            if part.seeds { part.torrent.folder.clone() } else { scratch.dir("downloads")? };
        match part.client {
            Client::Libtorrent => Self::libtorrent(part, folder, scratch).await,
            Client::Aria2 => {
                let port = ports::reserve()?;
                let command = aria2(part, &folder, &scratch, port).await?;
                // A client that downloads a small torrent may be done, and gone, before the first
                // look.
                Self::by_port(command, port, folder, scratch, !part.seeds).await
            }
            Client::Transmission => Self::transmission(part, folder, scratch).await,
        }
    }

    /// Where it listens for peers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The client's output.
    pub fn log(&self) -> String {
        logged(self.scratch.path())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.group.has_ended()
    }

    async fn libtorrent(part: &Part<'_>, folder: PathBuf, scratch: Scratch) -> Result<Self> {
        let peers: Vec<Value> =
            part.peers.iter().map(|peer| json!([peer.ip().to_string(), peer.port()])).collect();
        let mut what = json!({
            "folder": folder, "seeds": part.seeds, "address": part.address,
            "encrypted": part.encrypted, "utp": part.utp,
            "dht": part.dht.map(|node| node.to_string()), "pex": part.pex, "gives": part.gives,
            "peers": peers,
        });
        match part.link {
            Some(link) => what["link"] = link.into(),
            None => what["torrent"] = json!(part.torrent.write_to(scratch.path())?),
        }
        let mut command = peers::script("libtorrent_party.py");
        command.arg(what.to_string());
        let (group, stdin, port) = peers::start(command, &scratch).await?;
        let address = (part.address.parse::<std::net::IpAddr>()?, port).into();
        Ok(Self { address, folder, group, _stdin: Some(stdin), scratch })
    }

    async fn transmission(part: &Part<'_>, folder: PathBuf, scratch: Scratch) -> Result<Self> {
        let (port, rpc) = (ports::reserve()?, ports::reserve()?);
        let (config, watch) = (scratch.dir("config")?, scratch.dir("watch")?);
        ensure!(part.dht.is_none(), "Transmission knows no node of the DHT here");
        let settings = json!({
            "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1", "download-dir": folder,
            "peer-port": port,
            "dht-enabled": false, "lpd-enabled": false, "pex-enabled": part.pex,
            "utp-enabled": part.utp,
            "encryption": if part.encrypted { 2 } else { 0 }, "port-forwarding-enabled": false,
            "speed-limit-up": 2, "speed-limit-up-enabled": !part.gives, "speed-limit-down": 8,
            "speed-limit-down-enabled": !part.gives,
            "ratio-limit-enabled": false, "message-level": 2,
            "rpc-enabled": part.link.is_some(), "rpc-bind-address": "127.0.0.1", "rpc-port": rpc,
            "rpc-authentication-required": false,
            "watch-dir-enabled": true, "watch-dir": watch, "trash-original-torrent-files": false,
        });
        std::fs::write(config.join("settings.json"), settings.to_string())?;
        if part.link.is_none() {
            part.torrent.write_to(&watch)?;
        }
        let mut command = Command::new("transmission-daemon");
        command.arg("--foreground").arg("--config-dir").arg(config);
        let party = Self::by_port(command, port, folder, scratch, false).await?;
        if let Some(link) = part.link {
            add_link(rpc, link).await.with_context(|| party.log())?;
        }
        Ok(party)
    }

    async fn by_port(
        mut command: Command,
        port: u16,
        folder: PathBuf,
        scratch: Scratch,
        may_end: bool,
    ) -> Result<Self> {
        let log = log_to(&scratch.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(log_to(&scratch.path().join("errors"))?);
        let mut group = Group::spawn(&mut command)?;
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let listening = until("the client to listen", LIMIT, || {
            let ended = group.has_ended();
            async move {
                if ended && !may_end {
                    bail!("it ended");
                }
                let is_there = ended || TcpStream::connect(address).await.is_ok();
                Ok(is_there.then_some(()))
            }
        });
        listening.await.with_context(|| logged(scratch.path()))?;
        Ok(Self { address, folder, group, _stdin: None, scratch })
    }
}

async fn aria2(part: &Part<'_>, folder: &Path, scratch: &Scratch, port: u16) -> Result<Command> {
    ensure!(!part.utp, "aria2 speaks no uTP");
    let mut command = Command::new("aria2c");
    command.args([
        "--no-conf",
        "--bt-enable-lpd=false",
        "--enable-dht6=false",
        "--summary-interval=0",
    ]);
    command.args(["--console-log-level=notice", "--file-allocation=none", "--interface=127.0.0.1"]);
    // aria2 asks UDP trackers through the DHT's socket. Without an entry point its DHT stays empty.
    let has_udp =
        part.dht.is_some() || part.torrent.metainfo.windows(6).any(|window| window == b"udp://");
    let table = scratch.path().join("dht.dat");
    command
        .arg(format!("--enable-peer-exchange={}", part.pex))
        .arg(format!("--enable-dht={has_udp}"));
    command.arg(format!("--dht-file-path={}", table.display()));
    if has_udp {
        command.arg(format!("--dht-listen-port={}", ports::reserve()?));
    }
    if let Some(node) = part.dht {
        command.arg(format!("--dht-entry-point={node}"));
    }
    if part.encrypted {
        command.arg("--bt-force-encryption=true");
    }
    if !part.gives {
        command.args(["--max-upload-limit=1K", "--max-download-limit=1K"]);
    }
    if part.seeds {
        command.args(["--seed-ratio=0.0", "--check-integrity=true", "--allow-overwrite=true"]);
    } else {
        command.arg("--seed-time=0");
    }
    command.arg(format!("--listen-port={port}")).arg(format!("--dir={}", folder.display()));
    match part.link {
        Some(link) => command.arg(link),
        None => command.arg(part.torrent.write_to(scratch.path())?),
    };
    command.env("HOME", scratch.path());
    Ok(command)
}

/// Adds a link through Transmission's remote control. Transmission takes links in no other way.
///
/// A call needs a session id, which the refusal of a call without one holds.
async fn add_link(port: u16, link: &str) -> Result<()> {
    const NUMBER: &str = "X-Transmission-Session-Id";
    let url = format!("http://127.0.0.1:{port}/transmission/rpc");
    let curl = |further: Vec<String>| {
        let mut command = Command::new("curl");
        command.args(["-sS", "-m", "20"]).args(further).arg(&url);
        async move { terminal::output(&mut command).await }
    };
    let (_, refusal, _) = curl(vec!["-D".into(), "-".into()]).await?;
    let number = refusal
        .lines()
        .find(|line| line.starts_with(NUMBER))
        .context("no number")?
        .trim()
        .to_owned();
    let add = json!({ "method": "torrent-add", "arguments": { "filename": link } }).to_string();
    let (_, answer, errors) = curl(vec!["-H".into(), number, "-d".into(), add]).await?;
    ensure!(answer.contains("\"success\""), "Transmission: {answer}{errors}");
    Ok(())
}
