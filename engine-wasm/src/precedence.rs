//! Viewers come first where torrents share a download limit.
//!
//! While a viewer is short of bytes, torrents without such a viewer share what the limit leaves
//! beside the torrents that have one. A token bucket counts the bytes that they request. This
//! module knows rates and no peers. Without a limit nobody waits: how much the line carries is
//! unknown then.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::metainfo::InfoHash;
use crate::time::Instant;

/// A viewer is short of bytes if it needs missing ones within this time.
pub(crate) const SHORT: Duration = Duration::from_secs(10);
/// How long a report counts. Torrents with viewers report at least once a second.
const REPORTED_FOR: Duration = Duration::from_secs(3);
/// The part of the limit that is shared out while a viewer is short of bytes, percent. The rest
/// lets the rate of the watched torrent rise.
const SHARED_PERCENT: u64 = 90;
/// The bucket holds the bytes of this time at the limit, but at least one block.
const BUCKET: Duration = Duration::from_millis(250);
const BLOCK: u64 = crate::geometry::BLOCK_LENGTH as u64;

/// What each torrent may request while a viewer is short of bytes.
#[derive(Debug, Default)]
pub(crate) struct Precedence {
    limit_bps: Option<u64>,
    /// Torrents whose viewers are short of bytes: their download rates, and when they said so.
    short: BTreeMap<InfoHash, (u64, Instant)>,
    /// Bytes that the other torrents may request now.
    left: u64,
    refilled: Instant,
    /// Number of times that a first viewer became short of bytes.
    shortages: u32,
}

impl Precedence {
    /// Sets the download limit of all torrents together, bytes per second; `None` for no limit.
    pub(crate) fn set_limit(&mut self, limit_bps: Option<u64>) {
        self.limit_bps = limit_bps;
    }

    /// Records whether a torrent's viewer is short of bytes. `rate_bps` is the torrent's download
    /// rate.
    pub(crate) fn report(
        &mut self,
        info_hash: InfoHash,
        is_short: bool,
        rate_bps: u64,
        now: Instant,
    ) {
        self.short.retain(|_, (_, at)| now.saturating_since(*at) < REPORTED_FOR);
        if !is_short {
            self.short.remove(&info_hash);
            return;
        }
        if self.short.is_empty() {
            (self.shortages, self.left, self.refilled) = (self.shortages.wrapping_add(1), 0, now);
        }
        self.short.insert(info_hash, (rate_bps, now));
    }

    /// Returns whether a torrent has to share what viewers of other torrents leave. If so, returns
    /// the number of the current shortage.
    pub(crate) fn shortage(&self, info_hash: InfoHash, now: Instant) -> Option<u32> {
        let is_current = |(_, at): &(u64, Instant)| now.saturating_since(*at) < REPORTED_FOR;
        let gives_way = self.limit_bps.is_some()
            && !self.short.contains_key(&info_hash)
            && self.short.values().any(is_current);
        gives_way.then_some(self.shortages)
    }

