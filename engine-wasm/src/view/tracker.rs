//! One tracker of a torrent as pages show it.

use serde::{Deserialize, Serialize};

use super::{Sentence, Why};
use crate::discover::tracker::TrackerError;
use crate::discover::tracker::status::{Activity, NotNow, Said, TrackerStatus};

/// One tracker of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct TrackerView {
    /// Its URL, which may hold the user's private key.
    pub url: String,
    /// Its tier (BEP 12), from 0.
    pub tier: u32,
    /// Its state.
    pub state: TrackerState,
    /// Seconds until the next announce; `None` when that depends on other trackers.
    pub next_announce_s: Option<u32>,
    /// Number of seeders, according to its last answer.
    pub seeders: Option<u32>,
    /// Number of leechers, according to its last answer.
    pub leechers: Option<u32>,
    /// Its last warning, or the reason of its failure, in English.
    pub message: Option<String>,
    /// The same as a code, for pages to translate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub says: Option<Sentence>,
}

impl TrackerView {
    /// Drops the code and keeps the English message: the HTTP API has no codes.
    pub(crate) fn in_english(self) -> Self {
        Self { says: None, ..self }
    }
}

impl From<TrackerStatus> for TrackerView {
    fn from(status: TrackerStatus) -> Self {
        let TrackerStatus { url, tier, activity, next_announce, counts, said } = status;
        let says = said.map(|said| match said {
            Said::Warning(warning) => Sentence::TrackerWarns { warning },
            Said::Failure(error) => Sentence::from(&error),
        });
        Self {
            url,
            tier,
            state: activity.into(),
            next_announce_s: next_announce
                .map(|wait| u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)),
            seeders: counts.seeders,
            leechers: counts.leechers,
            message: says.as_ref().map(Sentence::to_string),
            says,
        }
    }
}

/// The state of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TrackerState {
    /// Not asked yet, because other trackers come first.
    Idle,
    /// An announce is pending.
    Asking,
    /// The last announce succeeded.
    Working,
    /// The last announce failed.
    Failing,
}

impl From<Activity> for TrackerState {
    fn from(activity: Activity) -> Self {
        match activity {
            Activity::Idle => Self::Idle,
            Activity::Asking => Self::Asking,
            Activity::Working => Self::Working,
            Activity::Failing => Self::Failing,
        }
    }
}

impl From<&TrackerError> for Sentence {
    fn from(error: &TrackerError) -> Self {
        match error {
            TrackerError::Bencode(_) | TrackerError::NotAnAnswer | TrackerError::AnswerLost => {
                Self::TrackerUnreadable
            }
            TrackerError::Failure { reason, .. } => Self::TrackerRefuses { reason: reason.clone() },
            TrackerError::Status(status) => Self::TrackerStatus { status: *status },
            TrackerError::NoWay => Self::TrackerNoWay,
            TrackerError::Lost(error) => Self::TrackerFailed { why: Why::from(error) },
        }
    }
}

impl From<NotNow> for Sentence {
    fn from(not_now: NotNow) -> Self {
        match not_now {
            NotNow::NoTracker => Self::NoTracker,
            NotNow::Forbidden => Self::TrackersOff,
            NotNow::Wait(wait) => {
                let seconds = u32::try_from(wait.as_secs().max(1)).unwrap_or(u32::MAX);
                Self::AskedJustNow { seconds }
            }
            NotNow::Gone => Self::TrackersGone,
        }
    }
}
