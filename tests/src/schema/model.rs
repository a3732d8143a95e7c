//! What a schema file says. Format: `clients/src/main/resources/common/message/README.md` in Kafka's sources.

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// From a client to a broker, or between servers.
    Request,
    /// The answer.
    Response,
    /// Headers, and records that servers keep.
    #[serde(other)]
    Other,
}

/// A closed range of versions: `"3-13"`, `"5"`, `"9+"` or `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    first: i16,
    last: i16,
}

impl Default for Versions {
    fn default() -> Self {
        Self::NONE
    }
}

impl Versions {
    /// No version.
    pub const NONE: Self = Self { first: i16::MAX, last: -1 };

    /// Whether `version` is in the range.
    pub fn has(self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }

    /// The first version, `i16::MAX` for none.
    pub fn first(self) -> i16 {
        self.first
    }

    /// The last version if there is one; `i16::MAX` for an open range.
    pub fn last(self) -> Option<i16> {
        (self.first <= self.last).then_some(self.last)
    }

    fn parse(text: &str) -> Result<Self> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let number = |t: &str| t.parse::<i16>().with_context(|| format!("versions {text}"));
        if let Some(first) = text.strip_suffix('+') {
            return Ok(Self { first: number(first)?, last: i16::MAX });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Ok(Self { first: number(first)?, last: number(last)? })
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A tag is a number, and in a few schemas a number in quotes.
fn tag<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<u32>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    value.to_string().trim_matches('"').parse().map(Some).map_err(serde::de::Error::custom)
}

/// A request or response.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its name, with `Request` or `Response` at the end.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Its API key.
    pub api_key: Option<i16>,
    /// Which servers answer it: `broker`, `controller`, in older releases `zkBroker`.
    #[serde(default)]
    pub listeners: Vec<String>,
    /// The versions it has.
    #[serde(rename = "validVersions")]
    pub versions: Versions,
    /// Those with tagged fields and compact lengths.
    #[serde(default, rename = "flexibleVersions")]
    pub flexible: Versions,
    /// Its fields in wire order.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// Structures that several fields use.
    #[serde(default)]
    pub common_structs: Vec<Struct>,
}

/// A structure that several fields use.
#[derive(Clone, Debug, Deserialize)]
pub struct Struct {
    /// Its name, a field's type.
    pub name: String,
    /// Its fields in wire order.
    #[serde(default)]
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type: `int32`, `[]string`, the name of a structure, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The versions that have it.
    pub versions: Versions,
    /// The versions in which it may be null.
    #[serde(default, rename = "nullableVersions")]
    pub nullable: Versions,
    /// The versions in which it is a tagged field.
    #[serde(default, rename = "taggedVersions")]
    pub tagged: Versions,
    /// Its tag.
    #[serde(default, deserialize_with = "tag")]
    pub tag: Option<u32>,
    /// Its default, where that is not zero or empty.
    pub default: Option<serde_json::Value>,
    /// The fields of its structure, unless that is a common one.
    #[serde(default)]
    pub fields: Vec<Field>,
}

impl Message {
    /// The API's name, without `Request` and `Response`.
    pub fn api_name(&self) -> &str {
        self.name.strip_suffix("Request").or(self.name.strip_suffix("Response")).unwrap_or(&self.name)
    }

    /// The fields of a structure type that `field` names or brings along.
    pub(super) fn fields_of<'a>(&'a self, field: &'a Field) -> &'a [Field] {
        let kind = field.kind.trim_start_matches("[]");
        let common = self.common_structs.iter().find(|s| s.name == kind);
        if field.fields.is_empty() { common.map_or(&[], |s| &s.fields) } else { &field.fields }
    }
}

impl Field {
    /// The default as text, `null` included.
    pub(super) fn default_text(&self) -> Option<String> {
        match self.default.as_ref()? {
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_kafka_writes_them() {
        let range = |t: &str| Versions::parse(t).unwrap();
        assert!(range("3-13").has(13) && !range("3-13").has(2));
        assert!(range("9+").has(i16::MAX) && range("5").has(5) && !range("5").has(6));
        assert_eq!((range("none").last(), range("0").last()), (None, Some(0)));
        Versions::parse("x").unwrap_err();
    }
}
