//! Settings that disable sources of peers.
//!
//! Owns their names, defaults and merging, like its parent. Each is a flag, an environment variable
//! and a line of the file; the first one given counts.

use std::net::IpAddr;

use engine_wasm::discover::Sources;

use super::file::File;
use super::switch::Switch as _;

/// Switches from flags and environment, all optional.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SourceSettings {
    /// Don't ask trackers for peers
    #[arg(long, env = "JSTORRENT_NO_TRACKERS", yes_or_no())]
    pub(crate) no_trackers: Option<bool>,
    /// Don't exchange addresses of peers with peers (PEX)
    #[arg(long, env = "JSTORRENT_NO_PEX", yes_or_no())]
    pub(crate) no_pex: Option<bool>,
    /// Don't look for peers in the local network (LSD); the default where only this computer can
    /// connect, unless `--no-lsd=no` is set
    #[arg(long, env = "JSTORRENT_NO_LSD", yes_or_no())]
    pub(crate) no_lsd: Option<bool>,
    /// Don't download from web seeds
    #[arg(long, env = "JSTORRENT_NO_WEB_SEEDS", yes_or_no())]
    pub(crate) no_web_seeds: Option<bool>,
}

impl SourceSettings {
    /// Merges the switches with the file; sources are enabled by default.
    ///
    /// Local discovery is off by default if peers can connect to loopback addresses only.
    pub(super) fn resolve(&self, file: &File, addresses: &[IpAddr]) -> Sources {
        let is_alone = !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback);
        let is_used =
            |given: Option<bool>, in_file: Option<bool>| !given.or(in_file).unwrap_or(false);
        Sources {
            // `Config::dht` disables the node itself.
            dht: true,
            trackers: is_used(self.no_trackers, file.no_trackers),
            pex: is_used(self.no_pex, file.no_pex),
            lsd: !self.no_lsd.or(file.no_lsd).unwrap_or(is_alone),
            web_seeds: is_used(self.no_web_seeds, file.no_web_seeds),
            ..Sources::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::tests::Toml;
    use super::*;

    #[test]
    fn all_sources_are_on_by_default() {
        let file = Toml::new("sources-plain", "state = \"/state\"");
        assert_eq!(file.settings().resolve().unwrap().sources, Sources::default());
    }

    #[test]
    fn local_discovery_is_off_by_default_on_loopback() {
        let text = "state = \"/state\"\npeer_address = [\"127.0.0.1\", \"::1\"]";
        let check = |name: &str, text: &str, no_lsd: Option<bool>, expected: bool| {
            let file = Toml::new(name, text);
            let sources = SourceSettings { no_lsd, ..SourceSettings::default() };
            let config = Settings { sources, ..file.settings() }.resolve().unwrap();
            assert_eq!(config.sources.lsd, expected, "{text} {no_lsd:?}");
        };
        check("sources-alone", text, None, false);
        check("sources-alone-asked", text, Some(false), true);
        check("sources-alone-file", &format!("{text}\nno_lsd = false"), None, true);
        check("sources-wide", &text.replace("::1", "192.0.2.1"), None, true);
    }

    #[test]
    fn a_flag_outranks_the_file() {
        let text = "state = \"/state\"\nno_trackers = true\nno_pex = true\nno_lsd = true\n\
                    no_web_seeds = true";
        let file = Toml::new("sources-rank", text);
        let none = Sources {
            trackers: false,
            pex: false,
            lsd: false,
            web_seeds: false,
            ..Sources::default()
        };
        assert_eq!(file.settings().resolve().unwrap().sources, none);
        let sources = SourceSettings { no_pex: Some(false), ..SourceSettings::default() };
        let config = Settings { sources, ..file.settings() }.resolve().unwrap();
        assert_eq!(config.sources, Sources { pex: true, ..none });
        assert_eq!(config.engine().sources, config.sources, "the engine receives them");
    }
}
