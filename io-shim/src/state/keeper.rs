//! The thread that owns the database: it commits in groups and survives a failing disk.
//!
//! Owns when the database is closed, opened and tried again, and the changes that could not be
//! written. Invariants: a change is answered with success only when it is durable; a change that
//! cannot be written is answered with an error, kept, and written as soon as possible; a read sees
//! all kept changes. After a disk error the database is closed, because it refuses all further
//! work.

use std::collections::BTreeSet;
use std::iter;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable};
use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use tokio::sync::watch;

use super::open::{Fault, Make, Open, guarded, open_existing, open_file};
use super::pending::Pending;
use super::request::{Asked, Reply, StateRequest, StoreStatus, TABLE};
use super::state_file::{Lies, StateFile};
use crate::files::error::{from_io, op_error};
use crate::policy::limits;

/// Most requests in one transaction, which bounds how long the first of them waits.
const GROUP: usize = 1_024;

/// The pauses between two attempts to write. Each is twice as long as the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

/// Why the store cannot write, and when it tries again.
#[derive(Debug)]
struct Trouble {
    error: OpError,
    wait: Duration,
    again: Instant,
}

/// The database and the changes to write.
pub(super) struct Keeper {
    file: StateFile,
    make: Make,
    backoff: Backoff,
    /// `None` while the database cannot be opened.
    open: Option<Open>,
    pending: Pending,
    trouble: Option<Trouble>,
    status: watch::Sender<StoreStatus>,
}

impl Keeper {
    pub(super) fn new(
        file: StateFile,
        make: Make,
        backoff: Backoff,
        open: Open,
        status: watch::Sender<StoreStatus>,
    ) -> Self {
        Self {
            file,
            make,
            backoff,
            open: Some(open),
            pending: Pending::default(),
            trouble: None,
            status,
        }
    }

