//! Runs other programs: as a step whose output is shown only if it fails, or line by line.
//!
//! Each program gets no input and a process group of its own, so that none is left when this
//! process ends.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jstorrent_tests::process::Group;
use jstorrent_tests::steps::Step;
use jstorrent_tests::workspace;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

/// A command in the checkout, without input.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root()).stdin(Stdio::null());
    command
}

/// The cargo that started this process, without the settings meant for this process alone.
pub(crate) fn cargo() -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    clear_cargo_env(&mut command);
    command
}

/// Removes from a command's environment what `cargo run` has put into it.
///
/// With these variables, later builds would look different to cargo, and another compiler would
/// find the wrong libraries.
pub(crate) fn clear_cargo_env(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text == "LD_LIBRARY_PATH"
        {
            command.env_remove(&name);
        }
    }
}

/// Runs a command as a step; its output is shown only if it fails.
///
/// # Errors
/// It fails, or cannot be started.
pub(crate) async fn step(what: &str, command: &mut Command) -> Result<()> {
    let step = Step::start(what);
    let mut output = String::new();
    let result = each_line(command, |line| {
        step.note(line);
        output.push_str(line);
        output.push('\n');
    })
    .await;
    match result {
        Ok(true) => step.done(),
        Ok(false) => {
            step.failed(&output);
            bail!("{what}: failed");
        }
        Err(error) => {
            step.failed("");
            return Err(error);
        }
    }
    Ok(())
}

/// Runs a command and calls back with each line of its output. Returns whether the command
/// succeeded.
///
/// # Errors
/// It cannot be started.
pub(crate) async fn each_line(command: &mut Command, mut line: impl FnMut(&str)) -> Result<bool> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command)?;
    let (sender, mut lines) = mpsc::channel(64);
    forward(group.stdout()?, sender.clone());
    forward(group.stderr()?, sender);
    while let Some(text) = lines.recv().await {
        line(&text);
    }
    Ok(group.wait().await?.success())
}

fn forward(from: impl AsyncRead + Unpin + Send + 'static, to: mpsc::Sender<String>) {
    tokio::spawn(async move {
        let mut reader = BufReader::new(from);
        let mut raw = Vec::new();
        while let Ok(1..) = reader.read_until(b'\n', &mut raw).await {
            let text = String::from_utf8_lossy(&raw).trim_end().to_owned();
            if to.send(text).await.is_err() {
                return;
            }
            raw.clear();
        }
    });
}

/// Runs a command and returns its standard output, if it succeeds within a limit.
pub(crate) async fn ask(command: &mut Command, limit: Duration) -> Option<String> {
    let start = Instant::now();
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut group = Group::spawn(command).ok()?;
    let mut lines = BufReader::new(group.stdout().ok()?).lines();
    let mut output = String::new();
    let read = async {
        while let Ok(Some(line)) = lines.next_line().await {
            output.push_str(&line);
            output.push('\n');
        }
    };
    tokio::time::timeout(limit, read).await.ok()?;
    let status = tokio::time::timeout(limit.saturating_sub(start.elapsed()), group.wait())
        .await
        .ok()?
        .ok()?;
    status.success().then(|| output.trim().to_owned())
}
