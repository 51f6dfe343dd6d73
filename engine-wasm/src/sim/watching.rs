//! Watch marks: shared by all programs of the user, shown in torrents, and used for the next film.

use std::time::Duration;

use shared_proto::IoEvent;
use shared_proto::io::{Note, Notes, OpErrorKind};

use super::world::World;
use crate::io::Input;
use crate::metainfo::testing::{Sample, torrent};
use crate::sim::seeder::Behaviour;
use crate::view::{Intent, IntentReply, NextFilm, NoticeKind, Priority};

/// Time until a position is saved.
const A_WHILE: Duration = Duration::from_secs(6);

/// Three episodes out of natural order, with other files.
fn series() -> Sample {
    let length = 64 << 10;
    torrent(
        32 << 10,
        &[
            ("E10.mkv", length),
            ("E2.mkv", length),
            ("Sample/e1.mkv", length),
            ("E1.mkv", length),
            ("x.nfo", 9),
        ],
    )
}

fn world(seed: u8) -> World {
    let mut world = World::new(series(), &[], seed);
    world.run_for(Duration::from_millis(10));
    world.add();
    world
}

impl World {
    fn watch(&mut self, file: u32, position_s: f64) {
        self.run_for(Duration::from_millis(1));
        let (info_hash, duration_s) = (self.info_hash(), Some(100.0));
        self.intend(Intent::Watched { info_hash, file, position_s, duration_s, watched: None });
    }

    fn next(&self) -> (u32, f64, bool) {
        let NextFilm { index, position_s, resumes, .. } =
            self.view().next.expect("there is a film");
        (index, position_s, resumes)
    }

    /// Returns position and watched state.
    fn mark_of(&self, index: u32) -> (f64, bool) {
        let file =
            self.view().files.into_iter().find(|file| file.index == index).expect("such a file");
        (file.position_s, file.watched)
    }

    fn refusal(&self) -> String {
        match self.replies.last() {
            Some(IntentReply::Failed { message, .. }) => message.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn another_program_writes(&mut self, key: String, value: &str, at_ms: u64) {
        let note = Note { key: key.clone(), value: value.into(), at_ms };
        if self.store.state.notes.get(&key).is_none_or(|before| before.at_ms <= at_ms) {
            self.store.state.notes.insert(key, note.clone());
        }
        self.input(Input::Io(IoEvent::NotesChanged {
            notes: Notes { notes: vec![note], set_aside: Vec::new() },
        }));
    }
}

#[test]
fn files_are_shown_in_natural_order_with_their_own_indexes() {
    let world = world(90);
    let files = world.view().files;
    let shown: Vec<(u32, &str)> =
        files.iter().map(|file| (file.index, file.path.rsplit('/').next().unwrap())).collect();
    assert_eq!(shown, [(3, "E1.mkv"), (1, "E2.mkv"), (0, "E10.mkv"), (2, "e1.mkv"), (4, "x.nfo")]);
    assert_eq!(world.view().next.unwrap().name, "E1.mkv");
}

#[test]
fn a_series_continues_at_its_last_position() {
    let mut world = world(91);
    assert_eq!(world.next(), (3, 0.0, false));
    world.watch(3, 40.0);
    assert_eq!((world.next(), world.mark_of(3)), ((3, 40.0, true), (40.0, false)));
    world.watch(3, 96.0);
    assert_eq!((world.next(), world.mark_of(3)), ((1, 0.0, false), (0.0, true)));
    world.watch(0, 96.0);
    assert_eq!(world.next(), (1, 0.0, false), "after the last one comes what was left out");
    world.watch(2, 50.0);
    assert_eq!(world.next(), (2, 50.0, true), "a film that is not a main film resumes as well");
    let (info_hash, files) = (world.info_hash(), vec![1, 2]);
    world.intend(Intent::SetWatched { info_hash, files, watched: true });
    assert_eq!(world.next(), (3, 0.0, false), "everything is watched, so the first film is next");
    let (info_hash, files) = (world.info_hash(), vec![0]);
    world.intend(Intent::SetWatched { info_hash, files, watched: false });
    assert_eq!((world.next(), world.mark_of(0)), ((0, 0.0, false), (0.0, false)));
}

#[test]
fn watch_marks_survive_restarts_and_the_torrents_removal() {
    let mut world = world(92);
    let choices = [("audio".to_owned(), "de".to_owned())];
    world.intend(Intent::Choose { info_hash: world.info_hash(), choices: choices.clone().into() });
    world.watch(1, 40.0);
    world.run_for(Duration::from_secs(1));
    world.watch(1, 41.0);
    world.run_for(A_WHILE);
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.next(), world.view().choices), ((1, 41.0, true), choices.clone().into()));
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(1));
    assert!(!world.has_state());
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    world.add();
    assert_eq!((world.next(), world.view().choices), ((1, 41.0, true), choices.into()));
}

