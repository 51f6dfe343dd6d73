//! Child processes that never outlive their owner.
//!
//! Every child leads a process group of its own; dropping a [`Group`] kills the whole group. The
//! daemon that Chrome starts leaves its group on purpose; `kill_pid` ends it by the pid that it
//! published.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// A child and every process that it started.
#[derive(Debug)]
pub struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Group {
    /// Starts a command as the leader of a new process group. The caller chooses its stdio.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        command.process_group(0).kill_on_drop(true);
        let program = command.as_std().get_program().to_owned();
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, leader })
    }

    /// The leader's pid.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// The child's piped input, once.
    ///
    /// # Errors
    /// It was not piped, or was taken before.
    pub fn stdin(&mut self) -> Result<ChildStdin> {
        self.child.stdin.take().context("the child's input is not piped")
    }

    /// The child's piped output, once.
    ///
    /// # Errors
    /// It was not piped, or was taken before.
    pub fn stdout(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().context("the child's output is not piped")
    }

    /// The child's piped error output, once.
    ///
    /// # Errors
    /// It was not piped, or was taken before.
    pub fn stderr(&mut self) -> Result<ChildStderr> {
        self.child.stderr.take().context("the child's error output is not piped")
    }

    /// Whether the leader has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the leader ends.
    ///
    /// # Errors
    /// The operating system does not report it.
    pub async fn wait(&mut self) -> Result<std::process::ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Kills the group and waits for its leader.
    pub async fn kill(&mut self) {
        self.kill_group();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
    }

    fn kill_group(&self) {
        if let Some(leader) = self.leader {
            // The group is gone when all its processes have ended.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill_group();
        // Reaps the child, so that its folders can be deleted now.
        let _ = wait_until(Duration::from_secs(2), || self.has_ended());
    }
}

/// Kills a process by its pid and waits until it is gone.
pub(crate) fn kill_pid(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let _ = kill_process(pid, Signal::KILL);
    let _ = wait_until(Duration::from_secs(2), || test_kill_process(pid).is_err());
}

/// Kills every process with `name=value` in its environment.
pub fn kill_marked(name: &str, value: &str) {
    let mark = format!("{name}={value}");
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            kill_pid(pid);
        }
    }
}

/// Asks a process to end.
pub fn terminate_pid(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Sends a process the signal of Ctrl+C.
pub fn interrupt_pid(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::INT);
    }
}

/// Whether a process with this pid runs.
pub fn is_alive(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process(pid).is_ok())
}

fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !done() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Waits up to 20 s for a line that starts with `prefix`. Returns the rest of the line.
///
/// Further output is read and dropped, so that the child never blocks on it.
///
/// # Errors
/// The output ended or the time ran out first.
pub async fn ready_line(stdout: ChildStdout, prefix: &str) -> Result<String> {
    let mut lines = BufReader::new(stdout).lines();
    let find = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(rest) = line.strip_prefix(prefix) {
                return Ok(rest.trim().to_owned());
            }
        }
        bail!("the child ended before it said {prefix:?}")
    };
    let found = tokio::time::timeout(Duration::from_secs(20), find)
        .await
        .with_context(|| format!("the child did not say {prefix:?} in 20 s"))??;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(found)
}

/// A file for a child's output.
///
/// # Errors
/// The file cannot be made.
pub fn log_to(path: &Path) -> Result<Stdio> {
    Ok(File::create(path).with_context(|| format!("making {}", path.display()))?.into())
}

/// The text of a program's `log` and `errors` files, for failure reports.
pub(crate) fn logged(folder: &Path) -> String {
    let read = |name| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    format!("the program says: {}{}", read("log"), read("errors"))
}
