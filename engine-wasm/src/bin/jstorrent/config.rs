//! The user's settings: flags, then environment, then `config.toml`, then defaults.
//!
//! Owns names, defaults and merging; changes nothing. clap merges flags and environment;
//! [`mod@file`] reads the file. [`server`] holds the settings of `jstorrent serve` only.

mod encryption;
mod file;
pub(crate) mod server;
mod sharing;
pub(crate) mod sources;
mod switch;
pub(crate) mod talking;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use engine_wasm::addresses::is_local;
use engine_wasm::discover::Sources;
use engine_wasm::net::NetConfig;
use engine_wasm::peer::policy::ConnectionPolicy;
use engine_wasm::{Config as EngineConfig, DhtConfig, Goals, QueueConfig};

use file::{ConfigArg, File};
use sharing::SharingSettings;
use sources::SourceSettings;
use switch::Switch as _;
use talking::TalkSettings;

/// Settings from flags and environment, all optional.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Folder to download to [default: the current one; for a stream that is not kept, a temporary
    /// one]
    #[arg(long, short, value_name = "DIR", env = "JSTORRENT_DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Folder for saved state, such as the list of torrents [default: the user's data folder]
    #[arg(long, value_name = "DIR", env = "JSTORRENT_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Address that players connect to [default: 127.0.0.1 and any free port; for `serve`, port
    /// 3000]
    #[arg(long, value_name = "ADDR:PORT", env = "JSTORRENT_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    /// Allow peers at private addresses, including this computer
    #[arg(long, env = "JSTORRENT_ALLOW_PRIVATE_PEERS", yes_or_no())]
    pub(crate) allow_private_peers: Option<bool>,
    /// Listen for peers on this address of this computer only; may be repeated
    #[arg(long, value_name = "IP", env = "JSTORRENT_PEER_ADDRESS", value_delimiter = ',')]
    pub(crate) peer_address: Vec<IpAddr>,
    /// Don't use the distributed hash table (DHT)
    #[arg(long, env = "JSTORRENT_NO_DHT", yes_or_no())]
    pub(crate) no_dht: Option<bool>,
    /// DHT node to start from instead of the default ones; may be repeated
    #[arg(long, value_name = "HOST:PORT", env = "JSTORRENT_DHT_BOOTSTRAP", value_delimiter = ',')]
    #[arg(value_parser = parse_node)]
    pub(crate) dht_bootstrap: Vec<String>,
    /// Maximum download rate of all torrents together, bytes per second, such as 500K or 2M
    /// [default: no limit]
    #[arg(long, value_name = "RATE", env = "JSTORRENT_DOWNLOAD_LIMIT", value_parser = parse_rate)]
    pub(crate) download_limit: Option<u64>,
    /// Maximum upload rate of all torrents together, bytes per second [default: no limit]
    #[arg(long, value_name = "RATE", env = "JSTORRENT_UPLOAD_LIMIT", value_parser = parse_rate)]
    pub(crate) upload_limit: Option<u64>,
    /// Port to listen on for peers; another one if it is in use [default: any]
    #[arg(long, value_name = "PORT", env = "JSTORRENT_LISTEN_PORT")]
    pub(crate) listen_port: Option<u16>,
    /// Don't ask the router to forward the port (PCP, NAT-PMP, UPnP)
    #[arg(long, env = "JSTORRENT_NO_PORT_MAPPING", yes_or_no())]
    pub(crate) no_port_mapping: Option<bool>,
    /// Maximum number of peers per torrent [default: 30]
    #[arg(long, value_name = "N", env = "JSTORRENT_MAX_CONNECTIONS")]
    pub(crate) max_connections: Option<u32>,
    #[command(flatten)]
    pub(crate) sharing: SharingSettings,
    #[command(flatten)]
    pub(crate) sources: SourceSettings,
    #[command(flatten)]
    pub(crate) talking: TalkSettings,
}

