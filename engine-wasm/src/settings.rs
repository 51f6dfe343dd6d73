//! The global settings that can change while the engine runs.
//!
//! This module owns their validation, their stored format, and their place in an engine's
//! [`Config`]. It knows no torrent and changes none. Invariant: settings that [`check`] accepts can
//! be applied at once, and [`decode`] returns only such settings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::Config;
use crate::limits;
use crate::view::{Sentence, Settings};

/// State key of the stored settings.
pub(crate) const KEY: &str = "settings";
/// Version of the format; other versions are ignored.
const VERSION: u64 = 1;
/// Largest accepted ratio in percent: a million times the torrent's size.
const MAX_RATIO_PERCENT: u32 = 100_000_000;

/// Validates settings.
///
/// # Errors
/// The sentence to show to the user.
pub(crate) fn check(settings: &Settings) -> Result<(), Sentence> {
    let is_too_low = |limit: Option<u64>| limit.is_some_and(|bps| bps < limits::LEAST_RATE_LIMIT);
    if is_too_low(settings.down_limit_bps) {
        return Err(Sentence::DownloadLimitTooLow);
    }
    if is_too_low(settings.up_limit_bps) {
        return Err(Sentence::UploadLimitTooLow);
    }
    let most = limits::MOST_CONNECTIONS_PER_TORRENT;
    if !(1..=most).contains(&settings.max_connections) {
        return Err(Sentence::PeersOutOfRange { most });
    }
    if !settings.tcp && !settings.utp {
        return Err(Sentence::NoTransport);
    }
    if !(settings.trackers || settings.dht || settings.pex || settings.web_seeds) {
        return Err(Sentence::NoSource);
    }
    if settings.max_downloads == Some(0) {
        return Err(Sentence::NoDownloads);
    }
    if settings.ratio_percent.is_some_and(|percent| percent > MAX_RATIO_PERCENT) {
        return Err(Sentence::RatioTooHigh);
    }
    Ok(())
}

/// Encodes settings for storage.
pub(crate) fn encode(settings: &Settings) -> Vec<u8> {
    json!({ "version": VERSION, "settings": settings }).to_string().into_bytes()
}

/// Decodes stored settings; `None` if they cannot be read or are invalid.
///
/// Missing fields keep their value from `defaults`, and unknown fields are ignored, because older
/// and newer engines write the same key.
pub(crate) fn decode(bytes: &[u8], defaults: &Settings) -> Option<Settings> {
    let mut record: Value = serde_json::from_slice(bytes).ok()?;
    if record.get("version")?.as_u64()? != VERSION {
        return None;
    }
    let said = record.get_mut("settings")?.as_object_mut()?;
    let mut all = serde_json::to_value(defaults).ok()?;
    for (name, value) in all.as_object_mut()? {
        if let Some(said) = said.get_mut(name) {
            *value = said.take();
        }
    }
    let settings: Settings = serde_json::from_value(all).ok()?;
    Some(with_valid_values(settings, defaults)).filter(|settings| check(settings).is_ok())
}

/// Replaces values that older engines accepted and this one refuses by those of `defaults`.
fn with_valid_values(settings: Settings, defaults: &Settings) -> Settings {
    let has_source = settings.trackers || settings.dht || settings.pex || settings.web_seeds;
    let Settings { dht, trackers, pex, web_seeds, .. } =
        if has_source { settings.clone() } else { defaults.clone() };
    let max_downloads = settings.max_downloads.filter(|most| *most > 0);
    Settings { dht, trackers, pex, web_seeds, max_downloads, ..settings }
}

/// Returns the changeable settings of a configuration.
pub(crate) fn from_config(config: &Config) -> Settings {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (sources, policy, queue) = (config.sources, config.policy, config.queue);
    Settings {
        down_limit_bps: config.download_limit_bps,
        up_limit_bps: config.upload_limit_bps,
        max_connections: number(config.max_connections),
        encryption: policy.encryption,
        tcp: policy.tcp,
        utp: policy.utp,
        dht: sources.dht,
        trackers: sources.trackers,
        pex: sources.pex,
        web_seeds: sources.web_seeds,
        ratio_percent: config.goals.ratio_percent,
        seed_s: config
            .goals
            .seed_time
            .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
        max_downloads: queue.max_downloads.map(number),
        max_seeds: queue.max_seeds.map(number),
        start_at_once: config.start_at_once,
        sharing_told: config.sharing_told,
    }
}

