//! The matrix as a table: what was transferred, skipped and why, or broken.

use std::fmt::Write as _;
use std::time::Duration;

use jstorrent_tests::made::Version;

use crate::cell::{Cell, Direction, Other, Source, WAYS};

/// The result of a cell.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Transferred in this time.
    Passed(Duration),
    /// Not possible, for this reason.
    Skipped(&'static str),
    /// Broken; the error says why.
    Failed(String),
}

/// The results of all cells.
#[derive(Debug, Default)]
pub(crate) struct Table {
    cells: Vec<(Cell, Outcome)>,
    /// The reasons for skipped cells; the first has the letter `a`.
    reasons: Vec<&'static str>,
}

impl Table {
    pub(crate) fn add(&mut self, cell: Cell, outcome: Outcome) {
        if let Outcome::Skipped(reason) = &outcome
            && !self.reasons.contains(reason)
        {
            self.reasons.push(reason);
        }
        self.cells.push((cell, outcome));
    }

    /// The broken cells, each with its error.
    pub(crate) fn failures(&self) -> Vec<String> {
        let story = |(cell, outcome): &(Cell, Outcome)| match outcome {
            Outcome::Failed(story) => Some(format!("{cell}: {story}")),
            _ => None,
        };
        self.cells.iter().filter_map(story).collect()
    }

    pub(crate) fn draw(&self) -> String {
        let mut out = String::from(
            "Each cell is a torrent of five files, one of them empty. It is transferred on \
             loopback and compared byte for byte.\n\
             ↓ from the other client, ↑ to it. A number is the seconds until the comparison, \
             a letter the reason below why the cell is not run.\n",
        );
        for source in Source::ALL.into_iter().filter(|source| self.has(*source)) {
            self.draw_source(source, &mut out);
        }
        out.push('\n');
        for (letter, reason) in ('a'..).zip(&self.reasons) {
            let _ = writeln!(out, "{letter}: {reason}");
        }
        let count = |is_it: fn(&Outcome) -> bool| {
            self.cells.iter().filter(|(_, outcome)| is_it(outcome)).count()
        };
        let passed = count(|outcome| matches!(outcome, Outcome::Passed(_)));
        let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let _ = writeln!(out, "{passed} transferred, {skipped} not possible, {failed} broken");
        out
    }

    fn has(&self, source: Source) -> bool {
        self.cells.iter().any(|(cell, _)| cell.source == source)
    }

    fn draw_source(&self, source: Source, out: &mut String) {
        let _ = write!(out, "\n{:<23}", source.word());
        for (encrypted, utp) in WAYS {
            let way = format!(
                "{} {}",
                if utp { "uTP" } else { "TCP" },
                if encrypted { "encrypted" } else { "plain" }
            );
            let _ = write!(out, "{way:<16}");
        }
        out.push('\n');
        for other in Other::ALL {
            for version in Version::ALL {
                self.draw_row(source, other, version, out);
            }
        }
    }

    fn draw_row(&self, source: Source, other: Other, version: Version, out: &mut String) {
        let mut row = format!("  {:<13} {:<7}", other.word(), version.word());
        let mut is_empty = true;
        for (encrypted, utp) in WAYS {
            let marks = [Direction::Down, Direction::Up].map(|direction| {
                let cell = Cell { other, version, encrypted, utp, source, direction };
                self.mark(cell)
            });
            is_empty &= marks.iter().all(Option::is_none);
            let [down, up] = marks.map(|mark| mark.unwrap_or_else(|| "·".into()));
            let _ = write!(row, "↓{down:<6} ↑{up:<6} ");
        }
        if !is_empty {
            let _ = writeln!(out, "{}", row.trim_end());
        }
    }

    fn mark(&self, cell: Cell) -> Option<String> {
        let (_, outcome) = self.cells.iter().find(|(other, _)| *other == cell)?;
        Some(match outcome {
            Outcome::Passed(took) => format!("{:.1}", took.as_secs_f64()),
            Outcome::Failed(_) => "BROKEN".into(),
            Outcome::Skipped(reason) => {
                let at = self.reasons.iter().position(|other| other == reason).unwrap_or_default();
                ('a'..).nth(at).unwrap_or('?').into()
            }
        })
    }
}
