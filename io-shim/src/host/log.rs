//! The daemon's log: where it goes, and its bounds.
//!
//! Strangers cause most lines, so three bounds apply: lines of one kind per time, length of a line,
//! and length of the file. The last lines also stay in memory, for problem reports. A full file
//! becomes the previous log and replaces the one before. Lines hold no colour codes.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::files::private::private;

/// Largest log file, bytes. A larger one becomes the previous log.
const FILE_MAX: u64 = 8 << 20;
/// Lines of one kind in each [`WINDOW`]. A kind is one place in the code.
const LINES_PER_WINDOW: u32 = 20;
/// See [`LINES_PER_WINDOW`].
const WINDOW: Duration = Duration::from_secs(10);
/// Longest line, bytes. It may hold text of strangers.
const LINE_MAX: usize = 2 << 10;

/// Lines that stay in memory.
const KEPT: usize = 200;

/// The last lines.
static LAST: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// The last lines, the oldest first.
pub(crate) fn last_lines() -> Vec<String> {
    LAST.lock().iter().cloned().collect()
}

fn keep(line: &str) {
    let mut last = LAST.lock();
    if last.len() == KEPT {
        last.pop_front();
    }
    last.push_back(line.to_owned());
}

/// Logs to standard error.
pub fn to_stderr() {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_ansi(false)
        .log_internal_errors(false);
    builder.event_format(Throttled::default()).with_writer(io::stderr).init();
}

/// Logs to the end of `daemon.log` in a folder; `daemon.previous.log` holds what came before.
///
/// # Errors
/// When the file cannot be written.
pub fn to_folder(folder: &Path) -> io::Result<()> {
    let file =
        Rotating::open(folder.join("daemon.log"), folder.join("daemon.previous.log"), FILE_MAX)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_ansi(false)
        .log_internal_errors(false);
    builder.event_format(Throttled::default()).with_writer(std::sync::Mutex::new(file)).init();
    // The default hook prints panics to standard error only, which the next start discards.
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("{panic}");
        before(panic);
    }));
    Ok(())
}

fn filter() -> EnvFilter {
    let mut filter =
        EnvFilter::try_from_env("JSTORRENT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Below this level these crates log what they transport, the session token included.
    for carrier in
        ["tungstenite=info", "tokio_tungstenite=info", "hyper=info", "warp=info", "reqwest=info"]
    {
        filter = filter.add_directive(carrier.parse().expect("a name and a level"));
    }
    filter
}

/// Limits the lines of each kind.
#[derive(Default)]
struct Throttled {
    format: Format<Full>,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

/// The lines of one kind.
struct Kind {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl Throttled {
    /// Decides whether to write a line of this kind now. Returns the number of lines dropped since
    /// the last one, or `None` to drop this line, too.
    fn admit(&self, kind: Identifier, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock();
        let kind = kinds.entry(kind).or_insert(Kind { since: now, written: 0, left_out: 0 });
        if now.duration_since(kind.since) >= WINDOW {
            (kind.since, kind.written) = (now, 0);
        }
        if kind.written == LINES_PER_WINDOW {
            kind.left_out += 1;
            return None;
        }
        kind.written += 1;
        Some(std::mem::take(&mut kind.left_out))
    }
}

impl<S, N> FormatEvent<S, N> for Throttled
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut left_out = 0;
        // A more detailed level shows all lines.
        if *event.metadata().level() <= Level::INFO {
            match self.admit(event.metadata().callsite(), Instant::now()) {
                Some(before) => left_out = before,
                None => return Ok(()),
            }
        }
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        let line = shortened(line.trim_end());
        if *event.metadata().level() <= Level::INFO {
            keep(line);
        }
        to.write_str(line)?;
        if left_out > 0 {
            write!(to, " ({left_out} lines of this kind were left out before)")?;
        }
        to.write_char('\n')
    }
}

fn shortened(line: &str) -> &str {
    &line[..line.floor_char_boundary(LINE_MAX)]
}

/// A file that is replaced by a new one when it is full.
struct Rotating {
    path: PathBuf,
    previous: PathBuf,
    most: u64,
    file: File,
    length: u64,
}

impl Rotating {
    fn open(path: PathBuf, previous: PathBuf, most: u64) -> io::Result<Self> {
        let file = append(&path)?;
        let length = file.metadata()?.len();
        Ok(Self { path, previous, most, file, length })
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.previous)?;
        self.file = append(&self.path)?;
        self.length = 0;
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.length > 0 && self.length + line.len() as u64 > self.most {
            // No other file can be written, and no log can report that. The present file must not
            // grow without end.
            self.rotate().or_else(|_| self.file.set_len(0).map(|()| self.length = 0))?;
        }
        let written = self.file.write(line)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().create(true).append(true)).open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::testing::TempDir;

    /// Lines in memory, for tests.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    fn logged(deed: impl FnOnce()) -> String {
        let lines = Lines::default();
        let builder = tracing_subscriber::fmt().with_ansi(false).event_format(Throttled::default());
        tracing::subscriber::with_default(builder.with_writer(lines.clone()).finish(), deed);
        lines.text()
    }

    #[test]
    fn of_one_kind_only_so_many_lines_are_written_and_other_kinds_are_not_kept_back() {
        let text = logged(|| {
            for number in 0..10_000 {
                tracing::info!(number, "a stranger came");
            }
            tracing::warn!("something else");
        });
        assert_eq!(text.matches("a stranger came").count(), LINES_PER_WINDOW as usize);
        assert!(text.ends_with("something else\n"), "{text}");
        let kept = last_lines();
        assert!(
            kept.len() <= KEPT && kept.iter().any(|line| line.contains("something else")),
            "{kept:?}"
        );
    }

    #[test]
    fn what_was_left_out_is_counted_when_the_next_one_is_written() {
        let sparing = Throttled::default();
        let kind = tracing::callsite!(name: "kind", kind: tracing::metadata::Kind::EVENT, fields: );
        let kind = Identifier(kind);
        let now = Instant::now();
        for _ in 0..LINES_PER_WINDOW {
            assert_eq!(sparing.admit(kind.clone(), now), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(sparing.admit(kind.clone(), now), None);
        }
        assert_eq!(sparing.admit(kind.clone(), now + WINDOW), Some(7));
        assert_eq!(sparing.admit(kind, now + WINDOW), Some(0));
    }

    #[test]
    fn a_strangers_long_words_are_cut_and_command_no_terminal() {
        let text = logged(|| tracing::info!(reason = "ä\u{1b}[31m".repeat(1 << 20), "closed"));
        assert!(text.len() <= LINE_MAX + 1 && text.ends_with('\n'), "{} bytes", text.len());
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_full_log_becomes_the_previous_one_and_a_start_adds_to_what_is_there() {
        let dir = TempDir::new();
        let (path, previous) = (dir.path().join("log"), dir.path().join("previous"));
        let open = || Rotating::open(path.clone(), previous.clone(), 10).unwrap();
        open().write_all(b"first\n").unwrap();
        let mut log = open();
        log.write_all(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\ntwo\n");
        log.write_all(b"third\n").unwrap();
        assert_eq!(fs::read_to_string(&previous).unwrap(), "first\ntwo\n");
        log.write_all(b"a line that is longer than all of the log\n").unwrap();
        log.write_all(b"x\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "x\n");
        assert!(fs::read_to_string(&previous).unwrap().starts_with("a line"));
    }
}
