//! What a control connection needs of the daemon.

use std::path::PathBuf;
use std::sync::Arc;

use shared_proto::Limits;
use tokio::sync::Mutex;

use crate::control::desk::Desk;
use crate::control::unidentified::Unidentified;
use crate::files::FileStore;
use crate::files::read_ahead::ReadAhead;
use crate::host::show::FileManager;
use crate::metrics::Metrics;
use crate::policy::io_config::IoConfig;
use crate::policy::secrets::secrets_match;
use crate::sockets::port_map::PortMaps;
use crate::state::StateStore;
use crate::state::notes::NoteStore;

/// The parts of the daemon that an engine drives. Each has its own lock, or needs none.
pub(crate) struct Context {
    /// The session token that a hello has to carry.
    pub(crate) token: String,
    pub(crate) desk: Arc<Desk>,
    pub(crate) files: Arc<FileStore>,
    pub(crate) file_manager: FileManager,
    /// The folder that keeps which download folders a person chose.
    pub(crate) state_folder: PathBuf,
    pub(crate) state: Arc<StateStore>,
    pub(crate) notes: Arc<NoteStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) read_ahead: ReadAhead,
    pub(crate) io: IoConfig,
    pub(crate) port_maps: Arc<PortMaps>,
    /// What the engine may ask for, as `welcome` tells it.
    pub(crate) limits: Limits,
    /// Control connections that have not said hello. No other limit counts them.
    pub(crate) unidentified: Arc<Unidentified>,
    /// The engine with an open I/O plane holds this lock. The next engine's plane opens when the
    /// former one is closed.
    pub(crate) plane_turn: Mutex<()>,
}

impl Context {
    /// Whether a hello carries the session token.
    pub(crate) fn is_token(&self, claimed: &str) -> bool {
        secrets_match(claimed, &self.token)
    }
}
