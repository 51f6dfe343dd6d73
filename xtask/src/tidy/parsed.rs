//! Rust sources as syntax trees, and what of them is code beyond the tests.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Item};

use super::checkout::Checkout;

/// The syntax tree of each Rust file, by its path.
pub(super) struct Parsed(BTreeMap<String, syn::File>);

impl Parsed {
    /// Parses all Rust files.
    ///
    /// # Errors
    /// A file is not Rust; the message names it.
    pub(super) fn parse(checkout: &Checkout) -> Result<Self> {
        let parse = |(path, text): (&str, &str)| {
            let tree = syn::parse_file(text).with_context(|| format!("{path} is not Rust"))?;
            Ok((path.to_owned(), tree))
        };
        checkout.files(&["rs"]).map(parse).collect::<Result<_>>().map(Self)
    }

    /// A file's syntax tree.
    pub(super) fn file(&self, path: &str) -> Option<&syn::File> {
        self.0.get(path)
    }

    /// All files.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &syn::File)> {
        self.0.iter().map(|(path, file)| (path.as_str(), file))
    }
}

/// Whether `#[cfg(test)]` or the like keeps an item out of the built crate.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.meta.to_token_stream().to_string();
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && has_word(&text, "test")
                && !text.contains("not"))
    })
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|it| it == word)
}

/// The attributes of an item.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::ExternCrate(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::ForeignMod(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::TraitAlias(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Union(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// The tokens of an item. Functions of an `impl` that are for tests are left out.
pub(super) fn tokens(item: &Item) -> TokenStream {
    let Item::Impl(whole) = item else { return item.to_token_stream() };
    let mut live = whole.clone();
    live.items.retain(|item| match item {
        syn::ImplItem::Fn(function) => !is_for_tests(&function.attrs),
        _ => true,
    });
    live.to_token_stream()
}

/// Calls back with each identifier and whether it follows a dot. Fields follow a dot.
pub(super) fn each_word(tokens: TokenStream, call: &mut impl FnMut(&proc_macro2::Ident, bool)) {
    let mut dot = false;
    for token in tokens {
        match &token {
            TokenTree::Ident(word) => call(word, dot),
            TokenTree::Group(group) => each_word(group.stream(), call),
            _ => {}
        }
        dot = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '.');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: bool) {
        let file = syn::parse_file(source).unwrap();
        assert_eq!(is_for_tests(attributes(&file.items[0])), expected, "{source}");
    }

    #[test]
    fn what_only_tests_see_is_recognised() {
        check("#[cfg(test)] mod tests {}", true);
        check("#[cfg(any(test, feature = \"x\"))] mod testing;", true);
        check("#[test] fn works() {}", true);
        check("#[cfg(not(test))] mod real;", false);
        check("#[cfg(feature = \"testing\")] mod real;", false);
        check("mod real;", false);
    }
}
