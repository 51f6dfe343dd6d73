//! How fast a complete file is checked at the start, compared with libtorrent.
//!
//! Both are whole programs, from their start until the whole file is verified. The file is in the
//! page cache.

use std::time::Instant;

use anyhow::{Result, ensure};
use jstorrent_tests::steps::Step;
use jstorrent_tests::swarm::Seeder;
use jstorrent_tests::terminal;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::workspace::Scratch;

use crate::film;
use crate::plan::{MIB, PIECE_LENGTH, Plan};
use crate::report::{Report, Unit};

/// Measures both programs in turns.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let step = Step::start(format!(
        "checking {} MiB that lie there, and libtorrent doing so",
        plan.payload_mib
    ));
    let torrent =
        Torrent::make(&Recipe::of_file(&film::payload(plan.payload_mib).await?, PIECE_LENGTH)?)?;
    let rate = |start: Instant| torrent.length as f64 / MIB as f64 / start.elapsed().as_secs_f64();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..plan.downloads {
        let start = Instant::now();
        let seeder = Seeder::start_wide(&torrent).await?;
        theirs.push(rate(start));
        drop(seeder);
        let scratch = Scratch::new("checking")?;
        let file = torrent.write_to(scratch.path())?;
        let args = ["get".as_ref(), file.as_os_str(), "--dir".as_ref(), torrent.folder.as_os_str()];
        let start = Instant::now();
        let (status, _, errors) = terminal::run(&scratch.dir("state")?, args).await?;
        ours.push(rate(start));
        ensure!(status == 0, "jstorrent: {errors}");
    }
    step.done();
    let other = report.add("libtorrent: checking files", Unit::MibPerSecond, &theirs, None);
    report.add("checking files", Unit::MibPerSecond, &ours, Some(("libtorrent", other)));
    Ok(())
}
