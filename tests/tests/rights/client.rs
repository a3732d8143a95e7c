//! A client that does only what it is told, frame by frame: SASL PLAIN, and Fetch with or without a session (KIP-227).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kafka::api;
use kafka::fetch::answer::Answer;
use kafka::fetch::request::{Ask, FetchPartition, FetchRequest, TopicRef, VERSION_TOPIC_IDS, encode};
use kafka::header::LENGTH_PREFIX;
use kafka::types::{LeaderEpoch, Offset, Partition, TopicId};
use kafka::wire::put_string;
use tidegate_tests::raw::{Raw, request};

use crate::stage::{OFFSET, Place, TOPICS};

/// How long a server may wait for a record; it never has to.
const WAIT_MS: i32 = 500;
/// Two or three batches of a partition, so that one fetch has room for all of them.
const PARTITION_BYTES: i32 = 9_000;
/// How long a server may take to close a connection.
const CLOSING: Duration = Duration::from_secs(30);

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) version: i16,
    /// Whether it wants sessions, and goes on in them.
    pub(crate) sessions: bool,
}

impl Style {
    pub(crate) const NAMES: Self = Self { version: 12, sessions: false };
    pub(crate) const IDS: Self = Self { version: 17, sessions: false };
    pub(crate) const NAMES_IN_SESSIONS: Self = Self { version: 12, sessions: true };
    pub(crate) const IDS_IN_SESSIONS: Self = Self { version: 17, sessions: true };
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) error: i16,
    /// Whether it is pointed to another replica.
    pub(crate) pointed: bool,
    pub(crate) records: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Said {
    /// The error of the whole answer.
    pub(crate) error: i16,
    /// Whether it is one to a fetch within a session, which leaves out what has nothing to say.
    pub(crate) incremental: bool,
    pub(crate) partitions: BTreeMap<Place, Got>,
}

#[derive(Debug)]
pub(crate) struct Client {
    raw: Raw,
    ids: Vec<TopicId>,
    zone: String,
    style: Style,
    next: i32,
    /// Id and next epoch.
    session: Option<(i32, i32)>,
}

impl Client {
    pub(crate) fn connect(address: &str, zone: &str, style: Style, ids: &[TopicId]) -> Result<Self> {
        let raw = Raw::connect(address)?;
        Ok(Self { raw, ids: ids.to_vec(), zone: zone.to_owned(), style, next: 1_000, session: None })
    }

    /// The server's answer to SaslHandshake, from its error code on.
    pub(crate) fn handshake(&mut self) -> Result<Vec<u8>> {
        let mut mechanism = Vec::new();
        put_string(&mut mechanism, "PLAIN", false);
        Ok(self.raw.call(1, api::SASL_HANDSHAKE, 1, &mechanism)?.split_off(4))
    }

    /// The server's answer to SaslAuthenticate, from its error code on.
    pub(crate) fn prove(&mut self, user: &str, password: &str) -> Result<Vec<u8>> {
        let token = format!("\0{user}\0{password}").into_bytes();
        let body = [&(token.len() as i32).to_be_bytes(), token.as_slice()].concat();
        Ok(self.raw.call(1, api::SASL_AUTHENTICATE, 0, &body)?.split_off(4))
    }

    pub(crate) fn authenticate(&mut self, user: &str, password: &str) -> Result<()> {
        ensure!(self.handshake()?.starts_with(&[0, 0]), "the handshake is refused");
        ensure!(self.prove(user, password)?.starts_with(&[0, 0]), "{user} is refused");
        Ok(())
    }

    /// Fetches these partitions at [`OFFSET`]: all of them named, or, within a session, only what is new in it.
    pub(crate) fn fetch(&mut self, places: &[Place]) -> Result<Said> {
        let session = self.session;
        let frame = self.frame(places);
        self.raw.write(&frame)?;
        let payload = self.raw.recv()?;
        ensure!(payload.starts_with(&self.next.to_be_bytes()), "an answer to another request");
        let answer = Answer::parse(&payload, self.style.version)?;
        self.session = match (session, answer.session_id) {
            _ if answer.error != 0 => None,
            (_, 0) => None,
            (Some((_, epoch)), id) => Some((id, epoch + 1)),
            (None, id) => Some((id, 1)),
        };
        let mut partitions = BTreeMap::new();
        for p in &answer.partitions {
            let got =
                Got { error: p.error, pointed: p.preferred_read_replica.0 >= 0, records: p.records.to_vec() };
            let place = (self.topic(p.topic).context("a topic that nobody asked for")?, p.partition.0);
            ensure!(partitions.insert(place, got).is_none(), "{place:?} is there twice");
        }
        Ok(Said { error: answer.error, incremental: session.is_some(), partitions })
    }

    /// Whether the next fetch goes on in a session.
    pub(crate) fn is_in_session(&self) -> bool {
        self.session.is_some()
    }

    /// Claims a session, as a client that was given it on another connection might.
    pub(crate) fn claim_session(&mut self, id: i32, epoch: i32) {
        self.session = Some((id, epoch));
    }

    /// Sends a request that is no Fetch, with a header of version 1.
    pub(crate) fn ask(&mut self, key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
        self.next += 1;
        self.raw.send(&request(1, key, version, self.next, &self.client_id(), body))?;
        Ok(self.raw.recv()?.split_off(4))
    }

    /// Whether the server has closed the connection, or does.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.raw.closes_within(CLOSING).unwrap_or(true)
    }

    fn client_id(&self) -> String {
        format!("app,zone={}", self.zone)
    }

    fn topic(&self, topic: TopicRef<'_>) -> Option<usize> {
        match topic {
            TopicRef::Name(name) => TOPICS.iter().position(|t| *t == name),
            TopicRef::Id(id) => self.ids.iter().position(|i| *i == id),
        }
    }

    fn frame(&mut self, places: &[Place]) -> Vec<u8> {
        self.next += 1;
        let ask = Ask {
            version: self.style.version,
            correlation_id: self.next,
            max_wait_ms: WAIT_MS,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation_level: 0,
        };
        let named = self.style.version < VERSION_TOPIC_IDS;
        let part = |(topic, partition): &Place| {
            let topic = if named { TopicRef::Name(TOPICS[*topic]) } else { TopicRef::Id(self.ids[*topic]) };
            FetchPartition::new(
                topic,
                Partition(*partition),
                Offset(OFFSET),
                LeaderEpoch(-1),
                PARTITION_BYTES,
            )
        };
        let parts: Vec<_> = places.iter().map(part).collect();
        let mut frame = encode(ask, &self.client_id(), &parts.iter().collect::<Vec<_>>());
        if self.style.sessions || self.session.is_some() {
            let at = session_at(&frame, self.style.version);
            let (id, epoch) = self.session.unwrap_or((0, 0));
            frame[at..at + 4].copy_from_slice(&id.to_be_bytes());
            frame[at + 4..at + 8].copy_from_slice(&epoch.to_be_bytes());
        }
        frame
    }
}

/// Where the session's id stands in a frame; its epoch follows.
fn session_at(frame: &[u8], version: i16) -> usize {
    let parsed = FetchRequest::parse(&frame[LENGTH_PREFIX..], version).unwrap();
    LENGTH_PREFIX + parsed.session_at().unwrap()
}
