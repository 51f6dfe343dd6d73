//! rTorrent on one side of a transfer.

use std::path::PathBuf;

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
    ensure!(!part.utp, "rTorrent speaks no uTP");
    ensure!(part.dht.is_none() && !part.pex, "its only source of peers are trackers");
    let port = ports::reserve()?;
    let encryption =
        if part.encrypted { "allow_incoming,try_outgoing,require,require_RC4" } else { "none" };
    let source = match part.link {
        Some(link) => link.to_owned(),
        None => part.torrent.write_to(scratch.path())?.display().to_string(),
    };
    let settings = format!(
        "system.daemon.set = true\nsession.path.set = {}\ndirectory.default.set = {}\n\
         network.port_range.set = {port}-{port}\nnetwork.port_random.set = no\n\
         network.bind_address.set = 127.0.0.1\ndht.mode.set = disable\nprotocol.pex.set = no\n\
         trackers.use_udp.set = yes\nprotocol.encryption.set = {encryption}\n\
         schedule2 = add, 0, 0, \"load.start_verbose=\\\"{source}\\\"\"\n",
        scratch.dir("session")?.display(),
        folder.display(),
    );
    let file = scratch.path().join("rtorrent.rc");
    std::fs::write(&file, settings)?;
    let mut command = Command::new("rtorrent");
    command.arg("-n").arg("-o").arg(format!("import={}", file.display()));
    command.env("HOME", scratch.path());
    Party::by_port(command, port, folder, scratch, false).await
}
