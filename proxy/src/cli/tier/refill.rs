//! `tier restore --to CLUSTER`: everything is read and counted once before anything is made, then read again and written.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args;
use config::ByteSize;
use indicatif::ProgressBar;
use kafka::client::produce::Producer;
use kafka::types::TopicId;
use serde_json::json;
use tiering::bucket::TopicInBucket;
use tiering::manifest::{Manifest, parse_id};
use tiering::offload::Pace;
use tiering::restore::leader::{Leader, new_producer};
use tiering::restore::refill::{Counts, History, RefillError};
use tiering::restore::target::hold_start;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::destination::{Destination, Wanted, may_mark};
use super::{Opened, bar, human};
use crate::cli::{Output, print, table};

/// Partitions at a time.
const AT_ONCE: usize = 8;
/// Said where an option is of no use.
pub(super) const ONLY_CLUSTER: &str = "--as, --topic-id, --partitions, --replication, --set, --rate and --dry-run are for a running cluster: \
     --to kafka://HOST:PORT, or --to a configuration file";

/// How a topic is brought back into a running cluster.
#[derive(Args, Debug)]
pub(in crate::cli) struct How {
    /// Into a cluster: the topic's name there. Default: its own.
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Into a cluster: which of the topics that had this name, where the bucket holds several.
    #[arg(long, value_parser = topic_id)]
    topic_id: Option<TopicId>,
    /// Into a cluster: how many partitions it gets. Default: as many as the bucket knows.
    #[arg(long)]
    partitions: Option<i32>,
    /// Into a cluster: how many replicas. Default: the cluster's own default.
    #[arg(long)]
    replication: Option<i16>,
    /// Into a cluster: a setting of the topic once it is there, e.g. --set retention.ms=7776000000. It keeps everything unless this says otherwise.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<(String, String)>,
    /// Into a cluster: bytes a second at most.
    #[arg(long, value_parser = rate)]
    rate: Option<ByteSize>,
    /// Into a cluster: read and check everything, say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

fn topic_id(text: &str) -> Result<TopicId, String> {
    parse_id(text).ok_or_else(|| "write the 32 hex digits that `tidegate tier ls` shows".to_owned())
}

fn setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "write NAME=VALUE".to_owned())
}

fn rate(text: &str) -> Result<ByteSize, String> {
    ByteSize::parse(text).map_err(|e| e.to_string())
}

impl How {
    /// Whether anything was said that only matters for a cluster.
    pub(super) fn is_said(&self) -> bool {
        let values = self.partitions.is_some() || self.replication.is_some() || self.rate.is_some();
        values || self.name.is_some() || self.topic_id.is_some() || !self.configs.is_empty() || self.dry_run
    }

    /// The one topic that is meant.
    fn pick(&self, mut found: Vec<TopicInBucket>) -> anyhow::Result<TopicInBucket> {
        found.retain(|t| self.topic_id.is_none_or(|id| id == t.id));
        match found.len() {
            0 => bail!("the bucket holds no topic of that id under this name"),
            1 => Ok(found.remove(0)),
            _ => {
                let ids: Vec<_> = found.iter().map(|t| format!("{:?}", t.id)).collect();
                bail!(
                    "the bucket holds several topics that had this name: say --topic-id, one of {}",
                    ids.join(", ")
                )
            }
        }
    }

    fn partitions(&self, topic: &TopicInBucket) -> anyhow::Result<i32> {
        let known = topic.partitions.iter().map(|m| m.partition.partition.0 + 1).max().unwrap_or(0);
        let wanted = self.partitions.unwrap_or(known);
        ensure!(wanted >= known, "the bucket knows {known} partitions: --partitions {wanted} is too few");
        ensure!(wanted > 0, "the bucket knows no partition of this topic");
        Ok(wanted)
    }
}

/// A partition and what is in it.
type Surveyed = (Arc<Manifest>, Counts);

pub(super) async fn refill(o: &Opened, topic: &str, to: Destination, how: &How) -> anyhow::Result<ExitCode> {
    let found = how.pick(o.topics(Some(topic)).await?)?;
    let (partitions, to) = (how.partitions(&found)?, Arc::new(to));
    let name = how.name.as_deref().unwrap_or(topic);
    let home = (o.layout.cluster(), o.tiering.as_ref());
    to.look(name, home).await?;
    let bar = bar(found.bytes() * if how.dry_run { 1 } else { 2 });
    let surveyed = survey(o, &found, &bar).await?;
    // That may have taken hours.
    let (mut connection, cluster) = to.look(name, home).await?;
    if surveyed.iter().any(|(_, counts)| counts.filled > 0) {
        may_mark(&mut connection, name).await?;
    }
    if !how.dry_run {
        let largest = surveyed.iter().map(|(_, counts)| counts.largest).max().unwrap_or(0);
        let producers = (new_producer(&to.bootstrap).await?, new_producer(&to.bootstrap).await?);
        to.make(&cluster, &Wanted { name, partitions, replication: how.replication, largest }).await?;
        let pace = Arc::new(Pace::new(how.rate.map(|rate| rate.0)));
        let written = write(o, &found, &to, name, producers, &pace, &bar).await;
        let settled = match written {
            Ok(()) => to.settle(name, &how.configs).await,
            failed => failed,
        };
        let left = "what is there now is not whole, and a restore does not go on where it stopped: delete the topic and begin anew";
        settled.with_context(|| {
            format!("topic {name} in {}: {left}", cluster.id.as_deref().unwrap_or("the cluster"))
        })?;
    }
    bar.finish_and_clear();
    report(o, topic, name, how.dry_run, &surveyed)
}

