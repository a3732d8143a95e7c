//! A file with each value on a line of its own, so that a test knows the line of every setting without asking who is tested.

use std::collections::BTreeMap;

use serde_json::Value;

/// The text, in the part of YAML that is JSON, and where each path stands in it.
pub(super) struct Spread {
    pub(super) text: String,
    lines: BTreeMap<String, u64>,
    /// The line that is written on.
    here: u64,
}

impl Spread {
    pub(super) fn of(file: &Value) -> Self {
        let mut spread = Self { text: String::new(), lines: BTreeMap::new(), here: 1 };
        spread.put(file, "");
        spread.text.push('\n');
        spread
    }

    /// Of a path that is there.
    pub(super) fn line(&self, path: &str) -> u64 {
        *self.lines.get(path).unwrap_or_else(|| panic!("no {path} in\n{}", self.text))
    }

    fn next_line(&mut self, n: usize) {
        self.text += if n == 0 { "\n" } else { ",\n" };
        self.here += 1;
    }

    fn put(&mut self, at: &Value, path: &str) {
        self.lines.entry(path.to_owned()).or_insert(self.here);
        match at {
            Value::Object(map) if !map.is_empty() => {
                let dot = if path.is_empty() { "" } else { "." };
                self.text.push('{');
                for (n, (name, inner)) in map.iter().enumerate() {
                    self.next_line(n);
                    let path = format!("{path}{dot}{name}");
                    self.lines.insert(path.clone(), self.here);
                    self.text += &format!("{}: ", Value::from(name.as_str()));
                    self.put(inner, &path);
                }
                self.text.push('}');
            }
            Value::Array(items) if !items.is_empty() => {
                self.text.push('[');
                for (n, inner) in items.iter().enumerate() {
                    self.next_line(n);
                    self.put(inner, &format!("{path}[{n}]"));
                }
                self.text.push(']');
            }
            other => self.text += &other.to_string(),
        }
    }
}
