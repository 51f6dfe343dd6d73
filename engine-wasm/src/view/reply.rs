//! What came of an intent.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What came of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum IntentReply {
    /// Done.
    Done {
        /// The torrent it was about.
        info_hash: String,
        /// What a person should know of it, in plain words.
        #[serde(default)]
        message: Option<String>,
        /// Whether a torrent that was to be added was there already. Its new trackers and web seeds
        /// were added to it, unless it is private.
        #[serde(default)]
        duplicate: bool,
    },
    /// The settings are as they were asked for, and written down.
    Configured,
    /// What was asked for, as a text.
    Text {
        /// The text.
        text: String,
    },
    /// What was asked for, as a file.
    File {
        /// What to call it, without folders.
        name: String,
        /// Its bytes; over HTTP an array of numbers.
        #[cfg_attr(test, ts(type = "Uint8Array | number[]"))]
        content: Bytes,
    },
    /// Not done.
    Failed {
        /// Plain words for a person.
        message: String,
    },
}
