//! Opens a file that is served where it is now, also while it is being moved, and looks whether
//! another program changed it.
//!
//! Between a change of names on the disk and the announcement that tells of it a file is not where
//! it was announced. That is a moment, and no reason to turn a viewer away. Must never open other
//! bytes than those that were announced when the viewer came. The engine hears of a change before
//! it is asked about the file again: so what it grants it grants knowing what lies there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{FileStat, OpError, OpErrorKind};
use tokio::time::Instant;

use crate::control::desk::{Desk, ServedFile};
use crate::files::FileStore;
use crate::files::error::op_error;
use crate::files::store::Place;
use crate::http::source::{Source, Unread};

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
    /// Looks at a file that is about to be asked for, if the engine was told what it looks like.
    /// When another program has changed it since, the engine hears of that. Otherwise the file is
    /// open: whoever was granted its bytes need not open it again.
    pub(crate) async fn look(&self, file: &Arc<ServedFile>) -> Option<Source> {
        let now = self.desk.where_now(file);
        let place = self.files.place(&now.root, &now.path);
        let expected = place.watch().expected()?;
        let files = Arc::clone(&self.files);
        let looking = tokio::task::spawn_blocking({
            let (now, place) = (Arc::clone(&now), place.clone());
            move || {
                let mut source = Source::new(files.open_for_serving(&now.root, &now.path)?, place);
                let is_changed = source.is_another();
                Ok::<_, OpError>((source, is_changed))
            }
        });
        match looking.await.ok()? {
            Ok((source, false)) => Some(source),
            Err(error) if error.kind != OpErrorKind::NotFound => None,
            // If it is not there because we are moving it, that was counted before.
            Err(_) if place.watch().expected() != Some(expected) => None,
            Ok((_, true)) | Err(_) => {
                self.report(file, false).await;
                None
            }
        }
    }

    /// Tells the engine that another program changed a file.
    pub(crate) async fn report(&self, file: &Arc<ServedFile>, sending: bool) {
        let now = self.desk.where_now(file);
        let place = self.files.place(&now.root, &now.path);
        let files = Arc::clone(&self.files);
        let stat = tokio::task::spawn_blocking({
            let now = Arc::clone(&now);
            move || files.stat(&now.root, &now.path)
        });
        // What can't be looked at can't be served either.
        let stat: Option<FileStat> = stat.await.ok().and_then(Result::ok).flatten();
        tracing::info!(file = %file.id, sending, "another program changed a file");
        place.watch().report(stat, sending, || self.desk.changed(file, stat, sending));
    }

    /// Opens a file.
    ///
    /// # Errors
    /// It is not there, or can't be read.
    pub(crate) async fn open(&self, file: &Arc<ServedFile>) -> Result<Source, OpError> {
        self.open_and_read(file, 0, 0).await.map(|(source, _)| source)
    }

    /// Opens a file and reads `count` bytes of it in one job on the blocking threads. A read error
    /// is left for the read that needs the bytes, unless another program changed the file.
    ///
    /// # Errors
    /// It is not there, or can't be read.
    pub(crate) async fn open_and_read(
        &self,
        file: &Arc<ServedFile>,
        position: u64,
        count: usize,
    ) -> Result<(Source, Result<Bytes, Unread>), OpError> {
        let began = Instant::now();
        loop {
            let now = self.desk.where_now(file);
            let place = self.files.place(&now.root, &now.path);
            match self.open_at(&now, place, position, count).await {
                Err(error) if error.kind == OpErrorKind::NotFound && began.elapsed() < GRACE => {}
                Err(error) => {
                    tracing::warn!(file = %file.id, kind = ?error.kind, "a granted file cannot be opened");
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
        place: Place,
        position: u64,
        count: usize,
    ) -> Result<(Source, Result<Bytes, Unread>), OpError> {
        let claim = place.claim(position, position + count as u64);
        claim.ready().await;
        let (files, now) = (Arc::clone(&self.files), Arc::clone(now));
        let opening = tokio::task::spawn_blocking(move || {
            let _claim = claim;
            let mut source = Source::new(files.open_for_serving(&now.root, &now.path)?, place);
            let read = if count > 0 { source.read_now(position, count) } else { Ok(Bytes::new()) };
            Ok((source, read))
        });
        opening
            .await
            .unwrap_or_else(|_| Err(op_error(OpErrorKind::Other, "the opening thread is gone")))
    }
}
