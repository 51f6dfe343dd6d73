//! Settings apply at once, survive restarts, and are unchanged by invalid values.

use std::time::Duration;

use super::engines::{Engines, TRACKER};
use super::seeder::Behaviour;
use super::web_seeds;
use super::world::World;
use crate::config::Config;
use crate::metainfo::testing::{Sample, torrent, torrent_with_trackers};
use crate::peer::handshake::Handshake;
use crate::peer::mse::Encryption;
use crate::peer::policy::ConnectionPolicy;
use crate::view::{Giving, Intent, IntentReply, Settings, TorrentState};

const MIB: u64 = 1 << 20;

fn adjustable() -> Config {
    Config { adjustable: true, ..Config::default() }
}

fn film(mib: usize) -> Sample {
    torrent_with_trackers(256 << 10, &[("film.mp4", mib << 20)], &[TRACKER])
}

/// Creates engines with changeable settings; engine 0 has the torrent.
fn engines(sample: Sample, up_bps: &[u64], seed: u8) -> Engines {
    let mut engines = Engines::configured(sample, up_bps, seed, |_| adjustable());
    engines.seed(0);
    engines
}

fn settings(engines: &Engines, node: usize) -> Settings {
    engines.nodes[node].engine.snapshot(engines.now).settings.expect("they can be changed")
}

/// Changes settings at a node and checks that it succeeds.
fn change(engines: &mut Engines, node: usize, change: impl FnOnce(&mut Settings)) {
    let mut wanted = settings(engines, node);
    change(&mut wanted);
    engines.intend(node, Intent::Configure { settings: wanted.clone() });
    engines.run_for(Duration::from_millis(100));
    assert_eq!(engines.nodes[node].replies.last(), Some(&IntentReply::Configured));
    assert_eq!(settings(engines, node), wanted);
}

fn world(config: Config, seed: u8) -> World {
    let mut world =
        World::configured(config, torrent(64 << 10, &[("film.mp4", 1 << 20)]), &[], seed);
    world.run_for(Duration::from_millis(10));
    world
}

fn shown(world: &World) -> Option<Settings> {
    world.engine.snapshot(world.now).settings
}

#[test]
fn limits_apply_at_once_and_to_the_next_daemon() {
    let mut engines = engines(film(1), &[MIB], 60);
    change(&mut engines, 0, |it| {
        (it.down_limit_bps, it.up_limit_bps) = (Some(2_000_000), Some(5_000))
    });
    assert_eq!(engines.nodes[0].limits[&0], (Some(2_000_000), Some(5_000)));
    engines.nodes[0].limits.clear();
    engines.replace(0, 61);
    engines.run_for(Duration::from_secs(1));
    assert_eq!(engines.nodes[0].limits[&0], (Some(2_000_000), Some(5_000)));
    assert_eq!(settings(&engines, 0).up_limit_bps, Some(5_000));
    change(&mut engines, 0, |it| (it.down_limit_bps, it.up_limit_bps) = (None, None));
    assert_eq!(engines.nodes[0].limits[&0], (None, None), "a limit is lifted");
}

#[test]
fn invalid_settings_are_refused_and_change_nothing() {
    let mut world = world(adjustable(), 62);
    let before = shown(&world).expect("they can be changed");
    for wrong in [
        Settings { down_limit_bps: Some(1), ..before.clone() },
        Settings { max_connections: 0, ..before.clone() },
        Settings { tcp: false, utp: false, ..before.clone() },
    ] {
        world.intend(Intent::Configure { settings: wrong });
        assert!(
            matches!(world.replies.last(), Some(IntentReply::Failed { .. })),
            "{:?}",
            world.replies
        );
    }
    assert_eq!((shown(&world), world.keys("settings")), (Some(before), 0));
}

#[test]
fn an_engine_with_fixed_settings_keeps_them() {
    let mut world = world(Config::default(), 63);
    assert_eq!(shown(&world), None, "there is nothing to change");
    let settings =
        crate::settings::from_config(&Config { max_connections: 5, ..Config::default() });
    world.intend(Intent::Configure { settings });
    assert!(matches!(world.replies.last(), Some(IntentReply::Failed { .. })));
    assert_eq!(world.keys("settings"), 0);
}

