//! The I/O daemon as a test sees it: its endpoint file, its counters, and its end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::process::Command;

use crate::clock::until;
use crate::http;
use crate::process::{self, Group};
use crate::workspace;

/// What a running daemon publishes in its state folder.
#[derive(Clone, Debug, Deserialize)]
pub struct Endpoint {
    /// Port on loopback.
    pub port: u16,
    /// The session token. A program that has it commands the daemon.
    pub token: String,
    /// The daemon's process.
    pub pid: u32,
}

impl Endpoint {
    /// The endpoint in a state folder, if a daemon lives there.
    pub fn read(state: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(state.join("endpoint.json")).ok()?;
        let endpoint: Self = serde_json::from_str(&text).ok()?;
        process::is_alive(endpoint.pid).then_some(endpoint)
    }

    /// The endpoint in a state folder, as soon as a daemon lives there.
    ///
    /// # Errors
    /// None came in time.
    pub async fn wait(state: &Path, limit: Duration) -> Result<Self> {
        until("a daemon to publish its endpoint", limit, || async { Ok(Self::read(state)) }).await
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All counters, by their full name with labels.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub async fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let reply = http::get(&self.url("/metrics")).await?;
        let parse = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            (!line.starts_with('#')).then_some((name.to_owned(), value.parse().ok()?))
        };
        Ok(reply.text().lines().filter_map(parse).collect())
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&self) {
        process::kill_pid(self.pid);
    }
}

/// Kills whatever daemon lives in a state folder when it goes out of scope. Chrome starts daemons
/// that outlive it.
#[derive(Debug)]
pub(crate) struct Reaper(pub(crate) PathBuf);

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(endpoint) = Endpoint::read(&self.0) {
            endpoint.kill();
        }
    }
}

/// A daemon that a test started itself, without a browser.
#[derive(Debug)]
pub struct Daemon {
    /// Where it listens.
    pub endpoint: Endpoint,
    _group: Group,
}

impl Daemon {
    /// Starts the daemon with its state and its downloads in these folders.
    ///
    /// # Errors
    /// It was not built or does not come up.
    pub async fn start(state: &Path, downloads: &Path) -> Result<Self> {
        let mut command = Command::new(workspace::daemon()?);
        command.arg("serve").arg("--state").arg(state).arg("--downloads").arg(downloads);
        command.env("JSTORRENT_NOTES", state.join("notes"));
        command.args(["--listen", "127.0.0.1:0", "--allow-loopback-peers"]);
        command.args(["--peer-address", workspace::LOOPBACK]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(process::log_to(&state.join("daemon.err"))?);
        let mut group = Group::spawn(&mut command)?;
        let endpoint = until("the daemon to publish its endpoint", Duration::from_secs(15), || {
            let found = Endpoint::read(state);
            let ended = found.is_none() && group.has_ended();
            async move { if ended { bail!("the daemon ended at once") } else { Ok(found) } }
        })
        .await
        .with_context(|| log(state))?;
        Ok(Self { endpoint, _group: group })
    }
}

/// The end of a daemon's log, for the report of a failure.
pub fn log(state: &Path) -> String {
    let read = |name| std::fs::read_to_string(state.join(name)).unwrap_or_default();
    let text = read("daemon.log") + &read("daemon.err");
    let lines: Vec<&str> = text.lines().collect();
    format!("daemon log:\n  {}", lines[lines.len().saturating_sub(40)..].join("\n  "))
}
