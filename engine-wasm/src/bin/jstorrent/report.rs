//! Output of a run: a progress bar on a terminal, plain lines elsewhere, or JSON lines.
//!
//! Results (a URL, JSON) go to standard output; progress and messages go to standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;
use engine_wasm::view::{
    NoticeKind, NoticeView, StreamView, TorrentState, TorrentView, WaitReason,
};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::reach;
use crate::session::Now;

/// Interval of updates on a terminal.
pub(crate) const SHOW_EVERY: Duration = Duration::from_millis(250);
/// Interval of plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Interval of JSON lines.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// The form of progress output.
#[derive(Debug)]
pub(crate) struct Report {
    form: Form,
    last: Option<(Instant, TorrentState)>,
    /// The last message about the address for peers.
    reach: Option<String>,
    /// The notices that were printed and still hold.
    notices: Vec<NoticeView>,
}

#[derive(Debug)]
enum Form {
    Bar(ProgressBar),
    Lines,
    Json,
}

impl Report {
    /// Creates a report in the form that suits its output.
    pub(crate) fn new(json: bool) -> Self {
        let form = match (json, io::stderr().is_terminal()) {
            (true, _) => Form::Json,
            (false, false) => Form::Lines,
            (false, true) => {
                let style = ProgressStyle::with_template("{bar:28} {percent:>3}%  {msg}")
                    .expect("a template");
                Form::Bar(ProgressBar::new(0).with_style(style))
            }
        };
        Self { form, last: None, reach: None, notices: Vec::new() }
    }

    /// Shows the progress, if it is time.
    ///
    /// # Errors
    /// The reader of the output has closed it.
    pub(crate) fn progress(&mut self, now: &Now) -> Result<()> {
        let Now { torrent, streams, port, mapping, notices } = now;
        self.notices(notices)?;
        if let Some(words) = self.fresh_reach(reach::words(*port, mapping.as_ref())) {
            self.note(&words);
        }
        let pause = match self.form {
            Form::Bar(_) => Duration::ZERO,
            Form::Lines => LINE_EVERY,
            Form::Json => JSON_EVERY,
        };
        if self.last.is_some_and(|(at, state)| at.elapsed() < pause && state == torrent.state) {
            return Ok(());
        }
        self.last = Some((Instant::now(), torrent.state));
        match &self.form {
            Form::Bar(bar) => {
                bar.set_length(torrent.wanted);
                bar.set_position(torrent.wanted_verified);
                bar.set_message(words(torrent, streams));
            }
            Form::Lines => {
                let percent = percent(torrent.wanted_verified, torrent.wanted);
                eprintln!("{percent:>3}%  {}", words(torrent, streams).replace("\n    ", "; "));
            }
            Form::Json => say(&event("progress", progress(now)))?,
        }
        Ok(())
    }

    /// Returns the message about the address for peers if it has changed.
    pub(crate) fn fresh_reach(&mut self, words: Option<String>) -> Option<String> {
        let fresh = words.filter(|words| self.reach.as_ref() != Some(words))?;
        self.reach = Some(fresh.clone());
        Some(fresh)
    }

    /// Prints each notice when it starts and when it ends.
    ///
    /// # Errors
    /// The reader of the output has closed it.
    pub(crate) fn notices(&mut self, now: &[NoticeView]) -> Result<()> {
        let before = std::mem::replace(&mut self.notices, now.to_vec());
        // The amounts in a space notice change all the time; the notice is printed once.
        let is_said = |notice: &NoticeView| match notice.kind {
            NoticeKind::Space => before.iter().any(|it| it.kind == NoticeKind::Space),
            _ => before.contains(notice),
        };
        for notice in now.iter().filter(|notice| !is_said(notice)) {
            self.tell("notice", &plain(&notice.message), json!(notice))?;
        }
        for kind in before
            .iter()
            .map(|notice| notice.kind)
            .filter(|kind| now.iter().all(|it| it.kind != *kind))
        {
            let words = match kind {
                NoticeKind::NotSaved => "Changes are being saved again.",
                NoticeKind::NotRead => "The saved list of torrents can be read again.",
                NoticeKind::Space => "There is enough free space now.",
                NoticeKind::SetAside | NoticeKind::Unreadable => continue,
            };
            self.tell("notice_over", words, json!({ "kind": kind, "message": words }))?;
        }
        Ok(())
    }

