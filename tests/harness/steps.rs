//! Steps of a long command: a line for each, with a spinner and the time on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A step under way; [`Step::done`] or [`Step::failed`] ends it.
#[derive(Debug)]
pub struct Step {
    what: String,
    start: Instant,
    bar: ProgressBar,
}

impl Step {
    /// Announces a step.
    ///
    /// # Panics
    /// Never: the spinner's template is valid.
    pub fn start(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = ProgressBar::new_spinner();
        if bar.is_hidden() {
            println!("· {what} …");
        } else {
            let template = "{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}";
            let style = ProgressStyle::with_template(template).expect("a valid template");
            bar.set_style(style);
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { what, start: Instant::now(), bar }
    }

    /// Shows what the step is busy with right now.
    pub fn note(&self, line: &str) {
        self.bar.set_message(line.trim().to_owned());
    }

    /// Ends a step that succeeded.
    pub fn done(self) {
        self.end("✓", "");
    }

    /// Ends a step that had nothing to do.
    pub fn up_to_date(self) {
        self.end("✓", " (up to date)");
    }

    /// Ends a step that failed, and shows the output of its command.
    pub fn failed(self, output: &str) {
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

/// Prints a heading between groups of steps.
pub fn heading(text: &str) {
    println!("\n── {text} ──");
}
