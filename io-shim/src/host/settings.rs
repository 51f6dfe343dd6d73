//! Settings: flags, then environment, then `daemon.toml` in the state folder, then defaults.
//!
//! Owns their names, defaults and merging. Must never act on a setting. Download folders that a
//! person chose in the extension precede all of these (`crate::host::chosen_folders`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::FalseyValueParser;
use serde::Deserialize;

use crate::host::config::{
    Config, EXTENSION_ORIGIN, HttpLimits, PeerAccess, RootFolder, ViewerLimits,
};
use crate::policy::secrets::Token;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is malformed.
    #[error("{path}: {error}")]
    Unparsable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<toml::de::Error>,
    },
    /// Other machines could reach this address.
    #[error("{0} is not a loopback address: the daemon serves this machine only")]
    NotLoopback(SocketAddr),
    /// The extension does not look at this address.
    #[error("a daemon for the extension must listen at 127.0.0.1, not at {0}")]
    NotFound(SocketAddr),
    /// A root is not `LABEL=DIR`.
    #[error("{0:?} is not of the form LABEL=DIR")]
    Root(String),
    /// A folder is named twice.
    #[error("{0} is named as a root twice")]
    SameRoot(PathBuf),
    /// The system names no folder for state or downloads.
    #[error("this system names no {0} folder for the user: name one with {1}")]
    NoFolder(&'static str, &'static str),
}

