//! The same request to a broker and to the gateway in front of it: are the answers the same bytes?
//!
//! Requests are built from the broker's own schemas, for every API and version it lists; answers are taken
//! apart by the same schemas and compared token by token.

mod compare;
mod requests;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use anyhow::{Context, Result};
use kafka::api;
use kafka::wire::Reader;

pub use compare::{Addresses, compare};
pub use requests::Scene;

use crate::raw::{self, Raw};
use crate::schema::{Kind, Message, Schemas, build};

/// How long an answer may take before we call it silence. Nothing asked here makes a broker wait.
const SILENCE: Duration = Duration::from_secs(10);

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer's payload after its header.
    Answer(Vec<u8>),
    /// The connection was closed.
    Closed,
    /// Nothing.
    Silent,
}

/// The API keys and version ranges that the broker at `address` lists.
pub fn listed(address: &str) -> Result<BTreeMap<i16, (i16, i16)>> {
    let answer = Raw::connect(address)?.call(1, api::API_VERSIONS, 0, &[])?;
    let mut reader = Reader::new(&answer);
    reader.i32()?;
    reader.i16()?;
    let mut listed = BTreeMap::new();
    for _ in 0..reader.array_len(false, 6)?.unwrap_or(0) {
        listed.insert(reader.i16()?, (reader.i16()?, reader.i16()?));
    }
    Ok(listed)
}

/// One API in one version, with its schemas.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The request's schema.
    pub request: &'a Message,
    /// The answer's.
    pub response: &'a Message,
    /// The API key.
    pub key: i16,
    /// The version.
    pub version: i16,
}

impl<'a> Ask<'a> {
    /// All that `schemas` know among the listed keys and versions.
    pub fn all(schemas: &'a Schemas, listed: &BTreeMap<i16, (i16, i16)>) -> Vec<Self> {
        let mut all = Vec::new();
        for (&key, &(first, last)) in listed {
            let pair = schemas.get(Kind::Request, key).zip(schemas.get(Kind::Response, key));
            let Some((request, response)) = pair else { continue };
            for version in (first..=last).filter(|v| request.versions.has(*v)) {
                all.push(Self { request, response, key, version });
            }
        }
        all
    }

    /// The request's payload, made up as the scene wants.
    pub fn payload(&self, scene: &Scene) -> Result<Vec<u8>> {
        let body = build(self.request, self.version, &|path| scene.choose(self.key, path))?;
        let header = api::request_header_version(self.key, self.version);
        Ok(raw::request(header, self.key, self.version, 77, "transparency", &body))
    }

    /// Sends it on a connection of its own.
    pub fn send(&self, address: &str, scene: &Scene) -> Result<Outcome> {
        let mut raw = Raw::connect(address)?;
        raw.stream().set_read_timeout(Some(SILENCE))?;
        raw.send(&self.payload(scene)?)?;
        match raw.recv() {
            Ok(payload) => self.without_header(&payload).map(Outcome::Answer),
            Err(error) => outcome_of(error),
        }
    }

    /// The payload after the correlation id and, in newer versions, the header's tagged fields.
    fn without_header(&self, payload: &[u8]) -> Result<Vec<u8>> {
        let mut reader = Reader::new(payload);
        reader.i32()?;
        reader.skip_tags(api::response_header_version(self.key, self.version) > 0)?;
        Ok(payload[reader.position()..].to_vec())
    }
}

impl std::fmt::Display for Ask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} v{}", self.request.api_name(), self.version)
    }
}

fn outcome_of(error: anyhow::Error) -> Result<Outcome> {
    let kind = error.chain().find_map(|e| e.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(Outcome::Silent),
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(Outcome::Closed),
        _ => Err(error).context("odd end of a request"),
    }
}