/// Does something with every partition, some at a time; the first failure ends it.
async fn each<T: Send + 'static, F>(
    topic: &TopicInBucket,
    one: impl Fn(Arc<Manifest>) -> F,
) -> anyhow::Result<Vec<T>>
where
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for m in &topic.partitions {
        let (room, one) = (room.clone(), one(m.clone()));
        tasks.spawn(async move {
            let _room = room.acquire_owned().await?;
            one.await
        });
    }
    let mut out = Vec::new();
    while let Some(done) = tasks.join_next().await {
        out.push(done??);
    }
    Ok(out)
}

async fn survey(o: &Opened, topic: &TopicInBucket, bar: &ProgressBar) -> anyhow::Result<Vec<Surveyed>> {
    let mut all = each(topic, |m| {
        let (store, layout, bar) = (o.store.clone(), o.layout.clone(), bar.clone());
        async move {
            let history = History { store: &store, layout: &layout, manifest: &m };
            let counts = history.survey(|n| bar.inc(n)).await;
            let counts = counts.map_err(|e| refused(&m, e))?;
            Ok((m, counts))
        }
    })
    .await?;
    all.sort_by_key(|(m, _)| m.partition.partition);
    Ok(all)
}

fn refused(m: &Manifest, e: RefillError) -> anyhow::Error {
    let unfit = matches!(e, RefillError::Unfit(_));
    let failed = anyhow::Error::new(e).context(format!("{}-{}", m.topic, m.partition.partition));
    match unfit {
        true => failed.context(
            "the topic can't be brought into a running cluster as it was; nothing was made there; restore it with --to DIR, which keeps every byte",
        ),
        false => failed,
    }
}

async fn write(
    o: &Opened,
    topic: &TopicInBucket,
    to: &Arc<Destination>,
    name: &str,
    (data, markers): (Producer, Producer),
    pace: &Arc<Pace>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let written = each(topic, |m| {
        let (store, layout, bar) = (o.store.clone(), o.layout.clone(), bar.clone());
        let (to, pace, name) = (to.clone(), pace.clone(), [name.to_owned()]);
        async move {
            let history = History { store: &store, layout: &layout, manifest: &m };
            let partition = m.partition.partition;
            let mut leader = Leader::new(&to.bootstrap, &name, partition, markers);
            let done = history.refill(&mut leader, data, &pace, |n| bar.inc(n)).await;
            done.map(|_| ()).with_context(|| format!("partition {partition}"))
        }
    });
    written.await?;
    // A broker that died meanwhile may have forgotten where the logs begin that it led.
    let held = each(topic, |m| {
        let (to, name) = (to.clone(), [name.to_owned()]);
        async move {
            let partition = m.partition.partition;
            let mut leader = Leader::new(&to.bootstrap, &name, partition, markers);
            hold_start(&mut leader, m.start).await.with_context(|| format!("partition {partition}"))
        }
    });
    held.await.map(|_| ())
}

fn report(o: &Opened, topic: &str, name: &str, dry_run: bool, all: &[Surveyed]) -> anyhow::Result<ExitCode> {
    match o.output {
        Output::Json => {
            let partitions: Vec<_> = all
                .iter()
                .map(|(m, c)| {
                    json!({
                        "partition": m.partition.partition.0, "start": m.start.0, "end": m.end().0, "records": c.records, "batches": c.batches,
                        "bytes": c.bytes, "filled": c.filled, "filled_before_start": c.before, "aborted_batches": c.aborted,
                    })
                })
                .collect();
            let page = json!({"topic": topic, "as": name, "dry_run": dry_run, "partitions": partitions});
            print(&serde_json::to_string_pretty(&page)?)?;
        }
        Output::Table => {
            let rows = all.iter().map(|(m, c)| {
                let numbers = [i64::from(m.partition.partition.0), m.start.0, m.end().0, c.records, c.filled];
                let mut row: Vec<_> = numbers.iter().map(i64::to_string).collect();
                row.push(human(c.bytes));
                row
            });
            print(&table(&["partition", "start", "end", "records", "offsets without one", "bytes"], rows))?;
            let done = if dry_run { "would be written to" } else { "is in" };
            print(&format!(
                "{topic} {done} {name}, each record at its own offset. Its retention is unlimited unless --set says otherwise."
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
