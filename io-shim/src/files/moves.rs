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

    /// Waits for the moves that touch these names, or a folder above or beneath them.
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
