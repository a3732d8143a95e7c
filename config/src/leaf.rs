//! Single values as typed, and what it takes to read one.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Visitor};

use crate::nearest;

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

/// A value whose mistakes are noted where it is read; `None` if there were any.
#[derive(Clone, Debug)]
pub(crate) struct Noted<T>(pub(crate) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Noted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(T::deserialize(deserializer).ok()))
    }
}
