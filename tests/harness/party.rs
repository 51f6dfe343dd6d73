//! A real client on one side of a transfer.
//!
//! A [`Part`] says what the client has or wants, how it talks, and where it looks for peers. Some
//! clients can't be restricted to one way of talking; then the other side must insist on it.

mod aria2;
mod part;
mod qbittorrent;
mod rtorrent;
mod running;
mod scripts;
mod transmission;

use anyhow::Result;
pub use part::{Kind, Part};
pub use running::Party;

use crate::ports;
use crate::workspace::Scratch;

impl Party {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// It is not installed, refuses the torrent, or does not come up.
    pub async fn start(part: &Part<'_>) -> Result<Self> {
        let scratch = Scratch::new("party")?;
        let folder =
            if part.seeds { part.torrent.folder.clone() } else { scratch.dir("downloads")? };
        match part.client {
            Kind::Libtorrent => scripts::libtorrent(part, folder, scratch).await,
            Kind::Aria2 => {
                let port = ports::reserve()?;
                let command = aria2::command(part, &folder, &scratch, port)?;
                // A client that downloads a small torrent may be done, and gone, before the first
                // look.
                Self::by_port(command, port, folder, scratch, !part.seeds).await
            }
            Kind::Transmission => transmission::start(part, folder, scratch).await,
            Kind::QBittorrent => qbittorrent::start(part, folder, scratch).await,
            Kind::Deluge => scripts::deluge(part, folder, scratch).await,
            Kind::RTorrent => rtorrent::start(part, folder, scratch).await,
            Kind::WebTorrent => scripts::webtorrent(part, folder, scratch).await,
        }
    }
}
