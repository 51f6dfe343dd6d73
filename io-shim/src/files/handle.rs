//! An open file and the right to write to it.

use std::{fs::File, ops::Deref, sync::Arc};

use super::writers::Writer;

/// An open file. While a handle for writing exists, no other process of the user writes to the
/// file.
#[derive(Debug)]
pub(crate) struct Handle {
    file: File,
    _writer: Option<Arc<Writer>>,
}

impl Handle {
    /// A handle that keeps the right to write. `writer` is `None` if the file is open only for
    /// reading.
    pub(super) fn new(file: File, writer: Option<Arc<Writer>>) -> Self {
        Self { file, _writer: writer }
    }
}

impl From<File> for Handle {
    /// A file that is open for reading.
    fn from(file: File) -> Self {
        Self::new(file, None)
    }
}

impl Deref for Handle {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}
