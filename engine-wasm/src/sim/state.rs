//! The daemon's state store and notes.

use std::collections::BTreeMap;

use bytes::Bytes;
use shared_proto::io::{Note, Notes, OpOutput};
use shared_proto::{IoCommand, OpId};

/// Values by their keys.
#[derive(Debug, Default)]
pub(super) struct State {
    values: BTreeMap<String, Bytes>,
    /// Notes that all programs of the user share.
    pub(super) notes: BTreeMap<String, Note>,
    /// The current time, milliseconds since 1970.
    pub(super) clock_ms: u64,
}

impl State {
    /// Returns the keys, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Returns the value of a key.
    pub(super) fn value(&self, key: &str) -> Option<Bytes> {
        self.values.get(key).cloned()
    }

    /// Sets a value.
    pub(super) fn set(&mut self, key: &str, value: &[u8]) {
        self.values.insert(key.to_owned(), Bytes::copy_from_slice(value));
    }

    /// Answers a command for the store; returns other commands as an error.
    pub(super) fn answer(
        &mut self,
        command: IoCommand,
    ) -> Result<(OpId, OpOutput), Box<IoCommand>> {
        Ok(match command {
            IoCommand::KvPut { op, key, value } => {
                self.values.insert(key, value);
                (op, OpOutput::Unit)
            }
            IoCommand::KvGet { op, key } => (op, OpOutput::Value(self.values.get(&key).cloned())),
            IoCommand::KvDelete { op, key } => {
                self.values.remove(&key);
                (op, OpOutput::Unit)
            }
            IoCommand::KvScan { op, prefix } => {
                let keys =
                    self.keys().filter(|key| key.starts_with(&prefix)).map(str::to_owned).collect();
                (op, OpOutput::Keys(keys))
            }
            IoCommand::NotePut { op, key, value, age_ms } => {
                let note =
                    Note { key: key.clone(), value, at_ms: self.clock_ms.saturating_sub(age_ms) };
                let kept = self.notes.entry(key).or_insert_with(|| note.clone());
                if kept.at_ms <= note.at_ms {
                    *kept = note;
                }
                (op, OpOutput::Notes(Notes { notes: vec![kept.clone()], set_aside: Vec::new() }))
            }
            IoCommand::NotesRead { op } => {
                let notes = self.notes.values().cloned().collect();
                (op, OpOutput::Notes(Notes { notes, set_aside: Vec::new() }))
            }
            other => return Err(Box::new(other)),
        })
    }
}
