//! Paths of an engine, checked before the disk is asked.
//!
//! Invariant: a checked path holds plain names only, so it cannot lead out of its root.

use std::path::PathBuf;

use shared_proto::io::{OpError, OpErrorKind};
use shared_proto::path::check_length;

use crate::files::error::op_error;

/// Makes a relative path of the components.
///
/// # Errors
/// [`OpErrorKind::Name`] when the path is too long, [`OpErrorKind::Denied`] when a component is not
/// a plain name.
pub(crate) fn checked_path(components: &[String]) -> Result<PathBuf, OpError> {
    check_length(components)
        .map_err(|why| op_error(OpErrorKind::Name, format!("the path is too long: {why}")))?;
    if components.is_empty() {
        return Err(op_error(OpErrorKind::Denied, "a path without a name is not allowed"));
    }
    if !components.iter().all(|name| is_name(name)) {
        return Err(op_error(OpErrorKind::Denied, "a name in the path is not allowed"));
    }
    Ok(components.iter().collect())
}

fn is_name(name: &str) -> bool {
    let separators: &[char] = if cfg!(windows) { &['/', '\0', '\\', ':'] } else { &['/', '\0'] };
    !name.is_empty() && name != "." && name != ".." && !name.contains(separators)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &[&str]) -> Option<OpErrorKind> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        checked_path(&path).err().map(|error| error.kind)
    }

    fn check(path: &[&str], allowed: bool) {
        assert_eq!(refusal(path), (!allowed).then_some(OpErrorKind::Denied), "{path:?}");
    }

    #[test]
    fn plain_names_are_allowed_however_odd() {
        check(&["film.mkv"], true);
        check(&["a..b", "...", " ", "-rf", "~", "C:film", "ünï", "a\\b", "nul"], !cfg!(windows));
        check(&["..a", "a..", "...."], true);
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for name in ["", ".", "..", "/", "/etc/passwd", "a/b", "a/../b", "../x", "a\0b", "\0"] {
            check(&[name], false);
            check(&["ok", name], false);
            check(&[name, "ok"], false);
        }
        check(&[], false);
    }

    #[test]
    fn lengths_are_bounded() {
        check(&[&"n".repeat(255)], true);
        check(&["d"; 64], true);
        check(&["n".repeat(255).as_str(); 16], true);
        let (longest, longer) = ("n".repeat(255), "n".repeat(256));
        let too_long: [&[&str]; 3] = [&[&longer], &["d"; 65], &[longest.as_str(); 17]];
        for path in too_long {
            assert_eq!(refusal(path), Some(OpErrorKind::Name), "{path:?}");
        }
    }
}
