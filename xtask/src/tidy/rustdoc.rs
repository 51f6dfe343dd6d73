//! `cargo doc` has nothing to say, about private items either.

use anyhow::{Result, ensure};
use jstorrent_tests::steps::Step;
use serde::Deserialize;

use super::finding::{Finding, Rule};
use crate::shell;

/// A line of cargo's JSON that holds a message of rustdoc.
#[derive(Deserialize)]
struct Line {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
    code: Option<Code>,
    level: String,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    is_primary: bool,
}

/// Documents the workspace; what rustdoc warns of.
///
/// # Errors
/// cargo fails without a message that names a place.
pub(super) async fn check() -> Result<Vec<Finding>> {
    let step = Step::start("documentation");
    let mut cargo = shell::cargo();
    cargo.args(["doc", "--no-deps", "--workspace", "--document-private-items"]);
    cargo.args(["--message-format", "json"]);
    let (mut found, mut last) = (Vec::new(), String::new());
    let passed = shell::each_line(&mut cargo, |line| {
        if line.starts_with('{') {
            found.extend(finding(line));
        } else if !line.is_empty() {
            step.note(line);
            line.clone_into(&mut last);
        }
    })
    .await?;
    step.done();
    ensure!(passed || !found.is_empty(), "cargo doc fails: {last}");
    Ok(found)
}

fn finding(line: &str) -> Option<Finding> {
    let Line { message } = serde_json::from_str(line).ok()?;
    let place = message.spans.iter().find(|span| span.is_primary)?;
    let noteworthy = ["warning", "error"].contains(&message.level.as_str());
    let says = format!("rustdoc: {}", message.message);
    let finding = Finding::new(Rule::Rustdoc, &place.file_name, place.line_start, says);
    let code = message.code.map_or_else(|| message.level.clone(), |code| code.code);
    noteworthy.then(|| finding.about(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_with_a_place_is_a_finding_and_other_lines_are_not() {
        let line = r#"{"reason":"compiler-message","message":{"message":"unresolved link to `X`",
            "code":{"code":"rustdoc::broken_intra_doc_links"},"level":"warning","spans":[
            {"file_name":"a/src/lib.rs","line_start":7,"is_primary":true}]}}"#;
        let found = finding(line).expect("a finding");
        assert_eq!(found.to_string(), "a/src/lib.rs:7: rustdoc: unresolved link to `X`");
        assert_eq!(found.name.as_deref(), Some("rustdoc::broken_intra_doc_links"));
        assert_eq!(finding(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(finding(&line.replace("\"warning\"", "\"note\"")), None);
    }
}
