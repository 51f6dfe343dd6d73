//! How long paths below a root may be: one rule for the engine, which makes them, and the daemon,
//! which opens them.

/// Components in a path: Linux's limit on the length of a path allows no sensible tree deeper than
/// this.
pub const MAX_COMPONENTS: usize = 64;

/// Bytes in one component: the limit of nearly every file system.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// Bytes in a path altogether, a separator for each component included: Linux's `PATH_MAX`.
pub const MAX_BYTES: usize = 4_096;

/// Why a path is too long for every disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLong {
    /// More than [`MAX_COMPONENTS`].
    #[error("it has more than {MAX_COMPONENTS} folders")]
    Components,
    /// A component of more than [`MAX_COMPONENT_BYTES`].
    #[error("a name in it is longer than {MAX_COMPONENT_BYTES} bytes")]
    Component,
    /// More than [`MAX_BYTES`] altogether.
    #[error("it is longer than {MAX_BYTES} bytes")]
    Bytes,
}

/// Checks the length of a path, component by component.
///
/// # Errors
/// What of it is too long.
pub fn check_length(components: &[String]) -> Result<(), TooLong> {
    let bytes: usize = components.iter().map(|name| name.len() + 1).sum();
    if components.len() > MAX_COMPONENTS {
        return Err(TooLong::Components);
    }
    if components.iter().any(|name| name.len() > MAX_COMPONENT_BYTES) {
        return Err(TooLong::Component);
    }
    if bytes > MAX_BYTES { Err(TooLong::Bytes) } else { Ok(()) }
}
