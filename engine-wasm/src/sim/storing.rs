//! Failing, unreadable and lost state stores: no added torrent is lost, no removed torrent returns,
//! and a notice tells the user.

use std::time::Duration;

use shared_proto::DaemonMessage;
use shared_proto::io::OpErrorKind;

use super::seeder::Behaviour;
use super::world::World;
use crate::config::Config;
use crate::io::Input;
use crate::metainfo::testing::{Sample, torrent};
use crate::torrent::Record;
use crate::view::{Intent, IntentReply, NoticeKind, Settings, Sharing};

const HOUR: Duration = Duration::from_secs(3_600);
/// Longer than the longest delay of a repeated write.
const A_WHILE: Duration = Duration::from_secs(70);

fn film() -> Sample {
    torrent(64 << 10, &[("film.mp4", 1 << 20)])
}

fn fast() -> Vec<Behaviour> {
    vec![Behaviour::honest(4 << 20, 10); 2]
}

/// A configuration with changeable settings.
fn adjustable() -> Config {
    Config { adjustable: true, ..Config::default() }
}

impl World {
    fn names_of_torrents(&self) -> Vec<String> {
        self.engine.snapshot(self.now).torrents.into_iter().map(|torrent| torrent.name).collect()
    }

    pub(super) fn kinds_of_notices(&self) -> Vec<NoticeKind> {
        self.engine.snapshot(self.now).notices.into_iter().map(|notice| notice.kind).collect()
    }

    fn another_magnet(&self) -> String {
        format!("magnet:?xt=urn:btih:{}&dn=Other", "ab".repeat(20))
    }

    fn say_how_the_store_is(&mut self, trouble: Option<&str>, set_aside: &[&str], begun_anew: u32) {
        let set_aside = set_aside.iter().map(|path| (*path).to_owned()).collect();
        let trouble = trouble.map(str::to_owned);
        let status = DaemonMessage::StateStatus { trouble, set_aside, begun_anew };
        self.hear(Input::Control(status));
    }
}

#[test]
fn torrents_added_during_a_store_failure_survive_a_restart() {
    let mut world = World::new(film(), &fast(), 230);
    world.run_for(Duration::from_secs(1));
    world.store.refuses = Some(OpErrorKind::Full);
    world.add();
    world.intend(Intent::AddMagnet { uri: world.another_magnet() });
    let sharing = Sharing { ratio_percent: Some(300), ..Sharing::default() };
    world.run_for(Duration::from_secs(2));
    world.intend(Intent::SetSharing { info_hash: world.info_hash(), sharing });
    world.run_for(HOUR);
    assert!(!world.has_state(), "nothing could be written");
    world.store.refuses = None;
    world.run_for(A_WHILE);
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.names_of_torrents(), ["Other", "film.mp4"]);
    let film = world.engine.snapshot(world.now).torrents.remove(1);
    assert_eq!(film.sharing, sharing);
    assert_eq!(film.verified, 1 << 20);
}

#[test]
fn torrents_removed_during_a_store_failure_do_not_return() {
    let mut world = World::with_torrent(film(), &fast(), 231);
    world.intend(Intent::AddMagnet { uri: world.another_magnet() });
    world.run_for(Duration::from_secs(10));
    assert!(world.keys("torrent/") == 1 && world.keys("magnet/") == 1);
    world.store.refuses = Some(OpErrorKind::Other);
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: false, undo: false });
    world.intend(Intent::Remove { info_hash: "ab".repeat(20), delete_data: false, undo: false });
    world.run_for(HOUR);
    world.store.refuses = None;
    world.run_for(A_WHILE);
    assert!(!world.has_state(), "{:?}", world.store.state.keys().collect::<Vec<_>>());
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.names_of_torrents(), [""; 0]);
}

#[test]
fn a_torrent_removed_and_added_again_during_a_store_failure_stays() {
    let mut world = World::with_torrent(film(), &fast(), 232);
    world.run_for(Duration::from_secs(10));
    world.store.refuses = Some(OpErrorKind::Full);
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: false, undo: false });
    world.run_for(Duration::from_secs(60));
    world.add();
    world.run_for(Duration::from_secs(60));
    world.store.refuses = None;
    world.run_for(A_WHILE);
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.names_of_torrents(), ["film.mp4"]);
}

#[test]
fn a_daemon_lost_during_a_store_failure_loses_nothing() {
    let mut world = World::new(film(), &fast(), 233);
    world.run_for(Duration::from_secs(1));
    world.store.refuses = Some(OpErrorKind::Full);
    world.add();
    world.intend(Intent::AddMagnet { uri: world.another_magnet() });
    world.run_for(Duration::from_secs(30));
    world.unlink();
    world.store.refuses = None;
    world.link();
    world.run_for(Duration::from_secs(2));
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.names_of_torrents(), ["Other", "film.mp4"]);
}

#[test]
fn a_daemon_lost_before_its_answer_loses_nothing() {
    // The torrent's write is unanswered, and may or may not be durable.
    let mut world = World::new(film(), &[], 234);
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    world.unlink();
    world.forget_state();
    world.link();
    world.run_for(Duration::from_secs(5));
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.names_of_torrents(), ["film.mp4"]);
}

