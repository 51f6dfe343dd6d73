//! Whether another program changed a file since the engine learned its state.
//!
//! Knows no disk: others look at the file and report what they saw. Invariant: a difference counts
//! as another program's change only if no change of the daemon began between two looks. Every
//! change of the daemon is therefore counted after its claim is taken and before it touches the
//! file. The look for the engine reads the count before it takes its own claim, so all changes
//! counted by then have ended when it looks.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use shared_proto::io::FileStat;

/// The state of a file, and the number of the daemon's changes by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    stat: FileStat,
    ours: u64,
}

impl Seen {
    /// Whether the state is the same. A handle to the same file need not tell the identity again.
    fn looks_like(&self, stat: &FileStat) -> bool {
        let which = stat.identity.and(self.stat.identity);
        FileStat { identity: None, ..self.stat } == FileStat { identity: None, ..*stat }
            && which.is_none_or(|identity| stat.identity == Some(identity))
    }
}

/// What is known about one file.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    ours: AtomicU64,
    reported: Mutex<Reported>,
}

/// What the engine knows.
#[derive(Debug, Default)]
struct Reported {
    last: Option<Seen>,
    /// The last change that was noticed while a reply was sent.
    while_sending: Option<Option<FileStat>>,
}

impl Watch {
    /// Records that the daemon is about to change the file. The caller holds the claim if one is
    /// needed.
    pub(crate) fn touch(&self) {
        self.ours.fetch_add(1, Ordering::SeqCst);
    }

    /// How many changes the daemon has made.
    pub(crate) fn ours(&self) -> u64 {
        self.ours.load(Ordering::SeqCst)
    }

    /// Records the state that the engine learns. `ours` is how many changes the daemon had made
    /// when that look claimed its bytes. A change by another program stays unreported until
    /// [`Watch::report`], because a request for the file may overtake the answer to the engine.
    pub(crate) fn tell(&self, stat: Option<FileStat>, ours: u64) {
        let mut reported = self.lock();
        if reported.last.is_none_or(|last| last.ours != self.ours()) {
            reported.last = stat.map(|stat| Seen { stat, ours });
        }
    }

    /// The state that the file must have. `None` if the daemon has changed it since the engine
    /// learned the state.
    pub(crate) fn expected(&self) -> Option<Seen> {
        self.lock().last.filter(|last| last.ours == self.ours())
    }

    /// Records that another program changed the file to this state. Calls `tell` if the engine does
    /// not know that yet. A reply that then finds the file unchanged asks the engine after `tell`.
    pub(crate) fn report(&self, stat: Option<FileStat>, sending: bool, tell: impl FnOnce()) {
        let mut reported = self.lock();
        let is_known = reported.last.map(|last| last.stat) == stat;
        if !is_known || (sending && reported.while_sending != Some(stat)) {
            tell();
        }
        if sending {
            reported.while_sending = Some(stat);
        }
        reported.last = stat.map(|stat| Seen { stat, ours: self.ours() });
    }

    fn lock(&self) -> MutexGuard<'_, Reported> {
        self.reported.lock()
    }
}

/// One reader's view of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guard(Option<Seen>);

impl Guard {
    /// Whether another program changed the file. The file is compared with the state that this
    /// guard or the engine first saw.
    ///
    /// # Errors
    /// Errors of `look`.
    pub(crate) fn is_changed<E>(
        &mut self,
        watch: &Watch,
        look: impl FnOnce() -> Result<FileStat, E>,
    ) -> Result<bool, E> {
        // Read before the look: the engine may learn a later state meanwhile.
        let expected = self.0.filter(|seen| seen.ours == watch.ours()).or_else(|| watch.expected());
        let stat = look()?;
        self.0 = expected.filter(|seen| seen.ours == watch.ours());
        Ok(self.0.is_some_and(|seen| !seen.looks_like(&stat)))
    }

