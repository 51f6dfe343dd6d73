//! One running daemon: started, found by others, and stopped in order.
//!
//! Owns the life of all parts and the order in which they end. Invariant: when the daemon stops by
//! plan, viewers get their grace, the engine is told why, the state is on disk, and `endpoint.json`
//! is gone.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use shared_proto::Limits;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::control::context::Context;
use crate::control::desk::{Desk, DeskConfig};
use crate::control::unidentified::Unidentified;
use crate::convert::Converter;
use crate::files::read_ahead::ReadAhead;
use crate::files::{FileStore, Roots, Writers};
use crate::host::chosen_folders;
use crate::host::config::Config;
use crate::host::descriptors::Shares;
use crate::host::settings::any_port;
use crate::host::show::FileManager;
use crate::host::state_folder::{Endpoint, Installation, StateFolder};
use crate::http::app::App;
use crate::http::auth::Guard;
use crate::http::server::{self, Phase};
use crate::http::uploads::Uploads;
use crate::metrics::Metrics;
use crate::policy::dial::DialPolicy;
use crate::policy::io_config::IoConfig;
use crate::sockets::port_map::{MapConfig, PortMaps};
use crate::state::StateStore;
use crate::state::notes::NoteStore;

/// Bytes of I/O frames that may be under way in each direction.
const IO_WINDOW: u32 = 4 << 20;
/// How long routers may take to remove port mappings when the daemon stops.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(3);
/// How often the daemon checks whether it has drained or is idle.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A daemon that serves until [`Daemon::stop`].
pub struct Daemon {
    app: Arc<App>,
    folder: StateFolder,
    endpoint: Endpoint,
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    serving: JoinHandle<()>,
    stop_grace: Duration,
    idle_exit: Option<Duration>,
}

impl Daemon {
    /// Takes the state folder, listens, and publishes the endpoint.
    ///
    /// # Errors
    /// When the state folder is in use or unusable, or no port is free.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let folder = StateFolder::take(&config.state)?;
        let mut installation = folder.installation()?;
        let listener = listen(config.listen, &installation).context("cannot listen")?;
        let addr = listener.local_addr()?;
        if installation.port != Some(addr.port()) {
            installation.port = Some(addr.port());
            folder.remember(&installation)?;
        }
        if let Some(token) = &config.token {
            // The user's token counts in this run only. The generated token stays in
            // `identity.json`.
            token.as_str().clone_into(&mut installation.token);
        }
        let shares = Shares::of_process(config.viewers.max_replies + config.viewers.max_waiting);
        tracing::debug!(?shares, "descriptors");
        let app = Arc::new(assemble(&config, &folder, addr, &installation, shares)?);
        let (phase, phases) = watch::channel(Phase::Open);
        let bounds = server::Bounds {
            connections: config.http.max_connections.min(shares.http as usize),
            header_timeout: config.http.header_timeout,
            stall: config.http.stall,
        };
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&app), bounds, phases));
        let endpoint = Endpoint {
            port: addr.port(),
            token: installation.token,
            pid: std::process::id(),
            version: crate::VERSION.into(),
        };
        folder.publish(&endpoint)?;
        tracing::info!(%addr, state = %config.state.display(), "ready");
        let (stop_grace, idle_exit) = (config.stop_grace, config.idle_exit);
        Ok(Self { app, folder, endpoint, address: addr, phase, serving, stop_grace, idle_exit })
    }

    /// How to reach the daemon.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address that the daemon listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when the daemon has been idle for as long as the settings allow. Never resolves if
    /// they set no limit.
    pub async fn idle(&self) {
        let Some(limit) = self.idle_exit else { return std::future::pending().await };
        loop {
            let idle = self.app.desk.idle_for();
            if idle >= limit {
                return;
            }
            tokio::time::sleep((limit - idle).max(LOOK_EVERY)).await;
        }
    }

    /// Stops the daemon: accepts no new viewers, gives running ones a grace, then ends everything.
    pub async fn stop(self) {
        let Self { app, folder, phase, serving, stop_grace, .. } = self;
        tracing::info!("stopping");
        app.desk.stop();
        phase.send_replace(Phase::Draining);
        let until = Instant::now() + stop_grace;
        while app.desk.viewers().0 > 0 && Instant::now() < until {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        app.desk.cut_all();
        // The control connection closes its I/O plane before it releases this lock.
        let closed = tokio::time::timeout(Duration::from_secs(1), app.control.plane_turn.lock())
            .await
            .is_ok();
        tracing::debug!(closed, "I/O plane");
        let forgotten =
            tokio::time::timeout(FORGOTTEN_WITHIN, app.control.port_maps.settled()).await.is_ok();
        tracing::debug!(forgotten, "ports");
        phase.send_replace(Phase::Closed);
        let _ = serving.await;
        close_state(app).await;
        folder.remove_endpoint();
        tracing::info!("stopped");
    }
}

