//! Tests of download folders: overlaps, names that lead outside, and disks that are gone.

use std::fs;

use super::*;
use crate::testing::TempDir;

fn roots(paths: &[PathBuf]) -> Roots {
    let entry =
        |(n, path): (usize, &PathBuf)| (RootKey(n.to_string()), format!("Root {n}"), path.clone());
    Roots::new(paths.iter().enumerate().map(entry).collect())
}

#[test]
fn of_two_roots_none_lies_inside_the_other() {
    let dir = TempDir::new();
    let at = |path: &str| dir.path().join(path);
    fs::create_dir_all(at("films/new")).unwrap();
    let apart = |paths: &[&str]| {
        roots(&paths.iter().map(|path| at(path)).collect::<Vec<_>>()).check_apart()
    };
    assert_eq!(apart(&["films", "films-2", "not there", "other/not there"]), Ok(()));
    for (outer, inner) in [
        ("films", "films/new"),
        ("films", "films/not/there"),
        ("no", "no/inner"),
        ("films/../films", "films/new"),
    ] {
        assert_eq!(apart(&[outer, inner]), Err(RootsError::Nested(at(inner), at(outer))));
        assert_eq!(apart(&["apart", inner, outer]), Err(RootsError::Nested(at(inner), at(outer))));
    }
    assert_eq!(apart(&["films", "films/"]), Err(RootsError::Same(at("films"), at("films/"))));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(at("films"), at("link")).unwrap();
        assert_eq!(apart(&["films", "link"]), Err(RootsError::Same(at("films"), at("link"))));
        assert_eq!(
            apart(&["link/new/er", "films"]),
            Err(RootsError::Nested(at("link/new/er"), at("films")))
        );
    }
}

/// Roots with these names below a folder, and their keys. The same folder remembers which of them
/// held files.
fn named(dir: &TempDir, names: &[&str]) -> (Roots, Vec<RootKey>) {
    let paths: Vec<PathBuf> = names.iter().map(|name| dir.path().join(name)).collect();
    let keys: Vec<RootKey> = paths.iter().map(|path| Roots::key_of(path)).collect();
    let entries = names
        .iter()
        .zip(&keys)
        .zip(paths)
        .map(|((name, key), path)| (key.clone(), (*name).into(), path));
    (Roots::new(entries.collect()).remembering_in(dir.path()), keys)
}

fn labels(roots: &Roots) -> Vec<String> {
    roots.list().into_iter().map(|root| root.label).collect()
}

fn prefer(roots: &Roots, path: &Path) -> Result<Vec<Root>, OpError> {
    roots.prefer(|_| path.file_name().unwrap().to_string_lossy().into_owned(), path, || Ok(()))
}

fn hold_files(roots: &Roots, key: &RootKey) {
    roots.remember(key, &roots.open(key, true).unwrap());
}

#[test]
fn a_folder_that_another_choice_set_aside_is_still_found_and_its_files_open() {
    let dir = TempDir::new();
    let (roots, keys) = named(&dir, &["films"]);
    let inner = dir.path().join("films/inner");
    prefer(&roots, &inner).unwrap();
    assert_eq!(labels(&roots), ["inner"]);
    assert_eq!(roots.list_aside().len(), 1, "it is still named");
    assert_eq!(roots.list_aside()[0].key, keys[0]);
    hold_files(&roots, &keys[0]);
    hold_files(&roots, &Roots::key_of(&inner));
    assert_eq!(roots.check_apart(), Ok(()));
    // No choice gives existing files a second path.
    assert_eq!(prefer(&roots, &dir.path().join("films")).unwrap_err().kind, OpErrorKind::Denied);
    assert_eq!(
        prefer(&roots, &dir.path().join("films/more")).unwrap_err().kind,
        OpErrorKind::Denied
    );
    prefer(&roots, &dir.path().join("other")).unwrap();
    prefer(&roots, &inner).unwrap();
    assert_eq!(labels(&roots), ["inner", "other"]);
    // While the inner folder has held no files, the outer one may come back.
    let (roots, _) = named(&TempDir::new(), &["films"]);
    let films = PathBuf::from(&roots.list()[0].path);
    prefer(&roots, &films.join("inner")).unwrap();
    prefer(&roots, &films).unwrap();
    assert_eq!(labels(&roots), ["films"]);
}

#[test]
fn a_start_finds_all_that_was_chosen_and_tells_of_the_latest() {
    let dir = TempDir::new();
    let names = ["films/inner", "films", "other", "films/deep/er"];
    let chosen: Vec<PathBuf> = names[..3].iter().map(|name| dir.path().join(name)).collect();
    for held in [[].as_slice(), &[1], &[0, 1, 2, 3]] {
        let (roots, keys) = named(&dir, &names);
        held.iter().for_each(|index| hold_files(&roots, &keys[*index]));
        let (roots, keys) = named(&dir, &names);
        roots.set_aside(&chosen);
        assert_eq!(labels(&roots), ["films/inner", "other", "films/deep/er"], "{held:?}");
        roots.check_apart().unwrap();
        keys.iter().for_each(|key| drop(roots.open(key, true).unwrap()));
    }
}

#[test]
fn configured_folders_that_overlap_are_an_error_once_both_hold_files() {
    let dir = TempDir::new();
    let (roots, keys) = named(&dir, &["films", "films/inner"]);
    roots.set_aside(&[]);
    assert_eq!(labels(&roots), ["films"]);
    hold_files(&roots, &keys[1]);
    let (roots, _) = named(&dir, &["films", "films/inner"]);
    roots.set_aside(&[]);
    roots.check_apart().unwrap_err();
}