/// The merged settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Folder to download to, if one was given.
    pub(crate) dir: Option<PathBuf>,
    /// Folder for saved state.
    pub(crate) state: PathBuf,
    /// Address for players; `None` for any port.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether peers at private addresses are allowed.
    pub(crate) allow_private_peers: bool,
    /// Local addresses that listen for peers; empty for all.
    pub(crate) peer_addresses: Vec<IpAddr>,
    /// The DHT; `None` if it is disabled.
    pub(crate) dht: Option<DhtConfig>,
    /// Download limit for all torrents together, bytes per second.
    pub(crate) download_limit_bps: Option<u64>,
    /// Upload limit for all torrents together, bytes per second.
    pub(crate) upload_limit_bps: Option<u64>,
    /// Port for incoming peers; 0 for any.
    pub(crate) listen_port: u16,
    /// Whether to ask the router to forward the port.
    pub(crate) port_mapping: bool,
    /// Most connections of one torrent, if given.
    pub(crate) max_connections: Option<u32>,
    /// When a torrent stops seeding.
    pub(crate) goals: Goals,
    /// How many torrents are active at once.
    pub(crate) queue: QueueConfig,
    /// The enabled sources of peers.
    pub(crate) sources: Sources,
    /// Transports and encryption of peer connections.
    pub(crate) policy: ConnectionPolicy,
    /// The player from the file.
    pub(crate) player: Option<String>,
}

impl Config {
    /// Returns the engine's configuration.
    pub(crate) fn engine(&self) -> EngineConfig {
        let usual = EngineConfig::default();
        EngineConfig {
            net: NetConfig {
                listen_port: Some(self.listen_port),
                udp: true,
                port_mapping: self.port_mapping,
            },
            dht: self.dht.clone(),
            sources: self.sources,
            policy: self.policy,
            download_limit_bps: self.download_limit_bps,
            upload_limit_bps: self.upload_limit_bps,
            goals: self.goals,
            queue: self.queue,
            max_connections: self
                .max_connections
                .map_or(usual.max_connections, |number| number as usize),
            ..usual
        }
    }
}

impl Settings {
    /// Merges the settings with the file and the defaults.
    ///
    /// # Errors
    /// The file is unreadable, or a value is invalid.
    pub(crate) fn resolve(&self) -> Result<Config> {
        self.resolve_with_file().map(|(config, _)| config)
    }

    /// Merges the settings, and checks that they allow these peers.
    ///
    /// # Errors
    /// As [`Settings::resolve`], and if a peer's address is private and private peers are
    /// not allowed.
    pub(crate) fn resolve_with(&self, peers: &[SocketAddr]) -> Result<Config> {
        let config = self.resolve()?;
        match peers.iter().find(|peer| is_local(peer.ip()) && !config.allow_private_peers) {
            Some(peer) => {
                bail!("{peer} is a private address: use --allow-private-peers to connect to it")
            }
            None => Ok(config),
        }
    }

    fn resolve_with_file(&self) -> Result<(Config, File)> {
        let dirs = directories::ProjectDirs::from("com", "JSTorrent", "jstorrent");
        let file = self.config.read(dirs.as_ref().map(|dirs| dirs.config_dir()))?;
        let listen = self.listen.or(file.listen);
        if let Some(address) = listen.filter(|address| !address.ip().is_loopback()) {
            bail!("{address} can be reached from other computers: use 127.0.0.1 or [::1]");
        }
        let by_default = || dirs.map(|dirs| dirs.data_dir().join("terminal"));
        let state = self.state.clone().or_else(|| file.state.clone()).or_else(by_default);
        let peer_addresses =
            if self.peer_address.is_empty() { &file.peer_address } else { &self.peer_address }
                .clone();
        let config = Config {
            dir: self.dir.clone().or_else(|| file.dir.clone()),
            state: state.context(
                "this system has no folder for the user's data: choose one with --state",
            )?,
            listen,
            allow_private_peers: self
                .allow_private_peers
                .or(file.allow_private_peers)
                .unwrap_or(false),
            peer_addresses: peer_addresses.clone(),
            dht: self.dht(&file)?,
            download_limit_bps: self
                .download_limit
                .map_or_else(|| rate(file.download_limit.as_deref()), |rate| Ok(Some(rate)))?,
            upload_limit_bps: self
                .upload_limit
                .map_or_else(|| rate(file.upload_limit.as_deref()), |rate| Ok(Some(rate)))?,
            listen_port: self.listen_port.or(file.listen_port).unwrap_or(0),
            port_mapping: !self.no_port_mapping.or(file.no_port_mapping).unwrap_or(false),
            max_connections: within(
                "max-connections",
                self.max_connections.or(file.max_connections),
                1..=500,
            )?,
            goals: self.sharing.goals(&file).map_err(anyhow::Error::msg)?,
            queue: self.sharing.queue(&file),
            sources: self.sources.resolve(&file, &peer_addresses),
            policy: self.talking.resolve(&file)?,
            player: file.player.clone(),
        };
        Ok((config, file))
    }

