//! `tidegate tier`: the bucket's view of topics. Works on the bucket alone; no gateway has to run, and no cluster either.

mod change;
mod destination;
mod list;
mod refill;
mod restore;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use config::Tiering;
use indicatif::{ProgressBar, ProgressStyle};
use store::SharedStore;
use tiering::bucket::{self, TopicInBucket};
use tiering::layout::Layout;

use self::destination::To;
use super::{Output, help};

/// Where the bucket is.
#[derive(Debug, Args)]
pub(super) struct Bucket {
    /// The configuration file, whose section `store` names the bucket.
    #[arg(short, long)]
    config: PathBuf,
    /// The cluster's id, where the bucket holds more than one's.
    #[arg(long)]
    cluster_id: Option<String>,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Subcommand)]
pub(super) enum TierCommand {
    /// List the topics in the bucket: partitions, segments, bytes.
    #[command(after_long_help = help::TIER_LOOK)]
    Ls {
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Show a topic's partitions: offsets, what brokers were told to drop, gaps.
    #[command(after_long_help = help::TIER_LOOK)]
    Show {
        /// The topic.
        topic: String,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Read everything a topic (or every topic) has in the bucket and check every CRC, gap and overlap. Exits 1 if anything is wrong.
    #[command(after_long_help = help::TIER_VERIFY)]
    Verify {
        /// The topic; default: all.
        topic: Option<String>,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Find objects that no manifest names: left by crashes and by retention. Says what it would delete; deletes with --delete.
    #[command(after_long_help = help::TIER_GC)]
    Gc {
        /// Delete them.
        #[arg(long)]
        delete: bool,
        /// How old an object must be: longer than the longest upload and the longest read.
        #[arg(long, value_parser = parse_duration, default_value = "24h")]
        grace: Duration,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Restore a topic: into a directory of segments from which a Kafka broker starts, or into a running cluster, where every record gets the offset
    /// that it had (docs/tiering.md, "Turning it off").
    #[command(after_long_help = help::TIER_RESTORE)]
    Restore {
        /// The topic.
        topic: String,
        /// A directory, in which one folder per partition is made; or a running cluster: kafka://HOST:PORT,HOST:PORT in the clear, or a
        /// configuration file whose section `cluster` says how to come in.
        #[arg(long)]
        to: String,
        /// Into a directory: leave leader epochs as they are. Default: 0, as in a new cluster.
        #[arg(long)]
        keep_epochs: bool,
        #[command(flatten)]
        how: refill::How,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Pause a topic's offloading. What is in the bucket is served as before.
    #[command(after_long_help = help::TIER_PAUSE)]
    Pause {
        /// The topic.
        topic: String,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Let a paused topic's offloading go on.
    #[command(after_long_help = help::TIER_PAUSE)]
    Resume {
        /// The topic.
        topic: String,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Delete everything in the bucket of a topic that the cluster has deleted. Says what it would delete; deletes with --delete.
    #[command(after_long_help = help::TIER_DROP)]
    Drop {
        /// The topic.
        topic: String,
        /// Delete it.
        #[arg(long)]
        delete: bool,
        /// The cluster is gone for good: don't ask it whether the topic still exists.
        #[arg(long)]
        cluster_gone: bool,
        #[command(flatten)]
        bucket: Bucket,
    },
    /// Print an inventory of a topic's objects with their offsets, for other tools. Always JSON, one line per segment.
    #[command(after_long_help = help::TIER_LOOK)]
    Export {
        /// The topic.
        topic: String,
        #[command(flatten)]
        bucket: Bucket,
    },
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text).map_err(|e| e.to_string())
}

/// The bucket, opened.
struct Opened {
    store: SharedStore,
    layout: Layout,
    output: Output,
    /// What the gateways of this file tier.
    tiering: Option<Tiering>,
}

impl Bucket {
    async fn open(&self) -> anyhow::Result<Opened> {
        let config = super::load(&self.config)?;
        let section = config.store.as_ref().with_context(|| no_store(&self.config))?;
        let store = tiering::open::open(section).await?;
        let cluster = match &self.cluster_id {
            Some(id) => id.clone(),
            None => only_cluster(&store).await?,
        };
        Ok(Opened { layout: Layout::new(&cluster)?, store, output: self.output, tiering: config.tiering })
    }
}

fn no_store(path: &Path) -> String {
    format!("{}: has no section `store`: write store: {{dir: ./tidegate-store}}, or s3", path.display())
}

async fn only_cluster(store: &SharedStore) -> anyhow::Result<String> {
    match bucket::clusters(store).await?.as_slice() {
        [] => bail!("the bucket holds nothing of ours yet: no gateway has tiered a topic into it"),
        [one] => Ok(one.clone()),
        more => bail!("the bucket holds {}: name one with --cluster-id", more.join(", ")),
    }
}

impl Opened {
    async fn topics(&self, name: Option<&str>) -> anyhow::Result<Vec<TopicInBucket>> {
        let topics = bucket::topics(&self.store, &self.layout, name).await?;
        match name {
            Some(name) if topics.is_empty() => {
                bail!("topic {name} is not in the bucket: `tidegate tier ls` lists those that are")
            }
            _ => Ok(topics),
        }
    }
}

pub(super) fn tier(command: TierCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            TierCommand::Ls { bucket } => list::ls(&bucket.open().await?).await,
            TierCommand::Show { topic, bucket } => list::show(&bucket.open().await?, &topic).await,
            TierCommand::Export { topic, bucket } => list::export(&bucket.open().await?, &topic).await,
            TierCommand::Verify { topic, bucket } => {
                verify::verify(&bucket.open().await?, topic.as_deref()).await
            }
            TierCommand::Gc { delete, grace, bucket } => {
                change::gc(&bucket.open().await?, grace, delete).await
            }
            TierCommand::Pause { topic, bucket } => change::pause(&bucket.open().await?, &topic, true).await,
            TierCommand::Resume { topic, bucket } => {
                change::pause(&bucket.open().await?, &topic, false).await
            }
            TierCommand::Drop { topic, delete, cluster_gone, bucket } => {
                let existing =
                    if cluster_gone { Vec::new() } else { change::topics_of(&bucket.config).await? };
                change::drop_topic(&bucket.open().await?, &topic, &existing, delete).await
            }
            TierCommand::Restore { topic, to, keep_epochs, how, bucket } => {
                let o = bucket.open().await?;
                match To::of(&to)? {
                    To::Dir(_) if how.is_said() => bail!("{}", refill::ONLY_CLUSTER),
                    To::Dir(dir) => restore::restore(&o, &topic, &dir, keep_epochs).await,
                    To::Cluster(cluster) => refill::refill(&o, &topic, *cluster, &how).await,
                }
            }
        }
    })
}

/// A bar over `bytes`, on a terminal only.
fn bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(bytes);
    style.map(|style| bar.with_style(style)).unwrap_or_else(|_| ProgressBar::hidden())
}

/// Bytes for people.
fn human(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
