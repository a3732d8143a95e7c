//! Single values: how each kind is read from what was typed, and how the schema describes it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Visitor};

use crate::{Advertise, ByteSize, HostPort, Zone, nearest, parse_duration};

/// A single value as typed, before anybody asked what it means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Typed {
    Text(String),
    Int(i128),
    Float(f64),
    Bool(bool),
    /// Nothing, or something else that is noted as a mistake already.
    Nothing,
}

/// Why a value is refused, and what to write instead.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

/// A kind of single value.
pub(crate) trait Scalar: Sized {
    fn read(typed: &Typed) -> Result<Self, Refusal>;
    fn schema() -> Schema;
}

/// A single value of kind `T`, as typed. What it means is asked when the section is checked.
#[derive(Clone, Debug)]
pub(crate) struct Leaf<T> {
    pub(crate) typed: Typed,
    kind: PhantomData<fn() -> T>,
}

impl<'de, T> Deserialize<'de> for Leaf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let typed = deserializer.deserialize_any(TypedVisitor)?;
        Ok(Self { typed, kind: PhantomData })
    }
}

impl<T: Scalar> JsonSchema for Leaf<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        std::any::type_name::<T>().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

struct TypedVisitor;

impl Visitor<'_> for TypedVisitor {
    type Value = Typed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a single value")
    }

    fn visit_unit<E>(self) -> Result<Typed, E> {
        Ok(Typed::Nothing)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Typed, E> {
        Ok(Typed::Bool(v))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Typed, E> {
        Ok(Typed::Int(v))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Typed, E> {
        Ok(Typed::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Typed, E> {
        Ok(Typed::Text(v.to_owned()))
    }
}

pub(crate) fn refuse<T>(reason: impl Into<String>, remedy: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { reason: reason.into(), remedy: remedy.into() })
}

/// The text, or a refusal that says how to make a number or a bool one.
pub(crate) fn text(typed: &Typed) -> Result<&str, Refusal> {
    let shown = match typed {
        Typed::Text(text) => return Ok(text),
        Typed::Int(v) => v.to_string(),
        Typed::Float(v) => v.to_string(),
        Typed::Bool(v) => v.to_string(),
        Typed::Nothing => return refuse("is empty", "write a value, or leave the key out"),
    };
    refuse(format!("`{shown}` is not a text"), format!("put it in quotes: \"{shown}\""))
}

/// A value from a text by a parser that may refuse it.
fn parsed<T>(
    typed: &Typed,
    parse: impl FnOnce(&str) -> Option<T>,
    what: &str,
    remedy: &str,
) -> Result<T, Refusal> {
    let text = text(typed)?;
    parse(text).map_or_else(|| refuse(format!("`{text}` is not {what}"), remedy), Ok)
}

/// One of a few words.
pub(crate) fn word<T: Copy, const N: usize>(
    typed: &Typed,
    words: &[(&'static str, T); N],
) -> Result<T, Refusal> {
    let text = text(typed)?;
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(*meaning),
        None => refuse(format!("`{text}` is unknown"), nearest::advice(text, &words.map(|(word, _)| word))),
    }
}

impl Scalar for String {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        match text(typed)? {
            t if t.trim().is_empty() => refuse("is empty", "write a value, or leave the key out"),
            t => Ok(t.to_owned()),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "minLength": 1})
    }
}

impl Scalar for PathBuf {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        String::read(typed).map(PathBuf::from)
    }

    fn schema() -> Schema {
        String::schema()
    }
}

impl Scalar for Zone {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let remedy = "write 1 to 128 bytes, without white space at the ends; advise zone ids like use1-az1";
        parsed(typed, Zone::new, "a zone name", remedy)
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": crate::ZONE_BYTES_MAX})
    }
}

impl Scalar for HostPort {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        parsed(
            typed,
            HostPort::parse,
            "a host and a port",
            "write host:port, like kafka-1.example.com:9092; IPv6 as \"[fd00::1]:9092\"",
        )
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^.+:[0-9]{1,5}$"})
    }
}

impl Scalar for Advertise {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        parsed(
            typed,
            Advertise::parse,
            "a host",
            "write a DNS name or an IP address, with :port only under SNI",
        )
    }

    fn schema() -> Schema {
        String::schema()
    }
}

impl Scalar for SocketAddr {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let remedy = "write ip:port, like 0.0.0.0:9092; IPv6 as \"[::]:9092\"; names are not resolved here";
        parsed(typed, |t| t.parse().ok(), "an IP address and a port", remedy)
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^.+:[0-9]{1,5}$"})
    }
}

impl Scalar for IpNet {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let remedy = "write address/prefix, like 10.0.1.0/24; one address is /32, or /128 for IPv6";
        let net: Self = parsed(typed, |t| t.parse().ok(), "a network", remedy)?;
        if net.addr() == net.network() {
            return Ok(net);
        }
        refuse(
            format!("`{net}` has bits set behind its prefix"),
            format!("write {}, or a longer prefix", net.trunc()),
        )
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"})
    }
}

impl Scalar for ByteSize {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let shown = match typed {
            Typed::Int(v) => v.to_string(),
            Typed::Float(v) => v.to_string(),
            other => text(other)?.to_owned(),
        };
        ByteSize::parse(&shown).or_else(|why| refuse(format!("`{shown}` {why}"), "example: 64MiB"))
    }

    fn schema() -> Schema {
        json_schema!({"type": ["string", "integer"], "pattern": "^[0-9]+ ?([KMGT]iB|[kMGT]?B)?$", "minimum": 0})
    }
}

impl Scalar for Duration {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let shown = match typed {
            Typed::Int(v) => v.to_string(),
            Typed::Float(v) => v.to_string(),
            other => text(other)?.to_owned(),
        };
        parse_duration(&shown)
            .or_else(|why| refuse(format!("`{shown}` {why}"), "examples: 250ms, 10s, 5m, 2h, 90d"))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h|d)$"})
    }
}

impl Scalar for bool {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        match typed {
            Typed::Bool(v) => Ok(*v),
            _ => refuse("is neither true nor false", "write true or false, without quotes"),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "boolean"})
    }
}

impl Scalar for u32 {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        match typed {
            Typed::Int(v) => u32::try_from(*v)
                .or_else(|_| refuse(format!("`{v}` is out of range"), "write 0 to 4294967295")),
            _ => refuse("is not a whole number", "write digits only, without quotes"),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
    }
}

impl Scalar for f64 {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        match typed {
            Typed::Int(v) => Ok(*v as f64),
            Typed::Float(v) => Ok(*v),
            _ => refuse("is not a number", "write a number, like 0.02"),
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "number"})
    }
}
