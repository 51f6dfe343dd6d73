//! Tests with two networks: one for the test and `jstorrent`, and a far one for a peer. Both have
//! addresses that no other network sees, and those of the near one can change.

use std::net::Ipv4Addr;
use std::process::Stdio;

use anyhow::{Result, ensure};
use tokio::process::Command;

use crate::namespaces;
use crate::peers::{self, PYTHON};
use crate::process::Group;
use crate::terminal::output;
use crate::workspace::Scratch;

/// The peer's address.
pub const FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The interface of the near network.
const NEAR: &str = "near";

/// Runs the body of a test in a network of its own, without any interface that is up. As
/// [`crate::mounts::within`] otherwise.
///
/// # Errors
/// The test fails, or the system allows no namespace.
pub fn within<F: Future<Output = Result<()>>>(body: F) -> Result<()> {
    namespaces::within(namespaces::NETWORKS, body)
}

/// A network behind a cable; dropping it ends its programs.
#[derive(Debug)]
pub struct Far {
    holder: Group,
}

impl Far {
    /// Makes the network and the cable, and sets loopback up. The near end has no address yet.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn connect() -> Result<Self> {
        ip(&["link", "set", "lo", "up"]).await?;
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sh", "-c", "echo up; exec sleep 600"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut holder = Group::spawn(&mut command)?;
        crate::process::ready_line(holder.stdout()?, "up").await?;
        let far = Self { holder };
        let pid = far.holder.pid().to_string();
        ip(&["link", "add", NEAR, "type", "veth", "peer", "name", "far", "netns", &pid]).await?;
        ip(&["link", "set", NEAR, "up"]).await?;
        let address = format!("{FAR}/24");
        for words in [
            &["addr", "add", &address, "dev", "far"][..],
            &["link", "set", "far", "up"],
            &["link", "set", "lo", "up"],
        ] {
            let mut command = far.command("ip");
            command.args(words);
            done(command, words).await?;
        }
        Ok(far)
    }

    /// Seeds a torrent at [`FAR`]; returns the port. The client ends with its group.
    ///
    /// # Errors
    /// libtorrent is not installed, or not ready in time.
    pub async fn seed(&self, what: &serde_json::Value, scratch: &Scratch) -> Result<Seeding> {
        let mut command = self.command(PYTHON);
        command.arg(peers::path("libtorrent_party.py")).arg(what.to_string());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let (group, stdin, port) = peers::start(command, scratch).await?;
        Ok(Seeding { port, _group: group, _stdin: stdin })
    }

    /// A program of the far network.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--net", "--", program]);
        command
    }
}

/// A seeder in the far network.
#[derive(Debug)]
pub struct Seeding {
    /// Its port.
    pub port: u16,
    _group: Group,
    _stdin: tokio::process::ChildStdin,
}

/// Gives the near network an address in place of its former ones.
///
/// # Errors
/// The system refuses.
pub async fn become_reachable_at(address: Ipv4Addr) -> Result<()> {
    ip(&["addr", "flush", "dev", NEAR]).await?;
    ip(&["addr", "add", &format!("{address}/24"), "dev", NEAR]).await
}

async fn ip(words: &[&str]) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(words);
    done(command, words).await
}

async fn done(mut command: Command, words: &[&str]) -> Result<()> {
    let (status, _, errors) = output(&mut command).await?;
    ensure!(status == 0, "ip {words:?}: {errors}");
    Ok(())
}
