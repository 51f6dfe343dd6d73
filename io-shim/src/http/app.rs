//! What all HTTP requests of one daemon share.

use std::sync::Arc;

use crate::control::context::Context;
use crate::control::desk::{Activity, Desk};
use crate::convert::Converter;
use crate::files::FileStore;
use crate::http::auth::Guard;
use crate::http::file_service::FileService;
use crate::http::uploads::Uploads;
use crate::metrics::Metrics;

/// The parts that answer requests. Each has its own lock, or needs none.
pub(crate) struct App {
    pub(crate) guard: Guard,
    pub(crate) desk: Arc<Desk>,
    pub(crate) files: Arc<FileStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) converter: Converter,
    /// Whether the built-in pages are served.
    pub(crate) pages: bool,
    /// Contents of API calls that are being read.
    pub(crate) uploads: Arc<Uploads>,
    /// For control connections.
    pub(crate) control: Arc<Context>,
}

impl App {
    /// Answers a request for a file that came over this connection.
    pub(crate) fn file_service(&self, activity: Option<Arc<Activity>>) -> FileService {
        let (desk, files, metrics) =
            (Arc::clone(&self.desk), Arc::clone(&self.files), Arc::clone(&self.metrics));
        FileService { desk, files, metrics, activity }
    }
}
