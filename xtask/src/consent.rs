//! Whether a command may install what is missing.

/// How to go about what is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Name it and stop.
    Never,
    /// Ask on a terminal; install without one, as in CI.
    Ask,
    /// Install it.
    Given,
}
