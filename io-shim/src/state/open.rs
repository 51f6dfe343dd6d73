//! Opens the database: its version, migration, and damaged files.
//!
//! Owns the number of the schema. Invariants: a file of a newer version is not changed; a file of
//! an older version is copied before it is changed; a damaged file is set aside.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::backends::InMemoryBackend;
use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, StorageBackend, TableDefinition,
    TableError, TableHandle,
};

use super::request::{StateError, StoreStatus, TABLE};
use super::state_file::{FileNumber, StateFile, number_of};

/// The version of the tables and of the form of their values. Raise it when an older program would
/// misread what a newer one writes. Opening then migrates files of the former version.
pub(super) const SCHEMA: u64 = 1;
/// The version of files without a number.
const UNNUMBERED: u64 = 0;
/// Facts about the file itself.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const SCHEMA_KEY: &str = "schema";
/// Size of the database's cache, bytes. The state is small and read once.
const CACHE_BYTES: usize = 8 << 20;

/// Makes a database of an open file. Tests put a failing disk in between.
pub(super) type Make =
    Arc<dyn Fn(&redb::Builder, File) -> Result<Database, DatabaseError> + Send + Sync>;

/// An open database and the identity of its file.
pub(super) struct Open {
    pub(super) database: Database,
    pub(super) identity: FileNumber,
}

/// What is known of a file before it is opened for writing.
enum Found {
    /// No file, or one without a table.
    New,
    /// A file of this version.
    Version(u64),
    /// A file that cannot be read.
    Damaged(String),
}

/// Opens the state when the daemon starts, and creates it if there is none. `status` reports a
/// damaged file.
pub(super) fn open_first(
    state_file: &StateFile,
    make: &Make,
    status: &mut StoreStatus,
) -> Result<Open, StateError> {
    match look(state_file)? {
        Found::New | Found::Version(SCHEMA) => {}
        Found::Version(newer) if newer > SCHEMA => {
            return Err(StateError::Newer { found: newer, known: SCHEMA });
        }
        Found::Version(older) => {
            let copy = state_file.keep_copy(older).map_err(StateError::NoCopy)?;
            let copy = copy.display();
            tracing::info!(from = older, to = SCHEMA, %copy, "migrating the state; a copy is kept");
        }
        Found::Damaged(reason) => set_aside(state_file, &reason, status)?,
    }
    match open_existing(state_file, make, true) {
        Err(Fault::Damaged(reason)) => {
            set_aside(state_file, &reason, status)?;
            open_existing(state_file, make, true).map_err(Fault::into_error)
        }
        other => other.map_err(Fault::into_error),
    }
}

/// Why a database cannot be used now.
#[derive(Debug)]
pub(super) enum Fault {
    InUse,
    Io(io::Error),
    Damaged(String),
    /// The file is gone.
    NoFile,
    /// The folder is gone.
    NoFolder,
}

impl Fault {
    fn into_error(self) -> StateError {
        match self {
            Self::InUse => StateError::InUse,
            Self::Io(error) => StateError::Io(error),
            Self::Damaged(reason) => StateError::Io(io::Error::other(reason)),
            Self::NoFile | Self::NoFolder => {
                StateError::Io(io::Error::from(io::ErrorKind::NotFound))
            }
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::Io(error) if is_damage(&error) => Self::Damaged(error.to_string()),
            redb::Error::Io(error) => Self::Io(error),
            // What follows the first disk error.
            redb::Error::PreviousIo | redb::Error::TransactionPoisoned => {
                Self::Io(io::Error::other("the disk failed"))
            }
            error => Self::Damaged(error.to_string()),
        }
    }
}

/// Opens the file and verifies all checksums. It takes a fraction of a second for a few megabytes.
pub(super) fn open_existing(
    state_file: &StateFile,
    make: &Make,
    create: bool,
) -> Result<Open, Fault> {
    let file = state_file.open(create).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Fault::NoFile,
        _ => Fault::Io(error),
    })?;
    open_file(file, make)
}

/// The same for a file that is already open.
pub(super) fn open_file(file: File, make: &Make) -> Result<Open, Fault> {
    let identity = number_of(&file).map_err(Fault::Io)?;
    let database = guarded(|| {
        let mut database = make(Database::builder().set_cache_size(CACHE_BYTES), file)?;
        database.check_integrity()?;
        if !is_current(&database)? {
            let write = database.begin_write()?;
            write.open_table(TABLE)?;
            write.open_table(META)?.insert(SCHEMA_KEY, SCHEMA)?;
            write.commit()?;
        }
        Ok(database)
    })?;
    Ok(Open { database, identity })
}

/// Turns a panic inside the database into damage.
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(act))
        .unwrap_or_else(|_| Err(Fault::Damaged("the database failed on it".to_owned())))
}

fn is_current(database: &impl ReadableDatabase) -> Result<bool, Fault> {
    let read = database.begin_read()?;
    let has_table = read.list_tables()?.any(|table| table.name() == TABLE.name());
    Ok(has_table && version(database)? == Some(SCHEMA))
}

fn version(database: &impl ReadableDatabase) -> Result<Option<u64>, Fault> {
    match database.begin_read()?.open_table(META) {
        Ok(table) => Ok(redb::ReadableTable::get(&table, SCHEMA_KEY)?.map(|number| number.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn set_aside(
    state_file: &StateFile,
    reason: &str,
    status: &mut StoreStatus,
) -> Result<(), StateError> {
    let path = state_file.set_aside()?;
    tracing::error!(reason, kept_as = %path.display(), "the state can't be read; it was set aside \
        and a new one begun");
    status.set_aside.push(path);
    status.begun_anew += 1;
    Ok(())
}

/// Looks at the file without changing it.
fn look(state_file: &StateFile) -> Result<Found, StateError> {
    match std::fs::metadata(state_file.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::New),
        Err(error) => return Err(error.into()),
        Ok(metadata) if metadata.is_dir() => {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        Ok(metadata) if metadata.len() == 0 => return Ok(Found::Damaged("it is empty".to_owned())),
        Ok(_) => {}
    }
    let found = guarded(|| match ReadOnlyDatabase::open(state_file.path()) {
        Ok(database) => found_in(&database),
        // The file was not closed properly: try the repair in memory.
        Err(DatabaseError::RepairAborted) => found_in(&in_memory(state_file)?),
        Err(error) => Err(error.into()),
    });
    match found {
        Ok(found) => Ok(found),
        Err(Fault::InUse) => Err(StateError::InUse),
        Err(Fault::Damaged(reason)) if is_other_format(&reason) => Err(StateError::Format(reason)),
        Err(Fault::Damaged(reason)) => Ok(Found::Damaged(reason)),
        Err(other) => Err(other.into_error()),
    }
}

fn found_in(database: &impl ReadableDatabase) -> Result<Found, Fault> {
    if let Some(number) = version(database)? {
        return Ok(Found::Version(number));
    }
    let has_table = database.begin_read()?.list_tables()?.any(|table| table.name() == TABLE.name());
    Ok(if has_table { Found::Version(UNNUMBERED) } else { Found::New })
}

fn in_memory(state_file: &StateFile) -> Result<Database, Fault> {
    let mut bytes = Vec::new();
    File::open(state_file.path())
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(Fault::Io)?;
    let memory = InMemoryBackend::new();
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    memory.set_len(length).and_then(|()| memory.write(0, &bytes)).map_err(Fault::Io)?;
    Ok(Database::builder().create_with_backend(memory)?)
}

/// Whether the database's message says that the file has another version of redb's format.
fn is_other_format(reason: &str) -> bool {
    reason.contains("Expected file format version")
}

fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput
    )
}
