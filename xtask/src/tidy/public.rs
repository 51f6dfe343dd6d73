//! What a library makes `pub` has a user in another crate of the workspace.
//!
//! Users are all other packages and the package's own programs, tests, benches, examples and code
//! in documentation. The rule compares names, so a name that a user happens to use for something
//! else hides an unused item: it finds too little rather than too much. An item is also used when
//! the public signature of a used item names it, and when `wasm_bindgen` exports it.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, UseTree, Visibility};

use super::finding::{Finding, Rule};
use super::parsed::{Parsed, attributes, each_word, is_for_tests};

/// An item that others can name.
struct Offer {
    name: String,
    file: String,
    line: usize,
    /// Names in its public signature, which its users need, too.
    needs: BTreeSet<String>,
}

/// Checks a library: its files, and the files of everything that may use it.
pub(super) fn check<'a>(
    parsed: &Parsed,
    own: impl IntoIterator<Item = &'a str>,
    others: impl IntoIterator<Item = &'a str>,
) -> Vec<Finding> {
    let mut used = BTreeSet::new();
    for file in others.into_iter().filter_map(|file| parsed.file(file)) {
        add_words(file, &mut used);
    }
    let mut offers = Vec::new();
    for path in own {
        if let Some(tree) = parsed.file(path) {
            add_examples(&tree.attrs, &mut used);
            collect(path, &tree.items, &mut offers, &mut used);
        }
    }
    let mut unused = offers;
    loop {
        let (needed, left): (Vec<_>, Vec<_>) =
            unused.into_iter().partition(|offer| used.contains(&offer.name));
        unused = left;
        if needed.is_empty() {
            break;
        }
        used.extend(needed.into_iter().flat_map(|offer| offer.needs));
    }
    // An implementation of a trait is no item that one could hide.
    unused.retain(|offer| offer.line > 0);
    let finding = |offer: Offer| {
        let says = format!("`{}` is `pub` without a user in another crate", offer.name);
        Finding::new(Rule::UnusedPub, &offer.file, offer.line, says).about(offer.name)
    };
    unused.into_iter().map(finding).collect()
}

fn collect(file: &str, items: &[Item], offers: &mut Vec<Offer>, used: &mut BTreeSet<String>) {
    for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
        add_examples(attributes(item), used);
        let mut offer = |ident: &syn::Ident, visible: &Visibility, needs: &dyn ToTokens| {
            if matches!(visible, Visibility::Public(_)) {
                let (name, line) = (ident.to_string(), ident.span().start().line);
                offers.push(Offer { name, file: file.to_owned(), line, needs: words(needs) });
            }
        };
        match item {
            Item::Const(it) => offer(&it.ident, &it.vis, &it.ty),
            Item::Static(it) => offer(&it.ident, &it.vis, &it.ty),
            Item::Enum(it) => offer(&it.ident, &it.vis, it),
            Item::Struct(it) => {
                offer(&it.ident, &it.vis, &public_part(&it.fields, &it.generics));
            }
            Item::Fn(it) => offer(&it.sig.ident, &it.vis, &it.sig),
            Item::Trait(it) => offer(&it.ident, &it.vis, it),
            Item::Type(it) => offer(&it.ident, &it.vis, it),
            Item::Union(it) => offer(&it.ident, &it.vis, it),
            Item::Use(it) => offer_reexports(&it.tree, &mut |name| {
                offer(name, &it.vis, &TokenStream::new());
            }),
            Item::Mod(it) => {
                offer(&it.ident, &it.vis, &TokenStream::new());
                if let Some((_, items)) = &it.content {
                    collect(file, items, offers, used);
                }
            }
            Item::Impl(it) => collect_impl(file, it, offers, used),
            _ => {}
        }
        if is_exported(attributes(item)) {
            add_words(item, used);
        }
    }
}

fn collect_impl(
    file: &str,
    item: &syn::ItemImpl,
    offers: &mut Vec<Offer>,
    used: &mut BTreeSet<String>,
) {
    let types = item.self_ty.to_token_stream();
    let mut traits = BTreeSet::new();
    for inner in &item.items {
        let (attributes, name, visible, needs) = match inner {
            ImplItem::Fn(it) => (&it.attrs, &it.sig.ident, &it.vis, it.sig.to_token_stream()),
            ImplItem::Const(it) => (&it.attrs, &it.ident, &it.vis, it.ty.to_token_stream()),
            ImplItem::Type(it) => {
                traits.extend(words(&it.ty));
                continue;
            }
            _ => continue,
        };
        add_examples(attributes, used);
        if matches!(visible, Visibility::Public(_)) && !is_for_tests(attributes) {
            offers.push(Offer {
                name: name.to_string(),
                file: file.to_owned(),
                line: name.span().start().line,
                needs: words(&needs),
            });
        }
    }
    if let Some((path, _)) = &item.trait_ {
        traits.extend(words(&path.segments.last().map(|it| it.arguments.clone())));
        traits.extend(words(&item.generics));
        for name in words(&types) {
            // The type's users need what its implementations name.
            let (file, needs) = (file.to_owned(), traits.clone());
            offers.push(Offer { name, file, line: 0, needs });
        }
    }
}

