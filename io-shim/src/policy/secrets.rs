//! Session tokens and file keys.
//!
//! Owns their form, generation and comparison. Invariant: secrets are compared in constant time and
//! never logged.

use shared_proto::token::{TOKEN_MAX, TOKEN_MIN, is_token};
use subtle::ConstantTimeEq;

/// Length of a generated session token, hex digits (256 bits).
pub(crate) const TOKEN_DIGITS: usize = 64;

/// A session token that the user chose. It fits a URL as it is, and `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Token(String);

/// A session token is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is {TOKEN_MIN} to {TOKEN_MAX} characters of A-Z a-z 0-9 - . _ ~")]
pub struct BadToken;

impl Token {
    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TryFrom<String> for Token {
    type Error = BadToken;

    fn try_from(text: String) -> Result<Self, BadToken> {
        if is_token(&text) { Ok(Self(text)) } else { Err(BadToken) }
    }
}

impl std::str::FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        text.to_owned().try_into()
    }
}

/// What a request shows to open a file.
#[derive(Clone, Copy)]
pub(crate) struct Credential<'a> {
    /// Whether the request carries the session token.
    pub(crate) is_session: bool,
    /// The file's key that the request claims to have.
    pub(crate) key: Option<&'a str>,
}

/// Compares secrets in a time that depends on their lengths only.
pub(crate) fn secrets_match(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Generates a session token.
///
/// # Errors
/// When the operating system has no randomness.
pub(crate) fn new_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; TOKEN_DIGITS / 2];
    getrandom::fill(&mut bytes)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_token_is_long_enough_fits_a_url_and_is_not_shown() {
        for bad in ["", "fifteen-letters", "sixteen letters!", "sixteen&letters=", &"x".repeat(257)]
        {
            assert_eq!(bad.parse::<Token>(), Err(BadToken), "{bad}");
        }
        let token: Token = "sixteen-letters_".parse().unwrap();
        assert_eq!(token.as_str(), "sixteen-letters_");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(is_token(&new_token().unwrap()));
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (a, b) = (new_token().unwrap(), new_token().unwrap());
        assert!(a.len() == TOKEN_DIGITS && a.bytes().all(|b| b.is_ascii_hexdigit()) && a != b);
    }
}
