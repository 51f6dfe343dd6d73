//! Notices that this computer slept, and that local addresses came or went.
//!
//! The operating system reports neither to a socket: a connection from an address that is gone
//! would wait for its time-outs. So the daemon looks every few seconds, closes such connections,
//! and tells the engine. Owns the last look. Must never know what the engine does about it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use shared_proto::IoEvent;
use tokio::time::Instant;

use super::context::Context;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How much further the clock of the day must move than the steady one, which stands still while
/// most systems sleep. Time servers correct less.
const LEAST_SLEEP: Duration = Duration::from_secs(5);
/// A longer delay of a look shows that the daemon did not run. Some systems sleep without stopping
/// the steady clock.
const MOST_DELAY: Duration = Duration::from_secs(20);

/// What one look saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    addresses: BTreeSet<IpAddr>,
    day: SystemTime,
    steady: Instant,
}

/// What changed between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// The computer slept, or the daemon was stopped for long.
    pub(super) slept: bool,
    /// Addresses that this computer has no longer.
    pub(super) gone: BTreeSet<IpAddr>,
    /// Whether it has new addresses.
    pub(super) has_more: bool,
}

impl Look {
    fn now() -> Self {
        Self { addresses: addresses(), day: SystemTime::now(), steady: Instant::now() }
    }

    /// The difference to a later look; `None` if there is none.
    fn until(&self, later: &Self) -> Option<Change> {
        let steady = later.steady.saturating_duration_since(self.steady);
        let day = later.day.duration_since(self.day).unwrap_or_default();
        let change = Change {
            slept: day > steady + LEAST_SLEEP || steady > LOOK_EVERY + MOST_DELAY,
            gone: &self.addresses - &later.addresses,
            has_more: !later.addresses.is_subset(&self.addresses),
        };
        (change.slept || change.has_more || !change.gone.is_empty()).then_some(change)
    }
}

/// Looks until the engine's sockets close.
pub(super) async fn watch(context: Arc<Context>) {
    let mut last = Look::now();
    let looks = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let look = Look::now();
            if let Some(change) = last.until(&look) {
                handle(&context, &change).await;
            }
            last = look;
        }
    };
    let _: Option<()> = context.stopped.run_until_cancelled(looks).await;
}

async fn handle(context: &Context, change: &Change) {
    let Change { slept, ref gone, has_more } = *change;
    tracing::info!(slept, ?gone, has_more, "the network has changed");
    let mut lost = 0;
    for conn in context.conns().values() {
        if conn.local().is_some_and(|local| gone.contains(&local)) {
            conn.lose();
            lost += 1;
        }
    }
    if lost > 0 {
        tracing::info!(lost, "connections from addresses that are gone are closed");
    }
    context.maps.network_changed();
    context.events.send(IoEvent::NetworkChanged { slept }).await;
}

/// The addresses by which others reach this computer. Those of one link alone come and go with
/// every container.
fn addresses() -> BTreeSet<IpAddr> {
    let is_link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let found = if_addrs::get_if_addrs().unwrap_or_default().into_iter();
    found
        .filter(|interface| !interface.is_loopback())
        .map(|interface| interface.ip())
        .filter(|ip| !is_link_local(ip))
        .collect()
}

/// The local address from which the operating system would send to `remote` now. Sends nothing.
pub(super) fn source_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match remote {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(addresses: &[[u8; 4]], day_s: u64, steady: Instant) -> Look {
        Look {
            addresses: addresses.iter().copied().map(IpAddr::from).collect(),
            day: SystemTime::UNIX_EPOCH + Duration::from_secs(day_s),
            steady,
        }
    }

    const HOME: [u8; 4] = [192, 0, 2, 1];
    const TRAIN: [u8; 4] = [198, 51, 100, 7];

    #[test]
    fn nothing_changes_while_time_passes() {
        let begin = Instant::now();
        let first = look(&[HOME], 100, begin);
        assert_eq!(first.until(&look(&[HOME], 103, begin + LOOK_EVERY)), None);
        assert_eq!(first.until(&look(&[HOME], 90, begin + LOOK_EVERY)), None, "set back");
    }

    #[test]
    fn a_clock_that_jumps_shows_that_the_computer_slept() {
        let begin = Instant::now();
        let slept = |day_s, steady_s| {
            let later = look(&[HOME], day_s, begin + Duration::from_secs(steady_s));
            look(&[HOME], 100, begin).until(&later).is_some_and(|change| change.slept)
        };
        assert!(slept(3_700, 3), "the steady clock stood still");
        assert!(slept(3_700, 3_600), "it went on");
        assert!(!slept(107, 3), "a correction of the clock");
        assert!(!slept(112, 12), "a busy machine");
    }

    #[test]
    fn addresses_that_come_and_go_are_told_apart() {
        let begin = Instant::now();
        let home = look(&[HOME], 100, begin);
        let both = look(&[HOME, TRAIN], 103, begin + LOOK_EVERY);
        let train = look(&[TRAIN], 106, begin + 2 * LOOK_EVERY);
        let change = |slept, gone: &[[u8; 4]], has_more| {
            Some(Change { slept, gone: gone.iter().copied().map(IpAddr::from).collect(), has_more })
        };
        assert_eq!(home.until(&both), change(false, &[], true));
        assert_eq!(both.until(&train), change(false, &[HOME], false));
        assert_eq!(home.until(&train), change(false, &[HOME], true));
    }

    #[test]
    fn the_source_towards_this_computer_is_its_own_address() {
        assert_eq!(source_towards(([127, 0, 0, 1], 9).into()), Some([127, 0, 0, 1].into()));
    }
}
