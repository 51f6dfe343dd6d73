//! The modules of one crate: their files, what each defines, imports and names, and where a path
//! leads.
//!
//! What is for tests alone is left out. Paths are those of `use` items and those in the tokens of
//! all other items, macros included; they follow re-exports to the module that defines the item.
//! The resolution knows no types: a method call names no module.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{Item, UseTree, Visibility};

use super::parsed::{Parsed, attributes, each_word, is_for_tests, tokens};

/// Re-exports that a path may pass through.
const MAX_DEPTH: u32 = 16;

/// A path as written, and its line.
pub(super) struct Written {
    /// Its segments.
    pub(super) path: Vec<String>,
    /// The line of its first segment.
    pub(super) line: usize,
}

/// A name that a `use` item brings in.
pub(super) struct Import {
    /// The name here; `*` for all names of the module.
    pub(super) name: String,
    /// Where it comes from.
    pub(super) from: Written,
    /// Whether other modules can use it from here.
    pub(super) is_reexport: bool,
}

/// A module, with a file or inline.
#[derive(Default)]
pub(super) struct Module {
    /// The file that it is in.
    pub(super) file: String,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    /// What it imports.
    pub(super) imports: Vec<Import>,
    /// Paths of several segments in its code.
    pub(super) paths: Vec<Written>,
    /// Identifiers of its code, with the line of the first. Fields and methods are left out.
    pub(super) words: BTreeMap<String, usize>,
}

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To a module.
    Module(usize),
    /// To an item of a module.
    Item(usize),
}

/// The modules of a crate; the first is its root.
pub(super) struct Modules(pub(super) Vec<Module>);

impl Modules {
    /// Reads a crate from its root file on.
    pub(super) fn of(parsed: &Parsed, root: &str) -> Self {
        let mut modules = Self(Vec::new());
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        if let Some(file) = parsed.file(root) {
            modules.add(parsed, 0, root, &folder, &file.items);
        }
        modules
    }

    fn add(&mut self, parsed: &Parsed, up: usize, file: &str, dir: &str, items: &[Item]) -> usize {
        let own = self.0.len();
        self.0.push(Module { file: file.to_owned(), parent: up, ..Module::default() });
        for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
            match item {
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let inside = join(dir, &name);
                    let child = if let Some((_, items)) = &module.content {
                        Some(self.add(parsed, own, file, &inside, items))
                    } else {
                        let files = [format!("{inside}.rs"), format!("{inside}/mod.rs")];
                        let found = files.iter().find_map(|it| Some((it, parsed.file(it)?)));
                        found.map(|(file, it)| self.add(parsed, own, file, &inside, &it.items))
                    };
                    self.0[own].children.extend(child.map(|child| (name, child)));
                }
                Item::Use(item) => {
                    let is_reexport = !matches!(item.vis, Visibility::Inherited);
                    flatten(&item.tree, &mut Vec::new(), None, &mut |name, path, line| {
                        let from = Written { path, line };
                        self.0[own].imports.push(Import { name, from, is_reexport });
                    });
                }
                _ => self.0[own].read(item),
            }
        }
        own
    }

    /// Where a path that is written in a module leads. `None` if the path leads out of the crate.
    pub(super) fn resolve(&self, from: usize, path: &[String]) -> Option<Place> {
        self.resolve_within(from, path, MAX_DEPTH)
    }

    /// The files of the crate, each once.
    pub(super) fn files(&self) -> BTreeSet<&str> {
        self.0.iter().map(|module| module.file.as_str()).collect()
    }

    /// The module that defines an item which another module offers by this name.
    pub(super) fn defines(&self, offered_by: usize, name: &str) -> Option<usize> {
        match self.lookup(offered_by, name, true, MAX_DEPTH)? {
            Place::Item(at) => Some(at),
            Place::Module(_) => None,
        }
    }

    fn resolve_within(&self, from: usize, path: &[String], depth: u32) -> Option<Place> {
        let depth = depth.checked_sub(1)?;
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Place::Module(0),
            "self" => Place::Module(from),
            "super" => Place::Module(self.0[from].parent),
            name => self.lookup(from, name, rest.is_empty(), depth)?,
        };
        let within_crate = ["crate", "self", "super"].contains(&first.as_str());
        while let (Place::Module(module), Some((name, after))) = (at, rest.split_first()) {
            at = match name.as_str() {
                "super" => Place::Module(self.0[module].parent),
                "self" => at,
                name => match self.lookup(module, name, after.is_empty(), depth) {
                    Some(place) => place,
                    // A macro has made it.
                    None if within_crate => Place::Item(module),
                    None => return None,
                },
            };
            rest = after;
        }
        Some(at)
    }

    fn lookup(&self, module: usize, name: &str, last: bool, depth: u32) -> Option<Place> {
        let here = &self.0[module];
        let item = here.items.contains(name).then_some(Place::Item(module));
        let child = here.children.get(name).map(|child| Place::Module(*child));
        let own = if last { item.or(child) } else { child.or(item) };
        let import = || {
            let import = here.imports.iter().find(|import| import.name == name)?;
            self.resolve_within(module, &import.from.path, depth)
        };
        let glob = || {
            let globs = here.imports.iter().filter(|import| import.name == "*");
            let modules = globs.filter_map(|glob| {
                match self.resolve_within(module, &glob.from.path, depth)? {
                    // What globs import each other's names would go round in circles.
                    Place::Module(other) if other != module => Some(other),
                    _ => None,
                }
            });
            let depth = depth.checked_sub(1)?;
            modules.into_iter().find_map(|other| self.lookup(other, name, last, depth))
        };
        own.or_else(import).or_else(glob)
    }
}

