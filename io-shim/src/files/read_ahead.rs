//! Read-ahead: the kernel hears which bytes of a file will be asked for, and fetches them from a
//! slow disk in time.
//!
//! Owns how many such hints are followed at once and how far. Must never send a byte: what is read
//! ahead stays in the kernel's cache.

use std::fs::File;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::control::desk::ServedFile;
use crate::files::FileStore;
use crate::metrics::{Metrics, add};

/// Hints that may keep a thread busy at once; further ones are dropped, they are only hints.
const AT_ONCE: usize = 4;
/// Bytes of one hint that are followed: what a viewer watches in a few seconds.
const FURTHEST: u64 = 16 << 20;

/// Follows hints.
pub(crate) struct ReadAhead {
    files: Arc<FileStore>,
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
}

impl ReadAhead {
    pub(crate) fn new(files: Arc<FileStore>, metrics: Arc<Metrics>) -> Self {
        Self { files, metrics, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The bytes from `start` to `end` inclusive will be asked for soon.
    pub(crate) fn hint(&self, file: Arc<ServedFile>, start: u64, end: u64) {
        let end = end.min(file.length.saturating_sub(1)).min(start.saturating_add(FURTHEST - 1));
        if start > end || file.length == 0 {
            return;
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let (files, metrics) = (Arc::clone(&self.files), Arc::clone(&self.metrics));
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let length = end - start + 1;
            let opened = files.open_for_serving(&file.root, &file.path);
            if opened.is_ok_and(|opened| advise(&opened, start, length)) {
                add(&metrics.hinted_bytes, usize::try_from(length).unwrap_or_default());
            }
        });
    }
}

/// Whether the kernel took the advice.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn advise(file: &File, start: u64, length: u64) -> bool {
    rustix::fs::fadvise(
        file,
        start,
        std::num::NonZeroU64::new(length),
        rustix::fs::Advice::WillNeed,
    )
    .is_ok()
}

/// Elsewhere the kernel's own read-ahead has to do.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn advise(_: &File, _: u64, _: u64) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// Bytes that this thread has had the disk read.
    fn from_the_disk() -> u64 {
        let counts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let count = counts
            .lines()
            .find_map(|line| line.strip_prefix("read_bytes: "))
            .expect("the kernel counts");
        count.parse().unwrap()
    }

    /// Bytes that the disk reads for this.
    fn read_by(act: impl FnOnce()) -> u64 {
        let before = from_the_disk();
        act();
        from_the_disk() - before
    }

    #[test]
    fn what_a_hint_names_is_read_from_the_disk_before_anybody_asks() {
        // Where the test itself lies is a disk; a folder for temporary files may be in memory.
        let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
        let path = folder.join(format!("read-ahead-{}", std::process::id()));
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(&vec![7; 8 << 20]).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();

        let hinted = read_by(|| assert!(advise(&file, 2 * MIB, 2 * MIB)));
        assert!(
            (2 * MIB..4 * MIB).contains(&hinted),
            "{hinted} bytes were read for a hint of 2 MiB"
        );
        let mut bytes = vec![0; 1 << 20];
        assert_eq!(
            read_by(|| file.read_exact_at(&mut bytes, 5 * MIB / 2).unwrap()),
            0,
            "it is in memory"
        );
        assert!(
            read_by(|| file.read_exact_at(&mut bytes, 6 * MIB).unwrap()) > 0,
            "the rest is not"
        );
    }
}
