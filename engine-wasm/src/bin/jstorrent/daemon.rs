//! Starts the I/O daemon as a child process, and always ends it.
//!
//! Owns the process; controls it only through its command line, its `endpoint.json` and a signal.
//! The child leads its own process group, so that Ctrl+C reaches this program alone. This program
//! ends the daemon after the engine has saved its state. If this program is killed, the daemon ends
//! after its idle timeout.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;

/// The daemon's file name.
const PROGRAM: &str = if cfg!(windows) { "jstorrent-io-daemon.exe" } else { "jstorrent-io-daemon" };
/// Environment variable with the path of the daemon's program.
const PROGRAM_ENV: &str = "JSTORRENT_IO_DAEMON";
/// Name of the file for the daemon's standard error, in its state folder.
const ERRORS: &str = "daemon.err";
/// How long the daemon may take to start.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// How long the daemon may take to end before it is killed. The time begins after the grace period
/// for the daemon's readers.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// How long a killed daemon may take to disappear.
const KILLED_WITHIN: Duration = Duration::from_secs(5);
/// Interval of checks while waiting for the daemon.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Part of the daemon's error when another daemon holds its state folder.
const FOLDER_IS_TAKEN: &str = "another daemon is running";
/// Idle timeout of a daemon without an engine, seconds.
const IDLE_EXIT_S: &str = "5";
/// Environment variables that must not reach the child: they configure daemons that the user
/// starts.
const NOT_OURS: [&str; 14] = [
    "LISTEN",
    "PAGES",
    "TOKEN",
    "NO_TOKEN",
    "ALLOW_LOOPBACK_PEERS",
    "ALLOW_PRIVATE_PEERS",
    "PEER_ADDRESS",
    "NO_PORT_MAPPING",
    "GRACE_MS",
    "MAX_WAIT_MS",
    "STOP_GRACE_MS",
    "MAX_REPLIES",
    "MAX_REPLIES_PER_FILE",
    "HEADER_TIMEOUT_MS",
];

/// Who may use the daemon's HTTP API.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// Callers with the token that the daemon generated and keeps.
    Kept,
    /// Callers with this token.
    Token(String),
    /// Every program on this computer.
    Anyone,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kept => "Kept",
            Self::Token(_) => "Token(…)",
            Self::Anyone => "Anyone",
        })
    }
}

/// The command line of a daemon.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// Its state folder.
    pub(crate) state: PathBuf,
    /// The download folder.
    pub(crate) downloads: PathBuf,
    /// The address for HTTP; `None` for any port.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether peers at private addresses are allowed.
    pub(crate) allow_private_peers: bool,
    /// Local addresses that listen for peers; empty for all.
    pub(crate) peer_addresses: Vec<IpAddr>,
    /// Which callers may use its HTTP API.
    pub(crate) access: Access,
    /// Whether it serves its pages.
    pub(crate) pages: bool,
    /// How long open replies may continue when the daemon ends.
    pub(crate) stop_grace: Duration,
    /// Limits of simultaneous replies: in total, and per file. `None` for the daemon's defaults.
    pub(crate) max_replies: Option<(u32, u32)>,
}

/// How to reach the daemon.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    pub(crate) token: String,
    pid: u32,
}

/// A running daemon. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    pub(crate) endpoint: Endpoint,
    stop_grace: Duration,
    hurry: Arc<AtomicBool>,
}

impl Daemon {
    /// Starts a daemon and waits until it is ready. If `hurry` is set when the value is dropped,
    /// the daemon is killed instead of asked to end.
    ///
    /// # Errors
    /// The program is missing, cannot be started, or is not ready in time.
    pub(crate) async fn start(launch: &Launch, hurry: Arc<AtomicBool>) -> Result<Self> {
        let began = Instant::now();
        loop {
            end_orphan(launch).await;
            match Self::spawn(launch, Arc::clone(&hurry)).await {
                // A daemon of an earlier run, which was still starting, took the folder first.
                Err(_)
                    if last_error(launch).contains(FOLDER_IS_TAKEN)
                        && began.elapsed() < READY_WITHIN => {}
                started => return started,
            }
        }
    }

    async fn spawn(launch: &Launch, hurry: Arc<AtomicBool>) -> Result<Self> {
        // The daemon writes its own log. This file gets what it prints before that, and why it
        // ended.
        let errors_path = launch.state.join(ERRORS);
        let errors = File::create(&errors_path)
            .with_context(|| format!("cannot write {}", errors_path.display()))?;
        let mut command = Command::new(find()?);
        tell(&mut command, launch);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        own_group(&mut command);
        let child = command.spawn().context("the daemon could not be started")?;
        let endpoint = Endpoint { port: 0, token: String::new(), pid: child.id() };
        let mut daemon = Self { child, endpoint, stop_grace: launch.stop_grace, hurry };
        daemon.wait_ready(launch).await?;
        Ok(daemon)
    }

