//! `tier gc`, `tier drop`, `tier pause`, `tier resume`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use kafka::client::metadata::{self, Topics};
use kafka::types::TopicId;
use serde_json::json;
use tidegate_proxy::app;
use tiering::{bucket, clean};

use super::{Opened, human};
use crate::cli::{Output, print};

pub(super) async fn gc(o: &Opened, grace: Duration, delete: bool) -> anyhow::Result<ExitCode> {
    let (mut keys, mut bytes) = (Vec::new(), 0);
    for t in o.topics(None).await? {
        for m in &t.partitions {
            let cleaned = clean::partition(&o.store, &o.layout, m.partition, grace, !delete).await?;
            keys.extend(cleaned.orphans);
            bytes += cleaned.bytes;
        }
    }
    if o.output == Output::Json {
        let keys: Vec<_> = keys.iter().map(|k| k.as_str()).collect();
        let page = json!({"deleted": delete, "bytes": bytes, "objects": keys});
        print(&serde_json::to_string_pretty(&page)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for key in &keys {
        print(key.as_str())?;
    }
    let done = if delete { "deleted" } else { "would be deleted (with --delete)" };
    print(&format!("{} objects, {} {done}", keys.len(), human(bytes)))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn pause(o: &Opened, topic: &str, paused: bool) -> anyhow::Result<ExitCode> {
    for t in o.topics(Some(topic)).await? {
        bucket::pause(&o.store, &o.layout, t.id, paused).await?;
    }
    let done = if paused { "paused; what is in the bucket is served as before" } else { "goes on" };
    match o.output {
        Output::Json => print(&json!({"topic": topic, "paused": paused}).to_string())?,
        Output::Table => print(&format!("{topic}: {done}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The ids of the topics that the cluster of this file has.
pub(super) async fn topics_of(file: &Path) -> anyhow::Result<Vec<TopicId>> {
    let config = crate::cli::load(file)?;
    let bootstrap = app::bootstrap(&config, &app::dialer(&config)?);
    let why = "whether the topic still exists has to be asked of the cluster; if that is gone for good, say --cluster-gone";
    let mut connection = bootstrap.any(&[]).await.context(why)?;
    let cluster = metadata::fetch(&mut connection, Topics::All).await.context(why)?;
    Ok(cluster.topics.into_iter().map(|t| t.id).collect())
}

pub(super) async fn drop_topic(
    o: &Opened,
    topic: &str,
    existing: &[TopicId],
    delete: bool,
) -> anyhow::Result<ExitCode> {
    let (mut objects, mut bytes) = (0, 0);
    for t in o.topics(Some(topic)).await? {
        if existing.contains(&t.id) {
            bail!(
                "topic {topic} still exists in the cluster: delete it there first; to stop copying it, `tidegate tier pause {topic}`"
            );
        }
        let found = bucket::objects(&o.store, &o.layout, t.id).await?;
        objects += found.len();
        bytes += found.iter().map(|meta| meta.size).sum::<u64>();
        if delete {
            bucket::forget(&o.store, &o.layout, t.id, topic).await?;
        }
    }
    let done = if delete { "deleted" } else { "would be deleted (with --delete)" };
    match o.output {
        Output::Json => print(
            &json!({"topic": topic, "deleted": delete, "objects": objects, "bytes": bytes}).to_string(),
        )?,
        Output::Table => print(&format!("{topic}: {objects} objects, {} {done}", human(bytes)))?,
    }
    Ok(ExitCode::SUCCESS)
}
