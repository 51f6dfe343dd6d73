//! Running moves, and which commands wait for them.

use tokio::sync::watch;

/// Running moves, each with the names that it touches.
#[derive(Default)]
pub(super) struct Moves(Vec<(Vec<String>, watch::Receiver<()>)>);

impl Moves {
    /// Begins a move, which ends when the sender is dropped. Also returns a future that waits for
    /// conflicting moves.
    pub(super) fn begin(
        &mut self,
        names: Vec<String>,
    ) -> (watch::Sender<()>, impl Future<Output = ()> + use<>) {
        self.0.retain(|(_, done)| done.has_changed().is_ok());
        let named: Vec<&str> = names.iter().map(String::as_str).collect();
        let conflicting = self.conflicting(&named);
        let (sender, done) = watch::channel(());
        self.0.push((names, done));
        (sender, conflicting)
    }

    /// Waits for the moves that touch these names. A move of a folder above or beneath a name
    /// touches it, too.
    pub(super) fn conflicting(&self, names: &[&str]) -> impl Future<Output = ()> + use<> {
        let touches = |a: &str, b: &str| {
            a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let conflict =
            |moved: &str| names.iter().any(|name| touches(moved, name) || touches(name, moved));
        let moves = self.0.iter().filter(|(moved, _)| moved.iter().any(|moved| conflict(moved)));
        let waiting: Vec<_> = moves.map(|(_, done)| done.clone()).collect();
        async move {
            for mut done in waiting {
                while done.changed().await.is_ok() {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether a command on `name` waits for a move that touches `moved`.
    async fn waits(moved: &str, name: &str) -> bool {
        let mut moves = Moves::default();
        let (running, _) = moves.begin(vec!["unrelated".into(), moved.into()]);
        let waiting = moves.conflicting(&["other", name]);
        tokio::pin!(waiting);
        let waits = tokio::time::timeout(Duration::from_secs(9), &mut waiting).await.is_err();
        drop(running);
        if waits {
            waiting.await;
        }
        waits
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_for_moves_of_its_name_and_of_folders_around_it() {
        for (moved, name) in [("a/b", "a/b"), ("a/b", "a"), ("a", "a/b"), ("a", "a/b/c")] {
            assert!(waits(moved, name).await, "{moved} {name}");
        }
        for (moved, name) in [("a/b", "a/c"), ("a", "ab"), ("ab", "a"), ("a/b", "b")] {
            assert!(!waits(moved, name).await, "{moved} {name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_move_waits_for_conflicting_moves_before_it_and_not_for_itself() {
        let mut moves = Moves::default();
        let (first, waiting) = moves.begin(vec!["a".into()]);
        waiting.await;
        let (second, waiting) = moves.begin(vec!["a".into()]);
        tokio::pin!(waiting);
        let early = tokio::time::timeout(Duration::from_secs(9), &mut waiting).await;
        assert!(early.is_err());
        drop(first);
        waiting.await;
        drop(second);
        drop(moves.begin(vec!["b".into()]));
        assert_eq!(moves.0.len(), 1, "moves that have ended are forgotten");
    }
}
