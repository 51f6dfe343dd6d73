//! One running daemon: put together, found, and ended in order.
//!
//! Owns the life of all parts and the order of their end. Invariant: whatever ends the daemon by
//! plan, no viewer is cut before its grace, the engine hears why, state is on disk, and
//! `endpoint.json` is gone.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use shared_proto::Limits;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::control::desk::{Desk, DeskConfig};
use crate::control::doorstep::Doorstep;
use crate::convert::Converter;
use crate::files::read_ahead::ReadAhead;
use crate::files::{FileStore, Roots, Writers};
use crate::host::chosen_folders;
use crate::host::config::{Config, any_port};
use crate::host::descriptors::Shares;
use crate::host::show::FileManager;
use crate::host::state_folder::{Endpoint, Identity, StateFolder};
use crate::http::app::App;
use crate::http::auth::Guard;
use crate::http::server::{self, Phase};
use crate::http::uploads::Uploads;
use crate::metrics::Metrics;
use crate::plane::io_plane::IoConfig;
use crate::sockets::DialPolicy;
use crate::sockets::port_map::{MapConfig, PortMaps};
use crate::state::StateStore;
use crate::state::notes::NoteStore;

/// Bytes of I/O frames that may be under way in each direction.
const IO_WINDOW: u32 = 4 << 20;
/// How long a router may take to forget the ports that it let in.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(3);
/// How often the end of a drain or an idle time is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A daemon that serves until it is told to stop.
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
    /// Takes the state folder, listens, and tells where it can be found.
    ///
    /// # Errors
    /// When the state folder is in use or unusable, or no port can be had.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let folder = StateFolder::take(&config.state)?;
        let mut identity = folder.identity()?;
        let listener = listen(config.listen, &identity).context("cannot listen")?;
        let addr = listener.local_addr()?;
        if identity.port != Some(addr.port()) {
            identity.port = Some(addr.port());
            folder.remember(&identity)?;
        }
        if let Some(token) = &config.token {
            // It holds for as long as it is named; the one that was made up is kept for when it is
            // not.
            token.as_str().clone_into(&mut identity.token);
        }
        let shares = Shares::of_process(config.max_replies + config.max_waiting);
        tracing::debug!(?shares, "descriptors");
        let app = Arc::new(assemble(&config, &folder, addr, &identity, shares)?);
        let (phase, phases) = watch::channel(Phase::Open);
        let bounds = server::Bounds {
            connections: config.max_connections.min(shares.http as usize),
            header_timeout: config.header_timeout,
            stall: config.stall,
        };
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&app), bounds, phases));
        let endpoint = Endpoint {
            port: addr.port(),
            token: identity.token,
            pid: std::process::id(),
            version: crate::VERSION.into(),
        };
        folder.publish(&endpoint)?;
        tracing::info!(%addr, state = %config.state.display(), "ready");
        let (stop_grace, idle_exit) = (config.stop_grace, config.idle_exit);
        Ok(Self { app, folder, endpoint, address: addr, phase, serving, stop_grace, idle_exit })
    }

    /// How to reach it.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when there was nothing to do for as long as the settings allow; never if they do
    /// not.
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

    /// Ends it: no new viewers, a grace for the running ones, then everything.
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
        // The engine's connection closes its I/O plane before it lets go of the chair.
        let closed = tokio::time::timeout(Duration::from_secs(1), app.chair.lock()).await.is_ok();
        tracing::debug!(closed, "I/O plane");
        let forgotten =
            tokio::time::timeout(FORGOTTEN_WITHIN, app.port_maps.settled()).await.is_ok();
        tracing::debug!(forgotten, "ports");
        phase.send_replace(Phase::Closed);
        let _ = serving.await;
        close_state(app).await;
        folder.remove_endpoint();
        tracing::info!("stopped");
    }
}

/// Closes the state once nobody uses it any more, so that the next daemon can open it.
async fn close_state(app: Arc<App>) {
    let until = Instant::now() + Duration::from_secs(2);
    while Arc::strong_count(&app) > 1 && Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let _ = tokio::task::spawn_blocking(move || drop(app)).await;
}

/// The address that the user wants; else the port of last time, so that viewers find it again; else
/// any.
fn listen(wanted: Option<SocketAddr>, identity: &Identity) -> std::io::Result<TcpListener> {
    if let Some(addr) = wanted {
        return server::listen(addr);
    }
    let last = identity.port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    last.and_then(|addr| server::listen(addr).ok()).map_or_else(|| server::listen(any_port()), Ok)
}

/// Puts the parts together.
pub(crate) fn assemble(
    config: &Config,
    folder: &StateFolder,
    addr: SocketAddr,
    identity: &Identity,
    shares: Shares,
) -> anyhow::Result<App> {
    let metrics = Arc::new(Metrics::default());
    let replies = shares.replies as usize;
    let waiting = config.max_waiting.min(replies / 2);
    let desk = Desk::new(DeskConfig {
        grace: config.grace,
        max_wait: config.max_wait,
        max_replies: config.max_replies.min(replies - waiting),
        max_replies_per_file: config.max_replies_per_file,
        max_waiting: waiting,
        max_waiting_per_file: config.max_waiting_per_file,
    });
    let roots = config
        .roots
        .iter()
        .map(|root| (Roots::key_of(&root.path), root.label.clone(), root.path.clone()))
        .collect();
    let policy = DialPolicy {
        allow_loopback: config.allow_loopback_peers,
        allow_private: config.allow_private_peers,
        own: Some(addr),
    };
    let io = IoConfig {
        policy,
        addresses: config.peer_addresses.clone(),
        max_conns: shares.conns as usize,
        max_files: shares.files as usize,
        lookup_program: config.lookup_program.clone(),
    };
    let maps = MapConfig { enabled: !config.no_port_mapping, ..MapConfig::default() };
    let max_wait_ms = u64::try_from(config.max_wait.as_millis()).unwrap_or(u64::MAX);
    let roots = Roots::new(roots).remembering_in(folder.path());
    roots.set_aside(&chosen_folders::load(folder.path()));
    roots.check_apart()?;
    let files = Arc::new(FileStore::new(roots, open_writers(&config.locks)?));
    Ok(App {
        read_ahead: ReadAhead::new(Arc::clone(&files), Arc::clone(&metrics)),
        guard: Guard::new(addr, config.origins.clone(), identity.token.clone())
            .open(config.no_token),
        desk,
        files,
        file_manager: FileManager::default(),
        state_folder: folder.path().to_path_buf(),
        state: Arc::new(StateStore::open(folder.path())?),
        notes: Arc::new(NoteStore::new(&config.notes)),
        limits: Limits {
            max_conns: shares.conns,
            max_files: shares.files,
            io_window: IO_WINDOW,
            max_wait_ms,
        },
        metrics,
        io,
        converter: Converter::new(config.ffmpeg.clone(), addr),
        port_maps: Arc::new(PortMaps::new(maps)),
        doorstep: Arc::new(Doorstep::default()),
        pages: config.pages,
        uploads: Arc::new(Uploads::default()),
        chair: Mutex::new(()),
    })
}

/// The locks in the first of these folders that can be used.
fn open_writers(folders: &[PathBuf]) -> anyhow::Result<Writers> {
    let mut last = anyhow::anyhow!("no folder for locks is named");
    for folder in folders {
        match Writers::open(folder) {
            Ok(writers) => return Ok(writers),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "no locks can be kept here");
                last = anyhow::Error::from(error)
                    .context(format!("the folder for locks, {}", folder.display()));
            }
        }
    }
    Err(last.context("name one with --locks, the same for all daemons of a user"))
}