/// Closes the state once no task uses it. The next daemon can then open it.
async fn close_state(app: Arc<App>) {
    let until = Instant::now() + Duration::from_secs(2);
    let control = Arc::clone(&app.control);
    // `app` holds the second reference.
    while (Arc::strong_count(&app) > 1 || Arc::strong_count(&control) > 2) && Instant::now() < until
    {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let _ = tokio::task::spawn_blocking(move || drop((app, control))).await;
}

/// Listens at the address that the user chose. Without one, it tries the last run's port, so that
/// viewers find the daemon again, and then any port.
fn listen(wanted: Option<SocketAddr>, installation: &Installation) -> std::io::Result<TcpListener> {
    if let Some(addr) = wanted {
        return server::listen(addr);
    }
    let last = installation.port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    last.and_then(|addr| server::listen(addr).ok()).map_or_else(|| server::listen(any_port()), Ok)
}

/// Creates all parts.
pub(crate) fn assemble(
    config: &Config,
    folder: &StateFolder,
    addr: SocketAddr,
    installation: &Installation,
    shares: Shares,
) -> anyhow::Result<App> {
    let metrics = Arc::new(Metrics::default());
    let replies = shares.replies as usize;
    let waiting = config.viewers.max_waiting.min(replies / 2);
    let desk = Desk::new(DeskConfig {
        grace: config.viewers.grace,
        max_wait: config.viewers.max_wait,
        max_replies: config.viewers.max_replies.min(replies - waiting),
        max_replies_per_file: config.viewers.max_replies_per_file,
        max_waiting: waiting,
        max_waiting_per_file: config.viewers.max_waiting_per_file,
    });
    let roots = config
        .roots
        .iter()
        .map(|root| (Roots::key_of(&root.path), root.label.clone(), root.path.clone()))
        .collect();
    let policy = DialPolicy {
        allow_loopback: config.peers.allow_loopback,
        allow_private: config.peers.allow_private,
        own: Some(addr),
    };
    let io = IoConfig {
        policy,
        addresses: config.peers.addresses.clone(),
        max_conns: shares.conns as usize,
        max_files: shares.files as usize,
        lookup_program: config.lookup_program.clone(),
    };
    let maps = MapConfig { enabled: !config.peers.no_port_mapping, ..MapConfig::default() };
    let max_wait_ms = u64::try_from(config.viewers.max_wait.as_millis()).unwrap_or(u64::MAX);
    let roots = Roots::new(roots).remembering_in(folder.path());
    roots.set_aside(&chosen_folders::load(folder.path()));
    roots.check_apart()?;
    let files = Arc::new(FileStore::new(roots, open_writers(&config.locks)?));
    let control = Context {
        token: installation.token.clone(),
        desk: Arc::clone(&desk),
        files: Arc::clone(&files),
        file_manager: FileManager::default(),
        state_folder: folder.path().to_path_buf(),
        state: Arc::new(StateStore::open(folder.path())?),
        notes: Arc::new(NoteStore::new(&config.notes)),
        metrics: Arc::clone(&metrics),
        read_ahead: ReadAhead::new(Arc::clone(&files), Arc::clone(&metrics)),
        io,
        port_maps: Arc::new(PortMaps::new(maps)),
        limits: Limits {
            max_conns: shares.conns,
            max_files: shares.files,
            io_window: IO_WINDOW,
            max_wait_ms,
        },
        unidentified: Arc::new(Unidentified::default()),
        plane_turn: Mutex::new(()),
    };
    let guard = Guard::new(addr, config.origins.clone(), installation.token.clone());
    Ok(App {
        guard: guard.open(config.no_token),
        desk,
        files,
        metrics,
        converter: Converter::new(config.ffmpeg.clone(), addr),
        pages: config.pages,
        uploads: Arc::new(Uploads::default()),
        control: Arc::new(control),
    })
}

/// Opens the lock folder: the first of `folders` that can be used.
fn open_writers(folders: &[PathBuf]) -> anyhow::Result<Writers> {
    let mut last = anyhow::anyhow!("no folder for locks is named");
    for folder in folders {
        match Writers::open(folder) {
            Ok(writers) => return Ok(writers),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "this folder cannot hold locks");
                last = anyhow::Error::from(error)
                    .context(format!("the folder for locks, {}", folder.display()));
            }
        }
    }
    Err(last.context("name one with --locks, the same for all daemons of a user"))
}
