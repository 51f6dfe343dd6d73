//! The query of a URL.

/// Removes the session token from a query.
pub(crate) fn without_token(query: &str) -> String {
    let is_token =
        |pair: &str| form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| name == "token");
    query.split('&').filter(|pair| !is_token(pair)).collect::<Vec<_>>().join("&")
}

/// The query of a URL, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes what follows the `?`.
    pub(crate) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value with this name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_leaves_a_query_and_nothing_else_does() {
        for (query, left) in [
            ("", ""),
            ("token=x", ""),
            ("a=%20b&token=x&c", "a=%20b&c"),
            ("%74oken=x&tokens=y&keep=1", "tokens=y&keep=1"),
        ] {
            assert_eq!(without_token(query), left);
        }
    }
}
