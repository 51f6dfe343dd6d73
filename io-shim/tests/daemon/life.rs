//! Processes: signals, the state folder, native messaging, installing.
#![cfg(unix)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use io_shim::host::state_folder::{Endpoint, running_endpoint};
use shared_proto::{ConnId, IoCommand, IoEvent};

use crate::rig::{Brain, Folders, Rig, TempDir, Viewer, film, soon};
use crate::storing::newer;

const PROGRAM: &str = env!("CARGO_BIN_EXE_jstorrent-io-daemon");
const CALLER: &str = "chrome-extension://cpallhfnafgboofejffacjngdjldepmp/";

/// The program with this state folder, and none of the tester's environment.
fn program(folders: &Folders) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("JSTORRENT_STATE", folders.state.path())
        .env("JSTORRENT_DOWNLOADS", folders.downloads.path());
    command.env("JSTORRENT_LOCKS", folders.state.path().join("locks"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A daemon as a process, killed at the end.
struct Process(Child);

impl Process {
    async fn serve(folders: &Folders, args: &[&str]) -> (Self, Endpoint) {
        let process = Self(program(folders).arg("serve").args(args).spawn().unwrap());
        (process, endpoint_of(folders.state.path()).await)
    }

    fn signal(&self, name: &str) {
        signal(self.0.id(), name);
    }

    async fn exit_code(&mut self) -> Option<i32> {
        soon(async {
            loop {
                if let Some(status) = self.0.try_wait().unwrap() {
                    break status.code();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(pid: u32, name: &str) {
    assert!(
        Command::new("kill")
            .args([format!("-{name}"), pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

async fn endpoint_of(state: &Path) -> Endpoint {
    soon(async {
        loop {
            if let Some(endpoint) = running_endpoint(state) {
                break endpoint;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

async fn gone(state: &Path) {
    soon(async {
        while running_endpoint(state).is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_signal_turns_waiting_viewers_away_lets_running_ones_finish_and_ends_in_order() {
    let folders = Folders::new();
    folders.write("film.mp4", &film(10_000));
    let (mut daemon, endpoint) = Process::serve(&folders, &["--stop-grace-ms", "5000"]).await;
    let mut brain = Brain::connect(endpoint.port, None).await.unwrap();
    brain.hello(&endpoint.token).await;
    brain.welcomed().await;
    brain.announce("film", "film.mp4", 10_000).await;
    let url = "/stream/film?key=key-of-the-film";
    let mut running = Viewer::connect(endpoint.port).await;
    running.request("GET", url, &[]).await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 999).await;
    running.head().await;
    let mut waiting = Viewer::connect(endpoint.port).await;
    waiting.request("GET", url, &[]).await;
    brain.asked().await;
    daemon.signal("TERM");
    assert_eq!(waiting.head().await.status, 503);
    brain.available(id).await;
    assert_eq!(running.take(10_000).await, film(10_000), "the grace is long enough to finish");
    assert_eq!(brain.closed().await, Some(1001));
    assert_eq!(daemon.exit_code().await, Some(0));
    assert!(!folders.state.path().join("endpoint.json").exists());
}

#[tokio::test]
async fn a_body_that_does_not_end_is_cut_after_the_grace_and_a_second_signal_does_not_wait() {
    for (signals, at_most) in [(1, 4), (2, 2)] {
        let folders = Folders::new();
        folders.write("film.mp4", &film(10_000));
        let grace = if signals == 1 { "500" } else { "60000" };
        let (mut daemon, endpoint) = Process::serve(&folders, &["--stop-grace-ms", grace]).await;
        let mut brain = Brain::connect(endpoint.port, None).await.unwrap();
        brain.hello(&endpoint.token).await;
        brain.welcomed().await;
        brain.announce("film", "film.mp4", 10_000).await;
        let mut viewer = Viewer::connect(endpoint.port).await;
        viewer.request("GET", "/stream/film?key=key-of-the-film", &[]).await;
        let (id, ..) = brain.asked().await;
        brain.ready(id, 999).await;
        viewer.head().await;
        let signalled = Instant::now();
        daemon.signal("INT");
        if signals == 2 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            daemon.signal("INT");
        }
        assert_eq!(daemon.exit_code().await, Some(0));
        assert!(signalled.elapsed() < Duration::from_secs(at_most), "{:?}", signalled.elapsed());
        assert_eq!(viewer.take(10_000).await, film(10_000)[..1_000]);
    }
}

#[tokio::test]
async fn a_second_daemon_with_the_same_state_folder_is_a_clear_error() {
    let folders = Folders::new();
    let (_daemon, endpoint) = Process::serve(&folders, &[]).await;
    let Output { status, stderr, .. } =
        program(&folders).arg("serve").stderr(Stdio::piped()).output().unwrap();
    assert!(!status.success());
    assert!(String::from_utf8_lossy(&stderr).contains("another daemon is running"));
    assert_eq!(endpoint_of(folders.state.path()).await.pid, endpoint.pid);
}

#[tokio::test]
async fn a_killed_daemon_leaves_nothing_that_misleads() {
    let folders = Folders::new();
    let (mut daemon, endpoint) = Process::serve(&folders, &[]).await;
    daemon.signal("KILL");
    assert_eq!(daemon.exit_code().await, None);
    assert!(
        folders.state.path().join("endpoint.json").exists()
            && running_endpoint(folders.state.path()).is_none()
    );
    let (_daemon, again) = Process::serve(&folders, &[]).await;
    assert_eq!((again.port, again.token), (endpoint.port, endpoint.token));
}

#[tokio::test]
async fn an_idle_daemon_ends_but_not_while_an_engine_is_connected() {
    let folders = Folders::new();
    let (mut daemon, endpoint) = Process::serve(&folders, &["--idle-exit-s", "1"]).await;
    let mut brain = Brain::connect(endpoint.port, None).await.unwrap();
    brain.hello(&endpoint.token).await;
    brain.welcomed().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(daemon.0.try_wait().unwrap().is_none());
    drop(brain);
    assert_eq!(daemon.exit_code().await, Some(0));
}

#[tokio::test]
async fn the_log_never_shows_the_token() {
    let rig = Folders::new();
    let (mut daemon, endpoint) = {
        let child = program(&rig)
            .args(["serve", "--detached"])
            .env("JSTORRENT_LOG", "trace")
            .spawn()
            .unwrap();
        (Process(child), endpoint_of(rig.state.path()).await)
    };
    let mut brain = Brain::connect(endpoint.port, None).await.unwrap();
    brain.hello(&endpoint.token).await;
    brain.welcomed().await;
    let mut viewer = Viewer::connect(endpoint.port).await;
    let target = format!("/stream/x?key=secret-key-1&token={}", endpoint.token);
    viewer
        .request("GET", &target, &[("Authorization", &format!("Bearer {}", endpoint.token))])
        .await;
    viewer.head().await;
    daemon.signal("TERM");
    daemon.exit_code().await;
    let log = std::fs::read_to_string(rig.state.path().join("daemon.log")).unwrap();
    assert!(log.contains("ready"), "{log}");
    for secret in [&endpoint.token, "secret-key-1"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}

/// Chrome's side of native messaging.
struct Chrome(Process);

impl Chrome {
    fn start(folders: &Folders, caller: &str, idle_exit_s: &str) -> Self {
        let mut command = program(folders);
        command.arg(caller).env("JSTORRENT_IDLE_EXIT_S", idle_exit_s);
        Self(Process(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()))
    }

    fn ask(&mut self, message: &str) -> serde_json::Value {
        let (input, output) = (self.0.0.stdin.as_mut().unwrap(), self.0.0.stdout.as_mut().unwrap());
        input.write_all(&u32::try_from(message.len()).unwrap().to_ne_bytes()).unwrap();
        input.write_all(message.as_bytes()).unwrap();
        let mut length = [0; 4];
        output.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_ne_bytes(length) as usize];
        output.read_exact(&mut answer).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    async fn hang_up(mut self) {
        drop(self.0.0.stdin.take());
        assert_eq!(self.0.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn native_messaging_starts_a_daemon_that_outlives_it() {
    let folders = Folders::new();
    let mut chrome = Chrome::start(&folders, CALLER, "1");
    let first = chrome.ask(r#"{"type":"connect"}"#);
    let endpoint = endpoint_of(folders.state.path()).await;
    let (port, token) = (endpoint.port, &endpoint.token);
    let expected = serde_json::json!({
        "type": "endpoint", "port": port, "token": token, "version": "0.1.0"
    });
    assert_eq!(first, expected);
    assert_eq!(chrome.ask(r#"{"type":"connect","more":1}"#), expected);
    chrome.hang_up().await;
    let mut brain = Brain::connect(endpoint.port, None).await.unwrap();
    brain.hello(&endpoint.token).await;
    brain.welcomed().await;
    let mut again = Chrome::start(&folders, CALLER, "1");
    assert_eq!(again.ask(r#"{"type":"connect"}"#), expected, "the running one is found");
    again.hang_up().await;
    drop(brain);
    gone(folders.state.path()).await;
}

#[tokio::test]
async fn two_profiles_at_once_get_the_same_daemon() {
    let folders = Folders::new();
    let answers = std::thread::scope(|scope| {
        let ask = || {
            let mut chrome = Chrome::start(&folders, CALLER, "1");
            chrome.ask(r#"{"type":"connect"}"#)
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(
        answers.iter().all(|answer| answer["type"] == "endpoint" && answer == &answers[0]),
        "{answers:?}"
    );
    gone(folders.state.path()).await;
}

#[tokio::test]
async fn native_messaging_says_in_plain_words_what_is_wrong() {
    let folders = Folders::new();
    let mut foreign =
        Chrome::start(&folders, "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/", "1");
    assert_eq!(foreign.ask(r#"{"type":"connect"}"#)["type"], "error");
    let mut confused = Chrome::start(&folders, CALLER, "1");
    assert_eq!(confused.ask(r#"{"type":"dance"}"#)["type"], "error");
    assert_eq!(confused.ask("nonsense")["type"], "error");
    assert!(running_endpoint(folders.state.path()).is_none(), "nothing was started");
    std::fs::write(folders.state.path().join("daemon.toml"), "colour = 1").unwrap();
    let answer = Chrome::start(&folders, CALLER, "1").ask(r#"{"type":"connect"}"#);
    assert!(answer["message"].as_str().unwrap().contains("daemon.toml"), "{answer}");
    let answer = Chrome::start(&folders, CALLER, "soon").ask(r#"{"type":"connect"}"#);
    assert!(answer["message"].as_str().unwrap().contains("idle-exit-s"), "{answer}");
}

#[test]
fn the_program_says_the_addresses_of_a_name_and_fails_where_there_are_none() {
    let lookup = |name: &str| Command::new(PROGRAM).args(["lookup", "--", name]).output().unwrap();
    let found = String::from_utf8(lookup("localhost").stdout).unwrap();
    assert!(found.lines().any(|line| line == "127.0.0.1" || line == "::1"), "{found}");
    assert!(found.lines().all(|line| line.parse::<std::net::IpAddr>().is_ok()), "{found}");
    for nothing in ["", ".."] {
        let found = lookup(nothing);
        assert!(!found.status.success() && found.stdout.is_empty(), "{nothing:?}");
    }
}

#[tokio::test]
async fn a_daemon_that_cannot_start_is_reported_with_its_log() {
    let folders = Folders::new();
    // A folder where the state file should be.
    std::fs::create_dir(folders.state.path().join("identity.json")).unwrap();
    let answer = Chrome::start(&folders, CALLER, "1").ask(r#"{"type":"connect"}"#);
    let words = answer["message"].as_str().unwrap();
    assert!(words.contains("daemon.log") && words.contains("state folder"), "{answer}");
    let log = std::fs::read_to_string(folders.state.path().join("daemon.log")).unwrap();
    assert!(log.contains("state folder"), "{log}");
}

#[tokio::test]
async fn the_state_of_a_newer_version_is_refused_in_words_and_left_as_it_is() {
    let folders = Folders::new();
    let bytes = newer(&folders);
    let output = program(&folders).arg("serve").stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("error: ") && words.contains("newer version of this program"),
        "{words}"
    );
    let answer = Chrome::start(&folders, CALLER, "1").ask(r#"{"type":"connect"}"#);
    assert_eq!(answer["type"], "error");
    assert!(
        answer["message"].as_str().unwrap().contains("newer version of this program"),
        "{answer}"
    );
    assert_eq!(std::fs::read(folders.state.path().join("state.redb")).unwrap(), bytes);
}

#[test]
fn installing_into_a_profile_folder_points_to_this_program() {
    let profile = TempDir::new();
    let run = |command: &str| {
        Command::new(PROGRAM)
            .arg(command)
            .arg("--user-data-dir")
            .arg(profile.path())
            .output()
            .unwrap()
    };
    assert!(run("install").status.success());
    let manifest = profile.path().join("NativeMessagingHosts/com.jstorrent.io_daemon.json");
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    let program = Path::new(PROGRAM).canonicalize().unwrap();
    assert_eq!(manifest["path"], program.to_str().unwrap());
    assert_eq!(manifest["allowed_origins"], serde_json::json!([CALLER]));
    assert!(String::from_utf8_lossy(&run("uninstall").stdout).contains("removed"));
}

#[tokio::test]
async fn settings_come_from_the_environment_too() {
    let folders = Folders::new();
    let mut command = program(&folders);
    command
        .arg("serve")
        .env("JSTORRENT_ALLOW_LOOPBACK_PEERS", "1")
        .env("JSTORRENT_ALLOW_PRIVATE_PEERS", "0");
    command.env("JSTORRENT_LISTEN", "127.0.0.1:0").env("JSTORRENT_GRACE_MS", "0");
    let _daemon = Process(command.spawn().unwrap());
    let endpoint = endpoint_of(folders.state.path()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut brain = Brain::connect(endpoint.port, None).await.unwrap();
    brain.hello(&endpoint.token).await;
    brain.welcomed().await;
    assert_eq!(brain.roots[0].label, "Downloads");
    let addr = listener.local_addr().unwrap();
    brain.order(&[IoCommand::TcpConnect { conn: ConnId(1), addr, timeout_ms: 5_000 }]).await;
    assert_eq!(brain.event().await, IoEvent::TcpConnected { conn: ConnId(1) });
}

#[test]
fn it_does_not_listen_to_the_network() {
    let folders = Folders::new();
    let output = program(&folders)
        .args(["serve", "--listen", "0.0.0.0:0"])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("loopback"));
}

#[tokio::test]
async fn stopping_without_viewers_does_not_wait() {
    let rig = Rig::start_with(|settings| settings.stop_grace_ms = Some(60_000)).await;
    let _idle = Viewer::connect(rig.port).await;
    let mut kept_alive = rig.send("GET", "/health", &[]).await;
    kept_alive.reply().await;
    let began = Instant::now();
    soon(rig.daemon.stop()).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
