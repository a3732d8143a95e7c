//! The script that the crate's admin client is put through; see `../../README.md`. What it lacks of its own (lists and
//! descriptions) the crate gives as metadata of any client.

use std::error::Error;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
    TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::metadata::Metadata;
use serde_json::json;

use crate::options::Admin;
use crate::output::Output;

type Step = Result<(), Box<dyn Error>>;

const CALL_LIMIT: Duration = Duration::from_secs(60);
const VISIBLE_LIMIT: Duration = Duration::from_secs(30);
const VISIBLE_PAUSE: Duration = Duration::from_millis(100);
const RETENTION: &str = "retention.ms";
const RETENTION_MS: &str = "3600000";

struct Script<'a> {
    client: AdminClient<DefaultClientContext>,
    topic: &'a str,
    replication: usize,
}

pub fn run(options: &Admin, output: &Output) -> Result<(), Box<dyn Error>> {
    let client = options.common.config(&[])?.create()?;
    output.event(json!({"event": "ready"}));
    let script = Script { client, topic: &options.common.topic, replication: options.replication };
    let tell = |op: &str, step: Step| {
        let message = step.as_ref().err().map_or_else(String::new, ToString::to_string);
        output.event(json!({"event": "admin", "op": op, "ok": step.is_ok(), "message": message}));
    };
    tell("create_topic", script.create_topic());
    tell("list_topics", eventually(|| script.listed(true)));
    tell("describe_topic", eventually(|| script.described(2)));
    tell("create_partitions", script.create_partitions());
    tell("describe_configs", eventually(|| script.retention(|value| value.is_some())));
    tell("alter_configs", script.alter_configs());
    tell("list_groups", script.list_groups());
    tell("describe_cluster", script.describe_cluster());
    tell("delete_topic", script.delete_topic());
    Ok(())
}

impl Script<'_> {
    fn create_topic(&self) -> Step {
        let topic = NewTopic::new(self.topic, 2, TopicReplication::Fixed(self.replication as i32));
        first(block_on(self.client.create_topics(&[topic], &AdminOptions::new()))?)
    }

    fn create_partitions(&self) -> Step {
        let total = NewPartitions::new(self.topic, 3);
        first(block_on(self.client.create_partitions(&[total], &AdminOptions::new()))?)?;
        eventually(|| self.described(3))
    }

    fn alter_configs(&self) -> Step {
        let set = AlterConfig::new(ResourceSpecifier::Topic(self.topic)).set(RETENTION, RETENTION_MS);
        for answer in block_on(self.client.alter_configs(&[set], &AdminOptions::new()))? {
            answer.map_err(|(_, code)| code)?;
        }
        eventually(|| self.retention(|value| value.as_deref() == Some(RETENTION_MS)))
    }

    fn list_groups(&self) -> Step {
        self.client.inner().fetch_group_list(None, CALL_LIMIT)?;
        Ok(())
    }

    fn describe_cluster(&self) -> Step {
        match self.metadata(None)?.brokers() {
            [] => Err("no brokers".into()),
            _ => Ok(()),
        }
    }

    fn delete_topic(&self) -> Step {
        first(block_on(self.client.delete_topics(&[self.topic], &AdminOptions::new()))?)?;
        eventually(|| self.listed(false))
    }

    fn metadata(&self, topic: Option<&str>) -> Result<Metadata, Box<dyn Error>> {
        Ok(self.client.inner().fetch_metadata(topic, CALL_LIMIT)?)
    }

    fn listed(&self, wanted: bool) -> Step {
        let there = self.metadata(None)?.topics().iter().any(|topic| topic.name() == self.topic);
        if there == wanted { Ok(()) } else { Err(format!("the topic is in the list: {there}").into()) }
    }

    fn described(&self, count: usize) -> Step {
        let metadata = self.metadata(Some(self.topic))?;
        let topic = metadata.topics().first().ok_or("no such topic")?;
        let seen: Vec<_> = topic.partitions().iter().map(|p| (p.leader(), p.replicas().len())).collect();
        let right = seen.iter().all(|(leader, replicas)| *leader >= 0 && *replicas == self.replication);
        if seen.len() == count && right {
            Ok(())
        } else {
            Err(format!("not {count} partitions: {seen:?}").into())
        }
    }

    fn retention(&self, wanted: impl Fn(&Option<String>) -> bool) -> Step {
        let resource = ResourceSpecifier::Topic(self.topic);
        for answer in block_on(self.client.describe_configs(&[resource], &AdminOptions::new()))? {
            let resource = answer?;
            let value = resource.get(RETENTION).and_then(|entry| entry.value.clone());
            if !wanted(&value) {
                return Err(format!("{RETENTION} is {value:?}").into());
            }
        }
        Ok(())
    }
}

fn first(answers: Vec<TopicResult>) -> Step {
    for answer in answers {
        answer.map_err(|(topic, code)| format!("{topic}: {code}"))?;
    }
    Ok(())
}

/// Waits until every broker may know what the controller decided.
fn eventually(check: impl Fn() -> Step) -> Step {
    let deadline = Instant::now() + VISIBLE_LIMIT;
    loop {
        match check() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(VISIBLE_PAUSE),
            result => return result,
        }
    }
}
