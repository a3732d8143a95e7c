//! Building a request's body from its schema: defaults, except where the caller says otherwise.

use anyhow::{Context, Result, bail};
use kafka::wire::{put_array_len, put_uvarint};

use super::model::{Field, Message};

/// What a caller may put into a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Null, where the field may be null.
    Null,
    /// Any integer type, and bool as 0 or 1.
    Int(i64),
    /// A string.
    Text(String),
    /// Bytes, records, or a UUID of 16 bytes.
    Bytes(Vec<u8>),
    /// So many elements in an array.
    Count(usize),
}

/// The body of `message` in `version`.
///
/// `choose` is asked for every field by its path (`Topics.Partitions.Index`, without array indexes); where it
/// has no answer, the schema's default holds, arrays get one element, and tagged fields are left out.
pub fn build(message: &Message, version: i16, choose: &dyn Fn(&str) -> Option<Value>) -> Result<Vec<u8>> {
    let flexible = message.flexible.has(version);
    let mut builder = Builder { message, version, flexible, choose, out: Vec::new() };
    builder.structure(&message.fields, "")?;
    Ok(builder.out)
}

struct Builder<'a> {
    message: &'a Message,
    version: i16,
    flexible: bool,
    choose: &'a dyn Fn(&str) -> Option<Value>,
    out: Vec<u8>,
}

impl Builder<'_> {
    fn structure(&mut self, fields: &[Field], path: &str) -> Result<()> {
        let version = self.version;
        for field in fields.iter().filter(|f| f.versions.has(version) && !f.tagged.has(version)) {
            let path = super::walk::join(path, &field.name);
            self.field(field, &path).with_context(|| path.clone())?;
        }
        if self.flexible {
            self.out.push(0);
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, path: &str) -> Result<()> {
        let value = (self.choose)(path).or_else(|| default_null(field));
        let null = value == Some(Value::Null) && field.nullable.has(self.version);
        match field.kind.as_str() {
            kind if kind.starts_with("[]") => self.array(field, path, value, null),
            "string" | "bytes" | "records" => self.text(field, value, null),
            kind if is_structure(kind) => self.nested(field, path, null),
            kind => self.number(field, kind, value),
        }
    }

    fn array(&mut self, field: &Field, path: &str, value: Option<Value>, null: bool) -> Result<()> {
        let count = match value {
            _ if null => return self.null(4),
            Some(Value::Count(n)) => n,
            Some(Value::Null) => 0,
            _ => 1,
        };
        put_array_len(&mut self.out, count, self.flexible);
        let element = Field {
            kind: field.kind[2..].to_owned(),
            nullable: super::Versions::NONE,
            default: None,
            ..field.clone()
        };
        for _ in 0..count {
            match is_structure(&element.kind) {
                true => self.structure(self.message.fields_of(field), path)?,
                false => self.field(&element, &super::walk::join(path, "*"))?,
            }
        }
        Ok(())
    }

    /// A structure that may be null says so in one byte (`Message Definitions`, "nullable structs").
    fn nested(&mut self, field: &Field, path: &str, null: bool) -> Result<()> {
        if field.nullable.has(self.version) {
            self.out.push(if null { 0xff } else { 1 });
        }
        if null { Ok(()) } else { self.structure(self.message.fields_of(field), path) }
    }

    fn null(&mut self, width: usize) -> Result<()> {
        match self.flexible {
            true => self.out.push(0),
            false => self.out.extend(std::iter::repeat_n(0xff, width)),
        }
        Ok(())
    }

    fn text(&mut self, field: &Field, value: Option<Value>, null: bool) -> Result<()> {
        let width = if field.kind == "string" { 2 } else { 4 };
        let bytes = match value {
            _ if null => return self.null(width),
            Some(Value::Text(text)) => text.into_bytes(),
            Some(Value::Bytes(bytes)) => bytes,
            None | Some(Value::Null) => field.default_text().unwrap_or_default().into_bytes(),
            Some(other) => bail!("{other:?} in a {}", field.kind),
        };
        match (self.flexible, width) {
            (true, _) => put_uvarint(&mut self.out, u32::try_from(bytes.len())? + 1),
            (false, 2) => self.out.extend(i16::try_from(bytes.len())?.to_be_bytes()),
            (false, _) => self.out.extend(i32::try_from(bytes.len())?.to_be_bytes()),
        }
        self.out.extend(bytes);
        Ok(())
    }

    fn number(&mut self, field: &Field, kind: &str, value: Option<Value>) -> Result<()> {
        if kind == "uuid" {
            let bytes = if let Some(Value::Bytes(bytes)) = value { bytes } else { vec![0; 16] };
            self.out.extend(bytes);
            return Ok(());
        }
        let number = match value {
            Some(Value::Int(n)) => n,
            None => number(&field.default_text().unwrap_or_default())?,
            Some(other) => bail!("{other:?} in a {kind}"),
        };
        let width = width(kind).with_context(|| format!("type {kind}"))?;
        self.out.extend(&number.to_be_bytes()[8 - width..]);
        Ok(())
    }
}

fn default_null(field: &Field) -> Option<Value> {
    (field.default_text()? == "null").then_some(Value::Null)
}

fn number(text: &str) -> Result<i64> {
    match text {
        "" | "false" => Ok(0),
        "true" => Ok(1),
        hex if hex.starts_with("0x") => Ok(i64::from_str_radix(&hex[2..], 16)?),
        decimal => Ok(decimal.parse()?),
    }
}

/// Whether a type's name is a structure's: they start with a capital.
pub(super) fn is_structure(kind: &str) -> bool {
    kind.starts_with(|c: char| c.is_ascii_uppercase())
}

/// How many bytes a number takes; `uuid` too.
pub(super) fn width(kind: &str) -> Option<usize> {
    Some(match kind {
        "bool" | "int8" => 1,
        "int16" | "uint16" => 2,
        "int32" | "uint32" => 4,
        "int64" | "float64" => 8,
        "uuid" => 16,
        _ => return None,
    })
}
