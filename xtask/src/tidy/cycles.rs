//! No module uses a module that uses it, directly or through others.
//!
//! The graph is drawn on files; an inline module belongs to its file, and what is for tests alone
//! is left out. File A uses file B if code in A names an item that B defines, by whatever path or
//! import; re-exports are followed to the definition. So a parent that declares children and
//! re-exports their items does not use them. Only when its own code names an item of a child, and
//! the child names one of the parent's, do the two form a cycle. An import without `pub` counts as
//! a use. Method calls, fields and a visibility such as `pub(in …)` don't count: a struct's methods
//! may stand in several files below it, which name the struct, while its own file names nothing of
//! theirs.
//!
//! Each file on a cycle is a finding, with the shortest cycle through it: each arrow says by which
//! name, in which line, the module before it uses the one after it.

use std::collections::{BTreeMap, VecDeque};

use super::finding::{Finding, Rule};
use super::modules::{Modules, Place};

/// The files that each file uses, with the first use of each.
pub(super) type Graph = BTreeMap<String, BTreeMap<String, Use>>;

/// Where code names an item of another file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    /// The line of the first use.
    pub(super) line: usize,
    /// The item, as the code names it.
    pub(super) name: String,
}

/// Checks one crate.
pub(super) fn check(modules: &Modules) -> Vec<Finding> {
    let graph = graph(modules);
    let on_cycle = |file| {
        let cycle = shortest_cycle(&graph, file)?;
        let line = graph[file][&cycle[1]].line;
        let says = format!("the module needs itself through others: {}", chain(&graph, &cycle));
        Some(Finding::new(Rule::Cycle, file, line, says))
    };
    graph.keys().filter_map(|file| on_cycle(file)).collect()
}

/// A cycle in words. An example is `a (B, line 2) → b (A, line 3) → a`.
fn chain(graph: &Graph, cycle: &[String]) -> String {
    let used = |pair: &[String]| {
        let Use { line, name } = &graph[&pair[0]][&pair[1]];
        format!("{} ({name}, line {line}) → ", short(&pair[0]))
    };
    let last = cycle.last().map_or("", |file| short(file));
    cycle.windows(2).map(used).chain([last.to_owned()]).collect()
}

/// A path without what all files of a crate have in common.
fn short(file: &str) -> &str {
    let inside = file.split_once("/src/").map_or(file, |(_, inside)| inside);
    inside.trim_end_matches(".rs").trim_end_matches("/mod")
}

/// The graph of a crate.
pub(super) fn graph(modules: &Modules) -> Graph {
    let mut graph = Graph::new();
    for (index, module) in modules.0.iter().enumerate() {
        let mut uses = Vec::new();
        for import in &module.imports {
            let counts = !import.is_reexport || module.words.contains_key(&import.name);
            match modules.resolve(index, &import.from.path) {
                // Where a module is imported, the paths through it count.
                Some(Place::Item(at)) if counts => {
                    uses.push((at, import.from.line, import.name.clone()));
                }
                Some(Place::Module(from)) if import.name == "*" => {
                    let named = |(word, line): (&String, &usize)| {
                        Some((modules.defines(from, word)?, *line, word.clone()))
                    };
                    uses.extend(module.words.iter().filter_map(named));
                }
                _ => {}
            }
        }
        for written in &module.paths {
            if let Some(Place::Item(at) | Place::Module(at)) = modules.resolve(index, &written.path)
            {
                uses.push((at, written.line, written.path.join("::")));
            }
        }
        let used = graph.entry(module.file.clone()).or_default();
        for (at, line, name) in uses {
            let file = &modules.0[at].file;
            if *file != module.file {
                let here = Use { line, name };
                let first = used.entry(file.clone()).or_insert_with(|| here.clone());
                if here < *first {
                    *first = here;
                }
            }
        }
    }
    graph
}

