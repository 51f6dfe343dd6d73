//! Rules on the bare text of sources: length of files, width of lines, a header.

use super::checkout::{Checkout, extension};
use super::finding::{Finding, Rule};

/// Lines of a file.
const MAX_LINES: usize = 500;
/// Columns of a line.
const MAX_COLUMNS: usize = 100;

/// Checks all sources.
pub(super) fn check(checkout: &Checkout) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, text) in checkout.files(&["rs", "ts", "mjs"]) {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            let says = format!("the file has {lines} lines; {MAX_LINES} are allowed");
            found.push(Finding::new(Rule::FileLength, file, 1, says));
        }
        for (number, line) in (1..).zip(text.lines()) {
            let width = line.chars().count();
            if width > MAX_COLUMNS && !is_one_word(line) {
                let says = format!("the line has {width} columns; {MAX_COLUMNS} are allowed");
                found.push(Finding::new(Rule::LineWidth, file, number, says));
            }
        }
        if !has_header(text, extension(file) == "rs") {
            let says = "the file does not open with a comment that says what it owns";
            found.push(Finding::new(Rule::Header, file, 1, says));
        }
    }
    found
}

/// Whether a line can't be broken: it is a comment of one word, which is an address.
fn is_one_word(line: &str) -> bool {
    let comment = line.trim_start().trim_start_matches(['/', '!', '*']).trim();
    !comment.contains(' ') && comment.contains("://")
}

fn has_header(text: &str, rust: bool) -> bool {
    let mut lines = text.lines().filter(|line| !line.starts_with("#!/") && !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    if rust { first.starts_with("//!") } else { first.starts_with("//") || first.starts_with("/*") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(file: &str, text: &str, expected: &[(Rule, usize)]) {
        let found = check(&Checkout::of(&[(file, text)]));
        let places: Vec<_> = found.iter().map(|finding| (finding.rule, finding.line)).collect();
        assert_eq!(places, expected, "{found:?}");
    }

    #[test]
    fn a_short_file_with_a_header_is_fine() {
        check_one("a.rs", "//! Owns a.\n\nfn a() {}\n", &[]);
        check_one("a.ts", "// Owns a.\nexport const a = 1;\n", &[]);
        check_one("a.mjs", "#!/usr/bin/env node\n// Owns a.\n", &[]);
    }

    #[test]
    fn a_file_of_501_lines_is_too_long() {
        check_one("a.rs", &format!("//! A.\n{}", "\n".repeat(499)), &[]);
        check_one("a.rs", &format!("//! A.\n{}", "\n".repeat(500)), &[(Rule::FileLength, 1)]);
        check_one("a.ts", &format!("// A.\n{}", "\n".repeat(500)), &[(Rule::FileLength, 1)]);
    }

    #[test]
    fn a_line_is_measured_in_characters_and_an_address_may_be_long() {
        check_one("a.rs", &format!("//! A.\n// {}", "é ".repeat(48)), &[]);
        check_one("a.rs", &format!("//! A.\n// {}", "é ".repeat(50)), &[(Rule::LineWidth, 2)]);
        check_one("a.rs", &format!("//! A.\n// https://{}", "e".repeat(100)), &[]);
        check_one("a.ts", &format!("// A.\n// {}", "e ".repeat(48)), &[]);
        check_one("a.ts", &format!("// A.\n// {}", "e ".repeat(50)), &[(Rule::LineWidth, 2)]);
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        check_one("a.rs", "// No inner comment.\nfn a() {}\n", &[(Rule::Header, 1)]);
        check_one("a.ts", "export const a = 1;\n// Late.\n", &[(Rule::Header, 1)]);
        check_one("a.test.ts", "describe('a', () => {});\n", &[(Rule::Header, 1)]);
    }
}