    /// Whether the guard's last look still counts. The file was watched then, and the daemon has
    /// not changed it since.
    pub(crate) fn is_watching(&self, watch: &Watch) -> bool {
        self.0.is_some_and(|seen| seen.ours == watch.ours())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(changed_ns: u64) -> FileStat {
        FileStat { length: 9, modified_ns: 1, changed_ns, identity: None }
    }

    /// Expects whether a guard takes a file with this state for changed.
    fn check(guard: &mut Guard, watch: &Watch, changed_ns: u64, expected: bool) {
        assert_eq!(guard.is_changed(watch, || Ok::<_, ()>(stat(changed_ns))), Ok(expected));
    }

    #[test]
    fn a_change_is_noticed_once_the_engine_was_told_what_the_file_looks_like() {
        let (watch, mut guard) = (Watch::default(), Guard::default());
        check(&mut guard, &watch, 5, false);
        check(&mut guard, &watch, 6, false);
        watch.tell(Some(stat(6)), watch.ours());
        check(&mut guard, &watch, 6, false);
        check(&mut guard, &watch, 7, true);
        check(&mut Guard::default(), &watch, 7, true);
    }

    #[test]
    fn our_own_changes_are_none_until_the_engine_is_told_again() {
        let (watch, mut guard) = (Watch::default(), Guard::default());
        watch.tell(Some(stat(1)), watch.ours());
        check(&mut guard, &watch, 1, false);
        watch.touch();
        check(&mut guard, &watch, 2, false);
        let ours = watch.ours();
        watch.tell(Some(stat(3)), ours);
        check(&mut guard, &watch, 3, false);
        check(&mut guard, &watch, 4, true);
    }

    #[test]
    fn a_look_that_a_change_of_ours_may_have_followed_says_nothing() {
        let (watch, mut guard) = (Watch::default(), Guard::default());
        let ours = watch.ours();
        watch.touch();
        watch.tell(Some(stat(1)), ours);
        check(&mut guard, &watch, 2, false);
        watch.tell(Some(stat(2)), watch.ours());
        let mut late = Guard::default();
        assert_eq!(
            late.is_changed(&watch, || {
                watch.touch();
                Ok::<_, ()>(stat(3))
            }),
            Ok(false),
            "it may be our own"
        );
    }

    #[test]
    fn what_the_engine_was_told_meanwhile_does_not_calm_a_reader_that_saw_it_otherwise() {
        let (watch, mut guard) = (Watch::default(), Guard::default());
        watch.tell(Some(stat(1)), watch.ours());
        check(&mut guard, &watch, 1, false);
        watch.tell(Some(stat(2)), watch.ours());
        check(&mut guard, &watch, 2, true);
        check(&mut Guard::default(), &watch, 2, true);
    }

    #[test]
    fn the_engine_hears_of_a_change_once_and_once_more_if_a_reply_was_under_way() {
        let watch = Watch::default();
        watch.tell(Some(stat(1)), watch.ours());
        let heard = |stat, sending| {
            let mut heard = false;
            watch.report(stat, sending, || heard = true);
            heard
        };
        assert!(heard(Some(stat(2)), false));
        assert!(!heard(Some(stat(2)), false));
        assert!(heard(Some(stat(2)), true));
        assert!(!heard(Some(stat(2)), true));
        assert!(heard(Some(stat(3)), true));
        assert!(heard(None, false));
        assert_eq!(watch.expected(), None);
    }

    #[test]
    fn another_file_in_the_place_of_the_known_one_is_a_change() {
        let of = |identity: Option<u8>| FileStat {
            identity: identity.map(|byte| shared_proto::FileIdentity([byte; 16])),
            ..stat(1)
        };
        let check = |known, seen, expected| {
            let watch = Watch::default();
            watch.tell(Some(of(known)), watch.ours());
            let changed = Guard::default().is_changed(&watch, || Ok::<_, ()>(of(seen)));
            assert_eq!(changed, Ok(expected), "{known:?} {seen:?}");
        };
        check(Some(1), Some(1), false);
        check(Some(1), Some(2), true);
        check(Some(1), None, false);
        check(None, Some(1), false);
    }

    #[test]
    fn a_guard_watches_while_it_knows_a_state_and_the_daemon_changes_nothing() {
        let (watch, mut guard) = (Watch::default(), Guard::default());
        check(&mut guard, &watch, 1, false);
        assert!(!guard.is_watching(&watch), "the engine knows no state");
        watch.tell(Some(stat(1)), watch.ours());
        check(&mut guard, &watch, 1, false);
        assert!(guard.is_watching(&watch));
        watch.touch();
        assert!(!guard.is_watching(&watch));
        assert_eq!(watch.expected(), None);
        watch.tell(Some(stat(1)), watch.ours());
        let during = guard.is_changed(&watch, || {
            watch.touch();
            Ok::<_, ()>(stat(2))
        });
        assert_eq!(during, Ok(false), "the daemon changed the file during the look");
        assert!(!guard.is_watching(&watch));
    }
}
