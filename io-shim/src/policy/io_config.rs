//! The user's settings for an engine's connections and files.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::policy::dial::DialPolicy;

/// Settings of the I/O plane.
#[derive(Clone, Debug)]
pub struct IoConfig {
    /// The addresses that the engine may connect to.
    pub policy: DialPolicy,
    /// Local addresses at which peers may connect; empty for all.
    pub addresses: Vec<IpAddr>,
    /// Connections at a time.
    pub max_conns: usize,
    /// Open files at a time.
    pub max_files: usize,
    /// The daemon's own program, which looks up names in separate processes. Without it a lookup
    /// cannot be ended.
    pub lookup_program: Option<PathBuf>,
}
