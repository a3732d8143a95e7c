//! `tier ls`, `tier show`, `tier export`.

use std::process::ExitCode;

use serde_json::{Value, json};
use tiering::bucket::TopicInBucket;
use tiering::manifest::Manifest;
use tiering::restore::entries;

use super::{Opened, human};
use crate::cli::{Output, print, table};

pub(super) async fn ls(o: &Opened) -> anyhow::Result<ExitCode> {
    let topics = o.topics(None).await?;
    match o.output {
        Output::Json => {
            print(&serde_json::to_string_pretty(&topics.iter().map(topic_json).collect::<Vec<_>>())?)?
        }
        Output::Table => {
            let rows = topics.iter().map(|t| {
                let state = if t.paused { "paused" } else { "live" };
                let (parts, segments) = (t.partitions.len().to_string(), t.segments().to_string());
                vec![
                    t.marker.name.clone(),
                    parts,
                    segments,
                    human(t.bytes()),
                    state.to_owned(),
                    format!("{:?}", t.id),
                ]
            });
            print(&table(&["topic", "partitions", "segments", "bytes", "state", "topic id"], rows))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(o: &Opened, topic: &str) -> anyhow::Result<ExitCode> {
    let topics = o.topics(Some(topic)).await?;
    if o.output == Output::Json {
        let all: Vec<_> = topics.iter().flat_map(|t| &t.partitions).map(|m| partition_json(m)).collect();
        print(&serde_json::to_string_pretty(&all)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = topics.iter().flat_map(|t| &t.partitions).map(|m| {
        let numbers = [i64::from(m.partition.partition.0), m.start.0, m.end().0, m.trimmed.0];
        let mut row: Vec<_> = numbers.iter().map(i64::to_string).collect();
        row.extend([m.segments().to_string(), human(m.bytes()), m.gaps.len().to_string()]);
        row
    });
    print(&table(&["partition", "start", "end", "brokers dropped to", "segments", "bytes", "gaps"], rows))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn export(o: &Opened, topic: &str) -> anyhow::Result<ExitCode> {
    for t in o.topics(Some(topic)).await? {
        for m in &t.partitions {
            for e in entries(&o.store, &o.layout, m).await? {
                let line = json!({
                    "topic": m.topic, "partition": m.partition.partition.0, "base": e.base.0, "end": e.end().0,
                    "bytes": e.size, "max_timestamp": e.max_timestamp,
                    "log": o.layout.log(m.partition, &e).as_str(), "aux": o.layout.aux(m.partition, &e).as_str(),
                });
                print(&line.to_string())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn topic_json(t: &TopicInBucket) -> Value {
    json!({
        "topic": t.marker.name, "topic_id": format!("{:?}", t.id), "paused": t.paused, "bytes": t.bytes(), "segments": t.segments(),
        "partitions": t.partitions.iter().map(|m| partition_json(m)).collect::<Vec<_>>(),
    })
}

fn partition_json(m: &Manifest) -> Value {
    json!({
        "partition": m.partition.partition.0, "start": m.start.0, "end": m.end().0, "trimmed": m.trimmed.0,
        "segments": m.segments(), "bytes": m.bytes(), "gaps": m.gaps.iter().map(|(a, b)| [a.0, b.0]).collect::<Vec<_>>(),
    })
}
