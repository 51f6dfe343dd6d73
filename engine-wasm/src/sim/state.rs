//! What a daemon remembers for its engine.

use std::collections::BTreeMap;

use bytes::Bytes;
use shared_proto::io::OpOutput;
use shared_proto::{IoCommand, OpId};

/// Values by their keys.
#[derive(Debug, Default)]
pub(super) struct State(BTreeMap<String, Bytes>);

impl State {
    /// The keys, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is kept under a key.
    pub(super) fn value(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).cloned()
    }

    /// Somebody puts something under a key.
    pub(super) fn set(&mut self, key: &str, value: &[u8]) {
        self.0.insert(key.to_owned(), Bytes::copy_from_slice(value));
    }

    /// The answer to a command about it; the command, if it is about something else.
    pub(super) fn answer(&mut self, command: IoCommand) -> Result<(OpId, OpOutput), Box<IoCommand>> {
        Ok(match command {
            IoCommand::KvPut { op, key, value } => {
                self.0.insert(key, value);
                (op, OpOutput::Unit)
            }
            IoCommand::KvGet { op, key } => (op, OpOutput::Value(self.0.get(&key).cloned())),
            IoCommand::KvDelete { op, key } => {
                self.0.remove(&key);
                (op, OpOutput::Unit)
            }
            IoCommand::KvScan { op, prefix } => {
                let keys = self.keys().filter(|key| key.starts_with(&prefix)).map(str::to_owned).collect();
                (op, OpOutput::Keys(keys))
            }
            other => return Err(Box::new(other)),
        })
    }
}
