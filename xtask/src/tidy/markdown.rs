//! Markdown: lines of prose are short, and links lead to files and headings that are there.
//!
//! Tables, code and HTML are as wide as they have to be; so is what a link leads to. Addresses of
//! other hosts are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::checkout::Checkout;
use super::finding::{Finding, Rule};

/// Columns of a line of prose.
const MAX_PROSE: usize = 120;

/// What the rules need of a document.
#[derive(Default)]
struct Document {
    /// Where links lead, and the offset of each.
    links: Vec<(String, usize)>,
    /// The names by which headings can be linked.
    anchors: BTreeSet<String>,
    /// What is no prose.
    wide: Vec<Range<usize>>,
    /// What links lead to, as written.
    targets: Vec<Range<usize>>,
}

/// Checks all documents.
pub(super) fn check(checkout: &Checkout) -> Vec<Finding> {
    let read = |(file, text)| (file, read(text));
    let documents: BTreeMap<&str, Document> = checkout.files(&["md"]).map(read).collect();
    let mut found = Vec::new();
    for (file, document) in &documents {
        let text = checkout.text(file).unwrap_or_default();
        check_widths(file, text, document, &mut found);
        for (link, offset) in &document.links {
            if let Some(says) = broken(file, link, checkout, &documents) {
                let line = text[..*offset].matches('\n').count() + 1;
                found.push(Finding::new(Rule::Link, file, line, says).about(link));
            }
        }
    }
    found
}

fn check_widths(file: &str, text: &str, document: &Document, found: &mut Vec<Finding>) {
    let mut start = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let range = start..start + line.trim_end().len();
        start += line.len();
        let touches = |other: &&Range<usize>| other.start < range.end && range.start < other.end;
        if document.wide.iter().any(|wide| touches(&wide)) {
            continue;
        }
        let characters = |range: Range<usize>| text[range].chars().count();
        let inside = |link: &Range<usize>| link.start.max(range.start)..link.end.min(range.end);
        let targets = document.targets.iter().filter(touches).map(|link| characters(inside(link)));
        let width = characters(range.clone()) - targets.sum::<usize>();
        if width > MAX_PROSE {
            let says = format!("the line has {width} columns; {MAX_PROSE} are allowed");
            found.push(Finding::new(Rule::LineWidth, file, number, says));
        }
    }
}

fn read(text: &str) -> Document {
    let mut document = Document::default();
    let mut heading: Option<String> = None;
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                if let Some(at) = text[range.clone()].rfind(&*dest_url) {
                    let start = range.start + at;
                    document.targets.push(start..start + dest_url.len());
                }
                document.links.push((dest_url.into_string(), range.start));
            }
            Event::Start(Tag::CodeBlock(_) | Tag::Table(_) | Tag::HtmlBlock) => {
                document.wide.push(range);
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let again = (1..).map(|count| format!("{anchor}-{count}"));
                let mut names = std::iter::once(anchor.clone()).chain(again);
                let free = names.find(|name| !document.anchors.contains(name));
                document.anchors.extend(free);
            }
            Event::Text(text) | Event::Code(text) => {
                heading.iter_mut().for_each(|heading| heading.push_str(&text));
            }
            _ => {}
        }
    }
    document
}

/// The name that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Why a link leads nowhere.
fn broken(
    from: &str,
    link: &str,
    checkout: &Checkout,
    documents: &BTreeMap<&str, Document>,
) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let file = if path.is_empty() { Some(from.to_owned()) } else { beside(from, path) };
    let Some(file) = file.filter(|file| checkout.has(file)) else {
        return Some(format!("the link leads to `{path}`, which is not there"));
    };
    let missing = documents.get(file.as_str()).is_some_and(|it| !it.anchors.contains(anchor));
    (!anchor.is_empty() && missing).then(|| format!("`{file}` has no heading `#{anchor}`"))
}

/// Resolves a path that is written in a file. The result starts at the root; `None` if the path
/// leads out of the checkout.
fn beside(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_document(text: &str, expected: &[(Rule, usize)]) {
        let other = "# A heading: `code`\n\n# Twice\n\n# Twice\n";
        let checkout = Checkout::of(&[("docs/a.md", text), ("docs/b.md", other), ("c.rs", "")]);
        let found = check(&checkout);
        let places: Vec<_> = found.iter().map(|finding| (finding.rule, finding.line)).collect();
        assert_eq!(places, expected, "{found:?}");
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        let good = ["b.md", "b.md#a-heading-code", "b.md#twice-1", "../c.rs", "..", "#own"];
        for link in good.iter().chain(&["https://example.org/x", "../docs/"]) {
            check_document(&format!("# Own\n\n[text]({link})\n"), &[]);
        }
        for link in ["d.md", "b.md#c", "b.md#twice-2", "c.rs", "../../c.rs/d", "#other"] {
            check_document(&format!("# Own\n\n[text]({link})\n"), &[(Rule::Link, 3)]);
        }
        check_document("[text][1] ![image](b.png)\n\n[1]: d.md\n", &[(Rule::Link, 1); 2]);
    }

    #[test]
    fn prose_is_narrow_and_the_rest_is_not() {
        let wide = "word ".repeat(25);
        check_document(&format!("one\n{}\n", "word ".repeat(24)), &[]);
        check_document(&format!("one\n{wide}\n"), &[(Rule::LineWidth, 2)]);
        check_document(&format!("```\n{wide}\n```\n\n    {wide}\n"), &[]);
        check_document(&format!("| a |\n|---|\n| {wide} |\n"), &[]);
        check_document(&format!("[text](https://{})\n", "e".repeat(130)), &[]);
        let link = format!("[text](https://{}) {wide}\n", "e".repeat(130));
        check_document(&link, &[(Rule::LineWidth, 1)]);
    }
}
