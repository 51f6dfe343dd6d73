//! Intents and calls that wait for the daemon to answer a command.
//!
//! The torrents' commands and the reads of the stored state are not among them.

use std::collections::BTreeMap;

use shared_proto::{OpId, RequestId};

use crate::metainfo::InfoHash;

/// The recipient of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// A page, or the terminal.
    Intent(u64),
    /// A call of the HTTP API.
    Call(RequestId),
}

/// What a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To download a `.torrent` file for this intent.
    Fetch(u64),
    /// To save the settings that this intent changed.
    SaveSettings(u64),
    /// To show a torrent in the file manager for this intent.
    Show(u64, InfoHash),
    /// To make a folder the default for this intent.
    PreferFolder(u64),
    /// To describe the daemon in a report, with the lines that the page adds.
    Report(Recipient, Vec<String>),
}

/// The outstanding commands.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    commands: BTreeMap<OpId, Purpose>,
}

impl Awaited {
    /// Adds a command that was sent.
    pub(crate) fn insert(&mut self, op: OpId, purpose: Purpose) {
        self.commands.insert(op, purpose);
    }

    /// Removes an answered command and returns its purpose. `None` if nothing waits for the
    /// command.
    pub(crate) fn take(&mut self, op: OpId) -> Option<Purpose> {
        self.commands.remove(&op)
    }

    /// Returns the number of downloads of `.torrent` files.
    pub(crate) fn fetches(&self) -> usize {
        self.commands.values().filter(|purpose| matches!(purpose, Purpose::Fetch(_))).count()
    }

    /// Forgets all commands after the connection was lost; returns their purposes.
    pub(crate) fn unlink(&mut self) -> impl Iterator<Item = Purpose> + use<> {
        std::mem::take(&mut self.commands).into_values()
    }
}
