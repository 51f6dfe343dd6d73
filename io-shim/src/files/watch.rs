//! Whether another program changed a file: what it looked like when the engine was told, and how
//! often we have changed it since.
//!
//! Knows no disk: others look at the file and say here what they saw. Invariant: a difference
//! counts as another program's doing only if no change of ours began between the two looks. So
//! every change of ours is counted after its claim on the bytes is taken and before it touches the
//! file, and the look that the engine is told of reads the count before it takes its own claim:
//! whatever was counted by then has ended when it looks.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use shared_proto::io::FileStat;

/// What a file looked like, and how many changes we had made to it by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    stat: FileStat,
    ours: u64,
}

impl Seen {
    /// Whether a file that looks so is as it was. A handle to the file need not tell again which
    /// file that is.
    fn looks_like(&self, stat: &FileStat) -> bool {
        let which = stat.identity.and(self.stat.identity);
        FileStat { identity: None, ..self.stat } == FileStat { identity: None, ..*stat }
            && which.is_none_or(|identity| stat.identity == Some(identity))
    }
}

/// What is known of one file.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    ours: AtomicU64,
    told: Mutex<Told>,
}

/// What the engine was told.
#[derive(Debug, Default)]
struct Told {
    last: Option<Seen>,
    /// The look of the last change that was noticed while a reply was being sent.
    while_sending: Option<Option<FileStat>>,
}

impl Watch {
    /// We are about to change the file, and hold the claim if there is one.
    pub(crate) fn touch(&self) {
        self.ours.fetch_add(1, Ordering::SeqCst);
    }

    /// How often we have changed it.
    pub(crate) fn ours(&self) -> u64 {
        self.ours.load(Ordering::SeqCst)
    }

    /// The engine is being told what the file looks like; we had changed it so often before that
    /// look claimed its turn. A change by another program stays unreported until [`Watch::report`]:
    /// a question about the file may overtake the answer to the engine.
    pub(crate) fn tell(&self, stat: Option<FileStat>, ours: u64) {
        let mut told = self.lock();
        if told.last.is_none_or(|last| last.ours != self.ours()) {
            told.last = stat.map(|stat| Seen { stat, ours });
        }
    }

    /// What the file has to look like, if we have not changed it since the engine was told.
    pub(crate) fn expected(&self) -> Option<Seen> {
        self.lock().last.filter(|last| last.ours == self.ours())
    }

    /// Another program changed the file, which looks like this now. If the engine does not know
    /// that yet, `tell` tells it; whoever finds that the file looks as expected afterwards speaks
    /// after it.
    pub(crate) fn report(&self, stat: Option<FileStat>, sending: bool, tell: impl FnOnce()) {
        let mut told = self.lock();
        let is_known = told.last.map(|last| last.stat) == stat;
        if !is_known || (sending && told.while_sending != Some(stat)) {
            tell();
        }
        if sending {
            told.while_sending = Some(stat);
        }
        told.last = stat.map(|stat| Seen { stat, ours: self.ours() });
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader's eye on a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guard(Option<Seen>);

impl Guard {
    /// Whether another program changed the file since this guard, or the engine, saw it first.
    ///
    /// # Errors
    /// What `look` gives.
    pub(crate) fn is_changed<E>(
        &mut self,
        watch: &Watch,
        look: impl FnOnce() -> Result<FileStat, E>,
    ) -> Result<bool, E> {
        // Before the look: what the engine is told after it may be of a later state of the file.
        let expected = self.0.filter(|seen| seen.ours == watch.ours()).or_else(|| watch.expected());
        let stat = look()?;
        self.0 = expected.filter(|seen| seen.ours == watch.ours());
        Ok(self.0.is_some_and(|seen| !seen.looks_like(&stat)))
    }

    /// Whether it was watched when it was looked at last, and we have not changed it since.
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

    /// Whether a guard takes a file that looks so for changed.
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
}
