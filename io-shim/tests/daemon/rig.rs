//! A daemon for one test, with its folders, engine and viewers.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use io_shim::daemon::Daemon;
use io_shim::host::settings::Settings;
use shared_proto::{EngineMessage, FileId};

use tokio::time::timeout;

pub(crate) use crate::brain::Brain;
pub(crate) use crate::testing::TempDir;
pub(crate) use crate::viewer::{Reply, Viewer};
use crate::waiting::SOON;
pub(crate) use crate::waiting::{QUIET, soon};

/// Bytes in which every position differs from its neighbours.
pub(crate) fn film(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// A running daemon and its folders.
pub(crate) struct Rig {
    pub(crate) daemon: Daemon,
    pub(crate) port: u16,
    pub(crate) token: String,
    pub(crate) folders: Folders,
}

/// What outlives a daemon.
pub(crate) struct Folders {
    pub(crate) state: TempDir,
    pub(crate) downloads: TempDir,
}

impl Folders {
    pub(crate) fn new() -> Self {
        Self { state: TempDir::new(), downloads: TempDir::new() }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.downloads.path().join(name), bytes).unwrap();
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            state: Some(self.state.path().into()),
            locks: Some(self.state.path().join("locks")),
            notes: Some(self.state.path().join("notes")),
            downloads: Some(self.downloads.path().into()),
            grace_ms: Some(400),
            stop_grace_ms: Some(300),
            peer_address: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            ..Settings::default()
        }
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_in(Folders::new(), change).await
    }

    pub(crate) async fn start_in(folders: Folders, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = folders.settings();
        change(&mut settings);
        let daemon = Daemon::start(settings.resolve(0).unwrap()).await.unwrap();
        let (port, token) = (daemon.endpoint().port, daemon.endpoint().token.clone());
        Self { daemon, port, token, folders }
    }

    /// An engine that has said hello.
    pub(crate) async fn brain(&self) -> Brain {
        let mut brain = Brain::connect(self.port, None).await.unwrap();
        brain.hello(&self.token).await;
        soon(brain.welcomed()).await;
        brain
    }

    /// A daemon with one film of this length on disk, announced by an engine.
    pub(crate) async fn with_film(length: usize) -> (Self, Brain) {
        Self::with_film_and(length, |_| {}).await
    }

    pub(crate) async fn with_film_and(
        length: usize,
        change: impl FnOnce(&mut Settings),
    ) -> (Self, Brain) {
        let rig = Self::start_with(change).await;
        rig.folders.write("film.mp4", &film(length));
        let mut brain = rig.brain().await;
        brain.announce("film", "film.mp4", length as u64).await;
        rig.settled(&mut brain).await;
        (rig, brain)
    }

    /// Waits until the daemon has handled all messages of the engine. Then it answers for a file
    /// that this function announces.
    pub(crate) async fn settled(&self, brain: &mut Brain) {
        brain.announce("marker", "marker", 0).await;
        let known = async {
            while self.get("/stream/marker?key=key-of-the-film", &[]).await.status != 200 {}
        };
        soon(known).await;
        brain.tell(EngineMessage::FileForget { file_id: FileId::from("marker") }).await;
    }

    /// Opens a connection and sends a request.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Viewer {
        let mut viewer = Viewer::connect(self.port).await;
        viewer.request(method, target, headers).await;
        viewer
    }

    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        soon(async { self.send("GET", target, headers).await.reply().await }).await
    }

    /// Asks for the film, with this `Range` unless it is empty.
    pub(crate) async fn watch(&self, range: &str) -> Viewer {
        let headers = [("Range", range)];
        self.send(
            "GET",
            "/stream/film?key=key-of-the-film",
            if range.is_empty() { &[] } else { &headers },
        )
        .await
    }

    /// A number in `/metrics`.
    pub(crate) async fn metric(&self, sample: &str) -> u64 {
        let page = self.get("/metrics", &[]).await.text();
        let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {sample} in {page}")).parse().unwrap()
    }

    /// Waits until the daemon sends no more to a viewer that receives nothing. Returns how many
    /// bytes it has sent.
    pub(crate) async fn stands_still(&self) -> u64 {
        let still = async {
            loop {
                let before = self.metric("jstorrent_served_bytes_total").await;
                tokio::time::sleep(QUIET).await;
                if before > 0 && before == self.metric("jstorrent_served_bytes_total").await {
                    return before;
                }
            }
        };
        soon(still).await
    }

    /// Waits until a number in `/metrics` has this value.
    pub(crate) async fn metric_becomes(&self, sample: &str, expected: u64) {
        let reached = async {
            while self.metric(sample).await != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(
            timeout(SOON, reached).await.is_ok(),
            "{sample} is {} instead of {expected}",
            self.metric(sample).await
        );
    }
}
