//! Opens a reply's file where it is now, and detects changes by other programs.
//!
//! While a file is moved, its path on disk differs from its announcement for a moment. The opener
//! waits for that moment instead of turning the viewer away. Must never open other bytes than those
//! that were announced when the viewer asked. The engine learns of a change before it is asked
//! about the file again, so it knows the change when it grants.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{FileStat, OpError, OpErrorKind};
use tokio::time::Instant;

use crate::control::desk::{Desk, ServedFile};
use crate::files::FileStore;
use crate::files::error::op_error;
use crate::files::store::Location;
use crate::http::source::{Source, Unread};

/// How long the announcement of a file's new path may take.
const GRACE: Duration = Duration::from_secs(2);
/// How often to look for it.
const STEP: Duration = Duration::from_millis(20);

/// What opening needs.
#[derive(Clone)]
pub(crate) struct Opener {
    pub(crate) desk: Arc<Desk>,
    pub(crate) files: Arc<FileStore>,
}

impl Opener {
    /// Opens a file before the engine is asked about it. The reply can go on with the returned
    /// handle. Returns `None` if the engine does not know the file's state, or if another program
    /// has changed the file since; the engine is then told.
    pub(crate) async fn look(&self, file: &Arc<ServedFile>) -> Option<Source> {
        let now = self.desk.where_now(file);
        let location = self.files.location(&now.root, &now.path);
        let expected = location.watch().expected()?;
        let files = Arc::clone(&self.files);
        let looking = tokio::task::spawn_blocking({
            let (now, location) = (Arc::clone(&now), location.clone());
            move || {
                let mut source =
                    Source::new(files.open_for_serving(&now.root, &now.path)?, location);
                let is_changed = source.is_another();
                Ok::<_, OpError>((source, is_changed))
            }
        });
        match looking.await.ok()? {
            Ok((source, false)) => Some(source),
            Err(error) if error.kind != OpErrorKind::NotFound => None,
            // The file is missing because the daemon is moving it. That move was counted before.
            Err(_) if location.watch().expected() != Some(expected) => None,
            Ok((_, true)) | Err(_) => {
                self.report(file, false).await;
                None
            }
        }
    }

    /// Tells the engine that another program changed a file.
    pub(crate) async fn report(&self, file: &Arc<ServedFile>, sending: bool) {
        let now = self.desk.where_now(file);
        let location = self.files.location(&now.root, &now.path);
        let files = Arc::clone(&self.files);
        let stat = tokio::task::spawn_blocking({
            let now = Arc::clone(&now);
            move || files.stat(&now.root, &now.path)
        });
        // A file that cannot be looked at cannot be served either.
        let stat: Option<FileStat> = stat.await.ok().and_then(Result::ok).flatten();
        tracing::info!(file = %file.id, sending, "another program changed a file");
        location.watch().report(stat, sending, || self.desk.changed(file, stat, sending));
    }

    /// Opens a file.
    ///
    /// # Errors
    /// When the file is missing or cannot be read.
    pub(crate) async fn open(&self, file: &Arc<ServedFile>) -> Result<Source, OpError> {
        self.open_and_read(file, 0, 0).await.map(|(source, _)| source)
    }

    /// Opens a file and reads `count` bytes of it in one blocking job. A read error is left for the
    /// read that needs the bytes, unless another program changed the file.
    ///
    /// # Errors
    /// When the file is missing or cannot be read.
    pub(crate) async fn open_and_read(
        &self,
        file: &Arc<ServedFile>,
        position: u64,
        count: usize,
    ) -> Result<(Source, Result<Bytes, Unread>), OpError> {
        let began = Instant::now();
        loop {
            let now = self.desk.where_now(file);
            let location = self.files.location(&now.root, &now.path);
            match self.open_at(&now, location, position, count).await {
                Err(error) if error.kind == OpErrorKind::NotFound && began.elapsed() < GRACE => {}
                Err(error) => {
                    let kind = error.kind;
                    tracing::warn!(file = %file.id, ?kind, "a granted file cannot be opened");
                    return Err(error);
                }
                opened => return opened,
            }
            tokio::time::sleep(STEP).await;
        }
    }

    async fn open_at(
        &self,
        now: &Arc<ServedFile>,
        location: Location,
        position: u64,
        count: usize,
    ) -> Result<(Source, Result<Bytes, Unread>), OpError> {
        let claim = location.claim(position, position + count as u64);
        claim.ready().await;
        let (files, now) = (Arc::clone(&self.files), Arc::clone(now));
        let opening = tokio::task::spawn_blocking(move || {
            let _claim = claim;
            let mut source = Source::new(files.open_for_serving(&now.root, &now.path)?, location);
            let read = if count > 0 { source.read_now(position, count) } else { Ok(Bytes::new()) };
            Ok((source, read))
        });
        opening
            .await
            .unwrap_or_else(|_| Err(op_error(OpErrorKind::Other, "the opening thread is gone")))
    }
}
