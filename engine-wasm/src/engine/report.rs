//! Writes problem reports: versions, settings, torrent states, and the last lines of both logs.
//!
//! Torrents and folders appear as numbers. Names, hashes, addresses, paths and keys are left out,
//! as are messages for users and messages of trackers, which may contain them. Log lines are
//! scrubbed ([`crate::scrub`]). The report is sent when the daemon has described itself, or at once
//! if no daemon is connected.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use shared_proto::io::{About, OpError, OpOutput};
use shared_proto::{IoCommand, Root};

use super::Engine;
use super::parts::{Purpose, Recipient};
use crate::api::Reply;
use crate::context::Owner;
use crate::io::Output;
use crate::scrub::Scrubber;
use crate::settings;
use crate::time::Instant;
use crate::view::{IntentReply, Snapshot, TorrentView, decimal};

/// Most lines that a page may add, and their greatest length in bytes.
const MOST_ABOUT: (usize, usize) = (20, 500);
/// Most torrents whose names are scrubbed from the logs.
const MOST_NAMES: usize = 10_000;

impl Engine {
    /// Starts a report; `about` holds the lines that the page adds.
    pub(super) fn begin_report(&mut self, recipient: Recipient, about: Vec<String>, now: Instant) {
        if !self.roots.is_linked() {
            return self.send_report(recipient, &about, None, now);
        }
        self.ask_room(now);
        let mut cx = self.common.context(now);
        let op = cx.ask(Owner::Engine, |op| IoCommand::AboutDaemon { op });
        self.awaited.insert(op, Purpose::Report(recipient, about));
    }

    /// Handles the daemon's description of itself.
    pub(super) fn handle_report_answer(
        &mut self,
        recipient: Recipient,
        about: &[String],
        result: &Result<OpOutput, OpError>,
        now: Instant,
    ) {
        let daemon = if let Ok(OpOutput::About(daemon)) = result { Some(daemon) } else { None };
        self.send_report(recipient, about, daemon, now);
    }

    pub(super) fn send_report(
        &mut self,
        recipient: Recipient,
        about: &[String],
        daemon: Option<&About>,
        now: Instant,
    ) {
        let text = self.report(about, daemon, now);
        self.common.out.push_back(match recipient {
            Recipient::Intent(id) => Output::Reply { id, reply: IntentReply::Text { text } },
            Recipient::Call(id) => {
                Output::Control(Reply::ok("text/plain; charset=utf-8", text).to(id))
            }
        });
    }

