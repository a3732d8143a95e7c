//! Fills the raw structs from the tree, and goes on after a mistake, so that one run finds them all.
//!
//! A section or list of the wrong kind is noted and read as if it were empty; an unknown key is noted and
//! skipped. Every raw field has a default. Only an enum can fail, and stands inside `Noted`.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, EnumAccess, IntoDeserializer, Unexpected, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::tree::{Key, Node, Value, join};
use crate::{Error, nearest};

/// A place in the tree, and the list of mistakes found so far.
#[derive(Clone)]
pub(crate) struct Cursor<'de> {
    node: &'de Node,
    path: String,
    line: u64,
    found: &'de RefCell<Vec<Error>>,
}

/// Reading cannot go on here; the reason stands in the list of mistakes already.
#[derive(Debug)]
pub(crate) struct Stop;

impl std::error::Error for Stop {}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("see the list of mistakes")
    }
}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Cursor<'de> {
    pub(crate) fn top(node: &'de Node, found: &'de RefCell<Vec<Error>>) -> Self {
        Self { node, path: String::new(), line: node.line, found }
    }

    fn child(&self, key: &'de Key, node: &'de Node) -> Self {
        Self { node, path: join(&self.path, &key.name), line: key.line, found: self.found }
    }

    fn item(&self, n: usize, node: &'de Node) -> Self {
        Self { node, path: format!("{}[{n}]", self.path), line: node.line, found: self.found }
    }

    fn note(&self, reason: impl Into<String>, remedy: impl Into<String>) {
        let (path, line) = (self.path.clone(), Some(self.line));
        self.found.borrow_mut().push(Error { path, line, reason: reason.into(), remedy: remedy.into() });
    }

    /// The entries of a section; none, and a note, if it is something else. Says no values: they may be secrets.
    fn entries(&self, remedy: impl FnOnce() -> String) -> &'de [(Key, Node)] {
        match &self.node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            other => {
                self.note(format!("is {} where a section of keys belongs", kind(other)), remedy());
                &[]
            }
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Int(_) | Value::Float(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a section of keys",
    }
}

impl<'de> IntoDeserializer<'de, Stop> for Cursor<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Cursor<'de> {
    type Error = Stop;

    /// A single value. Anything else is noted, and read as nothing.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(v) => visitor.visit_bool(*v),
            Value::Int(v) => visitor.visit_i128(*v),
            Value::Float(v) => visitor.visit_f64(*v),
            Value::Text(v) => visitor.visit_borrowed_str(v),
            other => {
                let remedy = "write one value behind the key, without [ ], { } or lines below it";
                self.note(format!("is {} where a single value belongs", kind(other)), remedy);
                visitor.visit_unit()
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let entries = self.entries(|| format!("it takes the keys {}", fields.join(", ")));
        let (known, unknown): (Vec<_>, Vec<_>) =
            entries.iter().partition(|(key, _)| fields.contains(&key.name.as_str()));
        for (key, node) in unknown {
            self.child(key, node).note("is an unknown key", nearest::advice(&key.name, fields));
        }
        let pairs = known.into_iter().map(|(key, node)| (key.name.as_str(), self.child(key, node)));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let entries =
            self.entries(|| "write it as {name: .., another: ..}, or one line for each name".to_owned());
        let pairs = entries.iter().map(|(key, node)| (key.name.as_str(), self.child(key, node)));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let items: &[Node] = match &self.node.value {
            Value::List(items) => items,
            Value::Null => &[],
            other => {
                self.note(
                    format!("is {} where a list belongs", kind(other)),
                    "write it as [..], or one `- ` line per item",
                );
                &[]
            }
        };
        let cursors = items.iter().enumerate().map(|(n, node)| self.item(n, node));
        visitor.visit_seq(SeqDeserializer::new(cursors))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let (name, content) = match &self.node.value {
            Value::Text(name) => (name.as_str(), None),
            Value::Map(entries) if entries.len() == 1 => {
                (entries[0].0.name.as_str(), Some(self.child(&entries[0].0, &entries[0].1)))
            }
            other => {
                self.note(
                    format!("is {} where one name belongs", kind(other)),
                    nearest::advice("", variants),
                );
                return Err(Stop);
            }
        };
        if !variants.contains(&name) {
            self.note(format!("`{name}` is unknown"), nearest::advice(name, variants));
            return Err(Stop);
        }
        visitor.visit_enum(Variant { name, content, whole: self })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct identifier ignored_any
    }
}

/// `name`, or `name: content`.
struct Variant<'de> {
    name: &'de str,
    content: Option<Cursor<'de>>,
    whole: Cursor<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        let name = seed.deserialize(StrDeserializer::<Stop>::new(self.name))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        match self.content {
            Some(content) if content.node.value != Value::Null => {
                content.note("takes nothing after its name", format!("write just `{}`", self.name));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        let Some(content) = self.content else {
            self.whole.note(
                format!("`{}` needs something after it", self.name),
                format!("write `{}: ..`", self.name),
            );
            return Err(Stop);
        };
        seed.deserialize(content)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Stop> {
        Err(de::Error::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        Err(de::Error::invalid_type(Unexpected::StructVariant, &visitor))
    }
}