/// Copies settings into a configuration.
pub(crate) fn apply(settings: &Settings, config: &mut Config) {
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    config.download_limit_bps = settings.down_limit_bps;
    config.upload_limit_bps = settings.up_limit_bps;
    config.max_connections = number(settings.max_connections);
    let (policy, sources) = (&mut config.policy, &mut config.sources);
    (policy.encryption, policy.tcp, policy.utp) = (settings.encryption, settings.tcp, settings.utp);
    (sources.dht, sources.trackers) = (settings.dht, settings.trackers);
    (sources.pex, sources.web_seeds) = (settings.pex, settings.web_seeds);
    config.goals.ratio_percent = settings.ratio_percent;
    config.goals.seed_time = settings.seed_s.map(|seconds| Duration::from_secs(seconds.into()));
    config.queue.max_downloads = settings.max_downloads.map(number);
    config.queue.max_seeds = settings.max_seeds.map(number);
    (config.start_at_once, config.sharing_told) = (settings.start_at_once, settings.sharing_told);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::peer::mse::Encryption;

    fn defaults() -> Settings {
        from_config(&Config::default())
    }

    fn check_refused(change: impl FnOnce(&mut Settings), words: &str) {
        let mut settings = defaults();
        change(&mut settings);
        let refused = check(&settings).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }

    #[test]
    fn invalid_settings_are_refused_with_a_message() {
        assert_eq!(check(&defaults()), Ok(()));
        check_refused(|it| it.down_limit_bps = Some(0), "download limit is too low");
        check_refused(|it| it.up_limit_bps = Some(999), "upload limit is too low");
        check_refused(|it| it.max_connections = 0, "can be 1 to 500");
        check_refused(|it| it.max_connections = 501, "can be 1 to 500");
        check_refused(|it| (it.tcp, it.utp) = (false, false), "no way to any peer");
        check_refused(|it| it.max_downloads = Some(0), "At least one");
        check_refused(
            |it| (it.trackers, it.dht, it.pex, it.web_seeds) = (false, false, false, false),
            "nothing can be found",
        );
        check_refused(|it| it.ratio_percent = Some(u32::MAX), "ratio");
    }

    /// Checks how a JSON record is decoded.
    fn check_read(record: &str, expected: Option<Settings>) {
        assert_eq!(decode(record.as_bytes(), &defaults()), expected, "{record}");
    }

    #[test]
    fn records_of_other_versions_are_read_as_far_as_possible() {
        check_read(r#"{"version":1,"settings":{}}"#, Some(defaults()));
        let stopped = concat!(
            r#"{"version":1,"settings":{"maxDownloads":0,"maxSeeds":0,"dht":false,"#,
            r#""trackers":false,"pex":false,"webSeeds":false}}"#
        );
        check_read(stopped, Some(Settings { max_seeds: Some(0), ..defaults() }));
        let limited =
            Settings { down_limit_bps: Some(2_000), encryption: Encryption::Forced, ..defaults() };
        let record = concat!(
            r#"{"version":1,"settings":{"downLimitBps":2000,"encryption":"forced","later":[1]},"#,
            r#""more":2}"#
        );
        check_read(record, Some(limited));
        for unreadable in [
            "",
            "rubbish",
            "[]",
            r#"{"settings":{}}"#,
            r#"{"version":2,"settings":{}}"#,
            r#"{"version":1}"#,
            r#"{"version":1,"settings":{"maxConnections":"many"}}"#,
            r#"{"version":1,"settings":{"maxConnections":0}}"#,
            r#"{"version":1,"settings":{"encryption":"strong"}}"#,
        ] {
            check_read(unreadable, None);
        }
    }

    prop_compose! {
        fn any_settings()(
            (down_limit_bps, up_limit_bps) in any::<(Option<u64>, Option<u64>)>(),
            max_connections in 0u32..600,
            encryption in prop::sample::select(vec![
                Encryption::Off, Encryption::Allowed, Encryption::Preferred, Encryption::Forced,
            ]),
            (tcp, utp, dht) in any::<(bool, bool, bool)>(),
            (trackers, pex, web_seeds) in any::<(bool, bool, bool)>(),
            (ratio_percent, seed_s) in any::<(Option<u32>, Option<u32>)>(),
            (max_downloads, max_seeds) in any::<(Option<u32>, Option<u32>)>(),
            (start_at_once, sharing_told) in any::<(bool, bool)>(),
        ) -> Settings {
            Settings {
                down_limit_bps, up_limit_bps, max_connections, encryption, tcp, utp, dht, trackers,
                pex, web_seeds,
                ratio_percent, seed_s, max_downloads, max_seeds, start_at_once, sharing_told,
            }
        }
    }

    proptest! {
        #[test]
        fn valid_settings_round_trip_and_invalid_ones_are_ignored(settings in any_settings()) {
            let read = decode(&encode(&settings), &defaults());
            prop_assert_eq!(
                read,
                Some(with_valid_values(settings.clone(), &defaults()))
                    .filter(|it| check(it).is_ok())
            );
        }

        #[test]
        fn applied_settings_can_be_read_back(settings in any_settings()) {
            let mut config = Config::default();
            apply(&settings, &mut config);
            prop_assert_eq!(from_config(&config), settings);
        }

        #[test]
        fn a_record_may_be_anything(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, &defaults());
        }
    }
}
