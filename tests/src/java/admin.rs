//! Kafka's Admin client.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Java;
use crate::wait;

/// How long a cluster may take to carry out what it accepted.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// An Admin client with its properties.
#[derive(Clone, Debug)]
pub struct Admin {
    java: &'static Java,
    props: Value,
}

/// A partition as the cluster describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PartitionState {
    /// The index.
    pub partition: i32,
    /// The leader's broker id, or -1.
    pub leader: i32,
    /// The replicas' broker ids, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them in sync.
    pub isr: Vec<i32>,
}

/// A rule of who may do what.
#[derive(Clone, Copy, Debug)]
pub struct Acl<'a> {
    /// `User:alice`.
    pub principal: &'a str,
    /// `READ`, `WRITE`, `DESCRIBE`, ... (Java's `AclOperation`).
    pub operation: &'a str,
    /// `TOPIC`, `GROUP`, `CLUSTER`, `TRANSACTIONAL_ID` (Java's `ResourceType`).
    pub resource: &'a str,
    /// The resource's name, literal.
    pub name: &'a str,
}

impl Acl<'_> {
    fn json(&self) -> Value {
        json!({
            "principal": self.principal, "operation": self.operation,
            "resource": self.resource, "name": self.name,
        })
    }
}

impl Admin {
    pub(super) fn new(java: &'static Java, props: Value) -> Self {
        Self { java, props }
    }

    /// Any operation of `tests/java/tidegate/Admins.java` by name.
    pub fn call(&self, op: &str, mut args: Value) -> Result<Value> {
        args["props"] = self.props.clone();
        self.java.call(&format!("admin.{op}"), args)
    }

    /// Creates a topic and waits until every partition has a leader.
    pub fn create_topic(&self, topic: &str, partitions: i32, replication: i16) -> Result<()> {
        self.create_topic_with(json!({"topic": topic, "partitions": partitions, "replication": replication}))
    }

    /// Creates a topic with its replicas per partition, the preferred leader first.
    pub fn create_topic_on(&self, topic: &str, assignment: &[&[i32]]) -> Result<()> {
        self.create_topic_with(json!({"topic": topic, "assignment": assignment}))
    }

    /// Creates a topic from `{"topic", "partitions", "replication", "assignment", "configs"}` and waits until
    /// every partition has a leader and all replicas in sync.
    pub fn create_topic_with(&self, args: Value) -> Result<()> {
        let topic = args["topic"].as_str().unwrap_or_default().to_owned();
        self.call("create_topic", args)?;
        wait::until_true(&format!("topic {topic} to be in sync"), SETTLE_LIMIT, || {
            let all = self.describe_topic(&topic)?;
            Ok(all.iter().all(|p| p.leader >= 0 && p.isr.len() == p.replicas.len()))
        })
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, topic: &str) -> Result<()> {
        self.call("delete_topic", json!({"topic": topic})).map(|_| ())
    }

    /// The partitions of a topic.
    pub fn describe_topic(&self, topic: &str) -> Result<Vec<PartitionState>> {
        let mut answer = self.call("describe_topic", json!({"topic": topic}))?;
        Ok(serde_json::from_value(answer["partitions"].take())?)
    }

    /// The id of a topic, as it stands on the wire.
    pub fn topic_id(&self, topic: &str) -> Result<[u8; 16]> {
        let answer = self.call("describe_topic", json!({"topic": topic}))?;
        let text = answer["id"].as_str().context("no topic id")?;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text)?;
        bytes.try_into().ok().context("a topic id of another length")
    }

    /// The first and the next offset of a partition.
    pub fn offsets(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        let args = json!({"topic": topic, "partition": partition});
        Ok(serde_json::from_value(self.call("offsets", args)?)?)
    }

    /// Moves a partition to these replicas and waits until it is there and led by the first of them.
    pub fn reassign(&self, topic: &str, partition: i32, replicas: &[i32]) -> Result<()> {
        let args = json!({"topic": topic, "partition": partition, "replicas": replicas});
        self.call("reassign", args)?;
        self.wait_partition(topic, partition, |p| p.replicas == replicas && p.isr.len() == replicas.len())?;
        self.elect_leader(topic, partition)
    }

    /// Makes the first replica lead, and waits until it does.
    pub fn elect_leader(&self, topic: &str, partition: i32) -> Result<()> {
        let args = json!({"topic": topic, "partition": partition});
        match self.call("elect_leader", args) {
            Err(e) if super::class_of(&e) != Some("ElectionNotNeededException") => return Err(e),
            _ => {}
        }
        self.wait_partition(topic, partition, |p| p.replicas.first() == Some(&p.leader))
    }

    /// Waits until a partition is as `wanted`.
    pub fn wait_partition(
        &self,
        topic: &str,
        partition: i32,
        wanted: impl Fn(&PartitionState) -> bool,
    ) -> Result<()> {
        wait::until_true(&format!("{topic}-{partition} to be as wanted"), SETTLE_LIMIT, || {
            Ok(self.describe_topic(topic)?.iter().any(|p| p.partition == partition && wanted(p)))
        })
    }

    /// Sets configuration of a resource: `kind` is `TOPIC`, `BROKER`, `GROUP` or `CLIENT_METRICS`; a null
    /// value goes back to the default.
    pub fn alter_config(&self, kind: &str, name: &str, configs: Value) -> Result<()> {
        self.call("alter_config", json!({"type": kind, "name": name, "configs": configs})).map(|_| ())
    }

    /// Creates or changes a SCRAM user.
    pub fn upsert_scram(&self, user: &str, mechanism: &str, password: &str) -> Result<()> {
        let args = json!({"user": user, "mechanism": mechanism, "password": password});
        self.call("upsert_scram", args).map(|_| ())
    }

    /// Allows something.
    pub fn allow(&self, acl: Acl<'_>) -> Result<()> {
        self.call("create_acl", acl.json()).map(|_| ())
    }

    /// Takes a permission back.
    pub fn revoke(&self, acl: Acl<'_>) -> Result<()> {
        self.call("delete_acl", acl.json()).map(|_| ())
    }

    /// The committed offsets of a group, by `topic-partition`.
    pub fn group_offsets(&self, group: &str) -> Result<BTreeMap<String, i64>> {
        Ok(serde_json::from_value(self.call("group_offsets", json!({"group": group}))?)?)
    }
}
