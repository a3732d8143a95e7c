//! The reference of the file: tables of its keys, made from the schema, so that they can't go stale.
//!
//! A document (docs/configuration.md) has its own words around blocks of generated lines:
//!
//! ```text
//! <!-- keys: limits -->          name of a section, or of a definition in the schema
//! | key | value | default | meaning |
//! <!-- end of keys -->
//! ```

use serde_json::Value;

/// What a struct or a kind of value calls itself in the schema; such a struct is explained once, not key by key.
pub(crate) const KIND: &str = "x-kind";

const BEGIN: &str = "<!-- keys: ";
const END: &str = "<!-- end of keys -->";
const DEFAULT: &str = "Default: ";

/// Why a document can't be filled.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// A block that names neither a section nor a definition.
    #[error("line {line}: the schema has no `{name}`")]
    Unknown {
        /// What the block names.
        name: String,
        /// Where, from 1.
        line: usize,
    },
    /// A block without an end.
    #[error("line {0}: no `<!-- end of keys -->` behind this block")]
    Open(usize),
    /// A section of the file that no block shows.
    #[error("no block shows section `{0}`: add one, `<!-- keys: {0} -->` and `<!-- end of keys -->`")]
    Missing(String),
}

/// The table of one section (`limits`) or of one definition of the schema (`Brokers`), as Markdown; none if there is none.
pub fn table(name: &str) -> Option<String> {
    table_in(&crate::schema(), name)
}

/// All sections, one heading and one table each, as Markdown.
pub fn reference() -> String {
    let schema = crate::schema();
    let sections = sections(&schema).map(|name| {
        let about = &schema["properties"][name]["description"];
        let table = table_in(&schema, name).unwrap_or_default();
        format!("## {name}\n\n{}\n\n{table}", one_line(about))
    });
    sections.collect::<Vec<_>>().join("\n")
}

/// The document with its blocks written anew.
///
/// # Errors
/// A block that can't be written, or a section without one.
pub fn fill(document: &str) -> Result<String, ReferenceError> {
    let schema = crate::schema();
    let (mut out, mut shown) = (String::new(), Vec::new());
    let mut lines = document.lines().enumerate();
    while let Some((n, line)) = lines.next() {
        out.extend([line, "\n"]);
        let Some(name) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let unknown = || ReferenceError::Unknown { name: name.to_owned(), line: n + 1 };
        out.push_str(&table_in(&schema, name).ok_or_else(unknown)?);
        lines.find(|(_, line)| *line == END).ok_or(ReferenceError::Open(n + 1))?;
        out.extend([END, "\n"]);
        shown.push(name);
    }
    match sections(&schema).find(|name| !shown.contains(name)) {
        Some(name) => Err(ReferenceError::Missing(name.to_owned())),
        None => Ok(out),
    }
}

/// The sections: those that must be there first.
fn sections(schema: &Value) -> impl Iterator<Item = &str> {
    names(schema).into_iter()
}

fn table_in(schema: &Value, name: &str) -> Option<String> {
    let at = schema["properties"].get(name).or_else(|| schema["$defs"].get(name))?;
    let object = item(schema, resolve(schema, at));
    if let Some(words) = object["oneOf"].as_array() {
        return Some(words_table(words));
    }
    let mut rows = Vec::new();
    add_rows(schema, object, "", &mut rows);
    let lines = rows.iter().map(|r| line(&[&format!("`{}`", r.key), &r.kind, &r.default, &r.meaning]));
    Some(head(&["key", "value", "default", "meaning"]) + &lines.collect::<String>())
}

/// Alternatives that are words, or one key with something behind it.
fn words_table(words: &[Value]) -> String {
    let lines = words.iter().map(|word| {
        let name = word["const"]
            .as_str()
            .or_else(|| word["properties"].as_object()?.keys().next().map(String::as_str));
        line(&[&format!("`{}`", name.unwrap_or_default()), &one_line(&word["description"])])
    });
    head(&["word", "meaning"]) + &lines.collect::<String>()
}

