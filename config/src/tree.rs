//! The file as a tree of keys and values that remember their lines.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::Error;

/// Deepest nesting read; the file's own sections need seven levels.
const DEPTH_MAX: usize = 64;

/// A value and the line where it stands, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) value: Value,
}

/// A key and its line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) line: u64,
    pub(crate) name: String,
}

/// What YAML can say, as far as this file needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// Reads YAML 1.2. Keys given twice, unknown anchors and the like are errors here.
pub(crate) fn read(text: &str) -> Result<Node, Error> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
    };
    match serde_saphyr::from_str_with_options::<Option<Spanned<Value>>>(text, options) {
        Ok(root) => Ok(root.map_or(Node { line: 1, value: Value::Null }, Node::from)),
        Err(error) => Err(syntax_error(&error)),
    }
}

fn syntax_error(error: &serde_saphyr::Error) -> Error {
    let line = error.location().map(|l| l.line()).filter(|line| *line > 0);
    let reason = match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` stands here a second time")
        }
        other => format!("is not readable as YAML: {}", first_line(&other.to_string())),
    };
    let remedy = "an IPv6 address, or a text with `: ` or ` #` in it, needs quotes; `tidegate config example` shows a whole file";
    Error { path: String::new(), line, reason, remedy: remedy.to_owned() }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { line: spanned.referenced.line(), value: spanned.value }
    }
}

/// The line of every setting, by its path.
#[derive(Debug, Default)]
pub(crate) struct Lines(HashMap<String, u64>);

impl Lines {
    pub(crate) fn of(root: &Node) -> Self {
        let mut lines = Self::default();
        lines.add(String::new(), root.line, root);
        lines
    }

    fn add(&mut self, path: String, line: u64, node: &Node) {
        match &node.value {
            Value::Map(entries) => {
                for (key, value) in entries {
                    self.add(join(&path, &key.name), key.line, value);
                }
            }
            Value::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    self.add(format!("{path}[{n}]"), item.line, item);
                }
            }
            _ => {}
        }
        self.0.insert(path, line);
    }

    /// The line of a setting, or of the nearest section around it that is in the file.
    pub(crate) fn line(&self, path: &str) -> Option<u64> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            if path.is_empty() {
                return None;
            }
            path = &path[..path.rfind(['.', '[']).unwrap_or(0)];
        }
    }
}

/// `a` and `b` -> `a.b`; at the top just `b`.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Int(v))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Value>>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value: Node = map.next_value::<Spanned<Value>>()?.into();
            entries.push((Key { line: key.referenced.line(), name: key.value }, value));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_knows_its_line() {
        let text = "a: 1\nb:\n  - x\n  - y: {z: 2}\n\nc:\n  d:\n    e: f\n";
        let lines = Lines::of(&read(text).unwrap());
        let table = [("a", 1), ("b", 2), ("b[0]", 3), ("b[1].y.z", 4), ("c", 6), ("c.d.e", 8)];
        for (path, line) in table {
            assert_eq!(lines.line(path), Some(line), "{path}");
        }
        assert_eq!(lines.line("c.d.missing.more"), Some(7), "a missing key has the line of its section");
        assert_eq!(lines.line("b[7]"), Some(2));
    }

    #[test]
    fn scalars_keep_their_kind() {
        let text = "[1, -2, 0.5, true, yes, 10s, 29100-29199, 0123, 1_0, ~, '7', a@b]";
        let Value::List(items) = read(text).unwrap().value else { panic!("not a list") };
        let kinds: Vec<_> = items.into_iter().map(|n| n.value).collect();
        let text = |t: &str| Value::Text(t.to_owned());
        let expected = [
            Value::Int(1),
            Value::Int(-2),
            Value::Float(0.5),
            Value::Bool(true),
            text("yes"),
            text("10s"),
            text("29100-29199"),
            text("0123"),
            text("1_0"),
            Value::Null,
            text("7"),
            text("a@b"),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn an_empty_file_is_an_empty_section() {
        for text in ["", "\n", "# nothing\n", "---\n", "~"] {
            assert_eq!(read(text).unwrap().value, Value::Null, "{text:?}");
        }
    }

    #[test]
    fn broken_yaml_is_an_error_with_its_line() {
        let table = [("a: 1\na: 2\n", 2), ("a:\n  b: [1\n", 2), ("a: 1\n b: 2\n", 2), ("a: *x\n", 1)];
        for (text, line) in table {
            let error = read(text).unwrap_err();
            assert_eq!(error.line, Some(line), "{text:?}: {error}");
            assert!(!error.reason.contains('\n') && error.remedy.contains("config example"), "{error}");
        }
        assert!(read("a: 1\na: 2\n").unwrap_err().reason.contains("`a` stands here a second time"));
    }

    #[test]
    fn hostile_yaml_is_refused_without_harm() {
        let deep = "[".repeat(100_000);
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n\
                    g: [*f,*f,*f,*f,*f,*f,*f,*f]\n";
        for text in [
            deep.as_str(),
            bomb,
            "\0",
            "a: \u{feff}\u{1}",
            "!!binary x: [",
            "? [a]\n: b\n",
            "{{{{",
            "%YAML 9\n---\n",
        ] {
            let _ = read(text);
        }
        assert!(read(&deep).is_err() && read("? [a]\n: b\n").is_err());
    }
}
