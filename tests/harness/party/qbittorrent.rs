//! qBittorrent on one side of a transfer. It asks no server for news, and adds what its command
//! names.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::part::Part;
use super::running::Party;
use crate::ports;
use crate::workspace::Scratch;

/// Starts it.
///
/// # Errors
/// As [`Party::start`].
pub(super) async fn start(part: &Part<'_>, folder: PathBuf, scratch: Scratch) -> Result<Party> {
    let (port, pages) = (ports::reserve()?, ports::reserve()?);
    let profile = scratch.dir("profile")?;
    configure(part, &profile, port, pages)?;
    let mut command = Command::new("qbittorrent-nox");
    command.arg(format!("--profile={}", profile.display()));
    command.arg(format!("--save-path={}", folder.display()));
    match part.link {
        Some(link) => command.arg(link),
        None => command.arg(part.torrent.write_to(scratch.path())?),
    };
    command.env("HOME", scratch.path());
    Party::by_port(command, port, folder, scratch, false).await
}

fn configure(part: &Part<'_>, profile: &Path, port: u16, pages: u16) -> Result<()> {
    ensure!(part.dht.is_none() && !part.pex, "its only source of peers are trackers");
    let protocol = if part.utp { "UTP" } else { "TCP" };
    let encryption = if part.encrypted { 1 } else { 2 };
    let config = profile.join("qBittorrent/config");
    std::fs::create_dir_all(&config)?;
    let text = format!(
        "[LegalNotice]\nAccepted=true\n\n\
         [BitTorrent]\nSession\\Port={port}\nSession\\Interface=lo\n\
         Session\\InterfaceAddress=127.0.0.1\nSession\\DHTEnabled=false\n\
         Session\\LSDEnabled=false\nSession\\PeXEnabled=false\nSession\\BTProtocol={protocol}\n\
         Session\\Encryption={encryption}\nSession\\QueueingSystemEnabled=false\n\
         Session\\MultiConnectionsPerIp=true\n\n\
         [Network]\nPortForwardingEnabled=false\n\n\
         [Preferences]\nWebUI\\Address=127.0.0.1\nWebUI\\Port={pages}\nWebUI\\UseUPnP=false\n",
    );
    Ok(std::fs::write(config.join("qBittorrent.conf"), text)?)
}