struct Row {
    key: String,
    kind: String,
    default: String,
    meaning: String,
}

/// A row for each key of `object`, and for the keys inside.
fn add_rows(schema: &Value, object: &Value, prefix: &str, rows: &mut Vec<Row>) {
    let required = object["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for name in names(object) {
        let property = &object["properties"][name];
        let (meaning, default) = split(&one_line(&property["description"]));
        let must = required.iter().any(|r| r == name);
        let default = if must { "required".to_owned() } else { default.unwrap_or_else(|| "none".to_owned()) };
        let key = format!("{prefix}{name}");
        let target = resolve(schema, property);
        rows.push(Row { kind: kind(schema, target), default, meaning, key: key.clone() });
        let inner = item(schema, target);
        if is_section(inner) {
            let list = if target["items"].is_object() { "[]" } else { "" };
            add_rows(schema, inner, &format!("{key}{list}."), rows);
        }
    }
}

/// The keys of an object: those required first, in their order, then the others.
fn names(object: &Value) -> Vec<&str> {
    let required = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut names: Vec<_> = required.collect();
    let all = object["properties"].as_object().into_iter().flat_map(|p| p.keys());
    let rest: Vec<_> = all.map(String::as_str).filter(|name| !names.contains(name)).collect();
    names.extend(rest);
    names
}

/// What a reference points to; of something that may be left out, what it is if it isn't.
fn resolve<'a>(schema: &'a Value, at: &'a Value) -> &'a Value {
    if let Some(name) = at["$ref"].as_str() {
        return &schema["$defs"][name.trim_start_matches("#/$defs/")];
    }
    let some = at["anyOf"].as_array().and_then(|any| any.iter().find(|one| one["type"] != "null"));
    some.map_or(at, |one| resolve(schema, one))
}

/// The entries of a list; anything else is itself.
fn item<'a>(schema: &'a Value, at: &'a Value) -> &'a Value {
    if at["items"].is_object() { resolve(schema, &at["items"]) } else { at }
}

/// Whether its keys have rows of their own.
fn is_section(at: &Value) -> bool {
    at["properties"].is_object() && at[KIND].is_null()
}

/// What is written there.
fn kind(schema: &Value, at: &Value) -> String {
    let at = resolve(schema, at);
    if let Some(kind) = at[KIND].as_str() {
        return kind.to_owned();
    }
    if let Some(words) = at["enum"].as_array() {
        let words = words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`"));
        return words.collect::<Vec<_>>().join(", ");
    }
    if at["items"].is_object() {
        return format!("[{}, ...]", kind(schema, &at["items"]));
    }
    if at["additionalProperties"].is_object() {
        return format!("{{name: {}, ...}}", kind(schema, &at["additionalProperties"]));
    }
    let first = at["type"].as_array().map_or(&at["type"], |types| &types[0]);
    match first.as_str() {
        Some("boolean") => "`true`, `false`",
        Some("integer") => "whole number",
        Some("number") => "number",
        Some("object") => "section",
        _ => "text",
    }
    .to_owned()
}

/// The meaning, and the default that its sentence "Default: ..." names.
fn split(description: &str) -> (String, Option<String>) {
    let Some((before, after)) = description.split_once(DEFAULT) else {
        return (description.to_owned(), None);
    };
    let (default, rest) = after.split_once(". ").unwrap_or((after, ""));
    let meaning = [before.trim(), rest.trim()].join(" ").trim().to_owned();
    (meaning, Some(default.trim_end_matches('.').to_owned()))
}

fn one_line(text: &Value) -> String {
    text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn head(columns: &[&str]) -> String {
    line(columns) + &format!("|{}\n", "---|".repeat(columns.len()))
}

fn line(cells: &[&str]) -> String {
    format!("| {} |\n", cells.iter().map(|c| c.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
}
