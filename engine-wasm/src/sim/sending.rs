//! Every sent byte belongs to a verified piece. This holds also when other programs change files
//! and the disk answers late.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use shared_proto::DaemonMessage;

use super::seeder::Behaviour;
use super::world::World;
use crate::io::Input;
use crate::metainfo::testing::torrent;
use crate::view::Intent;

const FILES: [(&str, usize); 3] = [("a.mkv", 600_000), ("b.mkv", 1_500_017), ("c.mkv", 700_000)];

fn honest() -> Vec<Behaviour> {
    vec![Behaviour::honest(8 << 20, 5); 2]
}

fn liars() -> Vec<Behaviour> {
    vec![Behaviour { corrupts_every: 1, ..Behaviour::honest(8 << 20, 5) }; 2]
}

/// Changes a watched file as another program would.
fn vandalise(world: &mut World, rng: &mut ChaCha8Rng) {
    let file = rng.random_range(0..FILES.len());
    let path = ["Sample", FILES[file].0].map(str::to_owned).to_vec();
    let now = world.now;
    let length = world.disk.read(&path).map_or(0, <[u8]>::len);
    // A change between two writes of the engine cannot be noticed.
    if !world.is_watched(&path) || !world.engine.is_settled(&world.info_hash(), file) {
        return;
    }
    match rng.random_range(0..6) {
        0 => world.disk.remove(&path),
        1 => world.disk.plant(path, vec![7; FILES[file].1], now),
        2 => {
            let right = world.sample.file(file).to_vec();
            world.disk.plant(path, right, now);
        }
        3 if length > 1 => world.disk.cut(&path, rng.random_range(0..length), now),
        _ if length > 0 => world.disk.change_secretly(&path, rng.random_range(0..length), now),
        _ => {}
    }
}

/// Runs a torrent while other programs change its files. Returns sent bytes, noticed changes and
/// revokes.
fn live(seed: u64) -> (u64, u32, u32) {
    println!("SIM_SEED={seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let piece_length = 16 << rng.random_range(10..13);
    let mut world = World::new(
        torrent(piece_length, &FILES),
        &honest(),
        u8::try_from(seed).expect("few seeds"),
    );
    world.send_replies(seed);
    world.add();
    world.run_for(Duration::from_millis(rng.random_range(0..20_000)));
    let info_hash = world.info_hash();
    for _ in 0..120 {
        match rng.random_range(0..24) {
            0..10 => {
                let file = rng.random_range(0..FILES.len());
                let length = FILES[file].1 as u64;
                let start = rng.random_range(0..length);
                world.ask(file, start, rng.random_range(start..length));
            }
            10..16 => vandalise(&mut world, &mut rng),
            16 => world.intend(Intent::Recheck { info_hash: info_hash.clone() }),
            17 => world.intend(Intent::CancelRecheck { info_hash: info_hash.clone() }),
            18 => world.replace_seeders(&liars()),
            19 => world.intend(Intent::Pause { info_hash: info_hash.clone() }),
            20 => world.intend(Intent::Resume { info_hash: info_hash.clone() }),
            21 => {
                let one = world.viewers.keys().next().copied();
                if let Some(request) = one {
                    world.leave(request);
                }
            }
            22 if rng.random_bool(0.3) => world.replace_engine(),
            _ => {
                world.replace_seeders(&honest());
                world.name_seeders();
            }
        }
        let pause = if rng.random_bool(0.2) { 6_000_000 } else { 40_000 };
        world.run_for(Duration::from_micros(rng.random_range(0..pause)));
    }
    let sending = world.daemon.sending.expect("it sends");
    (sending.sent_bytes, sending.changed, sending.revoked)
}

#[test]
fn a_failed_send_is_checked_by_the_next_engine() {
    let mut world = World::new(
        torrent(32 << 10, &[("film.mp4", 1 << 20)]),
        &[Behaviour::honest(4 << 20, 10)],
        245,
    );
    world.send_replies(245);
    world.add();
    world.run_for(Duration::from_secs(10));
    let before = world.etag();
    assert!(before.is_some());
    let file_id = format!("{}.0", world.info_hash()).as_str().into();
    world.hear(Input::Control(DaemonMessage::FileChanged { file_id, stat: None, sending: true }));
    world.run_for(Duration::from_secs(5));
    let after = world.etag();
    assert_ne!(before, after);
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.etag(), after);
}

#[test]
fn whatever_other_programs_do_only_verified_bytes_are_sent() {
    let seed = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or(0..40, |seed| seed..seed + 1);
    let mut all = (0, 0, 0);
    for (sent, changed, revoked) in seeds.map(live) {
        all = (all.0 + sent, all.1 + changed, all.2 + revoked);
    }
    println!("{} bytes sent, {} changes told, {} revocations", all.0, all.1, all.2);
    assert!(
        seed.is_some() || (all.0 > 10 << 20 && all.1 > 20 && all.2 > 100),
        "too little happened: {all:?}"
    );
}
