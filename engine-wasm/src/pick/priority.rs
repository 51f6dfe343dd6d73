//! How much a file, or a piece, is wanted.

use serde::{Deserialize, Serialize};

/// How much somebody wants a file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Not at all: it is fetched only where a viewer asks for it.
    Skip,
    /// After all others.
    Low,
    /// Like most.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl Priority {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Skip, Self::Low, Self::Normal, Self::High];
}