impl Module {
    /// Takes in an item that is neither a module nor an import.
    fn read(&mut self, item: &Item) {
        let name = match item {
            Item::Const(it) => Some(&it.ident),
            Item::Enum(it) => Some(&it.ident),
            Item::Fn(it) => Some(&it.sig.ident),
            Item::Macro(it) => it.ident.as_ref(),
            Item::Static(it) => Some(&it.ident),
            Item::Struct(it) => Some(&it.ident),
            Item::Trait(it) => Some(&it.ident),
            Item::Type(it) => Some(&it.ident),
            Item::Union(it) => Some(&it.ident),
            _ => None,
        };
        self.items.extend(name.map(ToString::to_string));
        each_word(tokens(item), &mut |word, follows_dot| {
            if !follows_dot {
                self.words.entry(word.to_string()).or_insert(word.span().start().line);
            }
        });
        each_path(tokens(item), &mut |written| self.paths.push(written));
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn flatten(
    tree: &UseTree,
    path: &mut Vec<String>,
    line: Option<usize>,
    call: &mut impl FnMut(String, Vec<String>, usize),
) {
    let at = |ident: &syn::Ident| line.unwrap_or_else(|| ident.span().start().line);
    match tree {
        UseTree::Path(it) => {
            path.push(it.ident.to_string());
            flatten(&it.tree, path, Some(at(&it.ident)), call);
            path.pop();
        }
        UseTree::Name(it) if it.ident == "self" => {
            call(path.last().cloned().unwrap_or_default(), path.clone(), at(&it.ident));
        }
        UseTree::Name(it) => {
            call(it.ident.to_string(), extended(path, &it.ident), at(&it.ident));
        }
        UseTree::Rename(it) => {
            call(it.rename.to_string(), extended(path, &it.ident), at(&it.ident));
        }
        UseTree::Glob(_) => call("*".to_owned(), path.clone(), line.unwrap_or(1)),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, path, line, call);
            }
        }
    }
}

fn extended(path: &[String], last: &syn::Ident) -> Vec<String> {
    path.iter().cloned().chain([last.to_string()]).collect()
}

/// Calls back with each path of two or more segments. The path of a `pub(in …)` is left out.
fn each_path(tokens: TokenStream, call: &mut impl FnMut(Written)) {
    let mut path: Option<Written> = None;
    let mut colons = 0;
    let mut follows_pub = false;
    for token in tokens {
        let is_visibility = follows_pub && matches!(token, TokenTree::Group(_));
        follows_pub = matches!(&token, TokenTree::Ident(word) if word == "pub");
        match token {
            TokenTree::Ident(word) => {
                let (line, word) = (word.span().start().line, word.to_string());
                match &mut path {
                    Some(written) if colons == 2 => written.path.push(word),
                    _ => finish(path.replace(Written { path: vec![word], line }), call),
                }
                colons = 0;
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
            other => {
                finish(path.take(), call);
                colons = 0;
                if let TokenTree::Group(group) = other
                    && !is_visibility
                {
                    each_path(group.stream(), call);
                }
            }
        }
    }
    finish(path, call);
}

fn finish(path: Option<Written>, call: &mut impl FnMut(Written)) {
    if let Some(written) = path.filter(|it| it.path.len() > 1) {
        call(written);
    }
}
