//! What came of an intent.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Sentence;
use crate::metainfo::InfoHash;

/// What came of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum IntentReply {
    /// Done.
    Done {
        /// The torrent it was about.
        info_hash: String,
        /// What the user should know, in English.
        #[serde(default)]
        message: Option<String>,
        /// The same as a code, for pages to translate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        says: Option<Sentence>,
        /// Whether a torrent that was to be added was there already. Its new trackers and web seeds
        /// were added to it, unless it is private.
        #[serde(default)]
        duplicate: bool,
    },
    /// The settings apply and are saved.
    Configured,
    /// The requested text.
    Text {
        /// The text.
        text: String,
    },
    /// The requested file.
    File {
        /// The file's name, without folders.
        name: String,
        /// Its bytes; over HTTP an array of numbers.
        #[cfg_attr(test, ts(type = "Uint8Array | number[]"))]
        content: Bytes,
    },
    /// Not done.
    Failed {
        /// Why not, in English.
        message: String,
        /// The same as a code, for pages to translate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        says: Option<Sentence>,
    },
}

impl IntentReply {
    /// Done, without more to say.
    pub(crate) fn done(info_hash: InfoHash) -> Self {
        Self::telling(info_hash, None)
    }

    /// Done, and something to tell.
    pub(crate) fn telling(info_hash: InfoHash, says: Option<Sentence>) -> Self {
        let message = says.as_ref().map(Sentence::to_string);
        Self::Done { info_hash: info_hash.to_string(), message, says, duplicate: false }
    }

    /// A torrent was added; `duplicate`: it was there already.
    pub(crate) fn added(info_hash: InfoHash, duplicate: bool) -> Self {
        Self::Done { info_hash: info_hash.to_string(), message: None, says: None, duplicate }
    }

    /// Not done, for this reason.
    pub(crate) fn failed(says: Sentence) -> Self {
        Self::Failed { message: says.to_string(), says: Some(says) }
    }
}
