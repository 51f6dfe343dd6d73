//! A daemon without a listener, for fuzzers and measurements.
//!
//! Its connections are pipes in memory. It serves them exactly as the daemon does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shared_proto::Root;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::control::desk::Desk;
use crate::daemon;
use crate::host::config::Config;
use crate::host::descriptors::Shares;
use crate::host::state_folder::StateFolder;
use crate::http::app::App;
use crate::http::connections::Connections;
use crate::http::server::{self, Phase};

/// A daemon whose connections the caller makes.
pub struct InMemory {
    app: Arc<App>,
    permits: Arc<Connections>,
    header_timeout: Duration,
    phase: watch::Sender<Phase>,
    _folder: StateFolder,
}

impl InMemory {
    /// Starts a daemon that takes `addr` for its own address.
    ///
    /// # Errors
    /// When the state folder is in use or unusable.
    pub fn start(config: &Config, addr: SocketAddr) -> anyhow::Result<Self> {
        let folder = StateFolder::take(&config.state)?;
        let mut installation = folder.installation()?;
        if let Some(token) = &config.token {
            token.as_str().clone_into(&mut installation.token);
        }
        let shares = Shares::of_process(config.viewers.max_replies + config.viewers.max_waiting);
        let app = Arc::new(daemon::assemble(config, &folder, addr, &installation, shares)?);
        let permits = Connections::new(config.http.max_connections, config.http.stall);
        let (phase, _) = watch::channel(Phase::Open);
        Ok(Self {
            app,
            permits,
            header_timeout: config.http.header_timeout,
            phase,
            _folder: folder,
        })
    }

    /// Serves one connection until it ends or becomes a WebSocket. Returns `false` when all permits
    /// are taken.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
    ) -> bool {
        let Some(permit) = self.permits.enter() else { return false };
        let phase = self.phase.subscribe();
        server::connection(stream, Arc::clone(&self.app), permit, self.header_timeout, phase).await;
        true
    }

    /// The desk, for an engine without a WebSocket.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.app.desk
    }

    /// The download folders.
    pub fn roots(&self) -> Vec<Root> {
        self.app.files.roots()
    }

    /// Open connections.
    pub fn connections(&self) -> u64 {
        self.app.metrics.http_conns_open.load(Ordering::Relaxed)
    }
}
