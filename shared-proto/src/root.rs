//! A download folder, as both planes describe it.

use serde::{Deserialize, Serialize};

use crate::ids::RootKey;

/// A download folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// The folder's name in messages.
    pub key: RootKey,
    /// The name that a person sees.
    pub label: String,
    /// Absolute path, to show to a person. Empty if the daemon does not tell it.
    #[serde(default)]
    pub path: String,
}