    fn dht(&self, file: &File) -> Result<Option<DhtConfig>> {
        if self.no_dht.or(file.no_dht).unwrap_or(false) {
            return Ok(None);
        }
        let of_file =
            file.dht_bootstrap.iter().map(|node| parse_node(node).map_err(anyhow::Error::msg));
        let of_file = of_file.collect::<Result<Vec<String>>>()?;
        let given =
            if self.dht_bootstrap.is_empty() { of_file } else { self.dht_bootstrap.clone() };
        Ok(Some(if given.is_empty() {
            DhtConfig::default()
        } else {
            DhtConfig { bootstrap: given }
        }))
    }
}

/// Checks a host and a port.
fn parse_node(text: &str) -> Result<String, String> {
    let is_node = |(host, port): (&str, &str)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    };
    let is_node = text.trim().rsplit_once(':').is_some_and(is_node);
    is_node
        .then(|| text.trim().to_owned())
        .ok_or_else(|| format!("“{text}” is not a host and a port such as router.example:6881"))
}

/// Parses bytes per second: a number, optionally with `K`, `M` or `G` (powers of 1024).
fn parse_rate(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.trim().strip_suffix(['k', 'K']).map(|number| (number, 10)) {
        Some(parts) => parts,
        None => match text.trim().strip_suffix(['m', 'M']) {
            Some(number) => (number, 20),
            None => {
                text.trim().strip_suffix(['g', 'G']).map_or((text.trim(), 0), |number| (number, 30))
            }
        },
    };
    let rate = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(1 << unit));
    rate.filter(|&rate| rate > 0)
        .ok_or_else(|| format!("“{text}” is not a rate such as 500K or 2M"))
}

fn rate(text: Option<&str>) -> Result<Option<u64>> {
    text.map(parse_rate).transpose().map_err(anyhow::Error::msg)
}

