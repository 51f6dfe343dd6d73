//! `jstorrent` at a terminal: its lines, its exit status, and what it leaves behind.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::clock::{LIMIT, until};
use crate::daemon::Endpoint;
use crate::process::{self, Group};
use crate::workspace;

/// How many of the last lines the report of a failure has.
const LAST_LINES: usize = 4;

/// The environment variable with the id of the terminal that a process belongs to.
const RUN: &str = "JSTORRENT_TEST_TERMINAL";

/// A running `jstorrent` with `--json`.
///
/// Dropping it kills it and the daemons that it started, but no others: the next run may use the
/// same folder already.
#[derive(Debug)]
pub struct Terminal {
    group: Group,
    run: String,
    lines: Lines<BufReader<ChildStdout>>,
    last: VecDeque<String>,
    state: PathBuf,
}

impl Terminal {
    /// Starts a command with its state in this folder.
    ///
    /// # Errors
    /// It was not built.
    pub fn start<A: AsRef<OsStr>>(state: &Path, args: impl IntoIterator<Item = A>) -> Result<Self> {
        Self::start_with(state, args, &[])
    }

    /// As `start`, with further environment variables.
    ///
    /// # Errors
    /// As [`Terminal::start`].
    pub fn start_with<A: AsRef<OsStr>>(
        state: &Path,
        args: impl IntoIterator<Item = A>,
        environment: &[(&str, &OsStr)],
    ) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let run = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = command(state)?;
        command.args(args).args(["--json", "--allow-private-peers"]).env(RUN, &run);
        command.envs(environment.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(process::log_to(&state.join("terminal.err"))?);
        let mut group = Group::spawn(&mut command)?;
        let lines = BufReader::new(group.stdout()?).lines();
        Ok(Self { group, run, lines, last: VecDeque::new(), state: state.to_owned() })
    }

    /// Waits for the next event for which `is_it` holds.
    ///
    /// # Errors
    /// It ended or the time ran out first.
    pub async fn event(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
        self.event_within(LIMIT, what, is_it).await
    }

    /// As [`Terminal::event`], with another longest wait.
    ///
    /// # Errors
    /// As [`Terminal::event`].
    pub async fn event_within(
        &mut self,
        limit: Duration,
        what: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let find = async {
            loop {
                let event = self.next().await?;
                if is_it(&event) {
                    return Ok(event);
                }
            }
        };
        let found =
            timeout(limit, find).await.unwrap_or_else(|_| Err(anyhow::anyhow!("the time ran out")));
        found.with_context(|| format!("waiting for {what}; {}", self.said()))
    }

