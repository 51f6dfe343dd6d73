//! A daemon and an engine that are connected to each other.
//!
//! Owns the order of start and end. A daemon that dies is restarted on the same port with the same
//! token, so that players continue; the delay doubles with each restart. This module knows no
//! torrents and prints nothing.

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

/// A daemon that lived this long resets the delay.
const SOUND_AFTER: Duration = Duration::from_secs(60);
/// Delay before the first restart; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest delay.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An event of a connected engine.
#[derive(Debug)]
pub(crate) enum Event {
    /// An event of the engine; `None` when the engine has failed.
    Engine(Option<HostEvent>),
    /// The delay before a restart is over.
    PauseOver,
}

/// The result of handling an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to report.
    Nothing,
    /// The daemon had died and was restarted.
    Restarted,
    /// The daemon cannot be started, for this reason. The next attempt follows after a delay.
    Trouble(String),
}

/// A running engine with its daemon.
#[derive(Debug)]
pub(crate) struct Linked {
    launch: Launch,
    daemon: Option<Daemon>,
    /// The engine.
    pub(crate) host: Host,
    events: UnboundedReceiver<HostEvent>,
    restarts: u32,
    /// When a dead daemon is restarted.
    restart_at: Option<Instant>,
    since: Instant,
    hurry: Arc<AtomicBool>,
}

impl Linked {
    /// Starts a daemon and an engine, and connects them.
    ///
    /// # Errors
    /// The daemon cannot be started, or the connection fails.
    pub(crate) async fn start(
        launch: Launch,
        config: Config,
        hurry: Arc<AtomicBool>,
    ) -> Result<Self> {
        let (host, events) = Host::start(config)?;
        let since = Instant::now();
        let mut linked = Self {
            launch,
            daemon: None,
            host,
            events,
            restarts: 0,
            restart_at: None,
            since,
            hurry,
        };
        linked.link().await?;
        Ok(linked)
    }

    async fn link(&mut self) -> Result<()> {
        // The former daemon must release its state folder first.
        self.daemon = None;
        let daemon = Daemon::start(&self.launch, Arc::clone(&self.hurry)).await?;
        let endpoint = daemon.endpoint.clone();
        self.daemon = Some(daemon);
        self.since = Instant::now();
        // A restarted daemon must listen on the same port.
        if let Some(listen) = &mut self.launch.listen {
            listen.set_port(endpoint.port);
        }
        Ok(self.host.connect(&format!("ws://{}/control", self.address()), endpoint.token).await?)
    }

    /// Waits for the next event, for [`Linked::handle`]. Cancelling the wait loses no event.
    pub(crate) async fn event(&mut self) -> Event {
        if let Some(at) = self.restart_at {
            tokio::time::sleep_until(at.into()).await;
            return Event::PauseOver;
        }
        Event::Engine(self.events.recv().await)
    }

    /// Handles an event; restarts a dead daemon after a delay.
    ///
    /// # Errors
    /// The engine has failed, or the daemon refuses the connection for good.
    pub(crate) async fn handle(&mut self, event: Event) -> Result<Outcome> {
        let event = match event {
            Event::Engine(event) => event.context("the engine has failed")?,
            Event::PauseOver => return Ok(self.restart().await),
        };
        match event {
            HostEvent::Connected { .. } | HostEvent::Changed => {}
            HostEvent::Disconnected { code, reason }
                if code == CloseCode::Superseded.code() || code == CloseCode::Protocol.code() =>
            {
                bail!("the daemon has turned away: {reason}");
            }
            HostEvent::Disconnected { .. } => {
                if self.since.elapsed() > SOUND_AFTER {
                    self.restarts = 0;
                }
                self.pause();
            }
        }
        Ok(Outcome::Nothing)
    }

    async fn restart(&mut self) -> Outcome {
        self.restart_at = None;
        match self.link().await {
            Ok(()) => Outcome::Restarted,
            Err(error) => {
                self.pause();
                Outcome::Trouble(format!("{error:#}"))
            }
        }
    }

    fn pause(&mut self) {
        self.restart_at = Some(Instant::now() + pause_before(self.restarts));
        self.restarts += 1;
    }

    /// Returns the address on which the daemon listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let ip = self.launch.listen.map_or(Ipv4Addr::LOCALHOST.into(), |listen| listen.ip());
        SocketAddr::new(ip, self.daemon.as_ref().map_or(0, |daemon| daemon.endpoint.port))
    }

    /// Returns the token of the daemon's HTTP API.
    pub(crate) fn token(&self) -> &str {
        self.daemon.as_ref().map_or("", |daemon| &daemon.endpoint.token)
    }

    /// Ends the daemon: it accepts no new readers, and the engine serves open replies for the grace
    /// period.
    pub(crate) async fn stop(mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await;
        }
    }
}

/// Returns the delay before a restart, after this many restarts in a row.
fn pause_before(restarts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(restarts)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_retries_never_end() {
        let seconds: Vec<f64> =
            (0..10).map(|restarts| pause_before(restarts).as_secs_f64()).collect();
        assert_eq!(seconds, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]);
        assert_eq!(pause_before(u32::MAX), LONGEST_PAUSE);
    }
}
