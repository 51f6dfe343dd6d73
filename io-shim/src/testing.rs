//! What the unit tests of this crate share.

/// A folder of the test's own, removed at its end.
pub(crate) struct TempDir(tempfile::TempDir);

impl TempDir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("the system's folder for temporary files can be written"))
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}
