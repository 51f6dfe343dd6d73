//! How long paths below a root may be.
//!
//! The engine makes paths and the daemon opens them; both check the same rule.

/// Most components of a path.
pub const MAX_COMPONENTS: usize = 64;

/// Longest component, bytes: the limit of nearly every file system.
pub const MAX_COMPONENT_BYTES: usize = 255;

/// Longest path, bytes, with a separator for each component: Linux's `PATH_MAX`.
const MAX_BYTES: usize = 4_096;

/// Why a path is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLong {
    /// It has more than [`MAX_COMPONENTS`] components.
    #[error("it has more than {MAX_COMPONENTS} folders")]
    Components,
    /// A component has more than [`MAX_COMPONENT_BYTES`] bytes.
    #[error("a name in it is longer than {MAX_COMPONENT_BYTES} bytes")]
    Component,
    /// It has more than 4096 bytes, with a separator for each component.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a path of components with these lengths, bytes.
    fn check(lengths: &[usize], expected: Result<(), TooLong>) {
        let path: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        assert_eq!(check_length(&path), expected, "{lengths:?}");
    }

    #[test]
    fn a_path_has_at_most_64_components() {
        check(&[], Ok(()));
        check(&[1; 64], Ok(()));
        check(&[1; 65], Err(TooLong::Components));
        check(&[1; 100], Err(TooLong::Components));
    }

    #[test]
    fn a_component_has_at_most_255_bytes() {
        check(&[255], Ok(()));
        check(&[1, 256, 1], Err(TooLong::Component));
        check(&[300], Err(TooLong::Component));
        let path = ["ä".repeat(128)];
        assert_eq!(check_length(&path), Err(TooLong::Component), "bytes are counted, not letters");
    }

    #[test]
    fn a_path_has_at_most_4096_bytes_with_its_separators() {
        // Sixteen components of 255 bytes, with a separator each, are 4096 bytes.
        check(&[255; 16], Ok(()));
        let mut path = vec![255; 16];
        path.push(0);
        check(&path, Err(TooLong::Bytes));
        check(&[200; 21], Err(TooLong::Bytes));
        check(&[63; 64], Ok(()));
        check(&[64; 64], Err(TooLong::Bytes));
    }
}
