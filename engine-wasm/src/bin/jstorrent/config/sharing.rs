//! Settings for seeding and the queue.

use std::time::Duration;

use engine_wasm::{Goals, QueueConfig};

use super::file::File;

/// Highest accepted ratio.
const MAX_RATIO: f64 = 1_000_000.0;

/// Settings from flags and environment, all optional.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SharingSettings {
    /// Stop seeding a torrent when it has uploaded this many times its size [default: never]
    #[arg(long, value_name = "RATIO", env = "JSTORRENT_RATIO", value_parser = parse_ratio)]
    pub(crate) ratio: Option<u32>,
    /// Stop seeding a torrent after this many minutes [default: never]
    #[arg(long, value_name = "MINUTES", env = "JSTORRENT_SEED_TIME")]
    pub(crate) seed_time: Option<u32>,
    /// Torrents that download at once; others wait in the queue, but never what is being watched
    /// [default: all]
    #[arg(long, value_name = "N", env = "JSTORRENT_MAX_ACTIVE")]
    pub(crate) max_active: Option<usize>,
    /// Complete torrents that seed at once [default: all]
    #[arg(long, value_name = "N", env = "JSTORRENT_MAX_ACTIVE_SEEDS")]
    pub(crate) max_active_seeds: Option<usize>,
}

impl SharingSettings {
    /// Returns when a torrent stops seeding.
    ///
    /// # Errors
    /// The file's ratio is invalid.
    pub(super) fn goals(&self, file: &File) -> Result<Goals, String> {
        let in_file = file.ratio.map(percent).transpose()?;
        let minutes = self.seed_time.or(file.seed_time);
        Ok(Goals {
            ratio_percent: self.ratio.or(in_file),
            seed_time: minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
        })
    }

    /// Returns how many torrents are active at once.
    pub(super) fn queue(&self, file: &File) -> QueueConfig {
        QueueConfig {
            max_downloads: self.max_active.or(file.max_active),
            max_seeds: self.max_active_seeds.or(file.max_active_seeds),
        }
    }
}

fn parse_ratio(text: &str) -> Result<u32, String> {
    percent(text.trim().parse().map_err(|_| format!("“{text}” is not a ratio such as 1.5"))?)
}

fn percent(ratio: f64) -> Result<u32, String> {
    if !(0.0..=MAX_RATIO).contains(&ratio) {
        return Err(format!("the ratio {ratio} is not between 0 and 1000000"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within these bounds"
    )]
    let percent = (ratio * 100.0).round() as u32;
    Ok(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_number_with_or_without_a_fraction() {
        assert_eq!(parse_ratio("1.5"), Ok(150));
        assert_eq!(parse_ratio(" 2 "), Ok(200));
        assert_eq!(parse_ratio("0"), Ok(0));
        for text in ["-1", "nan", "inf", "much", "1e9"] {
            assert!(parse_ratio(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_flag_outranks_the_file() {
        let file =
            File { ratio: Some(1.0), seed_time: Some(2), max_active: Some(3), ..File::default() };
        let flags = SharingSettings { ratio: Some(250), ..SharingSettings::default() };
        let goals = Goals { ratio_percent: Some(250), seed_time: Some(Duration::from_secs(120)) };
        assert_eq!(flags.goals(&file), Ok(goals));
        assert_eq!(flags.queue(&file), QueueConfig { max_downloads: Some(3), max_seeds: None });
        assert!(flags.goals(&File { ratio: Some(-1.0), ..File::default() }).is_err());
    }
}
