//! A daemon and an engine, linked.
//!
//! Owns their order at the beginning and at the end. A daemon that dies is started again, on the same port and with the same token, so that
//! players go on. It knows no torrent and shows nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use engine_wasm::Config;
use engine_wasm::host::native::{Host, HostEvent};
use shared_proto::CloseCode;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::daemon::{Daemon, Launch};

/// A daemon that dies more often than this in a row is not started again.
const RESTARTS: u32 = 5;
/// One that lived so long was sound: with it a row ends.
const SOUND_AFTER: Duration = Duration::from_secs(60);
/// The first pause before it is started again; each further one is twice as long.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// A running engine with its daemon.
#[derive(Debug)]
pub(crate) struct Linked {
    launch: Launch,
    daemon: Option<Daemon>,
    /// The engine.
    pub(crate) host: Host,
    events: UnboundedReceiver<HostEvent>,
    restarts: u32,
    since: Instant,
    hurry: Arc<AtomicBool>,
}

impl Linked {
    /// Starts the daemon, and links an engine to it.
    ///
    /// # Errors
    /// In plain words.
    pub(crate) async fn start(launch: Launch, config: Config, hurry: Arc<AtomicBool>) -> Result<Self> {
        let (host, events) = Host::start(config)?;
        let since = Instant::now();
        let mut linked = Self { launch, daemon: None, host, events, restarts: 0, since, hurry };
        linked.link().await?;
        Ok(linked)
    }

    async fn link(&mut self) -> Result<()> {
        // The former one has to be gone before its folder can be taken again.
        self.daemon = None;
        let daemon = Daemon::start(&self.launch, Arc::clone(&self.hurry)).await?;
        let endpoint = daemon.endpoint.clone();
        self.daemon = Some(daemon);
        self.since = Instant::now();
        // Whichever port it got, the next one has to be found there, too.
        if let Some(listen) = &mut self.launch.listen {
            listen.set_port(endpoint.port);
        }
        Ok(self.host.connect(&format!("ws://{}/control", self.address()), endpoint.token).await?)
    }

    /// The next thing that happens to the engine; it goes to [`Linked::handle`].
    pub(crate) async fn event(&mut self) -> Option<HostEvent> {
        self.events.recv().await
    }

    /// Follows up what happened: a daemon that died is started again, and then it is true.
    ///
    /// # Errors
    /// It dies again and again, or the engine has failed.
    pub(crate) async fn handle(&mut self, event: Option<HostEvent>) -> Result<bool> {
        let (code, reason) = match event.context("the engine has failed")? {
            HostEvent::Connected { .. } | HostEvent::Changed => return Ok(false),
            HostEvent::Disconnected { code, reason } => (code, reason),
        };
        if code == CloseCode::Superseded.code() || code == CloseCode::Protocol.code() {
            bail!("the daemon has turned away: {reason}");
        }
        if self.since.elapsed() > SOUND_AFTER {
            self.restarts = 0;
        }
        let mut trouble = anyhow::anyhow!("the daemon is gone: {reason}");
        while self.restarts < RESTARTS {
            tokio::time::sleep(RESTART_PAUSE * 2_u32.pow(self.restarts)).await;
            self.restarts += 1;
            match self.link().await {
                Ok(()) => return Ok(true),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// Where the daemon listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let ip = self.launch.listen.map_or(Ipv4Addr::LOCALHOST.into(), |listen| listen.ip());
        SocketAddr::new(ip, self.daemon.as_ref().map_or(0, |daemon| daemon.endpoint.port))
    }

    /// What opens its HTTP API.
    pub(crate) fn token(&self) -> &str {
        self.daemon.as_ref().map_or("", |daemon| &daemon.endpoint.token)
    }

    /// Ends the daemon: no new readers, a grace for those there are. Until then the engine serves them.
    pub(crate) async fn stop(mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await;
        }
    }
}
