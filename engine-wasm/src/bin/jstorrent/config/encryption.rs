//! The words for encryption in flags and in the file.

use clap::ValueEnum;
use engine_wasm::peer::mse::Encryption;
use serde::Deserialize;

/// The values of `--encryption`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncryptionWord {
    /// No connection is encrypted
    Off,
    /// Encrypted if the peer requests it
    Allowed,
    /// Encrypted if the peer supports it
    Preferred,
    /// Encrypted, or no connection
    Forced,
}

impl From<EncryptionWord> for Encryption {
    fn from(word: EncryptionWord) -> Self {
        match word {
            EncryptionWord::Off => Self::Off,
            EncryptionWord::Allowed => Self::Allowed,
            EncryptionWord::Preferred => Self::Preferred,
            EncryptionWord::Forced => Self::Forced,
        }
    }
}
