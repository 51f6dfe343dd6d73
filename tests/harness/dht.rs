//! A private DHT on loopback, of libtorrent clients without other sources of peers.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use tokio::process::ChildStdin;

use crate::peers;
use crate::process::Group;
use crate::torrent::Torrent;
use crate::workspace::Scratch;

/// A libtorrent client; dropping it kills it.
#[derive(Debug)]
pub struct Node {
    address: SocketAddr,
    _group: Group,
    /// The script ends when its input does.
    _stdin: ChildStdin,
    scratch: Scratch,
}

impl Node {
    /// Starts the first node of a DHT.
    ///
    /// # Errors
    /// libtorrent is not installed, or is not ready in time.
    pub async fn first() -> Result<Self> {
        Self::start(None, "node", |_| Ok(Vec::new())).await
    }

    /// Starts a client that seeds a torrent.
    ///
    /// # Errors
    /// As [`Node::first`], or it refuses the torrent.
    pub async fn seed(router: SocketAddr, torrent: &Torrent) -> Result<Self> {
        let args = |folder: &Path| {
            Ok(vec![
                torrent.write_to(folder)?.into_os_string(),
                torrent.folder.clone().into_os_string(),
            ])
        };
        Self::start(Some(router), "seed", args).await
    }

    /// Starts a client that downloads a magnet link into its own folder.
    ///
    /// # Errors
    /// As [`Node::first`].
    pub async fn get(router: SocketAddr, link: &str) -> Result<Self> {
        Self::start(Some(router), "get", |folder| Ok(vec![OsString::from(link), folder.into()]))
            .await
    }

    /// The address at which it listens for peers and nodes.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder that [`Node::get`] downloads to.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    async fn start(
        router: Option<SocketAddr>,
        role: &str,
        args: impl FnOnce(&Path) -> Result<Vec<OsString>>,
    ) -> Result<Self> {
        let scratch = Scratch::new("dht")?;
        let mut command = peers::script("libtorrent_dht.py");
        command
            .arg(router.map_or("none".to_owned(), |router| router.to_string()))
            .arg(role)
            .args(args(scratch.path())?);
        let (group, stdin, port) = peers::start(command, &scratch).await?;
        Ok(Self { address: ([127, 0, 0, 1], port).into(), _group: group, _stdin: stdin, scratch })
    }
}