#[test]
fn positions_are_saved_seldom_and_watched_states_at_once() {
    let mut world = world(93);
    world.run_for(Duration::from_secs(1));
    let key = format!("film/{}/3", world.info_hash());
    let kept = |world: &World| {
        world.store.state.notes.get(&key).map(|note| note.value.clone()).unwrap_or_default()
    };
    world.watch(3, 10.0);
    world.run_for(Duration::from_millis(10));
    assert!(kept(&world).contains("\"positionMs\":10000"), "the first one, at once");
    let mut writes = Vec::new();
    for second in 11..40 {
        world.watch(3, f64::from(second));
        world.run_for(Duration::from_secs(1));
        writes.push(kept(&world));
    }
    writes.dedup();
    assert!((5..=7).contains(&writes.len()), "{writes:?}");
    world.watch(3, 99.0);
    world.run_for(Duration::from_millis(10));
    assert!(kept(&world).contains("\"watched\":true"));
}

#[test]
fn marks_of_another_program_are_shown_unless_ours_are_newer() {
    let mut world = world(94);
    world.run_for(Duration::from_secs(1));
    let key = |file: u32| {
        format!("film/{}/{file}", "0".repeat(40)).replace(&"0".repeat(40), &world.info_hash())
    };
    let (one, two) = (key(1), key(3));
    world.another_program_writes(
        one,
        "{\"positionMs\":30000,\"durationMs\":100000,\"watched\":false}",
        1_800_000_000_000,
    );
    assert_eq!(world.next(), (1, 30.0, true));
    world.watch(3, 20.0);
    world.another_program_writes(two.clone(), "{\"positionMs\":30000}", 1_700_000_000_000);
    assert_eq!(world.next(), (3, 20.0, true), "an older one");
    world.run_for(A_WHILE);
    assert!(world.store.state.notes[&two].value.contains("20000"));
    world.another_program_writes(two, "{\"positionMs\":0,\"watched\":true}", 1_900_000_000_000);
    assert_eq!(world.next(), (1, 30.0, true), "the next film was begun and resumes");
}

#[test]
fn unsaved_marks_are_kept_reported_and_saved_later() {
    let mut world = world(95);
    world.run_for(Duration::from_secs(1));
    world.store.refuses = Some(OpErrorKind::Full);
    world.watch(1, 40.0);
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.kinds_of_notices(), [NoticeKind::NotSaved]);
    assert!(world.store.state.notes.is_empty());
    assert_eq!(world.next(), (1, 40.0, true));
    world.unlink();
    world.store.refuses = None;
    world.link();
    world.run_for(A_WHILE);
    assert_eq!(world.kinds_of_notices(), []);
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.next(), (1, 40.0, true));
}

#[test]
fn invalid_marks_are_refused() {
    let mut world = world(96);
    world.watch(7, 1.0);
    assert_eq!(world.refusal(), "There is no file 7 in this torrent.");
    world.watch(1, -1.0);
    assert_eq!(world.refusal(), "This is not a time in a film.");
    let (info_hash, choices) = (world.info_hash(), [("a".repeat(40), String::new())].into());
    world.intend(Intent::Choose { info_hash, choices });
    assert!(world.refusal().contains("too long"), "{}", world.refusal());
    world.intend(Intent::SetWatched { info_hash: "0".repeat(40), files: vec![0], watched: true });
    assert_eq!(world.refusal(), "There is no such torrent.");
    world.run_for(A_WHILE);
    assert!(world.store.state.notes.is_empty());
}

#[test]
fn subtitles_of_a_watched_film_come_first_although_unselected() {
    let files = [
        ("film.mkv", 6 << 20),
        ("Subs/2_English.srt", 40_000),
        ("Subs/3_German.srt", 3 << 20),
        ("x.nfo", 40_000),
    ];
    for is_watched in [true, false] {
        let mut world =
            World::new(torrent(32 << 10, &files), &[Behaviour::honest(1 << 20, 20)], 97);
        world.run_for(Duration::from_millis(10));
        // Without a viewer, the film itself is prepared.
        let skipped: &[(u32, Priority)] =
            &[(1, Priority::Skip), (2, Priority::Skip), (3, Priority::Skip)];
        world.add_choosing(skipped);
        let film = world.view().files.remove(0);
        let named: Vec<(u32, Option<&str>)> =
            film.subtitles.iter().map(|it| (it.index, it.language.as_deref())).collect();
        assert_eq!(named, [(1, Some("en")), (2, Some("de"))]);
        if is_watched {
            world.ask(0, 0, (6 << 20) - 1);
        }
        let verified = |world: &World, index: u32| {
            world
                .view()
                .files
                .into_iter()
                .find(|file| file.index == index)
                .expect("a file")
                .verified
        };
        let came =
            world.run_until_within(Duration::from_secs(20), |world| verified(world, 1) == 40_000);
        assert!(
            came.is_some_and(|time| time < Duration::from_secs(3)),
            "{came:?}, watched: {is_watched}"
        );
        assert!(verified(&world, 0) < 4 << 20, "the film was there before");
        world.run_for(Duration::from_secs(20));
        assert!(
            verified(&world, 2) < 3 << 20 && verified(&world, 3) < 40_000,
            "what is too long, or none of its own, is not fetched"
        );
    }
}
