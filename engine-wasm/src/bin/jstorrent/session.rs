//! One run: its folders, a daemon with an engine, and one torrent.
//!
//! Owns the order of start and end; prints no progress.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context as _, Result};
use engine_wasm::view::{
    FilePriority, FileView, Intent, IntentReply, NoticeView, PortMappingView, Priority, StreamView,
    TorrentView,
};

use crate::cli::Peers;
use crate::config::Config;
use crate::daemon::{Access, Launch};
use crate::linked::{Event, Linked, Outcome};
use crate::place::{Keep, Place};
use crate::source::Source;

/// How long open replies to players may continue at the end.
const STOP_GRACE: Duration = Duration::from_millis(300);
/// How long the engine needs to save its latest state.
const WRITTEN_WITHIN: Duration = Duration::from_millis(300);
/// How long the removal of files may take.
const REMOVED_WITHIN: Duration = Duration::from_secs(5);

/// The torrent's current state.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    /// The torrent.
    pub(crate) torrent: TorrentView,
    /// Its viewers.
    pub(crate) streams: Vec<StreamView>,
    /// The listen port for peers.
    pub(crate) port: Option<u16>,
    /// The port mapping at the router.
    pub(crate) mapping: Option<PortMappingView>,
    /// Notices for the user.
    pub(crate) notices: Vec<NoticeView>,
}

/// A running engine with its daemon.
#[derive(Debug)]
pub(crate) struct Session {
    place: Place,
    linked: Linked,
    info_hash: Option<String>,
    is_done: bool,
    /// Why the daemon could not be restarted, until it was reported.
    trouble: Option<String>,
}

impl Session {
    /// Locks the folders, and starts a daemon and an engine.
    ///
    /// # Errors
    /// The folders are unusable, or the daemon cannot be started.
    pub(crate) async fn start(
        config: Config,
        source: &Source,
        keep: Keep,
        hurry: Arc<AtomicBool>,
    ) -> Result<Self> {
        let place = Place::take(&config, source, keep)?;
        let launch = Launch {
            state: place.state.clone(),
            downloads: place.downloads.clone(),
            listen: config.listen,
            allow_private_peers: config.allow_private_peers,
            peer_addresses: config.peer_addresses.clone(),
            access: Access::Kept,
            pages: false,
            stop_grace: STOP_GRACE,
            max_replies: None,
        };
        let linked = Linked::start(launch, config.engine(), hurry).await?;
        Ok(Self { place, linked, info_hash: None, is_done: false, trouble: None })
    }

    /// Adds the torrent, after the state of an earlier run is restored.
    ///
    /// # Errors
    /// The engine refuses it; the error is the engine's message.
    pub(crate) async fn add(&mut self, source: &Source, peers: &Peers) -> Result<()> {
        let intent = match source {
            Source::Torrent { bytes, .. } => Intent::AddTorrent { metainfo: bytes.clone() },
            Source::Magnet { uri, .. } => Intent::AddMagnet { uri: uri.clone() },
            Source::Url { url } => Intent::AddUrl { url: url.clone() },
        };
        let info_hash = self.ask(intent).await?;
        self.info_hash = Some(info_hash);
        self.name_peers(peers).await
    }

    /// Adds peers by address.
    ///
    /// # Errors
    /// The engine refuses one; the error is the engine's message.
    pub(crate) async fn name_peers(&mut self, peers: &Peers) -> Result<()> {
        if let (Some(info_hash), false) = (self.info_hash.clone(), peers.peer.is_empty()) {
            let peers = peers.peer.iter().map(ToString::to_string).collect();
            self.ask(Intent::AddPeers { info_hash, peers }).await?;
        }
        Ok(())
    }

    /// Selects these files of the torrent and no others.
    ///
    /// # Errors
    /// The engine refuses; the error is the engine's message.
    pub(crate) async fn want(&mut self, torrent: &TorrentView, wanted: &[u32]) -> Result<()> {
        let priority =
            |index| if wanted.contains(&index) { Priority::Normal } else { Priority::Skip };
        let files = torrent
            .files
            .iter()
            .map(|file| FilePriority { index: file.index, priority: priority(file.index) });
        let intent =
            Intent::SetPriorities { info_hash: torrent.info_hash.clone(), files: files.collect() };
        self.ask(intent).await.map(drop)
    }

