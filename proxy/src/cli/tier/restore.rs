//! `tier restore`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::{Opened, bar, human};
use crate::cli::{Output, print};

pub(super) async fn restore(
    o: &Opened,
    topic: &str,
    to: &Path,
    keep_epochs: bool,
) -> anyhow::Result<ExitCode> {
    let topics = o.topics(Some(topic)).await?;
    let bar = bar(topics.iter().map(|t| t.bytes()).sum());
    let mut rows = Vec::new();
    for m in topics.iter().flat_map(|t| &t.partitions) {
        let restored =
            tiering::restore::partition(&o.store, &o.layout, m, to, keep_epochs, |n| bar.inc(n)).await;
        let path = restored.with_context(|| format!("{topic}-{}", m.partition.partition))?;
        rows.push((path, m.start.0, m.end().0, m.bytes()));
    }
    bar.finish_and_clear();
    for (path, start, end, bytes) in rows {
        let path = path.display().to_string();
        match o.output {
            Output::Json => {
                print(&json!({"path": path, "start": start, "end": end, "bytes": bytes}).to_string())?
            }
            Output::Table => print(&format!("{path}: offsets {start} to {end}, {}", human(bytes)))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