/// Settings as given, each optional. The names serve as flags and, with `_` for `-`, in the file.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder for the daemon's own state
    #[arg(long, env = "JSTORRENT_STATE", value_name = "DIR")]
    #[serde(skip)]
    pub state: Option<PathBuf>,
    /// Folder for the locks of files that are open for writing. All daemons of a user must use the
    /// same one, so that no two of them write to one file
    #[arg(long, env = "JSTORRENT_LOCKS", value_name = "DIR")]
    #[serde(skip)]
    pub locks: Option<PathBuf>,
    /// Folder for the notes that all daemons of a user share
    #[arg(long, env = "JSTORRENT_NOTES", value_name = "DIR")]
    #[serde(skip)]
    pub notes: Option<PathBuf>,
    /// Address to listen at; by default 127.0.0.1 and the port of the last run
    #[arg(long, env = "JSTORRENT_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Session token, at least 16 characters; by default one is generated and kept. Other users of
    /// this machine can see flags in the list of processes, but not the environment
    #[arg(long, env = "JSTORRENT_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<Token>,
    /// Let programs on this machine use the HTTP API without the token
    #[arg(long, env = "JSTORRENT_NO_TOKEN", value_parser = FalseyValueParser::new())]
    pub no_token: bool,
    /// Serve the built-in pages at /
    #[arg(long, env = "JSTORRENT_PAGES", value_parser = FalseyValueParser::new())]
    pub pages: bool,
    /// Folder for files, with a name; can be repeated
    #[arg(long, value_name = "LABEL=DIR")]
    pub root: Vec<String>,
    /// The only folder for files
    #[arg(long, env = "JSTORRENT_DOWNLOADS", value_name = "DIR")]
    pub downloads: Option<PathBuf>,
    /// Allow connections to this machine
    #[arg(long, env = "JSTORRENT_ALLOW_LOOPBACK_PEERS", value_parser = FalseyValueParser::new())]
    pub allow_loopback_peers: bool,
    /// Allow connections to private addresses, this machine included
    #[arg(long, env = "JSTORRENT_ALLOW_PRIVATE_PEERS", value_parser = FalseyValueParser::new())]
    pub allow_private_peers: bool,
    /// Accept connections and datagrams of peers at this local address only; can be repeated
    #[arg(long, env = "JSTORRENT_PEER_ADDRESS", value_delimiter = ',', value_name = "IP")]
    pub peer_address: Vec<IpAddr>,
    /// Do not ask routers for port mappings
    #[arg(long, env = "JSTORRENT_NO_PORT_MAPPING", value_parser = FalseyValueParser::new())]
    pub no_port_mapping: bool,
    /// Another origin that may connect an engine; can be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// How long viewers wait for an engine to connect [default: 3000]
    #[arg(long, env = "JSTORRENT_GRACE_MS", value_name = "MS")]
    pub grace_ms: Option<u64>,
    /// How long the engine may say nothing about a waiting viewer [default: 120000]
    #[arg(long, env = "JSTORRENT_MAX_WAIT_MS", value_name = "MS")]
    pub max_wait_ms: Option<u64>,
    /// Exit after this time without engine and viewers; 0 for never [default: 0]
    #[arg(long, env = "JSTORRENT_IDLE_EXIT_S", value_name = "S")]
    pub idle_exit_s: Option<u64>,
    /// How long running replies may go on after a stop signal [default: 2000]
    #[arg(long, env = "JSTORRENT_STOP_GRACE_MS", value_name = "MS")]
    pub stop_grace_ms: Option<u64>,
    /// The ffmpeg that converts films for browsers [default: the one on the search path]
    #[arg(long, env = "JSTORRENT_FFMPEG", value_name = "PROGRAM")]
    pub ffmpeg: Option<PathBuf>,
    /// HTTP connections at a time; fewer where the system allows fewer [default: 1024]
    #[arg(long, env = "JSTORRENT_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// Replies at a time whose bytes are all granted [default: 64]
    #[arg(long, env = "JSTORRENT_MAX_REPLIES", value_name = "N")]
    pub max_replies: Option<usize>,
    /// Replies at a time per file whose bytes are all granted [default: 16]
    #[arg(long, env = "JSTORRENT_MAX_REPLIES_PER_FILE", value_name = "N")]
    pub max_replies_per_file: Option<usize>,
    /// Replies at a time that wait for bytes [default: as --max-replies]
    #[arg(long, env = "JSTORRENT_MAX_WAITING", value_name = "N")]
    pub max_waiting: Option<usize>,
    /// Replies at a time per file that wait for bytes [default: as --max-replies-per-file]
    #[arg(long, env = "JSTORRENT_MAX_WAITING_PER_FILE", value_name = "N")]
    pub max_waiting_per_file: Option<usize>,
    /// Longest time for a request's headers, and between two requests [default: 30000]
    #[arg(long, env = "JSTORRENT_HEADER_TIMEOUT_MS", value_name = "MS")]
    pub header_timeout_ms: Option<u64>,
    /// How long a connection may make too little progress while others wait [default: 10000]
    #[arg(long, env = "JSTORRENT_STALL_MS", value_name = "MS")]
    pub stall_ms: Option<u64>,
}

impl Settings {
    /// The state folder that these settings name.
    ///
    /// # Errors
    /// [`ConfigError::NoFolder`] when none is named and the system has none.
    pub fn state_folder(&self) -> Result<PathBuf, ConfigError> {
        let by_default = || {
            directories::ProjectDirs::from("com", "JSTorrent", "jstorrent")
                .map(|dirs| dirs.data_dir().into())
        };
        self.state.clone().or_else(by_default).ok_or(ConfigError::NoFolder("data", "--state"))
    }

    /// As [`Settings::resolve`], for a daemon that the extension has to find. The extension learns
    /// only the port.
    ///
    /// # Errors
    /// [`ConfigError`] when the file or a value is malformed, or the address is not 127.0.0.1.
    pub fn resolve_for_extension(self, idle_exit_s: u64) -> Result<Config, ConfigError> {
        let config = self.resolve(idle_exit_s)?;
        match config.listen.filter(|addr| addr.ip() != Ipv4Addr::LOCALHOST) {
            Some(addr) => Err(ConfigError::NotFound(addr)),
            None => Ok(config),
        }
    }