    async fn wait_ready(&mut self, launch: &Launch) -> Result<()> {
        let state = &launch.state;
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            if let Some(endpoint) =
                read_endpoint(state).filter(|endpoint| endpoint.pid == self.child.id())
            {
                self.endpoint = endpoint;
                return Ok(());
            }
            if self.has_ended() {
                return Err(why_it_ended(launch));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!(
            "the daemon is not ready after {} s; see {}",
            READY_WITHIN.as_secs(),
            state.join("daemon.log").display()
        )
    }

    /// Returns whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks the daemon to end and waits for it.
    pub(crate) async fn stop(mut self) {
        self.ask_to_end();
        let began = Instant::now();
        while !self.has_ended() && began.elapsed() < self.stop_grace + ENDED_WITHIN {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn ask_to_end(&mut self) {
        if !self.has_ended() {
            terminate(self.child.id());
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.hurry.load(Ordering::Relaxed) {
            self.ask_to_end();
            let began = Instant::now();
            while !self.has_ended() && began.elapsed() < self.stop_grace + ENDED_WITHIN {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        if !self.has_ended() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn tell(command: &mut Command, launch: &Launch) {
    command
        .args(["serve", "--log-to-state"])
        .arg("--state")
        .arg(&launch.state)
        .arg("--downloads")
        .arg(&launch.downloads);
    command.args([
        "--idle-exit-s",
        IDLE_EXIT_S,
        "--stop-grace-ms",
        &launch.stop_grace.as_millis().to_string(),
    ]);
    for name in NOT_OURS {
        command.env_remove(format!("JSTORRENT_{name}"));
    }
    if let Some(address) = launch.listen {
        command.arg("--listen").arg(address.to_string());
    }
    if launch.allow_private_peers {
        command.arg("--allow-private-peers");
    }
    if launch.pages {
        command.arg("--pages");
    }
    for address in &launch.peer_addresses {
        command.arg("--peer-address").arg(address.to_string());
    }
    if let Some((all, of_one_file)) = launch.max_replies {
        command.args([
            "--max-replies",
            &all.to_string(),
            "--max-replies-per-file",
            &of_one_file.to_string(),
        ]);
    }
    match &launch.access {
        Access::Kept => {}
        // Every user of this computer can read a command line, so the token goes through the
        // environment.
        Access::Token(token) => drop(command.env("JSTORRENT_TOKEN", token)),
        Access::Anyone => drop(command.arg("--no-token")),
    }
}

/// Finds the daemon's program: beside this program, in the `PATH`, or where the environment says.
fn find() -> Result<PathBuf> {
    let beside =
        std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(PROGRAM)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(PROGRAM));
    let named = std::env::var_os(PROGRAM_ENV).map(PathBuf::from);
    beside.into_iter().chain(in_path).chain(named).find(|program| program.is_file()).ok_or_else(|| {
        anyhow!(
            "{PROGRAM} is neither beside this program nor in the PATH. Build it in target/release \
             with `cargo build --release -p io-shim`, or set {PROGRAM_ENV} to its path"
        )
    })
}

/// Explains why a daemon ended instead of becoming ready.
fn last_error(launch: &Launch) -> String {
    let errors = fs::read(launch.state.join(ERRORS)).unwrap_or_default();
    let errors = String::from_utf8_lossy(&errors);
    errors
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "))
        .unwrap_or("it did not say why")
        .to_owned()
}

fn why_it_ended(launch: &Launch) -> anyhow::Error {
    let words = last_error(launch);
    match launch.listen {
        Some(address) if words.contains("cannot listen") && words.contains("in use") => {
            anyhow!(
                "port {} is in use by another program: choose another one with --listen",
                address.port()
            )
        }
        Some(address) if words.contains("cannot listen") => {
            anyhow!("{address} can't be used: {words}")
        }
        _ => anyhow!("the daemon did not start: {words}"),
    }
}

/// Ends the daemon of an earlier run that was killed.
///
/// No other program uses this state folder. A daemon that was started a moment ago locks the folder
/// first and writes its process id afterwards. A daemon that does not end in time is killed; its
/// state is already on disk.
async fn end_orphan(launch: &Launch) {
    let state = &launch.state;
    let is_held = || {
        let lock = File::options().write(true).open(state.join("lock"));
        // A shared lock, as for every process that only asks.
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    };
    let (began, patience) = (Instant::now(), launch.stop_grace + ENDED_WITHIN);
    let mut asked = None;
    while is_held() && began.elapsed() < patience + KILLED_WITHIN {
        // While the folder is locked, its holder wrote this file.
        let orphan = read_endpoint(state).map(|endpoint| endpoint.pid);
        match orphan {
            Some(pid) if began.elapsed() > patience => kill(pid),
            Some(pid) if asked != orphan => terminate(pid),
            _ => {}
        }
        asked = orphan;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn read_endpoint(state: &Path) -> Option<Endpoint> {
    serde_json::from_slice(&fs::read(state.join("endpoint.json")).ok()?).ok()
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(windows)]
fn own_group(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
}

#[cfg(unix)]
fn terminate(pid: u32) {
    signal(pid, rustix::process::Signal::TERM);
}

#[cfg(unix)]
fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

#[cfg(unix)]
fn signal(pid: u32, signal: rustix::process::Signal) {
    use rustix::process::{Pid, kill_process};
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // The process may have ended in the meantime.
        let _ = kill_process(pid, signal);
    }
}

#[cfg(windows)]
fn kill(pid: u32) {
    terminate(pid);
}

/// Windows cannot ask a process without a window to end. Pieces that are not recorded yet are
/// checked again next time.
#[cfg(windows)]
fn terminate(pid: u32) {
    let _ = Command::new("taskkill").args(["/F", "/PID", &pid.to_string()]).output();
}
