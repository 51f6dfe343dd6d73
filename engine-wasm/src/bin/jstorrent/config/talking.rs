//! Settings for connections to peers: encryption and transports.
//!
//! Owns their names, defaults and merging, like its parent.

use anyhow::{Result, bail};
use engine_wasm::peer::mse::Encryption;
use engine_wasm::peer::policy::ConnectionPolicy;

use super::encryption::EncryptionWord;
use super::file::File;
use super::switch::Switch as _;

/// Settings from flags and environment, all optional.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TalkSettings {
    /// When to encrypt connections to peers [default: allowed]
    #[arg(long, value_name = "WHEN", env = "JSTORRENT_ENCRYPTION")]
    pub(crate) encryption: Option<EncryptionWord>,
    /// Don't use TCP for connections to peers
    #[arg(long, env = "JSTORRENT_NO_TCP", yes_or_no())]
    pub(crate) no_tcp: Option<bool>,
    /// Don't use uTP for connections to peers
    #[arg(long, env = "JSTORRENT_NO_UTP", yes_or_no())]
    pub(crate) no_utp: Option<bool>,
}

impl TalkSettings {
    /// Merges the settings with the file and the defaults.
    ///
    /// # Errors
    /// Both transports are disabled.
    pub(super) fn resolve(&self, file: &File) -> Result<ConnectionPolicy> {
        let is_used =
            |given: Option<bool>, in_file: Option<bool>| !given.or(in_file).unwrap_or(false);
        let encryption =
            self.encryption.or(file.encryption).map(Encryption::from).unwrap_or_default();
        let policy = ConnectionPolicy {
            encryption,
            tcp: is_used(self.no_tcp, file.no_tcp),
            utp: is_used(self.no_utp, file.no_utp),
        };
        if !policy.tcp && !policy.utp {
            bail!("no-tcp and no-utp together leave no way to connect to peers");
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::tests::Toml;
    use super::*;

    #[test]
    fn both_transports_and_allowed_encryption_are_the_defaults() {
        let file = Toml::new("talking-plain", "state = \"/state\"");
        let config = file.settings().resolve().unwrap();
        assert_eq!(
            config.policy,
            ConnectionPolicy { encryption: Encryption::Allowed, tcp: true, utp: true }
        );
        assert_eq!(config.engine().policy, config.policy, "the engine receives them");
    }

    #[test]
    fn a_flag_outranks_the_file() {
        let file =
            Toml::new("talking-rank", "state = \"/state\"\nencryption = \"forced\"\nno_tcp = true");
        let policy = ConnectionPolicy { encryption: Encryption::Forced, tcp: false, utp: true };
        assert_eq!(file.settings().resolve().unwrap().policy, policy);
        let talking = TalkSettings {
            encryption: Some(EncryptionWord::Off),
            no_tcp: Some(false),
            no_utp: Some(true),
        };
        let config = Settings { talking, ..file.settings() }.resolve().unwrap();
        assert_eq!(
            config.policy,
            ConnectionPolicy { encryption: Encryption::Off, tcp: true, utp: false }
        );
    }

    #[test]
    fn invalid_values_are_refused() {
        let neither =
            Toml::new("talking-neither", "state = \"/state\"\nno_tcp = true\nno_utp = true");
        assert!(neither.settings().resolve().unwrap_err().to_string().contains("no-utp"));
        let unknown = Toml::new("talking-unknown", "state = \"/state\"\nencryption = \"strong\"");
        assert!(unknown.settings().resolve().is_err());
    }
}