/// The shortest way from a file back to it, both ends included.
fn shortest_cycle(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in graph.get(file)?.keys() {
            if next == start {
                let mut back = vec![start.to_owned(), file.to_owned()];
                let mut at = file;
                while at != start {
                    at = came_from[at];
                    back.push(at.to_owned());
                }
                back.reverse();
                return Some(back);
            }
            if !came_from.contains_key(next.as_str()) {
                came_from.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::checkout::Checkout;
    use super::super::parsed::Parsed;
    use super::*;

    fn check_crate(files: &[(&str, &str)], expected: &[&str]) {
        let parsed = Parsed::parse(&Checkout::of(files)).unwrap();
        let found = check(&Modules::of(&parsed, "src/lib.rs"));
        let found: Vec<_> = found.iter().map(|it| format!("{}:{}", it.file, it.line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn two_modules_that_use_each_other_are_a_cycle() {
        check_crate(
            &[
                ("src/lib.rs", "mod desk; mod viewer;"),
                ("src/desk.rs", "use crate::viewer::Viewer;\npub struct Desk(Viewer);"),
                ("src/viewer.rs", "pub struct Viewer;\nfn f(desk: &super::desk::Desk) {}"),
            ],
            &["src/desk.rs:1", "src/viewer.rs:2"],
        );
    }

    #[test]
    fn a_finding_says_which_names_close_the_cycle() {
        let files = [
            ("src/lib.rs", "mod desk; mod viewer;"),
            ("src/desk.rs", "use crate::viewer::{self, Viewer};\npub struct Desk(Viewer);"),
            ("src/viewer.rs", "pub struct Viewer;\nfn f(desk: &super::desk::Desk) {}"),
        ];
        let parsed = Parsed::parse(&Checkout::of(&files)).unwrap();
        let found = check(&Modules::of(&parsed, "src/lib.rs"));
        let desk = &found[0].sentence;
        let expected =
            "src/desk (Viewer, line 1) → src/viewer (super::desk::Desk, line 2) → src/desk";
        assert!(desk.ends_with(expected), "{desk}");
    }

    #[test]
    fn a_cycle_may_go_through_a_third_module_and_a_macro() {
        check_crate(
            &[
                ("src/lib.rs", "mod a; mod b; mod c; mod apart;"),
                ("src/a.rs", "use crate::b;\npub struct A(b::B);"),
                ("src/b.rs", "pub struct B;\nfn f() { vec![crate::c::make()] }"),
                ("src/c.rs", "use super::a::*;\npub fn make() -> A {}"),
                ("src/apart.rs", "use super::a::A; fn f(a: A) {}"),
            ],
            &["src/a.rs:2", "src/b.rs:2", "src/c.rs:2"],
        );
    }

    #[test]
    fn one_direction_is_no_cycle() {
        check_crate(
            &[
                ("src/lib.rs", "mod desk; mod viewer;"),
                ("src/desk.rs", "use crate::viewer::Viewer; pub struct Desk(Viewer);"),
                ("src/viewer.rs", "pub struct Viewer;"),
            ],
            &[],
        );
    }

    #[test]
    fn a_parent_that_only_reexports_does_not_use_its_child() {
        let child = ("src/a/child.rs", "use super::Limit;\npub struct Child(Limit);");
        let reexport = "mod child;\npub use child::Child;\npub struct Limit;";
        check_crate(&[("src/lib.rs", "mod a;"), ("src/a.rs", reexport), child], &[]);
        let used = format!("{reexport}\nfn f() -> Child {{}}");
        let found = ["src/a.rs:2", "src/a/child.rs:1"];
        check_crate(&[("src/lib.rs", "mod a;"), ("src/a.rs", &used), child], &found);
    }

    #[test]
    fn a_path_through_a_reexport_leads_to_the_definition() {
        check_crate(
            &[
                ("src/lib.rs", "mod a; mod b;"),
                ("src/a/mod.rs", "mod one; mod two; pub use one::One; pub use two::*;"),
                ("src/a/one.rs", "pub struct One;"),
                ("src/a/two.rs", "use crate::b::B; pub struct Two(B);"),
                ("src/b.rs", "use crate::a::One; pub struct B(One);"),
            ],
            &[],
        );
    }

    #[test]
    fn a_visibility_uses_nothing() {
        check_crate(
            &[
                ("src/lib.rs", "mod a;"),
                ("src/a/mod.rs", "mod b; use b::B; pub struct A(B);"),
                ("src/a/b.rs", "pub struct B; impl B { pub(in crate::a) fn f() {} }"),
            ],
            &[],
        );
    }

    #[test]
    fn tests_may_use_everything() {
        check_crate(
            &[
                ("src/lib.rs", "mod a; mod b;"),
                ("src/a.rs", "pub struct A;\n#[cfg(test)] mod tests { use crate::b::B; }"),
                ("src/b.rs", "use crate::a::A; pub struct B(A);"),
            ],
            &[],
        );
    }
}
