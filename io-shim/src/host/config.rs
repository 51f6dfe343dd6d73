//! The daemon's settings as it uses them.
//!
//! [`crate::host::settings`] makes them of flags, environment and file.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::policy::secrets::Token;

/// The origin of the extension. The key in its manifest fixes the id.
pub const EXTENSION_ORIGIN: &str = "chrome-extension://cpallhfnafgboofejffacjngdjldepmp";

/// A download folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootFolder {
    /// The name that a person sees.
    pub(crate) label: String,
    /// The folder.
    pub(crate) path: PathBuf,
}

/// Settings as used.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder for the daemon's own state.
    pub(crate) state: PathBuf,
    /// Folders for locks on files that are open for writing. All daemons of a user name the same
    /// ones; the first usable one counts.
    pub(crate) locks: Vec<PathBuf>,
    /// Folder for the notes that all daemons of a user share.
    pub(crate) notes: PathBuf,
    /// Address to listen at, if the user chose one.
    pub(crate) listen: Option<SocketAddr>,
    /// Session token, if the user chose one.
    pub(crate) token: Option<Token>,
    /// Whether the HTTP API needs no token.
    pub(crate) no_token: bool,
    /// Whether the built-in pages are served.
    pub(crate) pages: bool,
    /// Download folders, never empty.
    pub(crate) roots: Vec<RootFolder>,
    /// What the engine may reach, and where peers may reach it.
    pub(crate) peers: PeerAccess,
    /// Origins that may connect an engine.
    pub(crate) origins: Vec<String>,
    /// When to exit without engine and viewers.
    pub(crate) idle_exit: Option<Duration>,
    /// How long running replies may go on when the daemon stops.
    pub(crate) stop_grace: Duration,
    /// The ffmpeg that the user named.
    pub(crate) ffmpeg: Option<PathBuf>,
    /// Limits on HTTP connections.
    pub(crate) http: HttpLimits,
    /// Limits on viewers.
    pub(crate) viewers: ViewerLimits,
    /// The daemon's own program, if this process runs it. It looks up names in separate processes.
    pub(crate) lookup_program: Option<PathBuf>,
}

impl Config {
    /// The same, with a program that looks up names in separate processes.
    #[must_use]
    pub fn with_lookup_program(self, program: Option<PathBuf>) -> Self {
        Self { lookup_program: program, ..self }
    }
}

/// What the engine may connect to, and where peers may connect.
#[derive(Clone, Debug)]
pub(crate) struct PeerAccess {
    /// Whether this machine may be dialled.
    pub(crate) allow_loopback: bool,
    /// Whether private addresses may be dialled.
    pub(crate) allow_private: bool,
    /// Local addresses at which peers may connect; empty for all.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether routers are asked for no port mappings.
    pub(crate) no_port_mapping: bool,
}

/// Limits on HTTP connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpLimits {
    /// HTTP connections at a time.
    pub(crate) max_connections: usize,
    /// How long a request's headers may take to arrive.
    pub(crate) header_timeout: Duration,
    /// How long a connection may make too little progress while others wait.
    pub(crate) stall: Duration,
}

/// Limits on viewers, and how long they wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewerLimits {
    /// How long viewers wait for an engine to connect.
    pub(crate) grace: Duration,
    /// How long the engine may say nothing about a waiting viewer.
    pub(crate) max_wait: Duration,
    /// Replies at a time whose bytes are all granted.
    pub(crate) max_replies: usize,
    /// Most of these replies per file.
    pub(crate) max_replies_per_file: usize,
    /// Replies at a time that wait for bytes.
    pub(crate) max_waiting: usize,
    /// Most of these replies per file.
    pub(crate) max_waiting_per_file: usize,
}