    /// Prints an event.
    fn tell(&self, name: &str, words: &str, fields: Value) -> Result<()> {
        self.note(words);
        match self.form {
            Form::Json => say(&event(name, fields)),
            Form::Bar(_) | Form::Lines => Ok(()),
        }
    }

    /// Prints a message for people; JSON output leaves it out.
    pub(crate) fn note(&self, words: &str) {
        match &self.form {
            Form::Bar(bar) => bar.suspend(|| eprintln!("{words}")),
            Form::Lines => eprintln!("{words}"),
            Form::Json => {}
        }
    }

    /// Reports why the daemon could not be restarted yet.
    ///
    /// # Errors
    /// The reader of the output has closed it.
    pub(crate) fn trouble(&self, words: &str) -> Result<()> {
        match &self.form {
            Form::Json => say(&event("trouble", json!({ "message": words }))),
            Form::Bar(_) | Form::Lines => {
                self.note(&format!(
                    "Lost connection to the daemon. It could not be restarted yet: {words} \
                     Retrying."
                ));
                Ok(())
            }
        }
    }

    /// Prints a result: `words` for people, `fields` for programs.
    ///
    /// # Errors
    /// The reader of the output has closed it.
    pub(crate) fn result(&self, name: &str, words: &str, fields: Value) -> Result<()> {
        match &self.form {
            Form::Bar(bar) => bar.suspend(|| say(words)),
            Form::Lines => say(words),
            Form::Json => say(&event(name, fields)),
        }
    }

    /// Removes the progress bar at the end.
    pub(crate) fn finish(&self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
    }
}

/// Prints a line to standard output and flushes it.
///
/// # Errors
/// The reader of the output has closed it.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Returns the number of verified pieces. Only the last piece may be shorter than the others.
fn pieces(torrent: &TorrentView) -> u64 {
    torrent.verified.div_ceil(u64::from(torrent.piece_length.max(1)))
}

fn percent(part: u64, whole: u64) -> u64 {
    (part * 100).checked_div(whole).unwrap_or(0)
}

fn words(torrent: &TorrentView, streams: &[StreamView]) -> String {
    if torrent.state == TorrentState::Metadata {
        return torrent
            .message
            .clone()
            .unwrap_or_else(|| "Getting the torrent’s description".to_owned());
    }
    let mut words = format!(
        "{} of {}, {}/{} pieces, {}/s, {} {}",
        HumanBytes(torrent.wanted_verified),
        HumanBytes(torrent.wanted),
        pieces(torrent),
        torrent.piece_count,
        HumanBytes(torrent.down_rate_bps),
        torrent.peers,
        if torrent.peers == 1 { "peer" } else { "peers" },
    );
    if torrent.uploaded > 0 {
        let (uploaded, rate) = (HumanBytes(torrent.uploaded), HumanBytes(torrent.up_rate_bps));
        words.push_str(&format!(", {uploaded} uploaded, {rate}/s"));
    }
    if torrent.state == TorrentState::Checking {
        words.push_str(", checking files");
        if let Some(progress) = torrent.check_progress {
            words.push_str(&format!(" ({:.0}%)", progress * 100.0));
        }
    }
    if let Some(message) = &torrent.message {
        words.push_str(&format!(" ({message})"));
    }
    for stream in streams {
        words.push_str("\n    ");
        words.push_str(&viewer(torrent, stream));
    }
    words
}

fn viewer(torrent: &TorrentView, stream: &StreamView) -> String {
    let length = torrent
        .files
        .iter()
        .find(|file| file.index == stream.file_index)
        .map_or(0, |file| file.length);
    let place = format!("viewer at {}%", percent(stream.position, length));
    let Some(wait) = &stream.waiting else { return format!("{place}: playing") };
    match wait.reason {
        WaitReason::Downloading => match wait.eta_ms {
            Some(eta) => {
                format!("{place}: waiting for data, about {:.1} s", f64::from(eta) / 1000.0)
            }
            None => format!("{place}: waiting for data"),
        },
        WaitReason::Checking => format!("{place}: waiting for the files to be checked"),
        WaitReason::NoPeers => format!("{place}: waiting, no peers are connected"),
        WaitReason::NoSource => format!("{place}: waiting, no connected peer has this part"),
        WaitReason::Stopped => format!("{place}: waiting, the torrent is stopped"),
    }
}