#[test]
fn failed_writes_of_settings_are_reported_to_the_caller() {
    let mut world = world(adjustable(), 64);
    let wanted = Settings { max_downloads: Some(3), ..shown(&world).expect("they can be changed") };
    world.disk.room = Some(0);
    world.plant("other", b"a full disk");
    world.intend(Intent::Configure { settings: wanted.clone() });
    world.run_for(Duration::from_secs(1));
    let Some(IntentReply::Failed { message, .. }) = world.replies.last() else {
        panic!("{:?}", world.replies)
    };
    assert!(message.contains("the disk is full"), "{message}");
    world.disk.room = None;
    world.intend(Intent::Configure { settings: wanted.clone() });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.replies.last(), Some(&IntentReply::Configured));
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!(shown(&world), Some(wanted));
}

#[test]
fn a_daemon_lost_during_a_change_of_settings_loses_nothing() {
    let mut world = world(adjustable(), 65);
    let wanted = Settings { max_seeds: Some(3), ..shown(&world).expect("they can be changed") };
    world.intend(Intent::Configure { settings: wanted.clone() });
    world.unlink();
    assert!(
        matches!(world.replies.last(), Some(IntentReply::Failed { .. })),
        "it is not written down yet"
    );
    world.intend(Intent::Configure { settings: wanted.clone() });
    assert_eq!(world.replies.len(), 2, "without a daemon nothing is promised");
    world.link();
    world.run_for(Duration::from_secs(1));
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!(shown(&world), Some(wanted));
}

#[test]
fn connections_beyond_a_lowered_limit_end_at_once() {
    let mut engines = engines(film(2), &[32 << 10], 66);
    let name = engines.sample.metainfo.info_hash;
    let strangers: Vec<_> = (0..4u8)
        .map(|at| {
            let stranger = engines.dial(0);
            engines.say(stranger, Handshake::ours(name, [b'a' + at; 20]).encode().to_vec());
            stranger
        })
        .collect();
    let closed = |engines: &Engines| {
        strangers.iter().map(|it| engines.strangers[it].closed).collect::<Vec<_>>()
    };
    assert_eq!(closed(&engines), [false; 4]);
    change(&mut engines, 0, |it| it.max_connections = 2);
    assert_eq!(closed(&engines), [false, false, true, true], "who came first stays");
    assert_eq!(engines.view(0).peers, 2);
}

#[test]
fn switched_off_trackers_receive_stopped_and_nothing_more() {
    let mut engines = engines(film(1), &[MIB], 67);
    let events = |engines: &Engines| {
        let event = |(_, query): &(usize, String)| {
            query.split_once("&event=").map(|(_, event)| event.to_owned())
        };
        engines.announces.iter().filter_map(event).collect::<Vec<_>>()
    };
    assert_eq!(events(&engines), ["started"]);
    change(&mut engines, 0, |it| it.trackers = false);
    assert!(engines.view(0).trackers.is_empty());
    let told = engines.announces.len();
    engines.run_for(Duration::from_secs(4_000));
    assert_eq!(
        (events(&engines), engines.announces.len()),
        (vec!["started".into(), "stopped".into()], told)
    );
    change(&mut engines, 0, |it| it.trackers = true);
    engines.run_for(Duration::from_secs(2));
    assert_eq!(events(&engines), ["started", "stopped", "started"]);
}

#[test]
fn a_changed_ratio_limit_resumes_or_stops_seeding() {
    let mut engines = engines(film(1), &[MIB], 68);
    change(&mut engines, 0, |it| it.seed_s = Some(30));
    let gives = |giving: Giving| move |engines: &Engines| engines.view(0).giving == giving;
    assert!(engines.run_until_within(Duration::from_secs(60), gives(Giving::Sated)).is_some());
    change(&mut engines, 0, |it| it.seed_s = Some(3_600));
    assert_eq!(engines.view(0).giving, Giving::Open);
    change(&mut engines, 0, |it| it.seed_s = None);
    change(&mut engines, 0, |it| it.ratio_percent = Some(0));
    assert!(engines.run_until_within(Duration::from_secs(10), gives(Giving::Sated)).is_some());
}