    /// Returns the report's text.
    fn report(&self, about: &[String], daemon: Option<&About>, now: Instant) -> String {
        let snapshot = self.snapshot(now);
        let scrubber = Scrubber::new(names(&snapshot, self.roots.aside()));
        let mut text = String::from("JSTorrent: a report of how things are\n\n");
        let line = |text: &mut String, words: &str| {
            text.push_str(&scrubber.line(words));
            text.push('\n');
        };
        let host =
            if cfg!(target_arch = "wasm32") { "in a browser" } else { "in a program of its own" };
        line(&mut text, &format!("Engine: {} {host}", env!("CARGO_PKG_VERSION")));
        let (most, longest) = MOST_ABOUT;
        for words in about.iter().take(most) {
            line(&mut text, &words[..words.floor_char_boundary(longest)].replace('\n', " "));
        }
        match daemon {
            Some(daemon) => {
                line(&mut text, &format!("Daemon: {}", daemon.program));
                line(&mut text, &format!("System: {}", daemon.system));
            }
            None => line(&mut text, "Daemon: not connected"),
        }
        let settings = serde_json::to_value(settings::from_config(&self.config))
            .expect("settings are plain JSON");
        let settings = settings.as_object().into_iter().flatten();
        text.push_str("Settings:");
        for (name, value) in settings {
            // Only the value is scrubbed: a folder may have the same name as a setting.
            let _ = write!(text, " {name}={}", scrubber.line(&value.to_string()));
        }
        text.push('\n');
        for (index, root) in snapshot.roots.iter().enumerate() {
            let room = match (root.free_bytes, root.total_bytes) {
                (Some(free), Some(total)) => {
                    format!("{} of {} free", decimal(free), decimal(total))
                }
                _ => "room not known".to_owned(),
            };
            line(&mut text, &format!("Folder {}: {room}", index + 1));
        }
        let mapping = snapshot
            .port_mapping
            .as_ref()
            .map_or("not asked for".to_owned(), |it| format!("{:?}", it.state));
        let port = if snapshot.listen_port.is_some() { "open" } else { "none" };
        line(&mut text, &format!("Port: {port}, mapping {mapping}"));
        for notice in &snapshot.notices {
            let words = match &notice.space {
                Some(space) => {
                    let folder = snapshot.roots.iter().position(|root| root.key == space.root);
                    let folder = folder.map_or("an unknown folder".to_owned(), |index| {
                        format!("folder {}", index + 1)
                    });
                    let (needed, free) = (decimal(space.needed_bytes), decimal(space.free_bytes));
                    format!("{folder} needs {needed} and has {free}")
                }
                None => notice.message.clone(),
            };
            line(&mut text, &format!("Notice: {:?}: {words}", notice.kind));
        }
        line(&mut text, &format!("Viewers: {}", snapshot.streams.len()));
        line(&mut text, &format!("Torrents: {}", snapshot.torrents.len()));
        for (index, torrent) in snapshot.torrents.iter().enumerate() {
            line(&mut text, &torrent_line(index + 1, torrent));
        }
        let log = self.config.log.lines();
        for (whose, lines) in [("engine", Some(&log)), ("daemon", daemon.map(|daemon| &daemon.log))]
        {
            let Some(lines) = lines else { continue };
            line(&mut text, &format!("\nThe {whose}'s log, {} lines:", lines.len()));
            lines.iter().for_each(|words| line(&mut text, words));
        }
        text
    }
}

/// Returns the texts to scrub, each with its replacement: hashes and names of torrents, names and
/// paths of folders. Files appear in logs by number only.
fn names(snapshot: &Snapshot, roots_aside: &[Root]) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for removed in snapshot.removed.iter().take(MOST_NAMES) {
        for text in [&removed.info_hash, &removed.name] {
            known.insert(text.clone(), "a removed torrent".to_owned());
        }
    }
    for (index, torrent) in snapshot.torrents.iter().take(MOST_NAMES).enumerate() {
        for text in [&torrent.info_hash, &torrent.name] {
            known.insert(text.clone(), format!("torrent {}", index + 1));
        }
    }
    for (index, root) in snapshot.roots.iter().enumerate() {
        for text in [&root.label, &root.path] {
            known.insert(text.clone(), format!("folder {}", index + 1));
        }
    }
    for text in roots_aside.iter().flat_map(|root| [&root.label, &root.path]) {
        known.insert(text.clone(), "a former folder".to_owned());
    }
    known
}

/// Describes a torrent without anything that identifies it.
fn torrent_line(number: usize, torrent: &TorrentView) -> String {
    let TorrentView {
        state,
        version,
        length,
        verified,
        wanted,
        wanted_verified,
        peers,
        known_peers,
        ..
    } = torrent;
    let mut words = format!(
        " {number}: {state:?} {version:?} files={} length={length} verified={verified} \
         wanted={wanted} wantedVerified={wanted_verified} pieces={}×{} peers={peers}+{known_peers} \
         down={} up={} giving={:?}",
        torrent.file_count,
        torrent.piece_count,
        torrent.piece_length,
        torrent.down_rate_bps,
        torrent.up_rate_bps,
        torrent.giving
    );
    for (name, is_so) in [
        ("undecided", torrent.undecided),
        ("private", torrent.private),
        ("moving", torrent.move_progress.is_some()),
        ("hashing", torrent.check_progress.is_some()),
    ] {
        if is_so {
            words.push(' ');
            words.push_str(name);
        }
    }
    for tracker in &torrent.trackers {
        let scheme = tracker.url.split("://").next().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(words, "\n    tracker {scheme} {:?}", tracker.state);
    }
    if let Some(trouble) = torrent.trouble {
        let _ = write!(words, "\n    trouble {trouble:?}");
    }
    words
}