    /// The candidates for the lock folder. Two daemons of one user must get the same ones, so they
    /// depend neither on the state folder nor on a session, as the system's folder for runtime
    /// files does. A user without a home gets a folder below the temporary one.
    fn locks_folders(&self) -> Vec<PathBuf> {
        if let Some(folder) = &self.locks {
            return vec![folder.clone()];
        }
        #[cfg(unix)]
        let user = rustix::process::geteuid().as_raw().to_string();
        #[cfg(not(unix))]
        let user = "user";
        let home = directories::ProjectDirs::from("com", "JSTorrent", "jstorrent");
        let home = home.map(|dirs| dirs.data_local_dir().join("locks"));
        home.into_iter()
            .chain([std::env::temp_dir().join(format!("jstorrent-locks-{user}"))])
            .collect()
    }

    /// The folder for notes, the same for all daemons of a user. Without a home there is no lasting
    /// folder of this kind, and each daemon has its own notes.
    fn notes_folder(&self, state: &Path) -> PathBuf {
        let home = || directories::ProjectDirs::from("com", "JSTorrent", "jstorrent");
        let named =
            self.notes.clone().or_else(|| home().map(|dirs| dirs.data_local_dir().join("notes")));
        named.unwrap_or_else(|| state.join("notes"))
    }

    /// Fills the gaps from `daemon.toml`, then from the defaults. `idle_exit_s` is the default idle
    /// time, seconds; 0 for ever.
    ///
    /// # Errors
    /// [`ConfigError`] when the file or a value is malformed.
    pub fn resolve(self, idle_exit_s: u64) -> Result<Config, ConfigError> {
        let state = self.state_folder()?;
        let (locks, notes) = (self.locks_folders(), self.notes_folder(&state));
        let file = read_file(&state.join("daemon.toml"))?;
        let listen = self.listen.or(file.listen);
        if let Some(addr) = listen.filter(|addr| !addr.ip().is_loopback()) {
            return Err(ConfigError::NotLoopback(addr));
        }
        let roots = with_chosen(crate::host::chosen_folders::load(&state), roots(&self, &file)?);
        let mut origins = vec![EXTENSION_ORIGIN.to_owned()];
        origins.extend(self.allow_origin.into_iter().chain(file.allow_origin));
        let ms = |flag: Option<u64>, file: Option<u64>, default| {
            Duration::from_millis(flag.or(file).unwrap_or(default))
        };
        let max_replies = self.max_replies.or(file.max_replies).unwrap_or(64);
        let max_replies_per_file =
            self.max_replies_per_file.or(file.max_replies_per_file).unwrap_or(16);
        let idle_exit_s = self.idle_exit_s.or(file.idle_exit_s).unwrap_or(idle_exit_s);
        Ok(Config {
            state,
            locks,
            notes,
            listen,
            token: self.token.or(file.token),
            no_token: self.no_token || file.no_token,
            pages: self.pages || file.pages,
            roots,
            peers: PeerAccess {
                allow_loopback: self.allow_loopback_peers || file.allow_loopback_peers,
                allow_private: self.allow_private_peers || file.allow_private_peers,
                addresses: if self.peer_address.is_empty() {
                    file.peer_address
                } else {
                    self.peer_address
                },
                no_port_mapping: self.no_port_mapping || file.no_port_mapping,
            },
            origins,
            idle_exit: (idle_exit_s > 0).then(|| Duration::from_secs(idle_exit_s)),
            stop_grace: ms(self.stop_grace_ms, file.stop_grace_ms, 2_000),
            ffmpeg: self.ffmpeg.or(file.ffmpeg),
            http: HttpLimits {
                max_connections: self.max_connections.or(file.max_connections).unwrap_or(1_024),
                header_timeout: ms(self.header_timeout_ms, file.header_timeout_ms, 30_000),
                stall: ms(self.stall_ms, file.stall_ms, 10_000),
            },
            viewers: ViewerLimits {
                grace: ms(self.grace_ms, file.grace_ms, 3_000),
                max_wait: ms(self.max_wait_ms, file.max_wait_ms, 120_000),
                max_replies,
                max_replies_per_file,
                max_waiting: self.max_waiting.or(file.max_waiting).unwrap_or(max_replies),
                max_waiting_per_file: self
                    .max_waiting_per_file
                    .or(file.max_waiting_per_file)
                    .unwrap_or(max_replies_per_file),
            },
            lookup_program: None,
        })
    }
}

