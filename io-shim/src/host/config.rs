//! What the user may set: flags, then the environment, then `daemon.toml` in the state folder, then
//! defaults. Download folders that a person chose in the extension come before all of these
//! ([`crate::host::chosen_folders`]).
//!
//! Owns names, defaults and their merging. Must never act on a setting.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::http::auth::Token;

/// The origin of the extension, whose id the key in its manifest fixes.
pub const EXTENSION_ORIGIN: &str = "chrome-extension://cpallhfnafgboofejffacjngdjldepmp";

/// Why the settings make no sense.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{path}: {error}")]
    Unparsable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Box<toml::de::Error>,
    },
    /// An address that the whole network could reach.
    #[error("{0} is not a loopback address: the daemon serves this machine only")]
    NotLoopback(SocketAddr),
    /// An address where the extension does not look.
    #[error("the extension finds the daemon at 127.0.0.1 and nowhere else: it can't listen at {0}")]
    NotFound(SocketAddr),
    /// A root that is not `LABEL=DIR`.
    #[error("{0:?} is not LABEL=DIR")]
    Root(String),
    /// The same folder twice.
    #[error("{0} is named as a root twice")]
    SameRoot(PathBuf),
    /// No place for state or downloads.
    #[error("this system names no {0} folder for the user: name one with {1}")]
    NoFolder(&'static str, &'static str),
}

/// Settings as they are given, each of them optional. The same names serve as flags and, with `_`
/// for `-`, in the file.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Folder for the daemon's own state
    #[arg(long, env = "JSTORRENT_STATE", value_name = "DIR")]
    #[serde(skip)]
    pub state: Option<PathBuf>,
    /// Folder for the locks of files that are open for writing. All daemons of a user have to use
    /// the same one: nothing else keeps two of them from writing to one file
    #[arg(long, env = "JSTORRENT_LOCKS", value_name = "DIR")]
    #[serde(skip)]
    pub locks: Option<PathBuf>,
    /// Folder for the notes that all daemons of a user share
    #[arg(long, env = "JSTORRENT_NOTES", value_name = "DIR")]
    #[serde(skip)]
    pub notes: Option<PathBuf>,
    /// Address to listen at; by default 127.0.0.1 and the port of last time
    #[arg(long, env = "JSTORRENT_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Session token, at least 16 characters; by default one is made up and kept. Other users of
    /// this machine can see it in the list of processes: the environment keeps it from them
    #[arg(long, env = "JSTORRENT_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<Token>,
    /// Let programs of this machine use the HTTP API without the token
    #[arg(long, env = "JSTORRENT_NO_TOKEN", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_token: bool,
    /// Serve the pages that are built into this program, at /
    #[arg(long, env = "JSTORRENT_PAGES", value_parser = clap::builder::FalseyValueParser::new())]
    pub pages: bool,
    /// Folder that files may be stored in, with a name for it; may be repeated
    #[arg(long, value_name = "LABEL=DIR")]
    pub root: Vec<String>,
    /// The one folder that files are stored in
    #[arg(long, env = "JSTORRENT_DOWNLOADS", value_name = "DIR")]
    pub downloads: Option<PathBuf>,
    /// Connect to this machine as well
    #[arg(long, env = "JSTORRENT_ALLOW_LOOPBACK_PEERS", value_parser = clap::builder::FalseyValueParser::new())]
    pub allow_loopback_peers: bool,
    /// Connect to private addresses as well, this machine included
    #[arg(long, env = "JSTORRENT_ALLOW_PRIVATE_PEERS", value_parser = clap::builder::FalseyValueParser::new())]
    pub allow_private_peers: bool,
    /// Take connections and datagrams of peers at this address of this machine, and not at all of
    /// them; may be repeated
    #[arg(long, env = "JSTORRENT_PEER_ADDRESS", value_delimiter = ',', value_name = "IP")]
    pub peer_address: Vec<IpAddr>,
    /// Ask no router to let peers in
    #[arg(long, env = "JSTORRENT_NO_PORT_MAPPING", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_port_mapping: bool,
    /// A further origin that may connect an engine; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// How long viewers are kept when the engine is gone [default: 3000]
    #[arg(long, env = "JSTORRENT_GRACE_MS", value_name = "MS")]
    pub grace_ms: Option<u64>,
    /// How long the engine may be silent about a waiting viewer [default: 120000]
    #[arg(long, env = "JSTORRENT_MAX_WAIT_MS", value_name = "MS")]
    pub max_wait_ms: Option<u64>,
    /// Exit after so long without engine and viewers; 0 for never [default: 0]
    #[arg(long, env = "JSTORRENT_IDLE_EXIT_S", value_name = "S")]
    pub idle_exit_s: Option<u64>,
    /// How long running replies may go on after a signal to stop [default: 2000]
    #[arg(long, env = "JSTORRENT_STOP_GRACE_MS", value_name = "MS")]
    pub stop_grace_ms: Option<u64>,
    /// The ffmpeg that makes of films what a browser plays; by default the one on the search path
    #[arg(long, env = "JSTORRENT_FFMPEG", value_name = "PROGRAM")]
    pub ffmpeg: Option<PathBuf>,
    /// HTTP connections at once; fewer where the system allows fewer [default: 1024]
    #[arg(long, env = "JSTORRENT_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// Replies at once whose bytes are all there [default: 64]
    #[arg(long, env = "JSTORRENT_MAX_REPLIES", value_name = "N")]
    pub max_replies: Option<usize>,
    /// Replies at once of one file whose bytes are all there [default: 16]
    #[arg(long, env = "JSTORRENT_MAX_REPLIES_PER_FILE", value_name = "N")]
    pub max_replies_per_file: Option<usize>,
    /// Replies at once that wait for bytes [default: as many as of the others]
    #[arg(long, env = "JSTORRENT_MAX_WAITING", value_name = "N")]
    pub max_waiting: Option<usize>,
    /// Replies at once of one file that wait for bytes [default: as many as of the others]
    #[arg(long, env = "JSTORRENT_MAX_WAITING_PER_FILE", value_name = "N")]
    pub max_waiting_per_file: Option<usize>,
    /// How long a request's headers may take, and a connection may idle between requests [default:
    /// 30000]
    #[arg(long, env = "JSTORRENT_HEADER_TIMEOUT_MS", value_name = "MS")]
    pub header_timeout_ms: Option<u64>,
    /// How long a connection may make too little progress while others find no place [default:
    /// 10000]
    #[arg(long, env = "JSTORRENT_STALL_MS", value_name = "MS")]
    pub stall_ms: Option<u64>,
}

