//! Opens a file that is served where it is now, also while it is being moved.
//!
//! Between a change of names on the disk and the announcement that tells of it a file is not where it was announced. That is a moment, and no reason to turn a
//! viewer away. Must never open other bytes than those that were announced when the viewer came.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{OpError, OpErrorKind};
use tokio::time::Instant;

use crate::desk::{Desk, ServedFile};
use crate::files::FileStore;
use crate::files::error::op_error;
use crate::files::store::Place;
use crate::stream;

/// The announcement of a file's new place comes within this time, if it comes.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked for.
const STEP: Duration = Duration::from_millis(20);

/// What opening takes.
#[derive(Clone)]
pub(crate) struct Opener {
    pub(crate) desk: Arc<Desk>,
    pub(crate) files: Arc<FileStore>,
}

impl Opener {
    /// A handle to read from, where the file was when it was opened, and its bytes from `from` up to `granted`, as far as they are there at once.
    ///
    /// # Errors
    /// It is not there, or can't be read.
    pub(crate) async fn open(
        &self,
        file: &Arc<ServedFile>,
        from: u64,
        granted: u64,
    ) -> Result<(Arc<File>, Place, Bytes), OpError> {
        let began = Instant::now();
        loop {
            let now = self.desk.where_now(file);
            let place = self.files.place(&now.root, &now.path);
            let files = Arc::clone(&self.files);
            let opening = tokio::task::spawn_blocking(move || {
                let opened = files.open_for_serving(&now.root, &now.path)?;
                let ahead = stream::read_ahead(&opened, &place, from, granted);
                Ok::<_, OpError>((Arc::new(opened), place, ahead))
            });
            match opening.await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(error)) if error.kind == OpErrorKind::NotFound && began.elapsed() < GRACE => {}
                Ok(Err(error)) => {
                    tracing::warn!(file = %file.id, kind = ?error.kind, "a granted file cannot be opened");
                    return Err(error);
                }
                Err(_) => return Err(op_error(OpErrorKind::Other, "the opening thread is gone")),
            }
            tokio::time::sleep(STEP).await;
        }
    }
}