#[test]
fn an_unreadable_store_is_not_treated_as_empty() {
    let mut world = World::with_torrent(film(), &fast(), 235);
    world.run_for(Duration::from_secs(10));
    let secret = world.store.state.value("secret");
    world.store.is_unreadable = true;
    world.replace_engine();
    world.intend(Intent::AddMagnet { uri: world.another_magnet() });
    world.run_for(HOUR);
    assert_eq!(world.kinds_of_notices(), [NoticeKind::NotRead]);
    let replies = world.replies.len();
    world.store.is_unreadable = false;
    world.run_for(Duration::from_secs(5));
    assert_eq!(
        world.names_of_torrents(),
        ["Other", "film.mp4"],
        "what was asked for meanwhile is done"
    );
    assert_eq!(world.replies.len(), replies + 1);
    assert_eq!(world.kinds_of_notices(), []);
    assert_eq!(
        world.store.state.value("secret"),
        secret,
        "links that were given out go on working"
    );
}

#[test]
fn transfer_totals_survive_an_unreadable_record() {
    let mut world = World::with_torrent(film(), &fast(), 236);
    let sharing = Sharing { ratio_percent: Some(300), ..Sharing::default() };
    world.run_for(Duration::from_secs(5));
    world.intend(Intent::SetSharing { info_hash: world.info_hash(), sharing });
    world.run_for(Duration::from_secs(1));
    world.replace_engine();
    // The list is read, then the disk fails.
    assert!(
        world
            .run_until_within(Duration::from_secs(5), |world| !world.names_of_torrents().is_empty())
            .is_some()
    );
    world.store.is_unreadable = true;
    world.run_for(Duration::from_secs(300));
    world.store.is_unreadable = false;
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.view().sharing, sharing);
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.view().sharing, sharing);
}

#[test]
fn a_new_store_receives_everything_the_engine_knows() {
    let mut world = World::configured(adjustable(), film(), &fast(), 237);
    world.add();
    world.intend(Intent::AddMagnet { uri: world.another_magnet() });
    let settings = Settings {
        max_connections: 7,
        ..world.engine.snapshot(world.now).settings.expect("they are known")
    };
    world.intend(Intent::Configure { settings: settings.clone() });
    world.run_for(Duration::from_secs(20));
    let secret = world.store.state.value("secret");
    world.forget_state();
    world.say_how_the_store_is(None, &["/state/state.redb.corrupt-1"], 1);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.kinds_of_notices(), [NoticeKind::SetAside]);
    assert_eq!(world.store.state.value("secret"), secret);
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.names_of_torrents(), ["Other", "film.mp4"]);
    assert_eq!(world.engine.snapshot(world.now).settings, Some(settings));
    let film = world.engine.snapshot(world.now).torrents.remove(1);
    assert_eq!(film.verified, 1 << 20);
}

#[test]
fn notices_report_a_store_failure_and_its_end() {
    let mut world = World::new(film(), &fast(), 238);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.kinds_of_notices(), []);
    world.say_how_the_store_is(Some("the disk is full"), &["/state/state.redb.corrupt-1"], 0);
    assert_eq!(world.kinds_of_notices(), [NoticeKind::NotSaved, NoticeKind::SetAside]);
    let notices = world.engine.snapshot(world.now).notices;
    assert!(notices[0].message.contains("can't be saved: the disk is full."), "{notices:?}");
    assert!(notices[1].message.contains("/state/state.redb.corrupt-1"), "{notices:?}");
    world.say_how_the_store_is(None, &["/state/state.redb.corrupt-1"], 0);
    assert_eq!(world.kinds_of_notices(), [NoticeKind::SetAside]);
    // Another daemon reports the condition of its own store.
    world.say_how_the_store_is(Some("the disk is full"), &[], 0);
    world.unlink();
    assert_eq!(world.kinds_of_notices(), []);
}

#[test]
fn unreadable_records_are_counted_and_kept() {
    let mut world = World::with_torrent(film(), &fast(), 239);
    world.run_for(Duration::from_secs(10));
    world.store.state.set("torrent/abababababababababababababababababababab", b"noise");
    world.store.state.set("magnet/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd", b"noise");
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.names_of_torrents(), ["film.mp4"]);
    let notices = world.engine.snapshot(world.now).notices;
    assert!(notices[0].message.starts_with("2 entries"), "{notices:?}");
    assert_eq!((world.keys("torrent/"), world.keys("magnet/")), (2, 1));
}

#[test]
fn unsaved_settings_are_saved_later_with_a_notice() {
    let mut world = World::configured(adjustable(), film(), &fast(), 240);
    world.run_for(Duration::from_secs(1));
    world.store.refuses = Some(OpErrorKind::Full);
    let settings = Settings {
        max_connections: 7,
        ..world.engine.snapshot(world.now).settings.expect("they are known")
    };
    world.intend(Intent::Configure { settings: settings.clone() });
    world.run_for(Duration::from_secs(1));
    let Some(IntentReply::Failed { message, .. }) = world.replies.last() else {
        panic!("{:?}", world.replies)
    };
    assert!(message.contains("could not be saved yet: the disk is full"), "{message}");
    world.store.refuses = None;
    world.run_for(A_WHILE);
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.engine.snapshot(world.now).settings, Some(settings));
}

#[test]
fn a_record_of_an_earlier_version_is_read() {
    // From `io-shim/tests/fixtures/state-0.redb`: a complete torrent of ten pieces.
    let version_3 = b"\x03\x106f57e65598ff4eb0\0\0\0\0\0\0\x02\xff\xc0\x02\xff\xc0\x01\0\
        \xe0\xa7\x12\xfe\xc6\x93\xf3\xa3\xfb\xab\xf6\x18\xfe\
        \xc6\x93\xf3\xa3\xfb\xab\xf6\x18\x01\0\x01\0\x01\0\x7f\0\0\x01\x8b\x89\x02";
    let record = Record::decode(version_3, 10).expect("it is read");
    assert_eq!((record.verified.count(), record.place.root.0.as_str()), (10, "6f57e65598ff4eb0"));
    assert_eq!(record.peers.len(), 1);
}
