//! The file `config.toml`: where it is and what it may contain.
//!
//! Each line is a setting that also exists as a flag of the same name. The settings of each part
//! decide which of the two counts.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::encryption::EncryptionWord;

/// The path of the configuration file, from flag or environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ConfigArg {
    /// Read this file instead of the user's config.toml
    #[arg(long, value_name = "FILE", env = "JSTORRENT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl ConfigArg {
    /// Reads the named file, else the user's `config.toml` in `folder` if it exists.
    ///
    /// # Errors
    /// The file can't be read, or it contains an unknown or invalid setting.
    pub(super) fn read(&self, folder: Option<&Path>) -> Result<File> {
        if let Some(path) = &self.config {
            return read(path)
                .with_context(|| format!("cannot read the configuration {}", path.display()));
        }
        match folder.map(|folder| folder.join("config.toml")) {
            Some(path) if path.exists() => read(&path),
            _ => Ok(File::default()),
        }
    }
}

/// The contents of `config.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) dir: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) allow_private_peers: Option<bool>,
    pub(super) peer_address: Vec<IpAddr>,
    pub(super) no_dht: Option<bool>,
    pub(super) dht_bootstrap: Vec<String>,
    pub(super) download_limit: Option<String>,
    pub(super) upload_limit: Option<String>,
    pub(super) listen_port: Option<u16>,
    pub(super) ratio: Option<f64>,
    pub(super) seed_time: Option<u32>,
    pub(super) max_active: Option<usize>,
    pub(super) max_active_seeds: Option<usize>,
    pub(super) no_trackers: Option<bool>,
    pub(super) no_pex: Option<bool>,
    pub(super) no_lsd: Option<bool>,
    pub(super) no_web_seeds: Option<bool>,
    pub(super) no_port_mapping: Option<bool>,
    pub(super) encryption: Option<EncryptionWord>,
    pub(super) no_tcp: Option<bool>,
    pub(super) no_utp: Option<bool>,
    pub(super) player: Option<String>,
    pub(super) retries: Option<u32>,
    pub(super) retry_delay: Option<u32>,
    pub(super) cleanup_delay: Option<u32>,
    pub(super) max_connections: Option<u32>,
    pub(super) token: Option<String>,
    pub(super) no_token: Option<bool>,
}

fn read(path: &Path) -> Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}
