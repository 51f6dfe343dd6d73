//! What a person sees while they wait: one line a step, with a spinner and the time on a terminal,
//! plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A step under way. Finish it with [`Step::done`] or [`Step::failed`].
pub(crate) struct Step {
    what: String,
    start: Instant,
    bar: ProgressBar,
}

impl Step {
    /// Announces a step.
    pub(crate) fn start(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = ProgressBar::new_spinner();
        if bar.is_hidden() {
            println!("· {what} …");
        } else {
            bar.set_style(
                ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}")
                    .expect("a valid template"),
            );
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { what, start: Instant::now(), bar }
    }

    /// What it is busy with right now.
    pub(crate) fn note(&self, line: &str) {
        self.bar.set_message(line.trim().to_owned());
    }

    /// It is done.
    pub(crate) fn done(self) {
        self.end("✓", "");
    }

    /// There was nothing to do.
    pub(crate) fn up_to_date(self) {
        self.end("✓", " (up to date)");
    }

    /// It failed; what the command wrote follows.
    pub(crate) fn failed(self, output: &str) {
        self.end("✗", " failed");
        if !output.is_empty() {
            eprintln!("{}", output.trim_end());
        }
    }

    fn end(self, mark: &str, remark: &str) {
        self.bar.finish_and_clear();
        println!("{mark} {}{remark} ({:.1} s)", self.what, self.start.elapsed().as_secs_f64());
    }
}

/// A heading between groups of steps.
pub(crate) fn heading(text: &str) {
    println!("\n── {text} ──");
}
