//! The cells of the matrix, and what the other clients can't do.

use std::fmt;
use std::time::Duration;

use jstorrent_tests::made::Version;
use jstorrent_tests::party::Kind;

/// How two clients find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An HTTP tracker.
    Http,
    /// A UDP tracker.
    Udp,
    /// The DHT alone.
    Dht,
    /// Peer exchange: a peer that uploads nothing knows a seeder.
    Pex,
    /// The downloading side has a link with a tracker, and no torrent file.
    Magnet,
    /// A web server, without peers.
    WebSeed,
}

impl Source {
    pub(crate) const ALL: [Self; 6] =
        [Self::Http, Self::Udp, Self::Dht, Self::Pex, Self::Magnet, Self::WebSeed];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Http => "HTTP tracker",
            Self::Udp => "UDP tracker",
            Self::Dht => "DHT only",
            Self::Pex => "PEX only",
            Self::Magnet => "magnet only",
            Self::WebSeed => "web seed only",
        }
    }
}

/// The direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// We download from the other client.
    Down,
    /// It downloads from us.
    Up,
}

/// One transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) other: Other,
    pub(crate) version: Version,
    pub(crate) encrypted: bool,
    pub(crate) utp: bool,
    pub(crate) source: Source,
    pub(crate) direction: Direction,
}

/// The other side of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// A BitTorrent client.
    Client(Kind),
    /// A web server.
    Nginx,
}

impl Other {
    pub(crate) const ALL: [Self; 8] = [
        Self::Client(Kind::Libtorrent),
        Self::Client(Kind::Transmission),
        Self::Client(Kind::Aria2),
        Self::Client(Kind::QBittorrent),
        Self::Client(Kind::Deluge),
        Self::Client(Kind::RTorrent),
        Self::Client(Kind::WebTorrent),
        Self::Nginx,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Client(Kind::Libtorrent) => "libtorrent",
            Self::Client(Kind::Transmission) => "Transmission",
            Self::Client(Kind::Aria2) => "aria2",
            Self::Client(Kind::QBittorrent) => "qBittorrent",
            Self::Client(Kind::Deluge) => "Deluge",
            Self::Client(Kind::RTorrent) => "rTorrent",
            Self::Client(Kind::WebTorrent) => "WebTorrent",
            Self::Nginx => "nginx",
        }
    }
}

/// Plain and encrypted, over TCP and uTP: `(encrypted, utp)`.
pub(crate) const WAYS: [(bool, bool); 4] =
    [(false, false), (true, false), (false, true), (true, true)];

impl Cell {
    /// All combinations.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for other in Other::ALL {
            for version in Version::ALL {
                for (encrypted, utp) in WAYS {
                    for source in Source::ALL {
                        for direction in [Direction::Down, Direction::Up] {
                            all.push(Self { other, version, encrypted, utp, source, direction });
                        }
                    }
                }
            }
        }
        all.retain(|cell| match cell.other {
            Other::Nginx => cell.is_of_a_web_server(),
            Other::Client(_) => cell.is_set_up(),
        });
        all
    }

    /// Whether the harness can start the client for this cell. For some clients it sets up no other
    /// source of peers than trackers.
    fn is_set_up(&self) -> bool {
        let Other::Client(client) = self.other else { return true };
        let by_tracker = matches!(self.source, Source::Http | Source::Udp | Source::Magnet);
        by_tracker || matches!(client, Kind::Libtorrent | Kind::Transmission | Kind::Aria2)
    }

    fn is_of_a_web_server(&self) -> bool {
        self.source == Source::WebSeed
            && self.direction == Direction::Down
            && !self.encrypted
            && !self.utp
    }

    /// Whether the default run has it: it uses an HTTP tracker, or v1 over plain TCP. qBittorrent
    /// and Deluge are based on libtorrent: two transports are enough for them.
    pub(crate) fn is_in_short_form(&self) -> bool {
        let is_simple = self.version == Version::V1 && !self.encrypted && !self.utp;
        let is_libtorrent = matches!(self.other, Other::Client(Kind::QBittorrent | Kind::Deluge));
        let is_enough = !is_libtorrent || self.encrypted == self.utp;
        is_simple || (self.source == Source::Http && is_enough)
    }

    /// Why the other client can't do this, if so.
    pub(crate) fn cannot(&self) -> Option<&'static str> {
        let Other::Client(client) = self.other else { return None };
        match (client, self.source) {
            (Kind::Aria2 | Kind::Transmission | Kind::RTorrent | Kind::WebTorrent, _)
                if self.version == Version::V2 =>
            {
                Some("it knows no v2")
            }
            (Kind::Transmission, _) if self.version == Version::Hybrid => {
                Some("it calls hybrids corrupt")
            }
            (Kind::Aria2, _) if self.version == Version::Hybrid => {
                Some("it computes another info hash for hybrids: it drops their empty keys")
            }
            (Kind::RTorrent | Kind::WebTorrent, _)
                if self.version == Version::Hybrid && self.direction == Direction::Down =>
            {
                Some("it seeds padding only from files that no other client writes")
            }
            (Kind::RTorrent, Source::Magnet) if self.version == Version::Hybrid => {
                Some("it takes no links with a v2 hash")
            }
            (Kind::Deluge, Source::Magnet)
                if self.version == Version::V2 && self.direction == Direction::Up =>
            {
                Some("it takes no links with a v2 hash alone")
            }
            (_, Source::WebSeed) if self.encrypted || self.utp => {
                Some("without peers there is no peer protocol")
            }
            (_, Source::WebSeed) if self.direction == Direction::Down => {
                Some("it serves no HTTP; nginx does")
            }
            (Kind::Aria2 | Kind::RTorrent | Kind::WebTorrent, _) if self.utp => {
                Some("it speaks no uTP")
            }
            (Kind::Transmission, Source::Dht) => Some("its DHT takes no nodes of 127.*"),
            _ => None,
        }
    }

    /// Longest wait for the transfer: clients send PEX once a minute.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(if self.source == Source::Pex { 130 } else { 60 })
    }

    /// The options of `jstorrent` for this way to talk.
    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec!["--encryption", if self.encrypted { "forced" } else { "off" }];
        flags.push(if self.utp { "--no-tcp" } else { "--no-utp" });
        if self.source != Source::Pex {
            flags.push("--no-pex");
        }
        flags
    }

    /// Whether the other client creates empty files.
    pub(crate) fn it_makes_empty_files(&self) -> bool {
        // WebTorrent makes them only while it downloads a torrent without padding.
        !matches!(self.other, Other::Client(Kind::Transmission | Kind::WebTorrent))
    }

    /// Whether the other client dials us.
    pub(crate) fn it_dials(&self) -> bool {
        // Transmission takes no peers of 127.* from any source.
        self.direction == Direction::Up && self.other != Other::Client(Kind::Transmission)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encrypted = if self.encrypted { "encrypted" } else { "plain" };
        let transport = if self.utp { "uTP" } else { "TCP" };
        let way = match self.direction {
            Direction::Down => "from",
            Direction::Up => "to",
        };
        let (other, version, source) = (self.other.word(), self.version.word(), self.source.word());
        write!(f, "{way} {other}, {version}, {encrypted} {transport}, {source}")
    }
}
