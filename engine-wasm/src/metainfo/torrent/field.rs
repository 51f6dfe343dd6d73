//! Reads single fields of a bencoded dictionary.

use super::error::MetainfoError;
use crate::metainfo::bencode::Value;

/// Reads a field that must exist.
pub(super) fn required<'d, T>(
    dict: Value<'d>,
    key: &'static str,
    read: impl Fn(Value<'d>) -> Option<T>,
) -> Result<T, MetainfoError> {
    read(dict.get(key).ok_or(MetainfoError::Missing(key))?).ok_or(MetainfoError::Bad(key))
}

/// Reads the `.utf-8` variant of a field, or else the plain field. Old programs add the variant.
pub(super) fn localised<'d, T>(
    dict: Value<'d>,
    utf8: &str,
    plain: &str,
    read: impl Fn(Value<'d>) -> Option<T>,
) -> Option<T> {
    dict.get(utf8).and_then(&read).or_else(|| dict.get(plain).and_then(&read))
}
