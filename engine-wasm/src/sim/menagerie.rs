//! Odd peers beside a good seeder: none of them delays a download or a viewer.

use std::net::SocketAddr;
use std::time::Duration;

use super::odd::{self, Odd};
use super::seeder::Behaviour;
use super::world::World;
use crate::bitfield::Bitfield;
use crate::metainfo::testing::{Sample, torrent};

const MIB: u64 = 1 << 20;
const LENGTH: usize = 8 << 20;

fn film() -> Sample {
    torrent(256 << 10, &[("film.mp4", LENGTH)])
}

fn good() -> Behaviour {
    Behaviour::honest(MIB, 20)
}

fn odd(odd: Odd) -> Behaviour {
    Behaviour { odd: Some(odd), ..good() }
}

/// What a swarm achieves.
#[derive(Debug)]
struct Result {
    took: Duration,
    /// Bytes from all peers that were not written.
    redundant: u64,
    /// How often the good seeder was dialled.
    dialled: u32,
}

/// Downloads the film, or reads it from its middle with a viewer. The good seeder comes last.
fn run(seeders: &[Behaviour], is_watched: bool, seed: u8) -> Option<Result> {
    let mut world = World::with_torrent(film(), seeders, seed);
    let limit = Duration::from_secs(300);
    let took = if is_watched {
        let request = world.ask(0, LENGTH as u64 / 2, LENGTH as u64 - 1);
        let began = world.now;
        while world.viewers[&request].done_at.is_none() && world.now.saturating_since(began) < limit
        {
            world.run_for(Duration::from_millis(50));
            let granted = world.viewers[&request].next;
            world.drain(request, granted);
        }
        world.viewers[&request].done_at.map(|at| at.saturating_since(began))
    } else {
        world.run_until_within(limit, World::is_complete)
    };
    let port = u16::try_from(seeders.len()).expect("a few");
    let dialled = world.lines.dialled[&SocketAddr::from(([127, 0, 0, 1], port))];
    took.map(|took| Result { took, redundant: world.lines.redundant_bytes, dialled })
}

#[test]
fn odd_peers_beside_a_good_seeder_delay_nothing() {
    let mut slow = Vec::new();
    for is_watched in [false, true] {
        let alone = run(&[good()], is_watched, 1).expect("it completes").took;
        println!("the good seeder alone, watched: {is_watched}: {alone:.2?}");
        for (name, it) in odd::all() {
            // A viewer is only measured beside one odd peer.
            for count in if is_watched { &[1][..] } else { &[1, 4] } {
                let count = *count;
                let mut swarm = vec![odd(it); count];
                swarm.push(good());
                let result = run(&swarm, is_watched, 2);
                let Some(Result { took, redundant, dialled }) = result else {
                    slow.push(format!("{count} × {name}: it hangs"));
                    continue;
                };
                let factor = took.as_secs_f64() / alone.as_secs_f64();
                println!(
                    "{count} × {name:<46} {took:>8.2?} {factor:>5.2} × {:>6} KiB redundant",
                    redundant >> 10
                );
                if factor > 1.2 || dialled > 1 {
                    let what = format!("{factor:.2}, dialled {dialled}, watched: {is_watched}");
                    slow.push(format!("{count} × {name}: {what}"));
                }
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

#[test]
fn a_partial_peer_is_not_starved_by_thousands_of_rarer_pieces() {
    // The partial peer has the last twentieth. The seed and another peer share the rest, so that
    // these pieces are the rarer ones.
    let pieces = 10_000;
    let mut last = Bitfield::new(pieces);
    (pieces - 500..pieces).for_each(|piece| last.set(piece));
    let film = torrent(16 << 10, &[("film.mp4", pieces as usize * (16 << 10))]);
    let swarm = [
        Behaviour::honest(MIB, 20),
        Behaviour { pieces: Some(last.clone()), ..Behaviour::honest(MIB / 8, 20) },
        Behaviour { pieces: Some(last), ..Behaviour::honest(MIB, 20) },
    ];
    let mut world = World::with_torrent(film, &swarm, 3);
    world.run_for(Duration::from_secs(8));
    // 1 MiB/s each for about seven seconds from two seeders, and the third one's.
    let verified = world.verified();
    assert!(verified > 13 * MIB, "{verified} bytes: the partial peers send nothing");
}
