//! Whether a command may install what is missing.

/// What to do about missing programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Name it and stop.
    Never,
    /// Ask on a terminal; install without one, as in CI.
    Ask,
    /// Install it.
    Given,
}
