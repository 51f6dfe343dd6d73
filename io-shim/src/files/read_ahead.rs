//! Tells the kernel which bytes of a file a viewer will need soon.
//!
//! Owns how many such hints run at a time, and how far each reaches. Must never send a byte: what
//! the kernel reads stays in its cache.

use std::fs::File;
use std::sync::Arc;

use shared_proto::RootKey;
use tokio::sync::Semaphore;

use crate::files::FileStore;
use crate::metrics::{Metrics, add};

/// Hints that may occupy a thread at a time. Further ones are dropped.
const AT_ONCE: usize = 4;
/// Most bytes of one hint: what a viewer watches in a few seconds.
const FURTHEST: u64 = 16 << 20;

/// Passes hints on to the kernel.
pub(crate) struct ReadAhead {
    files: Arc<FileStore>,
    metrics: Arc<Metrics>,
    permits: Arc<Semaphore>,
}

impl ReadAhead {
    pub(crate) fn new(files: Arc<FileStore>, metrics: Arc<Metrics>) -> Self {
        Self { files, metrics, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// A viewer will soon ask for the bytes from `start` to `end` inclusive. Does not wait.
    pub(crate) fn hint(
        &self,
        root: RootKey,
        path: Vec<String>,
        file_length: u64,
        start: u64,
        end: u64,
    ) {
        let end = end.min(file_length.saturating_sub(1)).min(start.saturating_add(FURTHEST - 1));
        if start > end || file_length == 0 {
            return;
        }
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { return };
        let (files, metrics) = (Arc::clone(&self.files), Arc::clone(&self.metrics));
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let length = end - start + 1;
            let opened = files.open_for_serving(&root, &path);
            if opened.is_ok_and(|opened| advise(&opened, start, length)) {
                add(&metrics.hinted_bytes, usize::try_from(length).unwrap_or_default());
            }
        });
    }
}

/// Whether the kernel accepted the hint.
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

/// Other systems rely on the kernel's own read-ahead.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn advise(_: &File, _: u64, _: u64) -> bool {
    false
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// Bytes that the disk has read for this thread.
    fn from_the_disk() -> u64 {
        let counts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let count = counts
            .lines()
            .find_map(|line| line.strip_prefix("read_bytes: "))
            .expect("the kernel counts");
        count.parse().unwrap()
    }

    /// Bytes that the disk reads during `act`.
    fn read_by(act: impl FnOnce()) -> u64 {
        let before = from_the_disk();
        act();
        from_the_disk() - before
    }

    #[test]
    fn what_a_hint_names_is_read_from_the_disk_before_anybody_asks() {
        // The test's own folder is on a disk; the temporary folder may be in memory.
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

    #[tokio::test]
    async fn a_hint_ends_with_the_file_and_has_a_greatest_length() {
        let dir = crate::testing::TempDir::new();
        let key = RootKey::from("root");
        let root = (key.clone(), "Root".to_owned(), dir.path().to_owned());
        let writers = crate::files::Writers::open(&dir.path().join("locks")).unwrap();
        let files = Arc::new(FileStore::new(crate::files::Roots::new(vec![root]), writers));
        File::create(dir.path().join("film")).unwrap().set_len(40 * MIB).unwrap();
        for (length, start, end, expected) in [
            (40 * MIB, 0, 40 * MIB - 1, FURTHEST),
            (40 * MIB, 5, 9, 5),
            (40 * MIB, 40 * MIB - 7, u64::MAX, 7),
            (40 * MIB, 3, 3, 1),
        ] {
            let metrics = Arc::new(Metrics::default());
            let ahead = ReadAhead::new(Arc::clone(&files), Arc::clone(&metrics));
            ahead.hint(key.clone(), vec!["film".into()], length, start, end);
            // All permits are back when the hint is done.
            let all = u32::try_from(AT_ONCE).unwrap();
            drop(ahead.permits.acquire_many(all).await.unwrap());
            let hinted = metrics.hinted_bytes.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!(hinted, expected, "{start} to {end}");
        }
        let metrics = Arc::new(Metrics::default());
        let ahead = ReadAhead::new(Arc::clone(&files), Arc::clone(&metrics));
        for (length, start, end) in [(0, 0, 9), (10, 10, 19), (10, 9, 8)] {
            ahead.hint(key.clone(), vec!["film".into()], length, start, end);
            assert_eq!(ahead.permits.available_permits(), AT_ONCE, "nothing is to be read");
        }
    }
}
