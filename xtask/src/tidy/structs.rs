//! No struct has more fields than a reader keeps in mind.
//!
//! Records that another program writes or reads are as wide as they have to be: structs that
//! derive serde's traits or clap's.

use syn::visit::Visit;
use syn::{Attribute, ItemStruct};

use super::finding::{Finding, Rule};
use super::parsed::Parsed;

/// Fields of a struct.
const MAX_FIELDS: usize = 16;
/// What a record derives. Records are those of the wire, the API, configuration files and command
/// lines.
const RECORD: &[&str] = &["Serialize", "Deserialize", "Parser", "Args"];

/// Checks all structs.
pub(super) fn check(parsed: &Parsed) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, tree) in parsed.files() {
        Structs { file, found: &mut found }.visit_file(tree);
    }
    found
}

struct Structs<'a> {
    file: &'a str,
    found: &'a mut Vec<Finding>,
}

impl<'ast> Visit<'ast> for Structs<'_> {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        let fields = item.fields.len();
        if fields > MAX_FIELDS && !item.attrs.iter().any(derives_record) {
            let (name, line) = (item.ident.to_string(), item.ident.span().start().line);
            let says = format!("`{name}` has {fields} fields; {MAX_FIELDS} are allowed");
            let finding = Finding::new(Rule::StructFields, self.file, line, says);
            self.found.push(finding.about(name));
        }
    }
}

fn derives_record(attribute: &Attribute) -> bool {
    let mut record = false;
    if attribute.path().is_ident("derive") {
        let _ = attribute.parse_nested_meta(|derived| {
            let last = derived.path.segments.last().map(|segment| segment.ident.to_string());
            record |= last.is_some_and(|name| RECORD.contains(&name.as_str()));
            Ok(())
        });
    }
    record
}

#[cfg(test)]
mod tests {
    use super::super::checkout::Checkout;
    use super::*;

    fn check_struct(derives: &str, fields: usize, expected: usize) {
        let fields: String = (0..fields).map(|field| format!("f{field}: u8,")).collect();
        let text = format!("//! A.\n#[derive({derives})]\nstruct S {{ {fields} }}");
        let found = check(&Parsed::parse(&Checkout::of(&[("a.rs", &text)])).unwrap());
        assert_eq!(found.len(), expected, "{text}");
    }

    #[test]
    fn a_struct_of_17_fields_is_too_wide() {
        check_struct("Debug", 16, 0);
        check_struct("Debug", 17, 1);
    }

    #[test]
    fn a_record_may_be_wide() {
        check_struct("Debug, Serialize", 17, 0);
        check_struct("serde::Deserialize", 17, 0);
        check_struct("clap::Parser", 17, 0);
    }
}
