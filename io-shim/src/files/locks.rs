//! Orders reads and writes of the same bytes.
//!
//! Every command claims its spans when it is handled, and waits for earlier claims that conflict.
//! Commands thus take effect in order. This is also half of the invariant that no unverified byte
//! leaves the daemon: a digest claims its spans, so a write that has begun ends first, and a later
//! write waits. Owns no file and does no I/O. Claims wait only for older ones, so no two can wait
//! for each other.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::watch::Watch;

/// Longest region that is found by its offset, bytes. Longer ones, mostly whole files, are found by
/// a scan. With thousands of digests waiting on one file, a write only looks at its neighbourhood.
const NARROW: u64 = 16 << 20;

/// A file as the locks see it.
#[derive(Debug)]
pub(crate) struct TrackedFile {
    number: u64,
    moves: AtomicU64,
    watch: Watch,
}

/// Bytes of one file.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) file: Arc<TrackedFile>,
    pub(crate) start: u64,
    /// The byte after the last one.
    pub(crate) end: u64,
}

/// The kind of access. Reads do not conflict with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Names a task that keeps the order of its claims itself. Its claims do not conflict with each
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) u64);

/// All claims on all files.
#[derive(Default)]
pub(crate) struct SpanLocks {
    inner: Mutex<Inner>,
}

/// A claim. Dropping it lets the claims that wait for it go on.
pub(crate) struct Claim {
    locks: Arc<SpanLocks>,
    id: u64,
    wake: Arc<Notify>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    claims: HashMap<u64, Entry>,
    files: HashMap<u64, Line>,
}

struct Entry {
    blockers: usize,
    dependents: Vec<u64>,
    regions: Vec<Region>,
    wake: Arc<Notify>,
}

/// The claims on one file: `wide` in order of arrival, `narrow` by start and claim.
#[derive(Default)]
struct Line {
    narrow: BTreeMap<(u64, u64), Vec<Held>>,
    wide: Vec<Held>,
}

struct Held {
    claim: u64,
    owner: Option<Owner>,
    access: Access,
    start: u64,
    end: u64,
}

impl TrackedFile {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, moves: AtomicU64::new(0), watch: Watch::default() }
    }

    /// The file's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What is known about changes by other programs.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Counts a move to another disk: older handles lead to the former file. The caller holds a
    /// claim that keeps writers away.
    pub(crate) fn count_move(&self) {
        self.moves.fetch_add(1, Ordering::SeqCst);
    }

    /// How often the file was moved to another disk.
    pub(crate) fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }
}

impl Region {
    /// The whole file.
    pub(crate) fn whole(file: &Arc<TrackedFile>) -> Self {
        Self { file: Arc::clone(file), start: 0, end: u64::MAX }
    }
}

impl SpanLocks {
    /// Claims all regions at once.
    pub(crate) fn claim(
        self: &Arc<Self>,
        owner: Option<Owner>,
        access: Access,
        regions: Vec<Region>,
    ) -> Claim {
        self.claim_each(owner, regions.into_iter().map(|region| (access, region)).collect())
    }

    /// As [`SpanLocks::claim`], with a kind of access for each region. Two separate claims could
    /// wait for each other with two claims of another task.
    pub(crate) fn claim_each(
        self: &Arc<Self>,
        owner: Option<Owner>,
        accesses: Vec<(Access, Region)>,
    ) -> Claim {
        let mut inner = self.lock();
        inner.next += 1;
        let id = inner.next;
        let mut blockers = BTreeSet::new();
        for (access, region) in &accesses {
            if let Some(line) = inner.files.get(&region.file.number) {
                let blocking = line.near(region).filter(|held| held.blocks(owner, *access, region));
                blockers.extend(blocking.map(|held| held.claim));
            }
        }
        for (access, region) in &accesses {
            let held =
                Held { claim: id, owner, access: *access, start: region.start, end: region.end };
            inner.files.entry(region.file.number).or_default().insert(held);
        }
        for blocker in &blockers {
            inner
                .claims
                .get_mut(blocker)
                .expect("held regions belong to live claims")
                .dependents
                .push(id);
        }
        let wake = Arc::new(Notify::new());
        let regions = accesses.into_iter().map(|(_, region)| region).collect();
        let entry = Entry {
            blockers: blockers.len(),
            dependents: Vec::new(),
            regions,
            wake: Arc::clone(&wake),
        };
        inner.claims.insert(id, entry);
        drop(inner);
        Claim { locks: Arc::clone(self), id, wake }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    fn release(&self, id: u64) {
        let mut inner = self.lock();
        let Some(entry) = inner.claims.remove(&id) else { return };
        for region in &entry.regions {
            if let Some(line) = inner.files.get_mut(&region.file.number) {
                line.remove(id, region);
                if line.narrow.is_empty() && line.wide.is_empty() {
                    inner.files.remove(&region.file.number);
                }
            }
        }
        for dependent in entry.dependents {
            if let Some(waiting) = inner.claims.get_mut(&dependent) {
                waiting.blockers -= 1;
                if waiting.blockers == 0 {
                    waiting.wake.notify_one();
                }
            }
        }
    }
}

impl Line {
    fn insert(&mut self, held: Held) {
        if held.end - held.start <= NARROW {
            self.narrow.entry((held.start, held.claim)).or_default().push(held);
        } else {
            self.wide.push(held);
        }
    }