#[test]
fn the_queue_follows_its_limits_and_can_be_switched_off() {
    let mut engines = engines(film(4), &[MIB], 69);
    engines.run_for(Duration::from_secs(2));
    let giving = |engines: &Engines| engines.view(0).giving;
    assert_eq!(giving(&engines), Giving::Open);
    change(&mut engines, 0, |it| it.max_seeds = Some(0));
    assert_eq!(giving(&engines), Giving::Queued);
    change(&mut engines, 0, |it| it.max_seeds = None);
    assert_eq!(giving(&engines), Giving::Open);
}

#[test]
fn encryption_applies_to_new_connections_in_both_directions() {
    let mut engines = engines(film(2), &[MIB, MIB], 70);
    change(&mut engines, 0, |it| it.encryption = Encryption::Forced);
    change(&mut engines, 1, |it| it.encryption = Encryption::Off);
    engines.add(1);
    engines.run_for(Duration::from_secs(60));
    assert_eq!(
        (engines.view(0).peers, engines.view(1).peers),
        (0, 0),
        "they have no way in common"
    );
    change(&mut engines, 1, |it| it.encryption = Encryption::Preferred);
    engines.overheard.clear();
    let done = |engines: &Engines| engines.is_complete(1);
    assert!(engines.run_until_within(Duration::from_secs(400), done).is_some());
    assert!(engines.is_right(1));
    assert_eq!(engines.overheard, [], "no handshake was readable");
}

#[test]
fn a_disabled_transport_neither_dials_nor_accepts() {
    let policy = ConnectionPolicy { utp: true, ..ConnectionPolicy::default() };
    let config = move |_| {
        let mut config = Config { policy, ..adjustable() };
        config.net.udp = true;
        config
    };
    let mut engines = Engines::configured(film(2), &[MIB, MIB], 71, config);
    engines.seed(0);
    change(&mut engines, 0, |it| it.tcp = false);
    let stranger = engines.dial(0);
    engines.run_for(Duration::from_secs(1));
    assert!(engines.strangers[&stranger].closed, "over TCP");
    change(&mut engines, 1, |it| it.utp = false);
    engines.add(1);
    engines.run_for(Duration::from_secs(60));
    assert_eq!(engines.view(1).peers, 0, "they have no way in common");
    change(&mut engines, 1, |it| (it.tcp, it.utp) = (false, true));
    let done = |engines: &Engines| engines.is_complete(1);
    assert!(engines.run_until_within(Duration::from_secs(400), done).is_some(), "over uTP");
}

#[test]
fn disabled_web_seeds_are_not_used_any_more() {
    let mut world = World::configured(adjustable(), web_seeds::film(&["http://w/dir/"]), &[], 72);
    world.run_for(Duration::from_millis(10));
    world
        .outside
        .web
        .insert("http://w/dir/a%20film.mp4".into(), world.sample.content.clone().into());
    let usual = shown(&world).expect("they can be changed");
    world.intend(Intent::Configure { settings: Settings { web_seeds: false, ..usual.clone() } });
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    world.run_for(Duration::from_secs(60));
    assert_eq!((world.verified(), world.outside.fetched.len()), (0, 0));
    world.intend(Intent::Configure { settings: usual });
    assert!(world.run_until_within(Duration::from_secs(20), World::is_complete).is_some());
}

#[test]
fn settings_apply_first_after_a_restart() {
    let seeders = [Behaviour::honest(MIB, 20)];
    let mut world =
        World::configured(adjustable(), torrent(64 << 10, &[("film.mp4", 1 << 20)]), &seeders, 73);
    world.run_for(Duration::from_millis(10));
    // Without a uTP socket, no peer can be dialled.
    let settings =
        Settings { tcp: false, utp: true, ..shown(&world).expect("they can be changed") };
    world.intend(Intent::Configure { settings });
    world.add();
    world.run_for(Duration::from_secs(2));
    for _ in 0..3 {
        world.replace_engine();
        world.run_for(Duration::from_secs(5));
        assert_eq!((world.view().state, world.verified()), (TorrentState::Downloading, 0));
    }
    assert!(world.lines.dialled.is_empty(), "nothing was requested: {:?}", world.lines.dialled);
}