/// A folder that files may be stored in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootFolder {
    /// What to call it in front of a person.
    pub label: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Settings as they are used.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder for the daemon's own state.
    pub state: PathBuf,
    /// Folders for the locks of files that are open for writing, the same for all daemons of a
    /// user. The first that can be used is used.
    pub locks: Vec<PathBuf>,
    /// Folder for the notes that all daemons of a user share.
    pub notes: PathBuf,
    /// Address to listen at, if the user wants a certain one.
    pub listen: Option<SocketAddr>,
    /// Session token, if the user chose one.
    pub token: Option<Token>,
    /// Whether the HTTP API needs no token.
    pub no_token: bool,
    /// Whether the pages that are built in are served.
    pub pages: bool,
    /// Folders that files may be stored in; never empty.
    pub roots: Vec<RootFolder>,
    /// Whether this machine may be dialled.
    pub allow_loopback_peers: bool,
    /// Whether private addresses may be dialled.
    pub allow_private_peers: bool,
    /// Addresses of this machine at which peers may connect; none for all.
    pub peer_addresses: Vec<IpAddr>,
    /// Whether no router is asked to let peers in.
    pub no_port_mapping: bool,
    /// Origins that may connect an engine.
    pub origins: Vec<String>,
    /// How long viewers are kept when the engine is gone.
    pub grace: Duration,
    /// How long the engine may be silent about a waiting viewer.
    pub max_wait: Duration,
    /// When to exit for want of work.
    pub idle_exit: Option<Duration>,
    /// How long running replies may go on when the daemon stops.
    pub stop_grace: Duration,
    /// The ffmpeg that the user named.
    pub ffmpeg: Option<PathBuf>,
    /// HTTP connections at once.
    pub max_connections: usize,
    /// Replies at once whose bytes are all there.
    pub max_replies: usize,
    /// Of these, replies of one file.
    pub max_replies_per_file: usize,
    /// Replies at once that wait for bytes.
    pub max_waiting: usize,
    /// Of these, replies of one file.
    pub max_waiting_per_file: usize,
    /// How long a request's headers may take.
    pub header_timeout: Duration,
    /// How long a connection may make too little progress while others find no place.
    pub stall: Duration,
    /// The daemon's own program, if this process runs it: it looks names up in processes of their
    /// own.
    pub lookup_program: Option<PathBuf>,
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

    /// The same as [`Settings::resolve`], for a daemon that the extension has to find: it is told
    /// the port alone.
    ///
    /// # Errors
    /// [`ConfigError`] when the file or a value makes no sense, or the daemon would listen where
    /// the extension does not look.
    pub fn resolve_for_extension(self, idle_exit_s: u64) -> Result<Config, ConfigError> {
        let config = self.resolve(idle_exit_s)?;
        match config.listen.filter(|addr| addr.ip() != Ipv4Addr::LOCALHOST) {
            Some(addr) => Err(ConfigError::NotFound(addr)),
            None => Ok(config),
        }
    }

    /// Where locks may be. That must not depend on anything in which two daemons of one user may
    /// differ: not on the state folder, nor on whether there is a session (as the system's folder
    /// for run-time files does). A user without a home has them in the folder for temporary files.
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

    /// Where the notes are: like the locks in one place for all daemons of a user, whatever state
    /// folder they use. Without a home there is no such place that lasts, and each daemon has notes
    /// of its own.
    fn notes_folder(&self, state: &Path) -> PathBuf {
        let home = || directories::ProjectDirs::from("com", "JSTorrent", "jstorrent");
        let named =
            self.notes.clone().or_else(|| home().map(|dirs| dirs.data_local_dir().join("notes")));
        named.unwrap_or_else(|| state.join("notes"))
    }

    /// Fills what is not given from `daemon.toml`, then from the defaults. Who starts the daemon
    /// decides how long it idles by default, in seconds, zero for ever.
    ///
    /// # Errors
    /// [`ConfigError`] when the file or a value makes no sense.
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
            allow_loopback_peers: self.allow_loopback_peers || file.allow_loopback_peers,
            allow_private_peers: self.allow_private_peers || file.allow_private_peers,
            peer_addresses: if self.peer_address.is_empty() {
                file.peer_address
            } else {
                self.peer_address
            },
            no_port_mapping: self.no_port_mapping || file.no_port_mapping,
            origins,
            grace: ms(self.grace_ms, file.grace_ms, 3_000),
            max_wait: ms(self.max_wait_ms, file.max_wait_ms, 120_000),
            idle_exit: (idle_exit_s > 0).then(|| Duration::from_secs(idle_exit_s)),
            stop_grace: ms(self.stop_grace_ms, file.stop_grace_ms, 2_000),
            ffmpeg: self.ffmpeg.or(file.ffmpeg),
            max_connections: self.max_connections.or(file.max_connections).unwrap_or(1_024),
            max_replies,
            max_replies_per_file,
            max_waiting: self.max_waiting.or(file.max_waiting).unwrap_or(max_replies),
            max_waiting_per_file: self
                .max_waiting_per_file
                .or(file.max_waiting_per_file)
                .unwrap_or(max_replies_per_file),
            header_timeout: ms(self.header_timeout_ms, file.header_timeout_ms, 30_000),
            stall: ms(self.stall_ms, file.stall_ms, 10_000),
            lookup_program: None,
        })
    }
}

/// Where a daemon listens that has never listened before.
pub fn any_port() -> SocketAddr {
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

/// The folders that a person chose, the latest first, and then those that are configured.
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
            (config.grace.as_millis(), config.max_wait.as_millis(), config.max_replies),
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
        assert_eq!(given(&folder).resolve(0).unwrap().peer_addresses, of_file);
        let local = vec![Ipv4Addr::LOCALHOST.into()];
        let flag = Settings { peer_address: local.clone(), ..given(&folder) };
        assert_eq!(flag.resolve(0).unwrap().peer_addresses, local);
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