/// The address of a daemon that has never listened before.
pub(crate) fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text)
            .map_err(|error| ConfigError::Unparsable { path: path.into(), error: Box::new(error) }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(ConfigError::Unreadable { path: path.into(), error }),
    }
}

/// The first of: flags, environment, file, the user's download folder.
fn roots(flags: &Settings, file: &Settings) -> Result<Vec<RootFolder>, ConfigError> {
    let one = |path: PathBuf| vec![RootFolder { label: "Downloads".into(), path }];
    for settings in [flags, file] {
        if !settings.root.is_empty() {
            return labelled(&settings.root);
        }
        if let Some(path) = &settings.downloads {
            return Ok(one(path.clone()));
        }
    }
    let user = directories::UserDirs::new();
    let downloads = user.as_ref().map(|user| {
        user.download_dir().map_or_else(|| user.home_dir().join("Downloads"), Path::to_path_buf)
    });
    downloads
        .map(|path| one(path.join("JSTorrent")))
        .ok_or(ConfigError::NoFolder("download", "--downloads"))
}

/// The chosen folders, the latest first, then the configured ones.
fn with_chosen(chosen: Vec<PathBuf>, configured: Vec<RootFolder>) -> Vec<RootFolder> {
    let mut all: Vec<RootFolder> = Vec::new();
    for path in chosen {
        let known = configured.iter().find(|root| root.path == path).cloned();
        let labels = || configured.iter().chain(&all).map(|root| root.label.as_str());
        let root = known.unwrap_or_else(|| RootFolder {
            label: crate::host::chosen_folders::label(&path, labels()),
            path,
        });
        all.push(root);
    }
    let others =
        configured.into_iter().filter(|root| all.iter().all(|other| other.path != root.path));
    let others: Vec<RootFolder> = others.collect();
    all.into_iter().chain(others).collect()
}