    /// Prepares a file before its player requests it.
    ///
    /// # Errors
    /// The engine refuses; the error is the engine's message.
    pub(crate) async fn prepare(&mut self, torrent: &TorrentView, file: &FileView) -> Result<()> {
        let info_hash = torrent.info_hash.clone();
        self.ask(Intent::Prepare { info_hash, file: file.index, position: None }).await.map(drop)
    }

    /// Continues with files that existed before.
    ///
    /// # Errors
    /// The engine refuses; the error is the engine's message.
    pub(crate) async fn adopt(&mut self, torrent: &TorrentView) -> Result<()> {
        self.ask(Intent::Adopt { info_hash: torrent.info_hash.clone() }).await.map(drop)
    }

    async fn ask(&mut self, intent: Intent) -> Result<String> {
        let host = self.linked.host.clone();
        let mut answer = std::pin::pin!(host.intent(intent));
        loop {
            tokio::select! {
                reply = &mut answer => return match reply? {
                    IntentReply::Done { info_hash, .. } => Ok(info_hash),
                    IntentReply::Configured
                    | IntentReply::Text { .. }
                    | IntentReply::File { .. } => {
                        Err(anyhow::anyhow!("the engine answered something else"))
                    }
                    IntentReply::Failed { message, .. } => Err(anyhow::anyhow!(message)),
                },
                event = self.event() => self.handle(event).await?,
            }
        }
    }

    /// Waits for the next event, for [`Session::handle`].
    pub(crate) async fn event(&mut self) -> Event {
        self.linked.event().await
    }

    /// Handles an event.
    ///
    /// # Errors
    /// As [`Linked::handle`].
    pub(crate) async fn handle(&mut self, event: Event) -> Result<()> {
        if let Outcome::Trouble(words) = self.linked.handle(event).await? {
            self.trouble = Some(words);
        }
        Ok(())
    }

    /// Returns why the daemon could not be restarted, once.
    pub(crate) fn fresh_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Returns the torrent and its viewers.
    ///
    /// # Errors
    /// The engine has failed, or the torrent is gone.
    pub(crate) async fn torrent(&self) -> Result<Now> {
        let snapshot = self.linked.host.snapshot().await?;
        let is_ours = |torrent: &TorrentView| Some(&torrent.info_hash) == self.info_hash.as_ref();
        let torrent = snapshot.torrents.into_iter().find(is_ours).context("the torrent is gone")?;
        Ok(Now {
            torrent,
            streams: snapshot.streams,
            port: snapshot.listen_port,
            mapping: snapshot.port_mapping,
            notices: snapshot.notices,
        })
    }

    /// Returns the URL of a file.
    pub(crate) fn url(&self, file: &FileView) -> String {
        format!("http://{}{}", self.linked.address(), file.url)
    }

    /// Returns the URL of a file, ending in the file's name.
    pub(crate) fn named_url(&self, file: &FileView) -> String {
        format!("http://{}{}", self.linked.address(), file.named_url())
    }

    /// Returns the download folder.
    pub(crate) fn downloads(&self) -> &std::path::Path {
        &self.place.downloads
    }

    /// Marks the download as complete: its state is not kept.
    pub(crate) fn done(&mut self) {
        self.is_done = true;
    }

    /// Ends the run: removes downloads that are not kept, saves the state, and ends the daemon.
    pub(crate) async fn end(mut self) {
        // A new run without a torrent leaves no state.
        let mut forget = self.is_done || (self.info_hash.is_none() && self.place.is_fresh);
        if let Ok(Now { torrent, .. }) = self.torrent().await {
            if self.place.may_remove(&torrent.files) {
                forget = self.remove(&torrent).await;
            } else {
                self.place.leave();
                tokio::time::sleep(WRITTEN_WITHIN).await;
            }
        }
        self.linked.stop().await;
        if forget {
            self.place.forget();
        }
    }

    /// Removes the torrent and its files; returns whether all files are gone.
    async fn remove(&mut self, torrent: &TorrentView) -> bool {
        let intent =
            Intent::Remove { info_hash: torrent.info_hash.clone(), delete_data: true, undo: false };
        match tokio::time::timeout(REMOVED_WITHIN, self.linked.host.intent(intent)).await {
            Ok(Ok(IntentReply::Done { .. })) => {}
            Ok(Ok(IntentReply::Failed { message, .. })) => {
                eprintln!("{message}");
                return false;
            }
            _ => return false,
        }
        self.place.remove_empty_folders(&torrent.files);
        !self.place.has_any(&torrent.files)
    }
}
