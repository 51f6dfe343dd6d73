//! What the slow swarm allows at best: a bare leecher that requests only the needed blocks.

use std::time::Instant;

use anyhow::Result;
use jstorrent_tests::floor::Leecher;
use jstorrent_tests::proxy::Proxy;
use jstorrent_tests::steps::Step;
use jstorrent_tests::swarm::Swarm;

use crate::plan::Plan;
use crate::report::{Report, Unit};

/// The least times that the swarm allows: medians, in seconds.
pub(crate) struct Floor {
    /// From connecting to the first piece whole.
    pub(crate) cold_s: f64,
    /// One piece on open connections, from asking to whole.
    pub(crate) piece_s: f64,
    /// The first of two pieces that were asked for together.
    pub(crate) first_of_two_s: f64,
    /// Two pieces, which a MiB needs that begins inside a piece.
    pub(crate) two_s: f64,
}

/// Measures the floor, with new connections in each round.
pub(crate) async fn measure(swarm: &Swarm, plan: &Plan, report: &mut Report) -> Result<Floor> {
    let step = Step::start("floor: what the swarm allows");
    let last = u32::try_from(swarm.torrent.piece_count())? - 3;
    let (mut cold, mut one, mut first, mut two) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let start = Instant::now();
        let seeders = swarm.lines.iter().map(Proxy::address);
        let mut leecher = Leecher::connect(&swarm.torrent, seeders).await?;
        leecher.fetch(0..1).await?;
        cold.push(start.elapsed().as_secs_f64());
        for seek in 0..plan.seeks {
            let piece = 1 + u32::try_from(round * plan.seeks + seek)? * 7 % last;
            one.push(leecher.fetch(piece..piece + 1).await?.all.as_secs_f64());
            let both = leecher.fetch(piece + 1..piece + 3).await?;
            first.push(both.first.as_secs_f64());
            two.push(both.all.as_secs_f64());
        }
    }
    step.done();
    let mut add = |what, samples: &[f64]| report.add(what, Unit::Seconds, samples, None);
    Ok(Floor {
        cold_s: add("floor: connect, then the first MiB", &cold),
        piece_s: add("floor: seek, 1 MiB in 1 piece", &one),
        first_of_two_s: add("floor: seek, 1 MiB across 2 pieces, 1st piece", &first),
        two_s: add("floor: seek, 1 MiB across 2 pieces, whole", &two),
    })
}
