//! The settings of `jstorrent serve` only.
//!
//! Owns their names, defaults and merging, like its parent. Bounds are checked here for every
//! source of a value.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use engine_wasm::{ApiConfig, Config as EngineConfig};

use super::file::File;
use super::switch::Switch as _;
use super::{Config, Settings, within};
use crate::daemon::Access;
use crate::logging;

/// The default address.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);
const DAY: u32 = 24 * 60 * 60;

/// Settings from flags and environment, all optional.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct ServerSettings {
    #[command(flatten)]
    pub(crate) common: Settings,
    /// Times that a magnet link is tried before its call fails [default: 3]
    #[arg(long, value_name = "N", env = "JSTORRENT_RETRIES")]
    pub(crate) retries: Option<u32>,
    /// Seconds between these tries [default: 5]
    #[arg(long, value_name = "S", env = "JSTORRENT_RETRY_DELAY")]
    pub(crate) retry_delay: Option<u32>,
    /// Remove a torrent that is not kept, with its files, when nobody has read it for this many
    /// seconds [default: 120]
    #[arg(long, value_name = "S", env = "JSTORRENT_CLEANUP_DELAY")]
    pub(crate) cleanup_delay: Option<u32>,
    /// Token that calls must present, 16 characters or more; by default one is made and kept. Other
    /// users of this computer can see flags in the list of processes: set it in the environment to
    /// keep it from them
    #[arg(long, value_name = "TOKEN", env = "JSTORRENT_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Allow calls from every program on this computer without a token; web sites still can't
    #[arg(long, env = "JSTORRENT_NO_TOKEN", yes_or_no())]
    pub(crate) no_token: Option<bool>,
}

impl std::fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("ServerSettings").field("common", &self.common).finish_non_exhaustive()
    }
}

/// The merged settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// The settings of every command; `listen` is always set.
    pub(crate) common: Config,
    /// The engine's configuration.
    pub(crate) engine: EngineConfig,
    /// Which callers are allowed.
    pub(crate) access: Access,
}

impl ServerSettings {
    /// Merges the settings with the file and the defaults.
    ///
    /// # Errors
    /// The file is unreadable, or a value is invalid.
    pub(crate) fn resolve(&self) -> Result<ServerConfig> {
        let (common, file) = self.common.resolve_with_file()?;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let usual = common.engine();
        let api = ApiConfig {
            retries: within("retries", self.retries.or(file.retries), 1..=100)?
                .unwrap_or(usual.api.retries),
            retry_delay: within("retry-delay", self.retry_delay.or(file.retry_delay), 0..=DAY)?
                .map_or(usual.api.retry_delay, seconds),
            cleanup_delay: within(
                "cleanup-delay",
                self.cleanup_delay.or(file.cleanup_delay),
                0..=365 * DAY,
            )?
            .map_or(usual.api.cleanup_delay, seconds),
            ..usual.api
        };
        Ok(ServerConfig {
            common: Config { listen: common.listen.or(Some(LISTEN)), ..common },
            // Pages ask for a decision about new torrents; API calls state it.
            engine: EngineConfig { api, start_at_once: false, log: logging::tail(), ..usual },
            access: self.access(file)?,
        })
    }

    /// Flags and environment override the file.
    fn access(&self, file: File) -> Result<Access> {
        let decide = |token: Option<String>, no_token: Option<bool>| match (token, no_token) {
            (Some(_), Some(true)) => {
                bail!("token and no-token contradict each other: use one of them")
            }
            (Some(token), _) => Ok(Some(Access::Token(token))),
            (None, Some(true)) => Ok(Some(Access::Anyone)),
            (None, _) => Ok(None),
        };
        let no_token_in_file = file.no_token.filter(|_| self.no_token.is_none());
        let given = decide(self.token.clone(), self.no_token)?;
        Ok(match given {
            Some(access) => access,
            None => decide(file.token, no_token_in_file)?.unwrap_or(Access::Kept),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Toml;
    use super::*;

    fn settings(file: &Toml) -> ServerSettings {
        ServerSettings { common: file.settings(), ..ServerSettings::default() }
    }

    fn access(text: &str, token: Option<&str>, no_token: Option<bool>) -> Option<Access> {
        let file =
            Toml::new(&format!("access-{}", text.len()), &format!("state = \"/state\"\n{text}"));
        let given = ServerSettings { token: token.map(str::to_owned), no_token, ..settings(&file) };
        given.resolve().ok().map(|config| config.access)
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        let file = Toml::new("server-plain", "state = \"/state\"");
        let config = settings(&file).resolve().unwrap();
        assert_eq!(config.common.listen, Some("127.0.0.1:3000".parse().unwrap()));
        assert_eq!((config.engine.api.retries, config.engine.max_connections), (3, 30));
        assert_eq!(
            (config.engine.api.retry_delay.as_secs(), config.engine.api.cleanup_delay.as_secs()),
            (5, 120)
        );
        assert_eq!(config.access, Access::Kept);
    }

    #[test]
    fn a_flag_outranks_the_file() {
        let file = Toml::new(
            "server-rank",
            "state = \"/state\"\nretries = 7\ncleanup_delay = 9\nlisten = \"[::1]:4000\"",
        );
        let config = ServerSettings { retries: Some(1), ..settings(&file) }.resolve().unwrap();
        assert_eq!((config.engine.api.retries, config.engine.api.cleanup_delay.as_secs()), (1, 9));
        assert_eq!(config.common.listen, Some("[::1]:4000".parse().unwrap()));
    }

    #[test]
    fn access_follows_the_source_with_precedence() {
        let token = |text: &str| Some(Access::Token(text.into()));
        assert_eq!(access("", Some("a"), None), token("a"));
        assert_eq!(access("", None, Some(true)), Some(Access::Anyone));
        assert_eq!(access("no_token = true", None, None), Some(Access::Anyone));
        assert_eq!(access("no_token = true", None, Some(false)), Some(Access::Kept));
        assert_eq!(access("no_token = true", Some("a"), None), token("a"));
        assert_eq!(access("token = \"b\"", Some("a"), None), token("a"));
        assert_eq!(access("token = \"b\"", None, Some(true)), Some(Access::Anyone));
        assert_eq!(access("token = \"b\"", None, None), token("b"));
        assert_eq!(access("", Some("a"), Some(true)), None, "a contradiction is no wish");
    }

    #[test]
    fn invalid_values_are_refused_from_every_source() {
        let file = Toml::new("server-bounds", "state = \"/state\"\nmax_connections = 0");
        assert!(settings(&file).resolve().unwrap_err().to_string().contains("max-connections"));
        let file = Toml::new("server-bounds-flag", "state = \"/state\"");
        let refused = ServerSettings { retries: Some(0), ..settings(&file) }.resolve().unwrap_err();
        assert!(refused.to_string().contains("1 to 100"), "{refused}");
    }
}