    /// Returns whether a torrent may request one more block.
    pub(crate) fn may_ask(&mut self, info_hash: InfoHash, now: Instant) -> bool {
        if self.shortage(info_hash, now).is_none() {
            return true;
        }
        let Some(limit) = self.limit_bps else { return true };
        let watched: u64 = self.short.values().map(|(rate, _)| rate).sum();
        let shared = (limit / 100 * SHARED_PERCENT).saturating_sub(watched);
        let bytes = |bps: u64, time: Duration| {
            bps.saturating_mul(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)) / 1_000_000
        };
        let more = bytes(shared, now.saturating_since(self.refilled));
        if more > 0 {
            let most = bytes(limit, BUCKET).max(BLOCK);
            (self.left, self.refilled) = ((self.left + more).min(most), now);
        }
        self.left >= BLOCK
    }

    /// Records that a torrent has requested a block.
    pub(crate) fn asked(&mut self, info_hash: InfoHash, now: Instant) {
        if self.shortage(info_hash, now).is_some() {
            self.left = self.left.saturating_sub(BLOCK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::rate::RateMeter;

    const FILM: InfoHash = InfoHash([0; 20]);

    fn torrent(number: u8) -> InfoHash {
        InfoHash([number; 20])
    }

    /// Simulates a line that serves all outstanding blocks of 20 torrents in turn, as the daemon's
    /// limit does. The film's peers can send `film_bps`. Returns the rates of the film and of all
    /// others together in each second.
    fn rates(limit_bps: u64, film_bps: u64, is_short: bool, seconds: u64) -> Vec<(u64, u64)> {
        let mut precedence = Precedence::default();
        precedence.set_limit(Some(limit_bps));
        let (mut owed, mut line, mut film_line) = ([0u64; 20], 0, 0);
        let mut film_rate = RateMeter::new(Instant(1_000_000));
        let (mut next, mut seen) = (0, Vec::new());
        for second in 0..seconds {
            let (mut film, mut others) = (0, 0);
            for step in 0..100 {
                let now = Instant(1_000_000 + (second * 100 + step) * 10_000);
                precedence.report(FILM, is_short, film_rate.rate_bps(now), now);
                for (number, owed) in (0u8..).zip(&mut owed) {
                    while *owed < 4 && precedence.may_ask(torrent(number), now) {
                        precedence.asked(torrent(number), now);
                        *owed += 1;
                    }
                }
                (line, film_line) = (line + limit_bps / 100, film_line + film_bps / 100);
                while line >= BLOCK {
                    let may = |at: usize| owed[at] > 0 && (at > 0 || film_line >= BLOCK);
                    let Some(at) = (0..20).map(|at| (next + at) % 20).find(|&at| may(at)) else {
                        break;
                    };
                    (next, line) = (at + 1, line - BLOCK);
                    owed[at] -= 1;
                    if at == 0 {
                        film_line -= BLOCK;
                        film_rate.add(BLOCK, now);
                        film += BLOCK;
                    } else {
                        others += BLOCK;
                    }
                }
                (line, film_line) = (line.min(BLOCK * 2), film_line.min(BLOCK * 2));
            }
            seen.push((film, others));
        }
        seen
    }

    #[test]
    fn a_film_gets_the_limit_that_twenty_torrents_share() {
        let seen = rates(400_000, 1_000_000, true, 20);
        let late: Vec<u64> = seen.iter().skip(5).map(|(film, _)| *film).collect();
        assert!(late.iter().all(|&film| film > 200_000), "{seen:?}");
        assert!(seen[3].0 >= 80_000, "soon: {seen:?}");
    }

    #[test]
    fn what_the_film_can_not_use_is_left_to_the_others() {
        for (film, others) in rates(400_000, 80_000, true, 20).into_iter().skip(8) {
            assert!(film >= 60_000 && others > 200_000, "{film} and {others}");
        }
    }

    #[test]
    fn without_a_short_viewer_or_a_limit_nobody_gives_way() {
        let seen = rates(400_000, 1_000_000, false, 10);
        assert!(seen.iter().skip(2).all(|(film, _)| *film < 40_000), "{seen:?}");
        let mut precedence = Precedence::default();
        precedence.report(FILM, true, 0, Instant(0));
        assert_eq!(precedence.shortage(torrent(1), Instant(0)), None, "there is no limit");
        precedence.set_limit(Some(100_000));
        assert_eq!(precedence.shortage(torrent(1), Instant(0)), Some(1));
        assert_eq!(precedence.shortage(FILM, Instant(0)), None);
        precedence.report(torrent(2), true, 0, Instant(0));
        assert_eq!(precedence.shortage(torrent(2), Instant(0)), None, "two viewers are equal");
        assert_eq!(precedence.shortage(torrent(1), Instant(3_000_000)), None, "a torrent is gone");
        precedence.report(FILM, false, 0, Instant(0));
        precedence.report(torrent(2), false, 0, Instant(0));
        assert_eq!(precedence.shortage(torrent(1), Instant(0)), None);
    }
}
