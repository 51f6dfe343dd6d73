//! Torrents that wait for a decision, the queue's order, trackers, and free disk space.

use std::time::Duration;

use shared_proto::io::About;

use super::seeder::Behaviour;
use super::world::World;
use crate::config::Config;
use crate::metainfo::testing::{Sample, private, torrent, torrent_with_trackers};
use crate::metainfo::{Magnet, Metainfo};
use crate::queue::QueueConfig;
use crate::view::{
    Choice, FilePriority, Intent, IntentReply, NoticeKind, Priority, QueueMove, TorrentState,
};

const MIB: u64 = 1 << 20;
/// Most bytes downloaded in advance: the film's start, and a few pieces in search of its index.
const WARM: u64 = 4 * MIB;

/// Returns a torrent of two films, subtitles for the first, and another file.
fn films() -> Sample {
    let files =
        [("S/e1.mkv", 12 << 20), ("S/e1.en.srt", 900), ("S/e2.mkv", 16 << 20), ("S/read.me", 5)];
    torrent(256 << 10, &files)
}

fn two() -> Vec<Behaviour> {
    vec![Behaviour::honest(4 * MIB, 20); 2]
}

/// Creates a world in which torrents of pages wait for a decision.
fn asking(sample: Sample, seed: u8) -> World {
    World::configured(Config { start_at_once: false, ..Config::default() }, sample, &two(), seed)
}

impl World {
    fn decide(&mut self, choice: Choice, files: &[(u32, Priority)]) {
        let files =
            files.iter().map(|&(index, priority)| FilePriority { index, priority }).collect();
        self.intend(Intent::Decide { info_hash: self.info_hash(), choice, files, root: None });
        assert!(
            matches!(self.replies.last(), Some(IntentReply::Done { .. })),
            "{:?}",
            self.replies.last()
        );
    }

