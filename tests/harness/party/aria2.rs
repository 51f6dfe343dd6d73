//! aria2 on one side of a transfer.

use std::path::Path;

use anyhow::{Result, ensure};
use tokio::process::Command;

use super::part::Part;
use crate::ports;
use crate::workspace::Scratch;

/// The command that starts it.
///
/// # Errors
/// It can't play this part.
pub(super) fn command(
    part: &Part<'_>,
    folder: &Path,
    scratch: &Scratch,
    port: u16,
) -> Result<Command> {
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