    /// Waits for the next event. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// It ended, or wrote a line that is no event.
    pub async fn next(&mut self) -> Result<Value> {
        let Some(line) = self.line().await? else { bail!("it ended") };
        serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))
    }

    /// Waits for the file's URL.
    ///
    /// # Errors
    /// As [`Terminal::event`].
    pub async fn url(&mut self) -> Result<String> {
        let ready = self.event("the URL", |event| event["event"] == "ready").await?;
        Ok(ready["url"].as_str().context("a URL")?.to_owned())
    }

    /// Waits for the port at which it listens for peers.
    ///
    /// # Errors
    /// As [`Terminal::event`].
    pub async fn port(&mut self) -> Result<u16> {
        let has_port = |event: &Value| event["port"].as_u64().is_some_and(|port| port != 0);
        let event = self.event("its port", has_port).await?;
        Ok(u16::try_from(event["port"].as_u64().context("a port")?)?)
    }

    /// Waits for its listen address on 127.0.0.1.
    ///
    /// # Errors
    /// As [`Terminal::event`].
    pub async fn address(&mut self) -> Result<SocketAddr> {
        Ok(([127, 0, 0, 1], self.port().await?).into())
    }

    /// Waits until the download is complete.
    ///
    /// # Errors
    /// As [`Terminal::event`].
    pub async fn complete(&mut self) -> Result<()> {
        self.event("everything", |event| event["event"] == "complete").await.map(drop)
    }

    /// Returns the verified bytes, once they are at least `floor` and no check runs.
    ///
    /// # Errors
    /// As [`Terminal::event`].
    pub async fn verified(&mut self, floor: u64) -> Result<u64> {
        let is_so = |event: &Value| {
            event["event"] == "progress"
                && event["state"] != "checking"
                && event["verified"].as_u64().is_some_and(|verified| verified >= floor)
        };
        let event = self.event(&format!("{floor} verified bytes"), is_so).await?;
        event["verified"].as_u64().context("a number")
    }

    /// The daemon that it started.
    ///
    /// # Errors
    /// There is none.
    pub fn daemon(&self) -> Result<Endpoint> {
        daemons(&self.state).pop().context("no daemon runs")
    }

    /// Its own process.
    pub fn pid(&self) -> u32 {
        self.group.pid()
    }

    /// Presses Ctrl+C and waits for the end.
    ///
    /// # Errors
    /// It does not end.
    pub async fn interrupt(&mut self) -> Result<ExitStatus> {
        process::interrupt_pid(self.pid());
        self.ended().await
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// It does not come in time.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let drain = async { while let Ok(Some(_)) = self.line().await {} };
        timeout(LIMIT, drain).await.with_context(|| format!("it goes on; {}", self.said()))?;
        timeout(LIMIT, self.group.wait()).await.context("it does not end")?
    }

    async fn line(&mut self) -> Result<Option<String>> {
        let line = self.lines.next_line().await?;
        if let Some(line) = &line {
            self.last.push_back(line.clone());
            self.last.drain(..self.last.len().saturating_sub(LAST_LINES));
        }
        Ok(line)
    }

    /// The program's last lines and errors, for the report of a failure.
    fn said(&self) -> String {
        let errors = std::fs::read_to_string(self.state.join("terminal.err")).unwrap_or_default();
        format!("it said: {errors}and last: {:#?}", self.last)
    }

    /// Kills it at once, as a crash would. Its daemon lives on.
    pub async fn kill(&mut self) {
        self.group.kill().await;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        process::kill_pid(self.pid());
        process::kill_marked(RUN, &self.run);
    }
}

/// Runs `jstorrent` to its end; returns exit code, output and error output.
///
/// # Errors
/// It was not built, or does not end.
pub async fn run<A: AsRef<OsStr>>(
    state: &Path,
    args: impl IntoIterator<Item = A>,
) -> Result<(i32, String, String)> {
    let mut command = command(state)?;
    output(command.args(args)).await
}

/// Runs any command to its end; returns exit code, output and error output.
///
/// # Errors
/// It can't be started, or does not end.
pub async fn output(command: &mut Command) -> Result<(i32, String, String)> {
    let output = timeout(LIMIT, command.stdin(Stdio::null()).kill_on_drop(true).output())
        .await
        .context("no end")??;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr)))
}

/// A `jstorrent` command with default settings and its state in this folder.
///
/// # Errors
/// It was not built.
pub fn command(state: &Path) -> Result<Command> {
    workspace::daemon()?;
    let mut command = Command::new(workspace::terminal()?);
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("JSTORRENT_"))
    {
        command.env_remove(name);
    }
    command
        .env("JSTORRENT_PEER_ADDRESS", workspace::LOOPBACK)
        .env("JSTORRENT_NO_DHT", "yes")
        .env("JSTORRENT_NO_LSD", "yes")
        .env("JSTORRENT_STATE", state)
        .env("JSTORRENT_NOTES", state.join("notes"))
        // Faults are injected once a test writes this file; see `io-shim/src/files/faults.rs`.
        .env("JSTORRENT_FAULTS", state.join("faults"))
        .env("XDG_CONFIG_HOME", state);
    Ok(command)
}

/// The daemons that live below a state folder.
pub fn daemons(state: &Path) -> Vec<Endpoint> {
    let folders = std::fs::read_dir(state).into_iter().flatten().flatten();
    folders.filter_map(|folder| Endpoint::read(&folder.path())).collect()
}

/// Waits until no daemon lives below a state folder.
///
/// # Errors
/// One lives on.
pub async fn nothing_runs(state: &Path) -> Result<()> {
    const SOON: Duration = Duration::from_secs(10);
    until("every daemon to end", SOON, || async { Ok(daemons(state).is_empty().then_some(())) })
        .await
}

/// How many states of torrents lie below a state folder.
pub fn remembered(state: &Path) -> usize {
    let folders = std::fs::read_dir(state).into_iter().flatten().flatten();
    folders.filter(|folder| folder.path().is_dir() && folder.file_name() != "folders").count()
}
