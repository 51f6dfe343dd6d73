//! How long paths below a root may be.
//!
//! The engine makes paths and the daemon opens them; both check the same rule.

/// Most components of a path.
pub const MAX_COMPONENTS: usize = 64;

/// Longest component, bytes: the limit of nearly every file system.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// Longest path, bytes, with a separator for each component: Linux's `PATH_MAX`.
pub(crate) const MAX_BYTES: usize = 4_096;

/// Why a path is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLong {
    /// It has more than [`MAX_COMPONENTS`] components.
    #[error("it has more than {MAX_COMPONENTS} folders")]
    Components,
    /// A component has more than [`MAX_COMPONENT_BYTES`] bytes.
    #[error("a name in it is longer than {MAX_COMPONENT_BYTES} bytes")]
    Component,
    /// It has more than [`MAX_BYTES`] bytes.
    #[error("it is longer than {MAX_BYTES} bytes")]
    Bytes,
}

/// Checks the length of a path, component by component.
///
/// # Errors
/// [`TooLong`] names the limit.
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
