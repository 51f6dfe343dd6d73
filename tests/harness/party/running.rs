//! A running client, and the wait for it to listen.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpStream;
use tokio::process::{ChildStdin, Command};

use crate::clock::until;
use crate::process::{Group, log_to, logged};
use crate::workspace::Scratch;

/// Longest wait for a client to listen.
const LIMIT: Duration = Duration::from_secs(30);

/// A running client; dropping it kills it.
#[derive(Debug)]
pub struct Party {
    pub(super) address: SocketAddr,
    pub(super) folder: PathBuf,
    pub(super) group: Group,
    /// libtorrent's script ends when its input does.
    pub(super) _stdin: Option<ChildStdin>,
    pub(super) scratch: Scratch,
}

impl Party {
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

    /// Starts a command, and waits until the client listens at the port. It may have ended by then
    /// if `may_end`.
    ///
    /// # Errors
    /// It is not installed, or does not come up.
    pub(super) async fn by_port(
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
