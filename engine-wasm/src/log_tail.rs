//! Keeps the engine's last log lines in memory, for a problem report.
//!
//! In a browser nothing else stores them. The host creates one [`LogTail`], installs its
//! subscriber, and passes it to the engine. Lines carry the engine's time. Lines below `info` are
//! not kept, because they may contain addresses and names; neither is a field called `message`,
//! which holds a sentence for the user, possibly with names.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::time::Instant;

/// Number of lines to keep.
const KEPT: usize = 200;
/// Longest line, bytes.
const LINE_MAX: usize = 1 << 10;

/// The last log lines. Clones share the same lines.
#[derive(Clone, Default)]
pub struct LogTail(Arc<Mutex<Tail>>);

#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    began: Option<Instant>,
    now: Instant,
}

impl LogTail {
    /// Returns a subscriber that stores the lines; install it as the process's subscriber.
    pub fn subscriber(&self) -> impl Subscriber + use<> {
        LogSubscriber(self.clone())
    }

    /// Sets the engine's time for the following lines.
    pub(crate) fn set_now(&self, now: Instant) {
        let mut tail = self.lock();
        tail.began.get_or_insert(now);
        tail.now = now;
    }

    /// Returns the lines, the oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    fn push(&self, words: &str) {
        let mut tail = self.lock();
        let seconds = tail.now.saturating_since(tail.began.unwrap_or(tail.now)).as_secs();
        if tail.lines.len() == KEPT {
            tail.lines.pop_front();
        }
        let mut line = format!("{seconds} s {words}");
        if line.len() > LINE_MAX {
            // A truncated address or hash would not be recognised as one, so the last word is
            // dropped.
            let end = line.floor_char_boundary(LINE_MAX);
            line.truncate(line[..end].rfind(' ').unwrap_or(0));
        }
        tail.lines.push_back(line);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogTail")
    }
}

impl PartialEq for LogTail {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for LogTail {}

/// A subscriber that stores events and ignores spans.
struct LogSubscriber(LogTail);

impl Subscriber for LogSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let text = format!("{} {}:", event.metadata().level(), event.metadata().target());
        let mut words = Words { text, has_message: false };
        event.record(&mut words);
        self.0.push(&words.text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Words {
    text: String,
    /// Whether the event's message has been written; it comes before the fields.
    has_message: bool,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a `String` never fails.
        let _ = match field.name() {
            "message" if self.has_message => Ok(()),
            "message" => {
                self.has_message = true;
                write!(self.text, " {value:?}")
            }
            name => write!(self.text, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_with_the_engines_time() {
        let tail = LogTail::default();
        tail.set_now(Instant(5));
        tracing::subscriber::with_default(tail.subscriber(), || {
            for number in 0..KEPT {
                tracing::info!(number, "one of many");
            }
            tracing::debug!("an address");
            tail.set_now(Instant(5) + Duration::from_secs(7));
            tracing::warn!(why = %"full", "the last one");
        });
        let lines = tail.lines();
        assert_eq!(lines.len(), KEPT);
        assert!(
            lines[0].starts_with("0 s INFO") && lines[0].ends_with("one of many number=1"),
            "{}",
            lines[0]
        );
        let last = lines.last().unwrap();
        assert!(last.starts_with("7 s WARN") && last.ends_with("the last one why=full"), "{last}");
    }

    #[test]
    fn user_messages_and_truncated_words_are_not_kept() {
        let tail = LogTail::default();
        tracing::subscriber::with_default(tail.subscriber(), || {
            let message = "“A film” is missing";
            tracing::warn!(file = 3, %message, "stopped");
            tracing::warn!(why = %format!("x {}", "0f".repeat(LINE_MAX)), "long");
        });
        let lines = tail.lines();
        assert!(lines[0].ends_with(": stopped file=3"), "{}", lines[0]);
        assert!(lines[1].ends_with(": long why=x"), "{}", lines[1]);
    }
}
