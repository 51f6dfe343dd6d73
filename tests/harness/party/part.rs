//! What a client has or wants, how it talks, and where it looks for peers.

use std::net::SocketAddr;

use crate::torrent::Torrent;

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// libtorrent (rasterbar) itself.
    Libtorrent,
    /// aria2.
    Aria2,
    /// Transmission.
    Transmission,
    /// qBittorrent, which is based on libtorrent.
    QBittorrent,
    /// Deluge, which is based on libtorrent.
    Deluge,
    /// rTorrent.
    RTorrent,
    /// WebTorrent, over TCP.
    WebTorrent,
}

/// The role of a client.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Which client.
    pub client: Kind,
    /// The torrent; its content lies in its folder.
    pub torrent: &'a Torrent,
    /// A magnet link, known in place of the torrent file.
    pub link: Option<&'a str>,
    /// Whether it seeds; otherwise it downloads into a folder of its own.
    pub seeds: bool,
    /// The address of this machine that libtorrent listens at.
    pub address: &'a str,
    /// Whether it insists on RC4; otherwise it talks plainly.
    pub encrypted: bool,
    /// Whether it uses uTP; otherwise it uses TCP.
    pub utp: bool,
    /// A node of the DHT to join; `None` for no DHT.
    pub dht: Option<SocketAddr>,
    /// Whether it exchanges addresses with peers.
    pub pex: bool,
    /// Whether it uploads at full speed. Otherwise it uploads almost nothing; aria2 and
    /// Transmission then also download slowly, so that they stay in the swarm.
    pub gives: bool,
    /// Peers that libtorrent dials. The other clients have no such option.
    pub peers: &'a [SocketAddr],
}

impl<'a> Part<'a> {
    /// A client with plain TCP whose only source of peers is the torrent's trackers.
    pub fn new(client: Kind, torrent: &'a Torrent, seeds: bool) -> Self {
        Self {
            client,
            torrent,
            link: None,
            seeds,
            address: "127.0.0.1",
            encrypted: false,
            utp: false,
            dht: None,
            pex: false,
            gives: true,
            peers: &[],
        }
    }
}
