//! `jstorrent serve`: an HTTP server without a browser.
//!
//! The daemon listens and the engine answers; this module prints the address and events, and knows
//! no route. Untrusted text, such as names, is printed without control characters.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use engine_wasm::host::native::HostEvent;
use engine_wasm::view::{Snapshot, TorrentState, TorrentView};
use indicatif::HumanBytes;
use serde_json::json;

use crate::cli::Serve;
use crate::config::server::ServerConfig;
use crate::daemon::Launch;
use crate::linked::{Event, Linked, Outcome};
use crate::place::Place;
use crate::reach;
use crate::report::{Report, SHOW_EVERY, plain};
use crate::stop::Stop;

/// How long open replies may continue at the end: less than service managers usually wait.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Limits of simultaneous replies: in total, and per file. A server has more readers than a single
/// player.
const MAX_REPLIES: (u32, u32) = (512, 256);
/// Exit status after the second signal.
const AT_ONCE: u8 = 130;

/// `jstorrent serve`
pub(crate) async fn serve(args: Serve) -> Result<ExitCode> {
    let config = args.settings.resolve()?;
    let mut report = Report::new(args.json);
    let mut stop = Stop::catch()?;
    let started = tokio::select! {
        started = Server::start(config, Arc::clone(&stop.hurry), &report) => Some(started?),
        _ = stop.wanted() => None,
    };
    let Some(mut server) = started else { return Ok(ExitCode::SUCCESS) };
    let outcome = tokio::select! {
        outcome = server.run(&mut report) => outcome,
        _ = stop.wanted() => {
            report.note(&format!(
                "Stopping. Readers have {} s to finish; press Ctrl+C again to stop at once.",
                STOP_GRACE.as_secs()
            ));
            Ok(())
        }
    };
    if stop.unless_again(server.linked.stop()).await.is_none() {
        return Ok(ExitCode::from(AT_ONCE));
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

struct Server {
    place: Place,
    linked: Linked,
    needs_token: bool,
    /// The last printed state and name of each torrent.
    said: BTreeMap<String, (TorrentState, String)>,
}

impl Server {
    async fn start(config: ServerConfig, hurry: Arc<AtomicBool>, report: &Report) -> Result<Self> {
        let place = Place::of_server(&config.common)?;
        let needs_token = config.access != crate::daemon::Access::Anyone;
        let launch = Launch {
            state: place.state.clone(),
            downloads: place.downloads.clone(),
            listen: config.common.listen,
            allow_private_peers: config.common.allow_private_peers,
            peer_addresses: config.common.peer_addresses,
            access: config.access,
            pages: true,
            stop_grace: STOP_GRACE,
            max_replies: Some(MAX_REPLIES),
        };
        let mut linked = Linked::start(launch, config.engine, hurry).await?;
        // The address is printed once the engine can answer.
        loop {
            let event = linked.event().await;
            if matches!(event, Event::Engine(Some(HostEvent::Connected { .. }))) {
                break;
            }
            if let Outcome::Trouble(words) = linked.handle(event).await? {
                report.trouble(&words)?;
            }
        }
        Ok(Self { place, linked, needs_token, said: BTreeMap::new() })
    }

    /// Prints events until an error ends the server.
    async fn run(&mut self, report: &mut Report) -> Result<()> {
        self.greet(report)?;
        let mut tick = tokio::time::interval(SHOW_EVERY);
        let mut has_changed = true;
        loop {
            tokio::select! {
                event = self.linked.event() => {
                    match self.linked.handle(event).await? {
                        Outcome::Nothing => {}
                        Outcome::Restarted => {
                            report.result(
                                "restarted",
                                "The daemon ended unexpectedly and was restarted",
                                json!({}),
                            )?;
                        }
                        Outcome::Trouble(words) => report.trouble(&words)?,
                    }
                    has_changed = true;
                }
                // Several changes are printed together.
                _ = tick.tick(), if has_changed => {
                    has_changed = false;
                    let snapshot = self.linked.host.snapshot().await?;
                    self.tell(&snapshot, report)?;
                }
            }
        }
    }

    fn greet(&self, report: &Report) -> Result<()> {
        let base = format!("http://{}/", self.linked.address());
        let token = self.needs_token.then(|| self.linked.token());
        let url = token.map_or_else(|| base.clone(), |token| format!("{base}?token={token}"));
        report.note(&format!(
            "Torrents are stored in {}. Press Ctrl+C to stop.",
            self.place.downloads.display()
        ));
        let fields =
            json!({ "url": url, "base": base, "token": token, "dir": self.place.downloads });
        report.result("ready", &url, fields)
    }

    /// Prints what changed since the last call.
    fn tell(&mut self, snapshot: &Snapshot, report: &mut Report) -> Result<()> {
        report.notices(&snapshot.notices)?;
        let (port, mapping) = (snapshot.listen_port, &snapshot.port_mapping);
        if let Some(words) = report.fresh_reach(reach::words(port, mapping.as_ref())) {
            report.result(
                "reach",
                &words,
                json!({ "words": words, "port": port, "portMapping": mapping }),
            )?;
        }
        let is_there = |info_hash: &String| {
            snapshot.torrents.iter().any(|torrent| torrent.info_hash == *info_hash)
        };
        let gone: Vec<String> =
            self.said.keys().filter(|info_hash| !is_there(info_hash)).cloned().collect();
        for info_hash in gone {
            let name = self.said.remove(&info_hash).map(|(_, name)| name).unwrap_or_default();
            let fields = json!({ "infoHash": info_hash, "name": name });
            report.result("removed", &format!("{name} ({info_hash}): removed"), fields)?;
        }
        for torrent in &snapshot.torrents {
            let now = (torrent.state, plain(&torrent.name));
            if self
                .said
                .insert(torrent.info_hash.clone(), now)
                .is_none_or(|(state, _)| state != torrent.state)
            {
                let fields = json!({
                    "infoHash": torrent.info_hash, "name": torrent.name, "state": torrent.state,
                    "message": torrent.message,
                });
                report.result("torrent", &line(torrent), fields)?;
            }
        }
        Ok(())
    }
}

fn line(torrent: &TorrentView) -> String {
    let state = match torrent.state {
        TorrentState::Metadata => "getting the torrent’s description".to_owned(),
        TorrentState::Checking => "checking files".to_owned(),
        TorrentState::Queued => "queued".to_owned(),
        TorrentState::Downloading => format!("downloading {}", HumanBytes(torrent.length)),
        TorrentState::Complete => "complete".to_owned(),
        TorrentState::Paused => "paused".to_owned(),
        TorrentState::Error => plain(torrent.message.as_deref().unwrap_or("stopped by an error")),
    };
    format!("{} ({}): {state}", plain(&torrent.name), torrent.info_hash)
}