    /// Handles requests until no sender is left.
    pub(super) fn work(mut self, asked: &Receiver<Asked>) {
        loop {
            let first = match &self.trouble {
                None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(trouble) => {
                    asked.recv_timeout(trouble.again.saturating_duration_since(Instant::now()))
                }
            };
            match first {
                Ok(first) => {
                    self.work_off(iter::once(first).chain(asked.try_iter().take(GROUP - 1)))
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.trouble.as_ref().is_some_and(|trouble| trouble.again <= Instant::now()) {
                self.try_again();
            }
        }
        if self.trouble.is_some() {
            self.try_again();
        }
        if !self.pending.is_empty() {
            tracing::error!(
                changes = self.pending.len(),
                "the state could not be written; these changes are lost"
            );
        }
    }

    fn work_off(&mut self, group: impl Iterator<Item = Asked>) {
        let (requests, tells): (Vec<_>, Vec<_>) = group.unzip();
        for (tell, reply) in tells.into_iter().zip(self.answer(&requests)) {
            // The engine may have left.
            let _ = tell.send(reply);
        }
    }

    fn answer(&mut self, requests: &[StateRequest]) -> Vec<Reply> {
        if self.trouble.is_none() {
            match self.in_database(requests) {
                Ok(replies) => return replies,
                Err(fault) => self.fail(&fault),
            }
        }
        requests.iter().map(|request| self.answer_meanwhile(request)).collect()
    }

    /// Handles a group of requests in one transaction, and answers when it is durable.
    fn in_database(&self, requests: &[StateRequest]) -> Result<Vec<Reply>, Fault> {
        let open = self.open.as_ref().ok_or(Fault::NoFile)?;
        if !requests.iter().any(StateRequest::writes) {
            return guarded(|| {
                let table = open.database.begin_read()?.open_table(TABLE)?;
                requests.iter().map(|request| look_up(&table, request)).collect()
            });
        }
        self.check_place(open)?;
        guarded(|| {
            let write = open.database.begin_write()?;
            let mut replies = Vec::with_capacity(requests.len());
            {
                let mut table = write.open_table(TABLE)?;
                for request in requests {
                    replies.push(match request {
                        StateRequest::Put { key, value } => {
                            table.insert(key.as_str(), &value[..])?;
                            Ok(OpOutput::Unit)
                        }
                        StateRequest::Delete { key } => {
                            table.remove(key.as_str())?;
                            Ok(OpOutput::Unit)
                        }
                        StateRequest::Get { .. } | StateRequest::Scan { .. } => {
                            look_up(&table, request)?
                        }
                    });
                }
            }
            write.commit()?;
            Ok(replies)
        })
    }

    /// Writes to a file that no path leads to would be lost.
    fn check_place(&self, open: &Open) -> Result<(), Fault> {
        match self.file.look(open.identity).map_err(Fault::Io)? {
            Lies::Ours => Ok(()),
            Lies::Nothing | Lies::Another => Err(Fault::NoFile),
            Lies::NoFolder => Err(Fault::NoFolder),
        }
    }

    /// Answers while the store cannot write: changes are kept, and reads see them.
    fn answer_meanwhile(&mut self, request: &StateRequest) -> Reply {
        match request {
            StateRequest::Put { key, value } => self.keep(key, Some(value)),
            StateRequest::Delete { key } => self.keep(key, None),
            StateRequest::Get { key } => match self.pending.get(key) {
                Some(value) => Ok(OpOutput::Value(value.clone())),
                None => self.read_meanwhile(request),
            },
            StateRequest::Scan { prefix } => match self.read_meanwhile(request)? {
                OpOutput::Keys(keys) => Ok(OpOutput::Keys(self.with_pending(keys, prefix))),
                other => Ok(other),
            },
        }
    }

    fn keep(&mut self, key: &str, value: Option<&Bytes>) -> Reply {
        if !self.pending.change(key, value) {
            return Err(op_error(OpErrorKind::Limit, "too many changes wait to be written"));
        }
        Err(self.error())
    }

    fn error(&self) -> OpError {
        let unknown = || op_error(OpErrorKind::Other, "the state store failed");
        self.trouble.as_ref().map_or_else(unknown, |trouble| trouble.error.clone())
    }

    fn read_meanwhile(&mut self, request: &StateRequest) -> Reply {
        // A database that failed during a read is opened once more.
        for _ in 0..2 {
            if self.open.is_none() {
                self.open = open_existing(&self.file, &self.make, false).ok();
            }
            let Some(open) = &self.open else { break };
            let read = guarded(|| {
                let table = open.database.begin_read()?.open_table(TABLE)?;
                look_up(&table, request)
            });
            match read {
                Ok(reply) => return reply,
                Err(_) => self.close(),
            }
        }
        Err(self.error())
    }

    fn with_pending(&self, keys: Vec<String>, prefix: &str) -> Vec<String> {
        let mut keys: BTreeSet<String> = keys.into_iter().collect();
        for (key, value) in self.pending.iter().filter(|(key, _)| key.starts_with(prefix)) {
            match value {
                Some(_) => drop(keys.insert(key.to_owned())),
                None => drop(keys.remove(key)),
            }
        }
        keys.into_iter().collect()
    }

    /// The store cannot write from now on.
    fn fail(&mut self, fault: &Fault) {
        let error = words(fault);
        tracing::error!(error = %error.message, ?fault, "the state can't be written; changes are \
            kept in memory and it is tried again");
        if !matches!(fault, Fault::NoFile | Fault::NoFolder) {
            // The open file is the last copy of a file that is gone.
            self.close();
        }
        let wait = self.backoff.first;
        self.tell(Some(error.message.clone()));
        self.trouble = Some(Trouble { error, wait, again: Instant::now() + wait });
    }

    fn close(&mut self) {
        // A damaged database may panic when it is closed.
        let _ = guarded(|| {
            self.open = None;
            Ok(())
        });
    }

    fn try_again(&mut self) {
        match self.write_pending() {
            Ok(()) => {
                tracing::info!(changes = self.pending.len(), "the state can be written again");
                self.pending.clear();
                self.trouble = None;
                self.tell(None);
            }
            Err(fault) => {
                let error = words(&fault);
                tracing::debug!(error = %error.message, ?fault, "the state still can't be written");
                if !matches!(fault, Fault::NoFile | Fault::NoFolder) {
                    self.close();
                }
                let wait =
                    self.trouble.as_ref().map_or(self.backoff.first, |trouble| trouble.wait * 2);
                let wait = wait.min(self.backoff.most);
                self.tell(Some(error.message.clone()));
                self.trouble = Some(Trouble { error, wait, again: Instant::now() + wait });
            }
        }
    }

    /// Opens the database if need be and writes all kept changes.
    fn write_pending(&mut self) -> Result<(), Fault> {
        let identity = self.open.as_ref().and_then(|open| open.identity);
        let lies = self.file.look(identity).map_err(Fault::Io)?;
        let open = match (lies, self.open.take()) {
            (Lies::NoFolder, open) => {
                self.open = open;
                return Err(Fault::NoFolder);
            }
            (Lies::Ours, Some(open)) => open,
            (Lies::Ours | Lies::Another, None) => {
                match open_existing(&self.file, &self.make, false) {
                    Err(Fault::Damaged(reason)) => {
                        tracing::error!(reason, "the state was damaged while it was in use");
                        self.set_aside()?;
                        self.begin_anew(None)?
                    }
                    opened => opened?,
                }
            }
            (Lies::Nothing, former) => self.begin_anew(former)?,
            (Lies::Another, former) => {
                self.set_aside()?;
                self.begin_anew(former)?
            }
        };
        let open = self.open.insert(open);
        let pending = &self.pending;
        guarded(|| {
            let write = open.database.begin_write()?;
            {
                let mut table = write.open_table(TABLE)?;
                for (key, value) in pending.iter() {
                    match value {
                        Some(value) => drop(table.insert(key, &value[..])?),
                        None => drop(table.remove(key)?),
                    }
                }
            }
            write.commit()?;
            Ok(())
        })
    }

    fn set_aside(&self) -> Result<(), Fault> {
        let aside = self.file.set_aside().map_err(Fault::Io)?;
        self.status.send_modify(|status| status.set_aside.push(aside));
        Ok(())
    }

    /// Creates a new file in place of one that is gone. The new file gets what can still be read of
    /// the former one.
    fn begin_anew(&mut self, former: Option<Open>) -> Result<Open, Fault> {
        let begun = (|| {
            let (path, file) = self.file.draft().map_err(Fault::Io)?;
            let open = open_file(file, &self.make)?;
            if let Some(former) = &former {
                guarded(|| copy(&former.database, &open.database))?;
            }
            self.file.put_in_place(&path).map_err(Fault::Io)?;
            Ok(open)
        })();
        match begun {
            Ok(open) => {
                tracing::warn!(
                    copied = former.is_some(),
                    "the file of the state was gone; a new one was made"
                );
                if former.is_none() {
                    self.status.send_modify(|status| status.begun_anew += 1);
                }
                Ok(open)
            }
            Err(fault) => {
                self.open = former;
                Err(fault)
            }
        }
    }

    fn tell(&self, trouble: Option<String>) {
        self.status.send_if_modified(|status| {
            let is_news = status.trouble != trouble;
            status.trouble = trouble;
            is_news
        });
    }
}

fn copy(from: &Database, to: &Database) -> Result<(), Fault> {
    let source = from.begin_read()?.open_table(TABLE)?;
    let write = to.begin_write()?;
    {
        let mut table = write.open_table(TABLE)?;
        for entry in source.iter()? {
            let (key, value) = entry?;
            table.insert(key.value(), value.value())?;
        }
    }
    write.commit()?;
    Ok(())
}

fn look_up(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    request: &StateRequest,
) -> Result<Reply, Fault> {
    match request {
        StateRequest::Get { key } => {
            let value = table.get(key.as_str())?.map(|value| Bytes::copy_from_slice(value.value()));
            Ok(Ok(OpOutput::Value(value)))
        }
        StateRequest::Scan { prefix } => scan(table, prefix),
        StateRequest::Put { .. } | StateRequest::Delete { .. } => Ok(Ok(OpOutput::Unit)),
    }
}

fn scan(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    prefix: &str,
) -> Result<Reply, Fault> {
    let mut keys = Vec::new();
    let mut bytes = 0;
    for entry in table.range(prefix..)? {
        let (key, _) = entry?;
        let key = key.value();
        if !key.starts_with(prefix) {
            break;
        }
        bytes += key.len() + size_of::<u32>();
        if bytes > limits::MAX_SCAN_BYTES {
            return Ok(Err(op_error(
                OpErrorKind::Limit,
                "too many keys; scan for a longer prefix",
            )));
        }
        keys.push(key.to_owned());
    }
    Ok(Ok(OpOutput::Keys(keys)))
}

/// What a fault means to the engine and the user.
fn words(fault: &Fault) -> OpError {
    match fault {
        Fault::Io(error) => from_io(error),
        Fault::NoFile => op_error(OpErrorKind::NotFound, "its file is gone"),
        Fault::NoFolder => op_error(OpErrorKind::NotFound, "its folder is not there"),
        Fault::InUse => op_error(OpErrorKind::Other, "another program uses its file"),
        Fault::Damaged(_) => op_error(OpErrorKind::Other, "its file is damaged"),
    }
}
