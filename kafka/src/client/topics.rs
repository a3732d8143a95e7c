//! Making a topic, and changing its settings: CreateTopics and IncrementalAlterConfigs.
//!
//! Layouts: `CreateTopicsRequest.json`, `IncrementalAlterConfigsRequest.json` and their answers.

use std::ops::RangeInclusive;

use super::connection::Connection;
use super::log::{LogError, version};
use crate::api::{self, CREATE_TOPICS, INCREMENTAL_ALTER_CONFIGS};
use crate::code::Code;
use crate::wire::{Reader, put_array_len, put_no_tags, put_nullable_string, put_string};

/// From 4 on the broker's default replication may be asked for.
const CREATE_VERSIONS: RangeInclusive<i16> = 4..=7;
const ALTER_VERSIONS: RangeInclusive<i16> = 0..=1;
const TOPIC: u8 = 2;
const SET: u8 = 0;
const DELETE: u8 = 1;

/// A topic to be.
#[derive(Clone, Copy, Debug)]
pub struct NewTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas of each; `None`: the cluster's default.
    pub replication: Option<i16>,
    /// Its settings.
    pub configs: &'a [(String, String)],
}

/// Makes a topic; one that exists is an error. Ask the controller, or, under KRaft, any broker.
///
/// # Errors
/// See [`LogError`].
pub async fn create_topic(c: &mut Connection, topic: NewTopic<'_>, wait_ms: i32) -> Result<(), LogError> {
    let version = version(c, CREATE_TOPICS, CREATE_VERSIONS)?;
    let body = c.call(CREATE_TOPICS, version, &creation(topic, wait_ms, version)).await?;
    let flexible = version >= 5;
    let mut r = Reader::new(&body);
    r.i32()?;
    if r.array_len(flexible, 4)? != Some(1) {
        return Err(LogError::Missing("CreateTopics"));
    }
    r.string(flexible)?;
    if version >= 7 {
        r.uuid()?;
    }
    explained(CREATE_TOPICS, r.i16()?, r.nullable_string(flexible)?)
}

fn creation(topic: NewTopic<'_>, wait_ms: i32, version: i16) -> Vec<u8> {
    let flexible = version >= 5;
    let mut out = Vec::new();
    put_array_len(&mut out, 1, flexible);
    put_string(&mut out, topic.name, flexible);
    out.extend_from_slice(&topic.partitions.to_be_bytes());
    out.extend_from_slice(&topic.replication.unwrap_or(-1).to_be_bytes());
    put_array_len(&mut out, 0, flexible); // no assignments
    put_array_len(&mut out, topic.configs.len(), flexible);
    for (name, value) in topic.configs {
        put_string(&mut out, name, flexible);
        put_nullable_string(&mut out, Some(value), flexible);
        put_no_tags(&mut out, flexible);
    }
    put_no_tags(&mut out, flexible);
    out.extend_from_slice(&wait_ms.to_be_bytes());
    out.push(0); // not only to validate
    put_no_tags(&mut out, flexible);
    out
}

/// Sets some of a topic's settings; those without a value go back to the cluster's default.
///
/// # Errors
/// See [`LogError`].
pub async fn alter_topic(
    c: &mut Connection,
    topic: &str,
    configs: &[(&str, Option<&str>)],
) -> Result<(), LogError> {
    let version = version(c, INCREMENTAL_ALTER_CONFIGS, ALTER_VERSIONS)?;
    let body = c.call(INCREMENTAL_ALTER_CONFIGS, version, &alteration(topic, configs, version)).await?;
    let flexible = version >= 1;
    let mut r = Reader::new(&body);
    r.i32()?;
    if r.array_len(flexible, 5)? != Some(1) {
        return Err(LogError::Missing("IncrementalAlterConfigs"));
    }
    explained(INCREMENTAL_ALTER_CONFIGS, r.i16()?, r.nullable_string(flexible)?)
}

fn alteration(topic: &str, configs: &[(&str, Option<&str>)], version: i16) -> Vec<u8> {
    let flexible = version >= 1;
    let mut out = Vec::new();
    put_array_len(&mut out, 1, flexible);
    out.push(TOPIC);
    put_string(&mut out, topic, flexible);
    put_array_len(&mut out, configs.len(), flexible);
    for (name, value) in configs {
        put_string(&mut out, name, flexible);
        out.push(if value.is_some() { SET } else { DELETE });
        put_nullable_string(&mut out, *value, flexible);
        put_no_tags(&mut out, flexible);
    }
    put_no_tags(&mut out, flexible);
    out.push(0); // not only to validate
    put_no_tags(&mut out, flexible);
    out
}

fn explained(key: i16, code: i16, why: Option<&str>) -> Result<(), LogError> {
    let (api, why) = (api::name_of(key), why.unwrap_or_default().to_owned());
    match Code(code) {
        Code::NONE => Ok(()),
        code if why.is_empty() => Err(LogError::Refused { api, code }),
        code => Err(LogError::Explained { api, code, why }),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::{CreateTopicsRequest, IncrementalAlterConfigsRequest};
    use kafka_protocol::protocol::Decodable;

    use super::*;

    #[test]
    fn a_topic_is_asked_for_as_the_schema_says_in_every_version() {
        let configs = [("retention.ms".to_owned(), "-1".to_owned())];
        let topic = NewTopic { name: "t", partitions: 3, replication: None, configs: &configs };
        for version in CREATE_VERSIONS {
            let mut out = Bytes::from(creation(topic, 1000, version));
            let read = CreateTopicsRequest::decode(&mut out, version).unwrap();
            let read = &read.topics[0];
            assert_eq!((read.num_partitions, read.replication_factor), (3, -1), "v{version}");
            assert_eq!(read.configs[0].value.as_deref(), Some("-1"));
            assert!(out.is_empty());
        }
    }

    #[test]
    fn a_setting_without_a_value_is_taken_away() {
        for version in ALTER_VERSIONS {
            let mut out = Bytes::from(alteration("t", &[("a", Some("1")), ("b", None)], version));
            let read = IncrementalAlterConfigsRequest::decode(&mut out, version).unwrap();
            let ops: Vec<_> = read.resources[0].configs.iter().map(|c| c.config_operation).collect();
            assert_eq!((ops, out.is_empty()), (vec![0, 1], true));
        }
    }
}
