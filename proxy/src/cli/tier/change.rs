//! `tier gc`, `tier pause`, `tier resume`.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tiering::{bucket, clean};

use super::{Opened, human};
use crate::cli::{Output, print};

pub(super) async fn gc(o: &Opened, grace: Duration, delete: bool) -> anyhow::Result<ExitCode> {
    let (mut keys, mut bytes) = (Vec::new(), 0);
    for t in o.topics(None).await? {
        for m in &t.partitions {
            let cleaned = clean::partition(&o.store, &o.layout, m, grace, !delete).await?;
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
