//! Compares replies with `openapi.json`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::Answer;
use crate::api::openapi::DOCUMENT;

/// Parses `openapi.json`.
pub(super) fn document() -> Value {
    serde_json::from_str(DOCUMENT).expect("the document is JSON")
}

/// Returns how a value violates its schema. Records in `seen` the parts of the document that were
/// used.
pub(super) fn differences(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    seen: &mut BTreeSet<String>,
) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document
            .pointer(name.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{name} is not there"));
        return differences(
            document,
            schema,
            value,
            name.rsplit('/').next().unwrap_or_default(),
            seen,
        );
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let tries = choices.iter().map(|schema| {
            let mut noted = seen.clone();
            (differences(document, schema, value, at, &mut noted), noted)
        });
        let Some((_, noted)) = tries.into_iter().find(|(wrong, _)| wrong.is_empty()) else {
            return vec![format!("{at}: none fits {value}")];
        };
        *seen = noted;
        return Vec::new();
    }
    if !types(schema).contains(&kind(value)) {
        return vec![format!("{at}: {value} is not {}", schema["type"])];
    }
    let mut wrong = Vec::new();
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        wrong.push(format!("{at}: {value} is not among {allowed:?}"));
    }
    let number = value.as_f64().unwrap_or(0.0);
    if schema["minimum"].as_f64().is_some_and(|least| number < least)
        || schema["maximum"].as_f64().is_some_and(|most| number > most)
    {
        wrong.push(format!("{at}: {value} is out of bounds"));
    }
    for item in value.as_array().into_iter().flatten() {
        wrong.extend(differences(document, &schema["items"], item, at, seen));
    }
    if let (Some(fields), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    {
        for (name, value) in fields {
            let Some(schema) = properties.get(name) else {
                wrong.push(format!("{at}: {name} is not documented"));
                continue;
            };
            seen.insert(format!("{at}.{name}"));
            wrong.extend(differences(document, schema, value, &format!("{at}.{name}"), seen));
        }
        let required =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        wrong.extend(
            required
                .filter(|name| !fields.contains_key(*name))
                .map(|name| format!("{at}: no {name}")),
        );
    }
    wrong
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => panic!("a schema without a type: {schema}"),
    }
    .into_iter()
    .flat_map(|name| if name == "number" { vec!["number", "integer"] } else { vec![name] })
    .collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Calls made, and the parts of the document that they confirmed.
pub(super) struct Proof {
    pub(super) document: Value,
    pub(super) seen: BTreeSet<String>,
    pub(super) answers: BTreeSet<String>,
}

impl Proof {
    pub(super) fn new() -> Self {
        Self { document: document(), seen: BTreeSet::new(), answers: BTreeSet::new() }
    }

    /// Checks that a reply has its documented form. The document must describe the reply for this
    /// path and method.
    pub(super) fn check(&mut self, path: &str, method: &str, answer: &Answer) {
        let what = format!("{method} {path} {}", answer.status);
        let responses = &self.document["paths"][path][method]["responses"];
        let response = responses
            .get(answer.status.to_string())
            .unwrap_or_else(|| panic!("{what} is not documented"));
        self.answers.insert(what.clone());
        let Some(content) = response["content"].as_object() else {
            return assert_eq!(answer.body, "", "{what}");
        };
        let content_type = answer
            .header("content-type")
            .expect("a body has a type")
            .split(';')
            .next()
            .unwrap_or("");
        let form = content
            .get(content_type)
            .unwrap_or_else(|| panic!("{what}: {content_type} is not documented"));
        let value = match content_type {
            "application/json" => answer.json(),
            "text/event-stream" => {
                let data = answer
                    .body
                    .lines()
                    .find_map(|line| line.strip_prefix("data: "))
                    .expect("an event has data");
                serde_json::from_str(data).expect("an event is JSON")
            }
            _ => return,
        };
        let wrong = differences(&self.document, &form["schema"], &value, "body", &mut self.seen);
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    }
}
