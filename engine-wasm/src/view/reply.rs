//! The results of intents.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Sentence;
use crate::metainfo::InfoHash;

/// The result of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum IntentReply {
    /// The intent succeeded.
    Done {
        /// The torrent that the intent was about.
        info_hash: String,
        /// What the user should know, in English.
        #[serde(default)]
        message: Option<String>,
        /// The same as a code, for pages to translate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        says: Option<Sentence>,
        /// Whether the torrent to be added existed already. Its new trackers and web seeds were
        /// added to it, unless it is private.
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
    /// The intent failed.
    Failed {
        /// The reason, in English.
        message: String,
        /// The same as a code, for pages to translate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        says: Option<Sentence>,
    },
}

impl IntentReply {
    /// Success without a message.
    pub(crate) fn done(info_hash: InfoHash) -> Self {
        Self::telling(info_hash, None)
    }

    /// Success with a message, if there is one.
    pub(crate) fn telling(info_hash: InfoHash, says: Option<Sentence>) -> Self {
        let message = says.as_ref().map(Sentence::to_string);
        Self::Done { info_hash: info_hash.to_string(), message, says, duplicate: false }
    }

    /// A torrent was added; `duplicate` says whether it existed already.
    pub(crate) fn added(info_hash: InfoHash, duplicate: bool) -> Self {
        Self::Done { info_hash: info_hash.to_string(), message: None, says: None, duplicate }
    }

    /// Failure for this reason.
    pub(crate) fn failed(says: Sentence) -> Self {
        Self::Failed { message: says.to_string(), says: Some(says) }
    }
}
