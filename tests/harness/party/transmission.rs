//! Transmission on one side of a transfer.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use super::part::Part;
use super::running::Party;
use crate::workspace::Scratch;
use crate::{ports, terminal};

/// Starts it.
///
/// # Errors
/// As [`Party::start`].
pub(super) async fn start(part: &Part<'_>, folder: PathBuf, scratch: Scratch) -> Result<Party> {
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
    let party = Party::by_port(command, port, folder, scratch, false).await?;
    if let Some(link) = part.link {
        add_link(rpc, link).await.with_context(|| party.log())?;
    }
    Ok(party)
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
