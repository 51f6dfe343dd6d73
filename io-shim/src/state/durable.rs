//! Makes changes of names in a folder durable.
//!
//! Blocking code; knows no file of the state.

use std::{io, path::Path};

/// Waits until the names in a folder are durable. Does nothing where folders cannot be synced.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
