//! libtorrent as a client: the Python scripts in `peers/`, each of which does one thing for a
//! scenario.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use tokio::process::{ChildStdin, Command};

use crate::process::{Group, log_to, logged, ready_line};
use crate::workspace::{self, Scratch};

/// Debian's Python, the one that Debian's libtorrent is installed for.
pub const PYTHON: &str = "/usr/bin/python3";

/// Runs one of the scripts; its arguments are the caller's to add.
pub fn script(name: &str) -> Command {
    let mut command = Command::new(PYTHON);
    command.arg(path(name));
    // What scripts share would else be left compiled in the source tree.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The path of a script.
pub(crate) fn path(name: &str) -> PathBuf {
    workspace::root().join("tests/harness/peers").join(name)
}

/// Starts a script that says on which port it is ready. It ends when its input does.
///
/// # Errors
/// libtorrent is not installed, or not ready in time; what the script said of it lies in `scratch`.
pub(crate) async fn start(
    mut command: Command,
    scratch: &Scratch,
) -> Result<(Group, ChildStdin, u16)> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_to(&scratch.path().join("log"))?);
    let mut group = Group::spawn(&mut command)?;
    let stdin = group.stdin()?;
    let port = ready_line(group.stdout()?, "ready ")
        .await
        .with_context(|| logged(scratch.path()))?
        .parse()?;
    Ok((group, stdin, port))
}
