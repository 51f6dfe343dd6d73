//! What all parts of one running daemon share.

use std::path::PathBuf;
use std::sync::Arc;

use shared_proto::Limits;
use tokio::sync::Mutex;

use crate::control::desk::Desk;
use crate::control::doorstep::Doorstep;
use crate::convert::Converter;
use crate::files::FileStore;
use crate::files::read_ahead::ReadAhead;
use crate::host::show::FileManager;
use crate::http::auth::Guard;
use crate::http::connections::Activity;
use crate::http::serve::Server;
use crate::http::uploads::Uploads;
use crate::metrics::Metrics;
use crate::plane::io_plane::IoConfig;
use crate::sockets::port_map::PortMaps;
use crate::state::StateStore;
use crate::state::notes::NoteStore;

/// The parts, each behind its own lock or none.
pub(crate) struct App {
    pub(crate) guard: Guard,
    pub(crate) desk: Arc<Desk>,
    pub(crate) files: Arc<FileStore>,
    pub(crate) file_manager: FileManager,
    /// Where it is kept which folders a person chose.
    pub(crate) state_folder: PathBuf,
    pub(crate) state: Arc<StateStore>,
    pub(crate) notes: Arc<NoteStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) read_ahead: ReadAhead,
    pub(crate) io: IoConfig,
    pub(crate) converter: Converter,
    pub(crate) port_maps: Arc<PortMaps>,
    pub(crate) limits: Limits,
    /// Control connections that have not said hello: an upgraded connection counts among no others.
    pub(crate) doorstep: Arc<Doorstep>,
    /// Whether the pages that are built in are served.
    pub(crate) pages: bool,
    /// The content of calls.
    pub(crate) uploads: Arc<Uploads>,
    /// Held by the engine whose I/O plane is open: the next one's begins when the former's is
    /// closed.
    pub(crate) chair: Mutex<()>,
}

impl App {
    pub(crate) fn server(&self, activity: Option<Arc<Activity>>) -> Server {
        let (desk, files, metrics) =
            (Arc::clone(&self.desk), Arc::clone(&self.files), Arc::clone(&self.metrics));
        Server { desk, files, metrics, activity }
    }
}
