//! A part of a torrent knows neither the torrent nor another part.
//!
//! A part is a folder below [`TORRENT`]; the folder `routes` connects the parts and is none. The
//! code of a part names no item of another part, of the torrent or its routes, of the engine, or of
//! the context, which gives access to the outputs. So a part can only return what it wants done.

use super::cycles::{Graph, graph};
use super::finding::{Finding, Rule};
use super::modules::Modules;

/// The folder of the torrent and its parts.
const TORRENT: &str = "engine-wasm/src/torrent/";
/// What no part may name: files, and folders with a slash at their end.
const ABOVE: [&str; 5] = [
    "engine-wasm/src/context.rs",
    "engine-wasm/src/engine.rs",
    "engine-wasm/src/engine/",
    "engine-wasm/src/torrent/mod.rs",
    "engine-wasm/src/torrent/routes/",
];

/// Checks one crate.
pub(super) fn check(modules: &Modules) -> Vec<Finding> {
    findings(&graph(modules))
}

fn findings(graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, uses) in graph {
        let Some(part) = part_of(file) else { continue };
        for (used, place) in uses {
            let is_above =
                ABOVE.iter().any(|it| used == it || it.ends_with('/') && used.starts_with(it));
            if is_above || part_of(used).is_some_and(|other| other != part) {
                let says = format!("the part “{part}” names {}, of {used}", place.name);
                found.push(Finding::new(Rule::Part, file, place.line, says));
            }
        }
    }
    found
}

/// The part that a file belongs to.
fn part_of(file: &str) -> Option<&str> {
    let (part, _) = file.strip_prefix(TORRENT)?.split_once('/')?;
    (part != "routes").then_some(part)
}

#[cfg(test)]
mod tests {
    use super::super::checkout::Checkout;
    use super::super::parsed::Parsed;
    use super::*;

    /// The findings about one file, which has this content.
    fn check_part(path: &str, content: &str) -> usize {
        let path = format!("{TORRENT}{path}");
        let files = [
            ("engine-wasm/src/lib.rs", "mod context; mod torrent; mod time;"),
            ("engine-wasm/src/time.rs", "pub struct Instant;"),
            ("engine-wasm/src/context.rs", "pub struct Context;"),
            (
                "engine-wasm/src/torrent/mod.rs",
                "mod content; mod routes; mod ledger; mod swarm; pub struct Torrent;",
            ),
            ("engine-wasm/src/torrent/content.rs", "pub struct Content;"),
            ("engine-wasm/src/torrent/ledger/mod.rs", "pub struct Ledger;"),
            (path.as_str(), content),
        ];
        let parsed = Parsed::parse(&Checkout::of(&files)).unwrap();
        check(&Modules::of(&parsed, "engine-wasm/src/lib.rs")).len()
    }

    #[test]
    fn a_part_names_what_lies_beneath_it() {
        let beneath = "use crate::time::Instant; use crate::torrent::content::Content;
                       pub(in crate::torrent) struct Swarm(Content, Instant);";
        assert_eq!(check_part("swarm/mod.rs", beneath), 0);
    }

    #[test]
    fn a_part_names_neither_the_context_nor_the_torrent_nor_another_part() {
        let check = |code: &str| assert_eq!(check_part("swarm/mod.rs", code), 1, "{code}");
        check("fn f(cx: &mut crate::context::Context) {}");
        check("use crate::torrent::Torrent; fn f(torrent: &Torrent) {}");
        check("use super::ledger; fn f(ledger: &ledger::Ledger) {}");
    }

    #[test]
    fn routes_name_everything() {
        let code = "use crate::context::Context; use crate::torrent::Torrent;
                    fn f(torrent: Torrent, cx: Context) {}";
        assert_eq!(check_part("routes/mod.rs", code), 0);
    }
}