    fn text(&mut self, intent: Intent) -> String {
        self.intend(intent);
        self.run_for(Duration::from_millis(50));
        match self.replies.last() {
            Some(IntentReply::Text { text }) => text.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn why_not(&mut self, intent: Intent) -> String {
        self.intend(intent);
        match self.replies.last() {
            Some(IntentReply::Failed { message, .. }) => message.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Checks that only the bytes for a first viewer are downloaded.
    fn waits(&mut self, what: &str) {
        self.run_for(Duration::from_secs(30));
        let view = self.view();
        assert!(view.undecided, "{what}");
        assert!(view.verified > 0 && view.verified <= WARM, "{what}: {} bytes", view.verified);
        assert_ne!(view.state, TorrentState::Complete, "{what}");
        assert_eq!(view.wanted, view.length, "{what}: what would be downloaded is all of it");
    }

    fn verified_of(&self, index: u32) -> u64 {
        self.view()
            .files
            .into_iter()
            .find(|file| file.index == index)
            .map_or(0, |file| file.verified)
    }
}

#[test]
fn before_the_decision_only_what_a_viewer_needs_is_downloaded_also_after_a_restart() {
    let mut world = asking(films(), 200);
    world.add();
    world.waits("it was added");
    assert!(!world.paths().iter().any(|path| path.contains("read.me")), "{:?}", world.paths());
    world.replace_engine();
    world.run_for(Duration::from_millis(100));
    world.name_seeders();
    world.waits("another engine came");
    world.decide(Choice::Download, &[(2, Priority::Skip)]);
    world.run_until_within(Duration::from_secs(30), |world| {
        world.view().state == TorrentState::Complete
    });
    let view = world.view();
    assert_eq!((view.state, view.undecided), (TorrentState::Complete, false));
    assert_eq!((world.verified_of(0), world.verified_of(3)), (12 * MIB, 5));
    assert!(world.verified_of(2) < MIB, "the other film was left out");
    assert_eq!(world.keys("plan/"), 0, "what is usual is not written down");
}

#[test]
fn choosing_to_watch_downloads_the_film_and_its_subtitles_only() {
    let mut world = asking(films(), 201);
    world.add();
    world.run_for(Duration::from_secs(3));
    world.decide(Choice::Watch, &[]);
    world.run_until_within(Duration::from_secs(30), |world| {
        world.view().state == TorrentState::Complete
    });
    let wanted: Vec<bool> =
        world.view().files.iter().map(|file| file.priority != Priority::Skip).collect();
    let paths: Vec<String> = world.view().files.into_iter().map(|file| file.path).collect();
    assert_eq!(
        paths,
        ["Sample/S/e1.en.srt", "Sample/S/e1.mkv", "Sample/S/e2.mkv", "Sample/S/read.me"]
    );
    assert_eq!(wanted, [true, true, false, false]);
    assert_eq!((world.verified_of(0), world.verified_of(1)), (12 * MIB, 900));
}

#[test]
fn deselecting_the_first_film_prepares_the_next_one() {
    let mut world = asking(films(), 202);
    world.add();
    world.run_for(Duration::from_secs(3));
    world.decide(Choice::Watch, &[(0, Priority::Skip)]);
    let wanted = world.view().files.into_iter().filter(|file| file.priority != Priority::Skip);
    assert_eq!(wanted.map(|file| file.path).collect::<Vec<_>>(), ["Sample/S/e2.mkv"]);
}

#[test]
fn a_magnet_link_waits_for_a_decision_too_and_leaves_nothing_when_removed() {
    let mut world = asking(films(), 203);
    world.run_for(Duration::from_millis(10));
    world.intend(Intent::AddMagnet { uri: world.magnet() });
    assert!(world.view().undecided);
    assert!(
        world
            .why_not(Intent::Decide {
                info_hash: world.info_hash(),
                choice: Choice::Watch,
                files: Vec::new(),
                root: None
            })
            .contains("not known yet")
    );
    world.run_until_within(Duration::from_secs(10), |world| world.view().file_count > 0);
    world.name_seeders();
    world.waits("its torrent is described");
    assert_eq!(world.keys("plan/"), 1);
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(5));
    assert!(!world.has_state() && !world.has_files(), "{:?}", world.paths());
}

#[test]
fn without_a_question_everything_is_downloaded() {
    let mut world = World::with_torrent(films(), &two(), 204);
    world.run_until_within(Duration::from_secs(30), World::is_complete);
    assert!(world.is_complete() && !world.view().undecided);

    let mut world = asking(films(), 205);
    world.add();
    world.decide(Choice::Download, &[]);
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    assert!(!world.view().undecided, "it was decided before");
}

#[test]
fn a_torrent_that_waits_for_a_decision_takes_no_place_in_the_queue() {
    let queue = QueueConfig { max_downloads: Some(1), max_seeds: None };
    let config = Config { start_at_once: false, queue, ..Config::default() };
    let mut world = World::configured(config, films(), &two(), 206);
    world.add();
    world.run_for(Duration::from_secs(5));
    let other = torrent(16 << 10, &[("other.mkv", 4 << 20)]);
    world.intend(Intent::AddTorrent { metainfo: other.torrent.clone().into() });
    let info_hash = other.metainfo.info_hash.to_string();
    world.intend(Intent::Decide {
        info_hash: info_hash.clone(),
        choice: Choice::Download,
        files: vec![],
        root: None,
    });
    world.run_for(Duration::from_secs(5));
    let states: Vec<_> =
        world.engine.snapshot(world.now).torrents.iter().map(|it| it.state).collect();
    assert_eq!(states, [TorrentState::Downloading; 2], "both are at work");
}

/// Returns the names of torrents in queue order.
fn queue(world: &World) -> Vec<String> {
    let mut torrents = world.engine.snapshot(world.now).torrents;
    torrents.sort_by_key(|torrent| torrent.queue_position);
    torrents.into_iter().map(|torrent| torrent.name).collect()
}

#[test]
fn the_user_sets_the_order_of_the_queue_and_it_is_kept() {
    let queue_config = QueueConfig { max_downloads: Some(1), max_seeds: None };
    let config = Config { queue: queue_config, ..Config::default() };
    let mut world = World::configured(config, torrent(16 << 10, &[("a.mkv", 1 << 20)]), &[], 207);
    world.run_for(Duration::from_millis(10));
    let mut hashes = Vec::new();
    for name in ["a.mkv", "b.mkv", "c.mkv"] {
        let sample = torrent(16 << 10, &[(name, 1 << 20)]);
        world.intend(Intent::AddTorrent { metainfo: sample.torrent.clone().into() });
        hashes.push(sample.metainfo.info_hash.to_string());
    }
    world.run_for(Duration::from_secs(3));
    assert_eq!(queue(&world), ["a.mkv", "b.mkv", "c.mkv"]);
    for (which, to, expected) in [
        (2, QueueMove::Top, ["c.mkv", "a.mkv", "b.mkv"]),
        (2, QueueMove::Up, ["c.mkv", "a.mkv", "b.mkv"]),
        (2, QueueMove::Down, ["a.mkv", "c.mkv", "b.mkv"]),
        (0, QueueMove::Bottom, ["c.mkv", "b.mkv", "a.mkv"]),
    ] {
        world.intend(Intent::MoveInQueue { info_hash: hashes[which].clone(), to });
        assert_eq!(queue(&world), expected, "{to:?}");
    }
    world.run_for(Duration::from_secs(2));
    let at_work = |world: &World| {
        let torrents = world.engine.snapshot(world.now).torrents;
        torrents.into_iter().find(|it| it.state == TorrentState::Downloading).map(|it| it.name)
    };
    assert_eq!(at_work(&world).as_deref(), Some("c.mkv"));
    world.replace_engine();
    world.run_for(Duration::from_secs(3));
    assert_eq!(queue(&world), ["c.mkv", "b.mkv", "a.mkv"]);
    assert_eq!(at_work(&world).as_deref(), Some("c.mkv"));
}

fn trackers(world: &World) -> Vec<String> {
    world.view().trackers.into_iter().map(|tracker| tracker.url).collect()
}

#[test]
fn the_user_adds_and_removes_trackers_permanently() {
    let sample = torrent_with_trackers(16 << 10, &[("a.mkv", 1 << 20)], &["http://first/announce"]);
    let mut world = World::new(sample, &[], 208);
    world
        .outside
        .web
        .insert("http://first/announce".into(), "d8:intervali900e5:peers0:e".as_bytes().into());
    world.add();
    world.run_for(Duration::from_secs(2));
    let info_hash = world.info_hash();
    let add = |trackers: &[&str]| Intent::AddTrackers {
        info_hash: info_hash.clone(),
        trackers: trackers.iter().map(|&url| url.to_owned()).collect(),
    };
    assert!(world.why_not(add(&["ftp://x"])).contains("not the address of a tracker"));
    assert!(world.why_not(add(&[" "])).contains("at least one"));
    world.intend(add(&[" udp://second:80 ", "http://third/a"]));
    assert_eq!(trackers(&world), ["http://first/announce", "udp://second:80", "http://third/a"]);
    let remove =
        |url: &str| Intent::RemoveTracker { info_hash: info_hash.clone(), url: url.to_owned() };
    assert!(world.why_not(remove("http://fourth/a")).contains("no such tracker"));
    let before = world.outside.fetched.len();
    world.intend(remove("http://first/announce"));
    world.run_for(Duration::from_millis(50));
    let said: Vec<&String> = world.outside.fetched[before..].iter().collect();
    assert!(
        said.iter().any(|url| url.contains("event=stopped")),
        "it hears that we stop: {said:?}"
    );
    assert_eq!(trackers(&world), ["udp://second:80", "http://third/a"]);
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!(trackers(&world), ["udp://second:80", "http://third/a"]);
}

#[test]
fn a_private_torrent_accepts_no_further_tracker_and_its_magnet_link_contains_none() {
    let sample = private(16 << 10, &[("a.mkv", 1 << 20)], &["http://t/passkey/announce"]);
    let mut world = World::new(sample, &[], 209);
    world.add();
    let info_hash = world.info_hash();
    let add =
        Intent::AddTrackers { info_hash: info_hash.clone(), trackers: vec!["http://x/a".into()] };
    assert!(world.why_not(add).contains("private"));
    assert!(world.view().private);
    let link = world.text(Intent::MagnetLink { info_hash });
    assert!(!link.contains("passkey"), "{link}");
}

#[test]
fn the_user_can_announce_now_but_not_before_the_tracker_allows_it() {
    let sample = torrent_with_trackers(16 << 10, &[("a.mkv", 1 << 20)], &["http://t/announce"]);
    let mut world = World::new(sample, &[], 210);
    let answer = "d8:intervali1800e12:min intervali120e5:peers0:e";
    world.outside.web.insert("http://t/announce".into(), answer.as_bytes().into());
    world.add();
    world.run_for(Duration::from_secs(5));
    let announce = Intent::Announce { info_hash: world.info_hash() };
    let count = |world: &World| {
        world.outside.fetched.iter().filter(|url| url.contains("/announce")).count()
    };
    let before = count(&world);
    assert!(world.why_not(announce.clone()).contains("again in 11"), "{:?}", world.replies.last());
    world.run_for(Duration::from_secs(2));
    assert_eq!(count(&world), before, "it is left alone");
    world.run_for(Duration::from_secs(120));
    world.intend(announce.clone());
    assert!(matches!(world.replies.last(), Some(IntentReply::Done { message: Some(_), .. })));
    world.run_for(Duration::from_secs(2));
    assert_eq!(count(&world), before + 1, "it is asked");
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    assert!(world.why_not(announce).contains("Resume it first"));
}

#[test]
fn the_exported_magnet_link_and_file_can_be_added_elsewhere() {
    let sample = torrent_with_trackers(
        16 << 10,
        &[("S/a.mkv", 1 << 20), ("S/b.mkv", 9)],
        &["http://t/announce"],
    );
    let mut world = World::new(sample, &[], 211);
    world.add();
    let info_hash = world.info_hash();
    let link = Magnet::parse(&world.text(Intent::MagnetLink { info_hash: info_hash.clone() }))
        .expect("a link");
    assert_eq!(link.info_hash.to_string(), info_hash);
    assert_eq!(link.trackers, ["http://t/announce"]);
    assert_eq!((link.name.is_some(), link.files.len()), (true, 0));
    let files = vec![FilePriority { index: 0, priority: Priority::Skip }];
    world.intend(Intent::SetPriorities { info_hash: info_hash.clone(), files });
    let link = Magnet::parse(&world.text(Intent::MagnetLink { info_hash: info_hash.clone() }))
        .expect("a link");
    assert_eq!(link.files, [1..=1], "it says what was chosen");
    world.intend(Intent::TorrentFile { info_hash: info_hash.clone() });
    let Some(IntentReply::File { name, content }) = world.replies.last() else {
        panic!("{:?}", world.replies.last())
    };
    let meta = Metainfo::parse(content).expect("a torrent");
    assert_eq!((meta.info_hash.to_string(), &meta.info), (info_hash, &world.sample.metainfo.info));
    assert!(name.ends_with(".torrent"), "{name}");
}

#[test]
fn connected_peers_are_shown_with_their_transferred_bytes() {
    let mut world = World::with_torrent(films(), &two(), 212);
    world.run_for(Duration::from_secs(2));
    let peers = world.engine.peers(&world.info_hash(), world.now);
    assert_eq!(peers.len(), 2);
    for peer in peers {
        assert!(
            peer.address.starts_with("127.0.0.1:") && !peer.incoming && !peer.encrypted,
            "{peer:?}"
        );
        assert!(
            (peer.progress - 1.0).abs() < f64::EPSILON && peer.we_want && peer.it_gives,
            "{peer:?}"
        );
        assert!(
            peer.down_rate_bps > MIB && peer.downloaded > MIB && peer.uploaded == 0,
            "{peer:?}"
        );
    }
    assert!(world.engine.peers("x", world.now).is_empty());
}

#[test]
fn a_notice_warns_before_the_disk_is_full() {
    let mut world = World::new(films(), &[], 213);
    world.daemon.free = 20 * MIB;
    world.add();
    world.run_for(Duration::from_secs(1));
    let spaces = |world: &World| {
        let notices = world.engine.snapshot(world.now).notices;
        let spaces = notices.into_iter().filter(|notice| notice.kind == NoticeKind::Space);
        spaces
            .filter_map(|notice| notice.space)
            .map(|it| (it.needed_bytes, it.free_bytes))
            .collect::<Vec<_>>()
    };
    assert_eq!(world.engine.snapshot(world.now).roots[0].free_bytes, Some(20 * MIB));
    assert_eq!(spaces(&world), [(28 * MIB + 905, 20 * MIB)]);
    let files = vec![FilePriority { index: 2, priority: Priority::Skip }];
    world.intend(Intent::SetPriorities { info_hash: world.info_hash(), files });
    assert_eq!(spaces(&world), [], "what is wanted fits");
    world.daemon.free = 5;
    world.run_for(Duration::from_secs(11));
    assert_eq!(spaces(&world), [(12 * MIB + 905, 5)]);
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    assert_eq!(spaces(&world), [], "nothing comes");
}

#[test]
fn a_report_without_torrents_states_the_free_space() {
    let mut world = World::new(torrent(16 << 10, &[("a.mkv", 9)]), &[], 214);
    world.run_for(Duration::from_secs(1));
    let report = world.text(Intent::Report { about: Vec::new() });
    assert!(report.contains("Torrents: 0"), "{report}");
    assert!(report.contains("Folder 1: ") && report.contains(" free\n"), "{report}");
    assert!(!report.contains("not known"), "{report}");
}

#[test]
fn a_report_describes_the_state_without_secrets() {
    let files = [("A secret film/part one.mkv", 64 << 20), ("A secret film/sub.srt", 7)];
    let sample = torrent_with_trackers(
        256 << 10,
        &files,
        &["http://t.example.org/0123456789abcdef/announce"],
    );
    let mut world = World::configured(Config::default(), sample, &two(), 214);
    let log = world.engine.log().clone();
    let info_hash = world.info_hash();
    world.daemon.free = 5;
    tracing::subscriber::with_default(log.subscriber(), || {
        world.add();
        world.run_for(Duration::from_secs(1));
        assert!(
            world
                .engine
                .snapshot(world.now)
                .notices
                .iter()
                .any(|it| it.message.contains("“Downloads”"))
        );
        let name = world.engine.snapshot(world.now).torrents[0].name.clone();
        tracing::warn!(torrent = %info_hash, "“{name}” is not for 203.0.113.9:6881");
    });
    world.daemon.about = About {
        program: "daemon 1".into(),
        system: "linux x86_64".into(),
        log: vec![
            "WARN cannot open /home/jane/Films/Bob's part one.mkv: denied".into(),
            "WARN the disk of “Downloads” is gone, and of Another disk".into(),
        ],
    };
    let about = vec!["Extension: 1.2.3".to_owned(), "from http://x.example.org/a".to_owned()];
    let report = world.text(Intent::Report { about });
    for there in [
        "daemon 1",
        "linux x86_64",
        "Extension: 1.2.3",
        "Torrents: 1",
        "maxConnections=",
        "cannot open ~/…",
        "“torrent 1” is not for ‹address› torrent=torrent 1",
        "Notice: Space: folder 1 needs ",
        "the disk of “folder 1” is gone, and of folder 2",
        "tracker http Failing",
    ] {
        assert!(report.contains(there), "no {there} in {report}");
    }
    let secrets = [
        "secret film",
        "part one",
        "example.org",
        "0123456789abcdef",
        "jane",
        "203.0.113",
        "127.0.0.1",
    ];
    for secret in secrets.into_iter().chain(["“Downloads", "Another disk"]) {
        assert!(!report.contains(secret), "{secret} is in {report}");
    }
    assert!(!report.contains(&info_hash));

    // The disk is missing, and the message names the folder.
    world.disk.is_absent = true;
    tracing::subscriber::with_default(log.subscriber(), || {
        world.replace_engine();
        world.run_for(Duration::from_secs(2));
    });
    let message = world.engine.snapshot(world.now).torrents[0].message.clone().unwrap_or_default();
    assert!(message.contains("is not connected"), "{message}");
    let report = world.text(Intent::Report { about: Vec::new() });
    assert!(
        report.contains("trouble FolderMissing") && report.contains("torrent stopped"),
        "{report}"
    );
    assert!(!report.contains("is not connected"), "{report}");
    world.unlink();
    let report = world.text(Intent::Report { about: Vec::new() });
    assert!(report.contains("Daemon: not connected"), "{report}");
}
