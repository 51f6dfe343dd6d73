//! Writes bencoding (BEP 3).
//!
//! Each function returns the encoded bytes of one value. This module knows the syntax only; the
//! keys of each format belong to its callers. Invariant: the output is canonical, because [`Dict`]
//! sorts its keys.

use std::collections::BTreeMap;

/// Encodes a number.
pub fn int(number: i64) -> Vec<u8> {
    format!("i{number}e").into_bytes()
}

/// Encodes a byte string.
pub fn bytes(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut out = format!("{}:", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out
}

/// Encodes a list of values that are encoded already.
pub fn list(values: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = vec![b'l'];
    values.into_iter().for_each(|value| out.extend_from_slice(&value));
    out.push(b'e');
    out
}

/// A dictionary under construction. Keys may be added in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dict(BTreeMap<Vec<u8>, Vec<u8>>);

impl Dict {
    /// Creates an empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number.
    #[must_use]
    pub fn int(self, key: &str, number: i64) -> Self {
        self.raw(key, int(number))
    }

    /// Adds a byte string.
    #[must_use]
    pub fn bytes(self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.raw(key, bytes(value))
    }

    /// Adds a value that is encoded already, and replaces the key if it exists.
    #[must_use]
    pub fn raw(mut self, key: impl AsRef<[u8]>, encoded: Vec<u8>) -> Self {
        self.0.insert(key.as_ref().to_vec(), encoded);
        self
    }

    /// Returns the dictionary's encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![b'd'];
        for (key, value) in &self.0 {
            out.extend_from_slice(&bytes(key));
            out.extend_from_slice(value);
        }
        out.push(b'e');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_sorted_regardless_of_insertion_order() {
        let inner = Dict::new().bytes("b", "x").int("a", -1);
        let outer =
            Dict::new().raw("z", inner.encode()).raw("l", list([int(0), bytes("")])).int("l0", 7);
        assert_eq!(outer.encode(), b"d1:lli0e0:e2:l0i7e1:zd1:ai-1e1:b1:xee");
    }
}