fn progress(Now { torrent, streams, port, mapping, notices }: &Now) -> Value {
    json!({
        "port": port, "portMapping": mapping,
        "state": torrent.state, "message": torrent.message, "infoHash": torrent.info_hash,
        "length": torrent.length, "verified": torrent.verified, "wanted": torrent.wanted,
        "wantedVerified": torrent.wanted_verified, "checkProgress": torrent.check_progress,
        "pieceCount": torrent.piece_count, "verifiedPieces": pieces(torrent),
        "downRateBps": torrent.down_rate_bps, "uploaded": torrent.uploaded,
        "giving": torrent.giving, "upRateBps": torrent.up_rate_bps, "peers": torrent.peers,
        "trackers": torrent.trackers, "streams": streams, "notices": notices,
    })
}

/// Removes control characters from untrusted text.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn event(name: &str, mut fields: Value) -> String {
    fields["event"] = name.into();
    fields.to_string()
}

#[cfg(test)]
mod tests {
    use engine_wasm::view::WaitView;

    use super::*;

    fn torrent() -> TorrentView {
        serde_json::from_value(json!({
            "infoHash": "ab", "name": "film", "version": "v1", "state": "downloading",
            "message": null, "length": 2_500_000, "wanted": 2_500_000, "wantedVerified": 1_048_576,
            "checkProgress": null, "moveProgress": null, "root": "downloads", "liesAt": "film",
            "verified": 1_048_576, "downloaded": 0, "wasted": 0, "pieceLength": 1_048_576,
            "pieceCount": 3, "downRateBps": 2048, "uploaded": 0, "upRateBps": 0, "sharing": {},
            "giving": "open", "peers": 1, "knownPeers": 1, "trackers": [], "files": [],
        }))
        .unwrap()
    }

    #[test]
    fn untrusted_text_cannot_control_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{9b}d"), "a [2Jb c d");
    }

    #[test]
    fn progress_shows_pieces_rate_peers_and_errors() {
        let mut torrent = torrent();
        assert_eq!(words(&torrent, &[]), "1.00 MiB of 2.38 MiB, 1/3 pieces, 2.00 KiB/s, 1 peer");
        torrent.peers = 0;
        torrent.message = Some("Looking for peers".into());
        assert!(words(&torrent, &[]).ends_with("0 peers (Looking for peers)"));
        (torrent.verified, torrent.wanted_verified) = (torrent.length, torrent.length);
        assert_eq!(pieces(&torrent), 3);
        torrent.state = TorrentState::Metadata;
        assert_eq!(words(&torrent, &[]), "Looking for peers");
    }

    #[test]
    fn each_viewer_shows_what_it_waits_for() {
        let waiting = |waiting| {
            let stream = StreamView {
                info_hash: "ab".into(),
                file_index: 0,
                start: 0,
                end: 9,
                position: 0,
                waiting,
            };
            viewer(&torrent(), &stream)
        };
        let wait = |reason, eta_ms| {
            Some(WaitView { reason, have_pieces: 0, need_pieces: 1, eta_ms, sources: 0 })
        };
        assert!(waiting(None).ends_with("playing"));
        assert!(waiting(wait(WaitReason::Downloading, Some(1500))).ends_with("about 1.5 s"));
        assert!(waiting(wait(WaitReason::NoPeers, None)).ends_with("no peers are connected"));
    }

    #[test]
    fn an_event_is_one_line_with_its_name() {
        let now = Now {
            torrent: torrent(),
            streams: Vec::new(),
            port: Some(6881),
            mapping: None,
            notices: Vec::new(),
        };
        let line = event("progress", progress(&now));
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["event"], &value["verifiedPieces"]), (&json!("progress"), &json!(1)));
    }
}