/// The types of public fields, and what bounds the parameters.
fn public_part(fields: &Fields, generics: &syn::Generics) -> TokenStream {
    let mut part = generics.to_token_stream();
    generics.where_clause.to_tokens(&mut part);
    for field in fields.iter().filter(|field| matches!(field.vis, Visibility::Public(_))) {
        field.ty.to_tokens(&mut part);
    }
    part
}

fn offer_reexports(tree: &UseTree, call: &mut impl FnMut(&syn::Ident)) {
    match tree {
        UseTree::Path(it) => offer_reexports(&it.tree, call),
        UseTree::Name(it) => call(&it.ident),
        UseTree::Rename(it) => call(&it.rename),
        UseTree::Group(group) => group.items.iter().for_each(|tree| offer_reexports(tree, call)),
        UseTree::Glob(_) => {}
    }
}

fn is_exported(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        path.segments.iter().any(|segment| segment.ident == "wasm_bindgen")
            || words(&attribute.meta).contains("no_mangle")
    })
}

fn words(of: &dyn ToTokens) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    add_words(of, &mut words);
    words
}

fn add_words(of: &(impl ToTokens + ?Sized), to: &mut BTreeSet<String>) {
    each_word(of.to_token_stream(), &mut |word, _| {
        to.insert(word.to_string());
    });
}

/// Adds the words of code blocks in documentation, which rustdoc compiles as a user.
fn add_examples(attributes: &[Attribute], to: &mut BTreeSet<String>) {
    let mut inside = false;
    for attribute in attributes {
        let syn::Meta::NameValue(doc) = &attribute.meta else { continue };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &doc.value else {
            continue;
        };
        let text = text.value();
        if text.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            to.extend(words.map(str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkout::Checkout;
    use super::*;

    fn check_library(library: &str, user: &str, expected: &[&str]) {
        let checkout = Checkout::of(&[("lib.rs", library), ("user.rs", user)]);
        let parsed = Parsed::parse(&checkout).unwrap();
        let found = check(&parsed, ["lib.rs"], ["user.rs"]);
        let names: Vec<_> = found.into_iter().filter_map(|finding| finding.name).collect();
        assert_eq!(names, expected, "{library}");
    }

    #[test]
    fn what_no_other_crate_names_is_found() {
        let library = "pub fn used() {} pub fn unused() {} pub(crate) fn own() { unused() }";
        check_library(library, "fn f() { library::used() }", &["unused"]);
        check_library("pub mod a { pub const B: u8 = 1; }", "", &["a", "B"]);
        check_library("pub struct S; impl S { pub fn m(&self) {} }", "fn f(s: S) {}", &["m"]);
        check_library("mod a; pub use a::{B, C};", "use library::B;", &["C"]);
    }

    #[test]
    fn what_a_used_signature_names_is_used() {
        let signature = "pub fn used() -> A {} pub struct A { pub b: B } pub struct B { c: C }";
        let library = format!("{signature} pub struct C;");
        check_library(&library, "fn f() { used() }", &["C"]);
        check_library(&library, "", &["used", "A", "B", "C"]);
        let library = "pub struct A; pub struct B; impl Iterator for A { type Item = B; }";
        check_library(library, "fn f(a: A) {}", &[]);
    }

    #[test]
    fn exports_to_javascript_and_examples_are_used() {
        check_library("#[wasm_bindgen] pub fn exported() {}", "", &[]);
        let attribute = "#[wasm_bindgen(start)] impl";
        check_library(&format!("{attribute} Host {{ pub fn turn() {{}} }}"), "", &[]);
        let library = "//! ```\n//! library::used()\n//! ```\n//! unused\n\n";
        check_library(
            &format!("{library}pub fn used() {{}} pub fn unused() {{}}"),
            "",
            &["unused"],
        );
    }

    #[test]
    fn what_only_the_own_tests_name_is_found() {
        check_library("pub fn a() {} #[cfg(test)] mod tests { fn t() { super::a() } }", "", &["a"]);
    }
}
