//! A daemon without a listener: its connections are pipes in memory. For fuzzers and measurements.
//!
//! Owns nothing that the daemon has not; what it serves is the daemon's own service, from the first
//! byte of a connection on.

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

/// A daemon that is given its connections.
pub struct InMemory {
    app: Arc<App>,
    places: Arc<Connections>,
    header_timeout: Duration,
    phase: watch::Sender<Phase>,
    _folder: StateFolder,
}

impl InMemory {
    /// A daemon that believes to listen at `addr`.
    ///
    /// # Errors
    /// When the state folder is in use or unusable.
    pub fn start(config: &Config, addr: SocketAddr) -> anyhow::Result<Self> {
        let folder = StateFolder::take(&config.state)?;
        let mut identity = folder.identity()?;
        if let Some(token) = &config.token {
            token.as_str().clone_into(&mut identity.token);
        }
        let shares = Shares::of_process(config.max_replies + config.max_waiting);
        let app = Arc::new(daemon::assemble(config, &folder, addr, &identity, shares)?);
        let places = Connections::new(config.max_connections, config.stall);
        let (phase, _) = watch::channel(Phase::Open);
        Ok(Self { app, places, header_timeout: config.header_timeout, phase, _folder: folder })
    }

    /// Serves one connection until it ends, or becomes a WebSocket. `false`: there is no place for
    /// it.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
    ) -> bool {
        let Some(place) = self.places.enter() else { return false };
        let phase = self.phase.subscribe();
        server::connection(stream, Arc::clone(&self.app), place, self.header_timeout, phase).await;
        true
    }

    /// Its desk, for an engine that needs no WebSocket.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.app.desk
    }

    /// The folders that files may lie in.
    pub fn roots(&self) -> Vec<Root> {
        self.app.files.roots()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> u64 {
        self.app.metrics.http_conns_open.load(Ordering::Relaxed)
    }
}
