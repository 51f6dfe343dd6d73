//! One run: a place on disk, a daemon, an engine in its host, and one torrent in it.
//!
//! Owns their order at the beginning and at the end. A daemon that dies is started again, on the same port and with the same token, so that
//! players go on. It shows nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use engine_wasm::host::native::{Host, HostEvent};
use engine_wasm::view::{FileView, Intent, IntentReply, StreamView, TorrentView};
use shared_proto::CloseCode;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::cli::Peers;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::place::{Keep, Place};
use crate::source::Source;

/// A daemon that dies more often than this is not started again.
const RESTARTS: u32 = 5;
/// The first pause before it is; each further one is twice as long.
const RESTART_PAUSE: Duration = Duration::from_millis(200);
/// What the engine learned last is written down within this time.
const WRITTEN_WITHIN: Duration = Duration::from_millis(300);
/// How long the removal of files may take.
const REMOVED_WITHIN: Duration = Duration::from_secs(5);

/// A running engine with its daemon.
#[derive(Debug)]
pub(crate) struct Session {
    config: Config,
    place: Place,
    daemon: Option<Daemon>,
    host: Host,
    /// What happens to the engine; each event goes to [`Session::handle`].
    pub(crate) events: UnboundedReceiver<HostEvent>,
    info_hash: Option<String>,
    restarts: u32,
    is_done: bool,
    hurry: Arc<AtomicBool>,
}

impl Session {
    /// Takes the place, starts the daemon, and links an engine to it.
    ///
    /// # Errors
    /// In plain words.
    pub(crate) async fn start(config: Config, source: &Source, keep: Keep, hurry: Arc<AtomicBool>) -> Result<Self> {
        let place = Place::take(&config, source, keep)?;
        let (host, events) = Host::start()?;
        let mut session =
            Self { config, place, daemon: None, host, events, info_hash: None, restarts: 0, is_done: false, hurry };
        session.link().await?;
        Ok(session)
    }

    async fn link(&mut self) -> Result<()> {
        // The former one has to be gone before its folder can be taken again.
        self.daemon = None;
        let hurry = Arc::clone(&self.hurry);
        let daemon = Daemon::start(&self.config, &self.place.state, &self.place.downloads, hurry).await?;
        let endpoint = daemon.endpoint.clone();
        self.daemon = Some(daemon);
        Ok(self.host.connect(&format!("ws://127.0.0.1:{}/control", endpoint.port), endpoint.token).await?)
    }

    /// Adds the torrent; what an earlier run fetched of it is looked at first.
    ///
    /// # Errors
    /// The engine's own words, if it doesn't take it.
    pub(crate) async fn add(&mut self, source: &Source, peers: &Peers) -> Result<()> {
        let intent = match source {
            Source::Torrent { bytes, .. } => Intent::AddTorrent { metainfo: bytes.clone() },
            Source::Magnet { uri, .. } => Intent::AddMagnet { uri: uri.clone() },
            Source::Url { url } => Intent::AddUrl { url: url.clone() },
        };
        let info_hash = self.ask(intent).await?;
        self.info_hash = Some(info_hash.clone());
        if !peers.peer.is_empty() {
            let peers = peers.peer.iter().map(ToString::to_string).collect();
            self.ask(Intent::AddPeers { info_hash, peers }).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, intent: Intent) -> Result<String> {
        let host = self.host.clone();
        let mut answer = std::pin::pin!(host.intent(intent));
        loop {
            tokio::select! {
                reply = &mut answer => return match reply? {
                    IntentReply::Done { info_hash } => Ok(info_hash),
                    IntentReply::Failed { message } => Err(anyhow::anyhow!(message)),
                },
                event = self.events.recv() => self.handle(event).await?,
            }
        }
    }

    /// Follows up what happened: a daemon that died is started again.
    ///
    /// # Errors
    /// It dies again and again, or the engine has failed.
    pub(crate) async fn handle(&mut self, event: Option<HostEvent>) -> Result<()> {
        let (code, reason) = match event.context("the engine has failed")? {
            HostEvent::Connected { .. } | HostEvent::Changed => return Ok(()),
            HostEvent::Disconnected { code, reason } => (code, reason),
        };
        if code == CloseCode::Superseded.code() || code == CloseCode::Protocol.code() {
            bail!("the daemon has turned away: {reason}");
        }
        let mut trouble = anyhow::anyhow!("the daemon is gone: {reason}");
        while self.restarts < RESTARTS {
            tokio::time::sleep(RESTART_PAUSE * 2_u32.pow(self.restarts)).await;
            self.restarts += 1;
            match self.link().await {
                Ok(()) => return Ok(()),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// The torrent and its viewers now.
    ///
    /// # Errors
    /// The engine has failed, or the torrent has run into trouble: then in the engine's words.
    pub(crate) async fn torrent(&self) -> Result<(TorrentView, Vec<StreamView>)> {
        let snapshot = self.host.snapshot().await?;
        let is_ours = |torrent: &TorrentView| Some(&torrent.info_hash) == self.info_hash.as_ref();
        let torrent = snapshot.torrents.into_iter().find(is_ours).context("the torrent is gone")?;
        Ok((torrent, snapshot.streams))
    }

    /// Where a player finds a file.
    pub(crate) fn url(&self, file: &FileView) -> String {
        let port = self.daemon.as_ref().map_or(0, |daemon| daemon.endpoint.port);
        format!("http://127.0.0.1:{port}{}", file.url)
    }

    /// Where the downloads go.
    pub(crate) fn downloads(&self) -> &std::path::Path {
        &self.place.downloads
    }

    /// Everything is there: nothing has to be remembered.
    pub(crate) fn done(&mut self) {
        self.is_done = true;
    }

    /// Ends everything in order: what is not to be kept goes, what is known is written down, the daemon ends.
    pub(crate) async fn end(mut self) {
        // Without a torrent there is nothing to come back to either.
        let mut forget = self.is_done || (self.info_hash.is_none() && self.place.is_fresh);
        if let Ok((torrent, _)) = self.torrent().await {
            if self.place.may_remove(&torrent.files) {
                forget = self.remove(&torrent).await;
            } else {
                self.place.leave();
                tokio::time::sleep(WRITTEN_WITHIN).await;
            }
        }
        if let Some(daemon) = self.daemon.take() {
            daemon.stop().await;
        }
        if forget {
            self.place.forget();
        }
    }

    /// Whether all of it is gone.
    async fn remove(&mut self, torrent: &TorrentView) -> bool {
        let intent = Intent::Remove { info_hash: torrent.info_hash.clone(), delete_data: true };
        if self.host.intent(intent).await.is_err() {
            return false;
        }
        let began = Instant::now();
        while self.place.has_any(&torrent.files) && began.elapsed() < REMOVED_WITHIN {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.place.remove_empty_folders(&torrent.files);
        !self.place.has_any(&torrent.files)
    }
}