fn labelled(specs: &[String]) -> Result<Vec<RootFolder>, ConfigError> {
    let mut roots: Vec<RootFolder> = Vec::new();
    for spec in specs {
        let parts =
            spec.split_once('=').filter(|(label, path)| !label.is_empty() && !path.is_empty());
        let (label, path) = parts.ok_or_else(|| ConfigError::Root(spec.clone()))?;
        let root = RootFolder { label: label.into(), path: path.into() };
        if roots.iter().any(|other| other.path == root.path) {
            return Err(ConfigError::SameRoot(root.path));
        }
        roots.push(root);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn folder(toml: &str) -> TempDir {
        let folder = TempDir::new();
        std::fs::write(folder.path().join("daemon.toml"), toml).unwrap();
        folder
    }

    fn given(folder: &TempDir) -> Settings {
        Settings { state: Some(folder.path().into()), ..Settings::default() }
    }

    #[test]
    fn a_flag_outranks_the_file_and_the_file_outranks_the_default() {
        let folder = folder("grace_ms = 7\nmax_wait_ms = 8\ndownloads = \"/films\"");
        let config = Settings { grace_ms: Some(1), ..given(&folder) }.resolve(0).unwrap();
        assert_eq!(
            (
                config.viewers.grace.as_millis(),
                config.viewers.max_wait.as_millis(),
                config.viewers.max_replies
            ),
            (1, 8, 64)
        );
        assert_eq!(config.roots, [RootFolder { label: "Downloads".into(), path: "/films".into() }]);
        let config =
            Settings { root: vec!["Films=/other".into()], ..given(&folder) }.resolve(0).unwrap();
        assert_eq!(config.roots, [RootFolder { label: "Films".into(), path: "/other".into() }]);
    }

    #[test]
    fn a_folder_that_a_person_chose_comes_before_those_that_are_configured_which_stay() {
        let folder = folder("downloads = \"/films\"");
        std::fs::write(
            folder.path().join("folders.json"),
            "[\"/more\",\"/films\",\"/other/Downloads\"]",
        )
        .unwrap();
        let root = |label: &str, path: &str| RootFolder { label: label.into(), path: path.into() };
        let kept = [
            root("more", "/more"),
            root("Downloads", "/films"),
            root("/other/Downloads", "/other/Downloads"),
        ];
        assert_eq!(given(&folder).resolve(0).unwrap().roots, kept);
        let flag = Settings { downloads: Some("/flag".into()), ..given(&folder) }
            .resolve(0)
            .unwrap()
            .roots;
        let paths: Vec<_> = flag.iter().map(|root| root.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/more", "/films", "/other/Downloads", "/flag"]);
    }

    #[test]
    fn addresses_for_peers_come_from_the_nearest_word() {
        let folder = folder("peer_address = [\"10.0.0.1\", \"::1\"]");
        let of_file: [IpAddr; 2] =
            [Ipv4Addr::new(10, 0, 0, 1).into(), std::net::Ipv6Addr::LOCALHOST.into()];
        assert_eq!(given(&folder).resolve(0).unwrap().peers.addresses, of_file);
        let local = vec![Ipv4Addr::LOCALHOST.into()];
        let flag = Settings { peer_address: local.clone(), ..given(&folder) };
        assert_eq!(flag.resolve(0).unwrap().peers.addresses, local);
    }

    #[test]
    fn a_daemon_that_the_extension_would_not_find_does_not_start_for_it() {
        for elsewhere in ["[::1]:4000", "127.0.0.2:4000", "[::1]:0"] {
            let folder = folder(&format!("listen = \"{elsewhere}\""));
            assert!(given(&folder).resolve(0).is_ok(), "others are told the address");
            let refused = given(&folder).resolve_for_extension(0).unwrap_err().to_string();
            assert!(refused.contains(elsewhere) && refused.contains("127.0.0.1"), "{refused}");
        }
        for good in ["listen = \"127.0.0.1:4000\"", ""] {
            assert!(given(&folder(good)).resolve_for_extension(0).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_extension_may_always_connect() {
        let folder = folder("allow_origin = [\"chrome-extension://other\"]");
        let config = given(&folder).resolve(0).unwrap();
        assert_eq!(config.origins, [EXTENSION_ORIGIN, "chrome-extension://other"]);
    }

    #[test]
    fn what_makes_no_sense_is_an_error_that_says_where() {
        let refused = |settings: Settings| settings.resolve(0).unwrap_err().to_string();
        let plain = folder("");
        assert!(
            refused(Settings { listen: Some("0.0.0.0:80".parse().unwrap()), ..given(&plain) })
                .contains("0.0.0.0:80")
        );
        let everyone =
            Settings { listen: Some("[::]:80".parse().unwrap()), no_token: true, ..given(&plain) };
        assert!(refused(everyone).contains("[::]:80"), "without a token above all");
        assert!(refused(given(&folder("token = \"short\""))).contains("16"));
        assert!(
            refused(Settings { root: vec!["films".into()], ..given(&plain) }).contains("LABEL=DIR")
        );
        assert!(
            refused(Settings { root: vec!["a=/x".into(), "b=/x".into()], ..given(&plain) })
                .contains("twice")
        );
        assert!(refused(given(&folder("colour = \"red\""))).contains("daemon.toml"));
        assert!(refused(given(&folder("grace_ms = -1"))).contains("grace_ms"));
    }
}
