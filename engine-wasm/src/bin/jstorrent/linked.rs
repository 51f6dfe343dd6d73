//! A daemon and an engine, linked.
//!
//! Owns their order at the beginning and at the end. A daemon that dies is started again, on the
//! same port and with the same token, so that players go on, and as often as it dies: each time
//! after a longer pause, for as long as the user stays. It knows no torrent and shows nothing.

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

/// A daemon that lived so long was sound: the next pause is the first again.
const SOUND_AFTER: Duration = Duration::from_secs(60);
/// The first pause before it is started again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What happens to a linked engine.
#[derive(Debug)]
pub(crate) enum Event {
    /// The engine says something; `None` when it has failed.
    Engine(Option<HostEvent>),
    /// The pause is over after which the daemon is started again.
    PauseOver,
}

/// What came of following an event up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing to speak of.
    Nothing,
    /// The daemon had died and was started again.
    Restarted,
    /// The daemon can't be started, for this reason; it is tried again after the next pause.
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
    /// When the daemon is started again, if it is gone.
    restart_at: Option<Instant>,
    since: Instant,
    hurry: Arc<AtomicBool>,
}

impl Linked {
    /// Starts the daemon, and links an engine to it.
    ///
    /// # Errors
    /// In plain words.
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

    /// The next thing that happens; it goes to [`Linked::handle`]. Nothing is lost when the wait is
    /// given up.
    pub(crate) async fn event(&mut self) -> Event {
        if let Some(at) = self.restart_at {
            tokio::time::sleep_until(at.into()).await;
            return Event::PauseOver;
        }
        Event::Engine(self.events.recv().await)
    }

    /// Follows up what happened: a daemon that died is started again after a pause.
    ///
    /// # Errors
    /// The engine has failed, or the daemon refuses it for good.
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

    /// Where the daemon listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let ip = self.launch.listen.map_or(Ipv4Addr::LOCALHOST.into(), |listen| listen.ip());
        SocketAddr::new(ip, self.daemon.as_ref().map_or(0, |daemon| daemon.endpoint.port))
    }

    /// What opens its HTTP API.
    pub(crate) fn token(&self) -> &str {
        self.daemon.as_ref().map_or("", |daemon| &daemon.endpoint.token)
    }

    /// Ends the daemon: no new readers, a grace for those there are. Until then the engine serves
    /// them.
    pub(crate) async fn stop(mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await;
        }
    }
}

/// The pause before a daemon is started again that was started again so often in a row.
fn pause_before(restarts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(restarts)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_never_end() {
        let seconds: Vec<f64> =
            (0..10).map(|restarts| pause_before(restarts).as_secs_f64()).collect();
        assert_eq!(seconds, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]);
        assert_eq!(pause_before(u32::MAX), LONGEST_PAUSE);
    }
}
