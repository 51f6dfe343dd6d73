//! Rules, and findings that break them.

use std::fmt;

/// A rule; its name stands in the baseline and in the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// Modules of a crate don't use each other in a circle.
    Cycle,
    /// Files are short.
    FileLength,
    /// Files open with what they own.
    Header,
    /// Crates have a licence that the project allows.
    Licence,
    /// Lines are short.
    LineWidth,
    /// Links in Markdown lead somewhere.
    Link,
    /// Parts of a torrent know neither each other nor what connects them.
    Part,
    /// rustdoc has nothing to say.
    Rustdoc,
    /// Crates come from crates.io or from this checkout.
    Source,
    /// Structs have few fields.
    StructFields,
    /// What is `pub` has a user in another crate.
    UnusedPub,
}

impl Rule {
    /// All of them.
    pub(super) const ALL: [Self; 11] = [
        Self::Cycle,
        Self::FileLength,
        Self::Header,
        Self::Licence,
        Self::LineWidth,
        Self::Link,
        Self::Part,
        Self::Rustdoc,
        Self::Source,
        Self::StructFields,
        Self::UnusedPub,
    ];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cycle => "cycle",
            Self::FileLength => "file-length",
            Self::Header => "header",
            Self::Licence => "licence",
            Self::LineWidth => "line-width",
            Self::Link => "link",
            Self::Part => "part",
            Self::Rustdoc => "rustdoc",
            Self::Source => "source",
            Self::StructFields => "struct-fields",
            Self::UnusedPub => "unused-pub",
        }
    }
}

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// The file, relative to the root.
    pub(super) file: String,
    /// The line, from 1 on.
    pub(super) line: usize,
    /// The rule.
    pub(super) rule: Rule,
    /// What tells this finding from others of the rule in the file. `None` where there can be only
    /// one.
    pub(super) name: Option<String>,
    /// What is wrong, as a sentence.
    pub(super) sentence: String,
}

impl Finding {
    /// A finding about a whole file.
    pub(super) fn new(rule: Rule, file: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, rule, name: None, sentence: sentence.into() }
    }

    /// The same about one thing in the file.
    pub(super) fn about(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Its line in the baseline, which outlives changes of line numbers.
    pub(super) fn key(&self) -> String {
        let name = self.name.as_ref().map_or(String::new(), |name| format!(" {name}"));
        format!("{} {}{name}", self.rule.name(), self.file)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.sentence)
    }
}