/// Checks the bounds of a value.
fn within(name: &str, value: Option<u32>, range: RangeInclusive<u32>) -> Result<Option<u32>> {
    match value {
        Some(value) if !range.contains(&value) => {
            bail!("{name} is {value}: it must be {} to {}", range.start(), range.end())
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_in_a_private_network_needs_a_flag() {
        let check = |peer: &str, allowed: bool, is_fine: bool| {
            let settings = Settings { state: Some("/state".into()), ..Settings::default() };
            let settings = Settings { allow_private_peers: Some(allowed), ..settings };
            let peers = ["8.8.8.8:6881", peer].map(|peer| peer.parse().expect("an address"));
            assert_eq!(settings.resolve_with(&peers).is_ok(), is_fine, "{peer}");
        };
        check("127.0.0.1:6881", false, false);
        check("[fd00::1]:6881", false, false);
        check("192.168.1.2:6881", true, true);
        check("1.2.3.4:6881", false, true);
    }

    /// A configuration file, removed at the end.
    pub(super) struct Toml(PathBuf);

    impl Toml {
        pub(super) fn new(name: &str, text: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("jstorrent-{}-{name}.toml", std::process::id()));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        pub(super) fn settings(&self) -> Settings {
            Settings { config: ConfigArg { config: Some(self.0.clone()) }, ..Settings::default() }
        }
    }

    impl Drop for Toml {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn rates_have_units_and_invalid_ones_are_refused() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_rate(text).ok(), expected, "{text}")
        };
        check("1000", Some(1000));
        check("500K", Some(500 << 10));
        check(" 2m ", Some(2 << 20));
        check("1G", Some(1 << 30));
        for nonsense in ["", "0", "-1", "M", "1.5M", "2MB", "99999999999G"] {
            check(nonsense, None);
        }
    }

    #[test]
    fn a_flag_outranks_the_file_and_the_file_outranks_the_default() {
        let file = Toml::new(
            "rank",
            "dir = \"/films\"\nstate = \"/state\"\nallow_private_peers = true\n\
             peer_address = [\"127.0.0.1\"]\nplayer = \"mpv\"\ndownload_limit = \"2M\"\n\
             listen_port = 6881\nmax_connections = 7\nratio = 1.5",
        );
        let config = file.settings().resolve().unwrap();
        let expected = Config {
            dir: Some("/films".into()),
            state: "/state".into(),
            listen: None,
            allow_private_peers: true,
            peer_addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()],
            dht: Some(DhtConfig::default()),
            download_limit_bps: Some(2 << 20),
            upload_limit_bps: None,
            listen_port: 6881,
            port_mapping: true,
            max_connections: Some(7),
            goals: Goals { ratio_percent: Some(150), seed_time: None },
            queue: QueueConfig::default(),
            // Peers connect from this machine only.
            sources: Sources { lsd: false, ..Sources::default() },
            policy: ConnectionPolicy { utp: true, ..ConnectionPolicy::default() },
            player: Some("mpv".into()),
        };
        assert_eq!(config, expected);
        let flags = Settings {
            dir: Some("/other".into()),
            allow_private_peers: Some(false),
            ..file.settings()
        };
        let config = flags.resolve().unwrap();
        assert_eq!((config.dir, config.allow_private_peers), (Some("/other".into()), false));
    }

    #[test]
    fn the_dht_is_on_with_default_nodes_by_default() {
        let nodes = |config: Config| config.dht.map(|dht| dht.bootstrap);
        let usual = || Some(DhtConfig::default().bootstrap);
        let plain = Toml::new("dht-plain", "state = \"/state\"");
        assert_eq!(nodes(plain.settings().resolve().unwrap()), usual());
        let own = Toml::new("dht-own", "state = \"/state\"\ndht_bootstrap = [\"a.example:1\"]");
        assert_eq!(nodes(own.settings().resolve().unwrap()), Some(vec!["a.example:1".to_owned()]));
        let flag = Settings { dht_bootstrap: vec!["[::1]:2".to_owned()], ..own.settings() };
        assert_eq!(nodes(flag.resolve().unwrap()), Some(vec!["[::1]:2".to_owned()]));
        let off = Toml::new("dht-off", "state = \"/state\"\nno_dht = true");
        let config = off.settings().resolve().unwrap();
        assert_eq!((config.engine().dht, config.engine().net.udp), (None, true));
        let flag = Settings { no_dht: Some(false), ..off.settings() };
        assert_eq!(nodes(flag.resolve().unwrap()), usual());
    }

    #[test]
    fn port_mapping_is_on_by_default() {
        let mapping = |settings: Settings| settings.resolve().unwrap().engine().net.port_mapping;
        let plain = Toml::new("map-plain", "state = \"/state\"");
        assert!(mapping(plain.settings()));
        let off = Toml::new("map-off", "state = \"/state\"\nno_port_mapping = true");
        assert!(!mapping(off.settings()));
        assert!(mapping(Settings { no_port_mapping: Some(false), ..off.settings() }));
    }

    #[test]
    fn an_invalid_value_is_an_error_with_its_place() {
        let refused = |settings: Settings| format!("{:#}", settings.resolve().unwrap_err());
        let unknown = Toml::new("unknown", "colour = \"red\"");
        assert!(refused(unknown.settings()).contains("colour"));
        let broken = Toml::new("broken", "dir = 7");
        assert!(refused(broken.settings()).contains("broken.toml"));
        let world = Toml::new("world", "listen = \"0.0.0.0:80\"");
        assert!(refused(world.settings()).contains("0.0.0.0:80"));
        let nowhere = Toml::new("nowhere", "state = \"/state\"\ndht_bootstrap = [\"a.example\"]");
        assert!(refused(nowhere.settings()).contains("a.example"));
        let missing = ConfigArg { config: Some("/nowhere/config.toml".into()) };
        assert!(
            refused(Settings { config: missing, ..Settings::default() })
                .contains("/nowhere/config.toml")
        );
    }
}