#[test]
fn while_a_choice_is_written_down_files_are_found_and_another_choice_waits() {
    let dir = TempDir::new();
    let (roots, keys) = named(&dir, &["films"]);
    let (begun, begins) = std::sync::mpsc::channel();
    let (go_on, goes_on) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let (roots, slow_path, next_path) =
            (&roots, dir.path().join("slow"), dir.path().join("next"));
        let slow = scope.spawn(move || {
            let keep = || {
                begun.send(()).unwrap();
                goes_on.recv_timeout(std::time::Duration::from_secs(5)).unwrap();
                Ok(())
            };
            roots.prefer(|_| "slow".into(), &slow_path, keep).unwrap()
        });
        begins.recv().unwrap();
        assert_eq!(labels(roots), ["films"]);
        roots.open(&keys[0], true).unwrap();
        let next = scope.spawn(move || prefer(roots, &next_path).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!next.is_finished());
        go_on.send(()).unwrap();
        slow.join().unwrap();
        next.join().unwrap();
        assert_eq!(labels(roots), ["next", "slow", "films"], "no choice undoes another");
    });
}

#[test]
fn a_root_that_held_files_is_absent_when_it_is_gone_and_is_never_made_anew() {
    let dir = TempDir::new();
    let (state, films) = (dir.path().join("state"), dir.path().join("films"));
    fs::create_dir(&state).unwrap();
    let key = RootKey::from("0");
    let new = || roots(std::slice::from_ref(&films)).remembering_in(&state);
    assert!(new().open_if_there(&key).unwrap().is_none());
    assert_eq!(new().open(&key, false).unwrap_err().kind, OpErrorKind::NotFound);
    let roots = new();
    roots.remember(&key, &roots.open(&key, true).unwrap());
    fs::rename(&films, dir.path().join("away")).unwrap();
    for roots in [roots, new()] {
        for create in [true, false] {
            let error = roots.open(&key, create).unwrap_err();
            assert_eq!(error.kind, OpErrorKind::Absent);
            assert!(
                error.message.contains("Root 0")
                    && !error.message.contains(dir.path().to_str().unwrap())
            );
        }
        assert_eq!(roots.open_if_there(&key).unwrap_err().kind, OpErrorKind::Absent);
        assert!(!films.exists());
    }
    fs::write(&films, b"a file").unwrap();
    assert_eq!(new().open(&key, true).unwrap_err().kind, OpErrorKind::Absent);
    fs::remove_file(&films).unwrap();
    fs::rename(dir.path().join("away"), &films).unwrap();
    new().open(&key, false).unwrap();
}

#[test]
fn a_root_that_is_a_file_is_not_taken_for_a_name_in_use() {
    let dir = TempDir::new();
    fs::write(dir.path().join("films"), b"a file").unwrap();
    for path in ["films", "films/inner"] {
        let roots = roots(&[dir.path().join(path)]);
        for create in [true, false] {
            let error = roots.open(&RootKey::from("0"), create).unwrap_err();
            assert_eq!(error.kind, OpErrorKind::Denied, "{path} {create}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_folder_under_a_disk_that_is_not_mounted_is_not_taken_for_the_disk() {
    let dir = TempDir::new();
    let memory = PathBuf::from("/dev/shm").join(dir.path().file_name().unwrap());
    if fs::create_dir(&memory).is_err() {
        panic!("this test needs a second file system at /dev/shm");
    }
    let (films, key) = (dir.path().join("films"), RootKey::from("0"));
    let new = || roots(std::slice::from_ref(&films)).remembering_in(dir.path());
    std::os::unix::fs::symlink(&memory, &films).unwrap();
    new().remember(&key, &new().open(&key, true).unwrap());
    fs::remove_file(&films).unwrap();
    fs::create_dir(&films).unwrap();
    assert_eq!(new().open(&key, true).unwrap_err().kind, OpErrorKind::Absent);
    assert_eq!(fs::read_dir(&films).unwrap().count(), 0);
    // The user moved to another disk.
    fs::write(films.join("film"), b"film").unwrap();
    let dir_now = new().open(&key, true).unwrap();
    new().remember(&key, &dir_now);
    fs::remove_file(films.join("film")).unwrap();
    new().open(&key, false).unwrap();
    fs::remove_dir_all(&memory).unwrap();
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_opened_for_another_reason_is_not_absent() {
    let dir = TempDir::new();
    let (roots, keys) = named(&dir, &["films"]);
    let films = dir.path().join("films");
    let opened = roots.open(&keys[0], true).unwrap();
    roots.remember(&keys[0], &opened);
    fs::remove_dir(&films).unwrap();
    assert_eq!(roots.open_if_there(&keys[0]).unwrap_err().kind, OpErrorKind::Absent);
    std::os::unix::fs::symlink(&films, &films).unwrap();
    assert_eq!(roots.open_if_there(&keys[0]).unwrap_err().kind, OpErrorKind::Denied);
}

#[cfg(unix)]
#[test]
fn the_room_of_a_root_is_that_of_its_disk_even_before_it_exists() {
    let dir = TempDir::new();
    let (roots, keys) = named(&dir, &["films/new"]);
    let (free, total) = roots.room(&keys[0]).unwrap();
    assert!(free > 1 && free <= total);
    roots.open(&keys[0], true).unwrap();
    assert_eq!(roots.room(&keys[0]).unwrap().1, total);
    let unknown = RootKey("unknown".into());
    assert_eq!(roots.room(&unknown).unwrap_err().kind, OpErrorKind::NotFound);
}

#[test]
fn an_overlap_is_described_from_the_side_of_the_chosen_folder() {
    let nested = RootsError::Nested("/films/new".into(), "/films".into());
    let words = |path| nested.in_words(Path::new(path));
    assert_eq!(words("/films/new"), "it lies inside another download folder");
    assert_eq!(words("/films"), "another download folder lies inside it");
}
