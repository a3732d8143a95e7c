//! Taking a message apart: every byte of it belongs to one token, so that two answers with the same tokens
//! are the same bytes. (But for the sizes of known tagged fields, which are checked and follow from the rest.)

use anyhow::{Context, Result, ensure};
use kafka::wire::Reader;

use super::build::{is_structure, width};
use super::model::{Field, Message};

/// A value on the wire, its length or count included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The path of the field, like `Topics.Partitions.Index`; `#` ends an array's count, `tags` a section of
    /// tagged fields.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Token {
    /// The last name of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The text of a string that was not null, whatever its length prefix.
    pub fn text(&self, flexible: bool) -> Option<String> {
        Reader::new(&self.bytes).nullable_string(flexible).ok()?.map(str::to_owned)
    }

    /// The number of a field of up to 8 bytes.
    pub fn number(&self) -> i64 {
        let negative = self.bytes.first().is_some_and(|b| b & 0x80 != 0);
        self.bytes.iter().fold(if negative { -1 } else { 0 }, |n, b| (n << 8) | i64::from(*b))
    }
}

/// Takes `body` apart; fails if bytes are missing or left over.
pub fn walk(message: &Message, version: i16, body: &[u8]) -> Result<Vec<Token>> {
    let flexible = message.flexible.has(version);
    let mut walker =
        Walker { message, version, flexible, body, reader: Reader::new(body), tokens: Vec::new() };
    walker.structure(&message.fields, "")?;
    walker.reader.finish()?;
    Ok(walker.tokens)
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

struct Walker<'a> {
    message: &'a Message,
    version: i16,
    flexible: bool,
    body: &'a [u8],
    reader: Reader<'a>,
    tokens: Vec<Token>,
}

impl Walker<'_> {
    fn token(&mut self, path: String, start: usize) {
        self.tokens.push(Token { path, bytes: self.body[start..self.reader.position()].to_vec() });
    }

    fn structure(&mut self, fields: &[Field], path: &str) -> Result<()> {
        let version = self.version;
        for field in fields.iter().filter(|f| f.versions.has(version) && !f.tagged.has(version)) {
            let path = join(path, &field.name);
            self.field(field, &path).with_context(|| path.clone())?;
        }
        if self.flexible { self.tags(fields, path) } else { Ok(()) }
    }

    fn tags(&mut self, fields: &[Field], path: &str) -> Result<()> {
        let start = self.reader.position();
        let count = self.reader.uvarint()?;
        self.token(join(path, "tags"), start);
        for _ in 0..count {
            let start = self.reader.position();
            let (tag, size) = (self.reader.uvarint()?, self.reader.uvarint()? as usize);
            let known = fields.iter().find(|f| f.tag == Some(tag) && f.tagged.has(self.version));
            if let Some(field) = known {
                let inside = self.reader.position();
                self.field(field, &join(path, &field.name))?;
                ensure!(self.reader.position() - inside == size, "tag {tag} of {path} has another size");
            } else {
                self.reader.skip(size)?;
                self.token(join(path, "tag?"), start);
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, path: &str) -> Result<()> {
        let start = self.reader.position();
        match field.kind.as_str() {
            kind if kind.starts_with("[]") => return self.array(field, path),
            kind if is_structure(kind) => return self.nested(field, path),
            "string" => self.reader.string_bytes(self.flexible).map(|_| ())?,
            "bytes" | "records" => self.reader.bytes(self.flexible).map(|_| ())?,
            kind => self.reader.skip(width(kind).with_context(|| format!("type {kind}"))?)?,
        }
        self.token(path.to_owned(), start);
        Ok(())
    }

    fn array(&mut self, field: &Field, path: &str) -> Result<()> {
        let start = self.reader.position();
        let count = self.reader.array_len(self.flexible, 1)?.unwrap_or(0);
        self.token(join(path, "#"), start);
        let element =
            Field { kind: field.kind[2..].to_owned(), nullable: super::Versions::NONE, ..field.clone() };
        for _ in 0..count {
            match is_structure(&element.kind) {
                true => self.structure(self.message.fields_of(field), path)?,
                false => self.field(&element, &join(path, "*"))?,
            }
        }
        Ok(())
    }

    fn nested(&mut self, field: &Field, path: &str) -> Result<()> {
        if field.nullable.has(self.version) {
            let start = self.reader.position();
            let present = self.reader.i8()? >= 0;
            self.token(join(path, "?"), start);
            if !present {
                return Ok(());
            }
        }
        self.structure(self.message.fields_of(field), path)
    }
}
