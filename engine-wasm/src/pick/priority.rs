//! Download priorities of files and pieces.

use serde::{Deserialize, Serialize};

/// The download priority of a file or piece.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Not downloaded, except what a viewer asks for.
    Skip,
    /// After all other files.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before all other files.
    High,
}

impl Priority {
    /// All priorities, the lowest first.
    pub const ALL: [Self; 4] = [Self::Skip, Self::Low, Self::Normal, Self::High];
}