    fn remove(&mut self, claim: u64, region: &Region) {
        if region.end - region.start <= NARROW {
            self.narrow.remove(&(region.start, claim));
        } else {
            self.wide.retain(|held| held.claim != claim);
        }
    }

    /// All claims that can overlap the region, and some that do not.
    fn near(&self, region: &Region) -> impl Iterator<Item = &Held> {
        let from = (region.start.saturating_sub(NARROW), 0);
        self.narrow.range(from..(region.end, 0)).flat_map(|(_, held)| held).chain(&self.wide)
    }
}

impl Held {
    fn blocks(&self, owner: Option<Owner>, access: Access, region: &Region) -> bool {
        let conflict = self.access == Access::Write || access == Access::Write;
        let same_owner = owner.is_some() && self.owner == owner;
        let overlap = self.start < region.end && region.start < self.end;
        conflict && !same_owner && overlap
    }
}

impl Claim {
    /// Whether no older claim is in the way.
    pub(crate) fn is_ready(&self) -> bool {
        self.locks.lock().claims.get(&self.id).is_none_or(|entry| entry.blockers == 0)
    }

    /// Waits until every older claim that conflicts is dropped.
    pub(crate) async fn ready(&self) {
        while !self.is_ready() {
            self.wake.notified().await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.locks.release(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::timeout;

    use super::{
        Access::{Read, Write},
        *,
    };

    struct Bench {
        locks: Arc<SpanLocks>,
        files: [Arc<TrackedFile>; 2],
    }

    impl Bench {
        fn new() -> Self {
            Self { locks: Arc::default(), files: [1, 2].map(|n| Arc::new(TrackedFile::new(n))) }
        }

        fn claim(&self, access: Access, spans: &[(usize, u64, u64)]) -> Claim {
            self.claim_as(None, access, spans)
        }

        fn claim_as(
            &self,
            owner: Option<Owner>,
            access: Access,
            spans: &[(usize, u64, u64)],
        ) -> Claim {
            let region = |&(file, start, end): &(usize, u64, u64)| Region {
                file: Arc::clone(&self.files[file]),
                start,
                end,
            };
            self.locks.claim(owner, access, spans.iter().map(region).collect())
        }
    }

    async fn is_ready(claim: &Claim) -> bool {
        timeout(Duration::from_millis(10), claim.ready()).await.is_ok()
    }

    #[tokio::test]
    async fn a_read_waits_for_the_writes_before_it_that_overlap_and_no_others() {
        let bench = Bench::new();
        let write = bench.claim(Write, &[(0, 0, 10)]);
        let other = bench.claim(Write, &[(0, 20, 30)]);
        let read = bench.claim(Read, &[(0, 9, 20)]);
        let elsewhere = bench.claim(Read, &[(0, 10, 20), (1, 0, 30)]);
        assert!(is_ready(&write).await && is_ready(&other).await && is_ready(&elsewhere).await);
        assert!(!is_ready(&read).await);
        drop(other);
        assert!(!is_ready(&read).await);
        drop(write);
        assert!(is_ready(&read).await);
    }

    #[tokio::test]
    async fn a_write_waits_for_the_reads_before_it() {
        let bench = Bench::new();
        let reads = [bench.claim(Read, &[(0, 0, 10)]), bench.claim(Read, &[(0, 5, 15)])];
        let write = bench.claim(Write, &[(0, 8, 9)]);
        assert!(is_ready(&reads[0]).await && is_ready(&reads[1]).await);
        assert!(!is_ready(&write).await);
        drop(reads);
        assert!(is_ready(&write).await);
    }

    #[tokio::test]
    async fn a_copy_shares_what_it_reads_and_has_what_it_writes_for_itself() {
        let bench = Bench::new();
        let region =
            |file: usize| Region { file: Arc::clone(&bench.files[file]), start: 0, end: 10 };
        let copy = bench.locks.claim_each(None, vec![(Read, region(0)), (Write, region(1))]);
        assert!(is_ready(&copy).await && is_ready(&bench.claim(Read, &[(0, 0, 10)])).await);
        let late = [bench.claim(Write, &[(0, 9, 10)]), bench.claim(Read, &[(1, 9, 10)])];
        assert!(!is_ready(&late[0]).await && !is_ready(&late[1]).await);
        drop(copy);
        assert!(is_ready(&late[0]).await && is_ready(&late[1]).await);
    }

    #[tokio::test]
    async fn a_claim_that_is_given_up_while_it_waits_holds_nobody_back() {
        let bench = Bench::new();
        let first = bench.claim(Write, &[(0, 0, 10)]);
        let second = bench.claim(Write, &[(0, 5, 15)]);
        let third = bench.claim(Write, &[(0, 12, 20)]);
        assert!(!is_ready(&third).await);
        drop(second);
        assert!(is_ready(&third).await);
        assert!(is_ready(&first).await);
    }

    #[tokio::test]
    async fn claims_of_one_owner_do_not_wait_for_each_other() {
        let bench = Bench::new();
        let owner = Some(Owner(3));
        let _first = bench.claim_as(owner, Write, &[(0, 0, 10)]);
        let second = bench.claim_as(owner, Write, &[(0, 0, 10)]);
        assert!(is_ready(&second).await);
        assert!(!is_ready(&bench.claim(Write, &[(0, 0, 10)])).await);
    }

    #[tokio::test]
    async fn claims_over_several_files_in_any_order_all_get_through() {
        let bench = Bench::new();
        let forth = bench.claim(Write, &[(0, 0, 10), (1, 0, 10)]);
        let back = bench.claim(Write, &[(1, 0, 10), (0, 0, 10)]);
        assert!(is_ready(&forth).await && !is_ready(&back).await);
        drop(forth);
        assert!(is_ready(&back).await);
        drop(back);
        let inner = bench.locks.lock();
        assert!(inner.claims.is_empty() && inner.files.is_empty(), "nothing is left behind");
    }

    /// File, start and end of each.
    type Spans = Vec<(usize, u64, u64)>;

    proptest! {
        /// A naive model. A claim is ready when no older claim of another owner overlaps it, unless
        /// both read.
        #[test]
        fn claims_wait_for_exactly_those_that_the_model_names(
            steps in prop::collection::vec(
                (
                    any::<bool>(),
                    0u64..4,
                    prop::collection::vec((0usize..2, 0u64..6, 0u64..6), 1..3),
                    any::<prop::sample::Index>(),
                ),
                1..40,
            ),
        ) {
            const STEP: u64 = NARROW / 2;
            let bench = Bench::new();
            let mut live: Vec<(Claim, Access, Option<Owner>, Spans)> = Vec::new();
            for (write, owner, spans, gone) in steps {
                let access = if write { Write } else { Read };
                let owner = (owner > 0).then_some(Owner(owner));
                // Never empty, and often next to another span.
                let end = |at, len| (at + len) * STEP + u64::from(len == 0);
                let span = |(file, at, len)| (file, at * STEP, end(at, len));
                let spans: Spans = spans.into_iter().map(span).collect();
                live.push((bench.claim_as(owner, access, &spans), access, owner, spans));
                if live.len() > 8 {
                    live.remove(gone.index(live.len()));
                }
                for (at, (claim, access, owner, spans)) in live.iter().enumerate() {
                    let blocked = live[..at].iter().any(|(_, other_access, other, other_spans)| {
                        (*access == Write || *other_access == Write)
                            && (owner.is_none() || owner != other)
                            && spans.iter().any(|a| {
                                other_spans.iter().any(|b| a.0 == b.0 && a.1 < b.2 && b.1 < a.2)
                            })
                    });
                    let waits = bench.locks.lock().claims[&claim.id].blockers > 0;
                    prop_assert_eq!(waits, blocked);
                }
            }
            live.clear();
            let inner = bench.locks.lock();
            prop_assert!(inner.claims.is_empty() && inner.files.is_empty());
        }
    }
}
