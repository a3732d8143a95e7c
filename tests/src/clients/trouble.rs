//! What befalls the replica that readers are steered to, or the leader behind it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::placement;
use super::stage::{FOLLOWER, REPLICAS, Stage, TOPIC, ZONE};
use crate::java::PartitionState;
use crate::wait;

/// How long the cluster may take to notice, or to be whole again.
const SETTLE: Duration = Duration::from_secs(60);
/// How long an out-of-sync replica must stay one, so that readers meet it.
const STAYS_OUT: Duration = Duration::from_secs(5);

/// How often it is tried to keep a replica out of sync.
const ATTEMPTS: u32 = 3;
/// How many records the leaders get ahead first: several of the follower's fetches, of which only one passes the
/// throttle. While it is still in the ISR they cannot get ahead, because producers wait for it.
const AHEAD: u64 = 500;

/// A trouble. [`Trouble::inflict`] fails when it did not come true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The follower is killed with SIGKILL.
    Killed,
    /// The follower is stopped with SIGSTOP: its connections stay open and silent.
    Paused,
    /// The follower lives and answers, but is out of the ISR.
    OutOfSync,
    /// The follower lives, but is no longer a replica.
    Reassigned,
    /// The leaders change; the follower stays.
    LeaderMoved,
    /// The gateway itself is killed with SIGKILL and started again, knowing nothing.
    GatewayKilled,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Killed,
        Self::Paused,
        Self::OutOfSync,
        Self::Reassigned,
        Self::LeaderMoved,
        Self::GatewayKilled,
    ];

    /// The heading in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "follower killed",
            Self::Paused => "follower paused",
            Self::OutOfSync => "follower out of sync",
            Self::Reassigned => "replica reassigned",
            Self::LeaderMoved => "leader moved",
            Self::GatewayKilled => "gateway killed",
        }
    }

    /// Whether reads have to cross a zone while it lasts.
    pub fn crosses(self) -> bool {
        !matches!(self, Self::LeaderMoved | Self::GatewayKilled)
    }

    /// Makes it so, and returns when the cluster itself says that it is.
    pub fn inflict(self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::Killed => {
                stage.cluster.broker(FOLLOWER)?.kill9()?;
                wait_each(stage, out_of_sync)
            }
            Self::Paused => {
                stage.cluster.broker(FOLLOWER)?.pause()?;
                wait_each(stage, out_of_sync)
            }
            Self::OutOfSync => fall_behind(stage),
            Self::Reassigned => move_to(stage, [&[1, 3], &[3, 1]]),
            Self::LeaderMoved => move_to(stage, [&[3, 2, 1], &[1, 2, 3]]),
            Self::GatewayKilled => {
                stage.fleet.gateway(ZONE)?.kill9()?;
                stage.fleet.gateway(ZONE)?.restart()
            }
        }
    }

    /// Undoes it, and returns when the cluster is whole.
    pub fn heal(self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::Killed => stage.cluster.broker(FOLLOWER)?.restart()?,
            Self::Paused => stage.cluster.broker(FOLLOWER)?.resume()?,
            Self::OutOfSync => throttle(stage, false)?,
            Self::Reassigned | Self::LeaderMoved => move_to(stage, REPLICAS)?,
            Self::GatewayKilled => {}
        }
        wait_each(stage, |p| p.isr.len() == REPLICAS[0].len())
    }
}

fn out_of_sync(p: &PartitionState) -> bool {
    p.leader >= 0 && !p.isr.contains(&FOLLOWER)
}

fn wait_each(stage: &Stage, wanted: impl Fn(&PartitionState) -> bool) -> Result<()> {
    wait::until_true("every partition to be as wanted", SETTLE, || {
        Ok(stage.partitions()?.iter().all(&wanted))
    })
}

fn move_to(stage: &Stage, replicas: [&[i32]; 2]) -> Result<()> {
    for (partition, replicas) in (0..).zip(replicas) {
        stage.admin.reassign(TOPIC, partition, replicas)?;
    }
    Ok(())
}

/// A replica is throttled only while it lags, and one in sync does not lag: so it is stopped until it does, and
/// wakes up to a quota of one byte a second. What it fetches before the quota bites may be all there is.
fn fall_behind(stage: &mut Stage) -> Result<()> {
    throttle(stage, true)?;
    for _ in 0..ATTEMPTS {
        stage.cluster.broker(FOLLOWER)?.pause()?;
        wait_each(stage, out_of_sync)?;
        let ahead = stage.writer.history().records() + AHEAD;
        stage.writer.wait_acks(ahead, SETTLE)?;
        stage.cluster.broker(FOLLOWER)?.resume()?;
        let address = stage.cluster.broker(FOLLOWER)?.address();
        wait::until("the follower to answer", SETTLE, || placement::ask(&address, TOPIC).map(Some))?;
        if stays_out(stage)? {
            return Ok(());
        }
    }
    bail!("the follower caught up {ATTEMPTS} times: {:?}", stage.partitions()?)
}

fn stays_out(stage: &Stage) -> Result<bool> {
    let since = Instant::now();
    while since.elapsed() < STAYS_OUT {
        if !stage.partitions()?.iter().all(out_of_sync) {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(true)
}

fn throttle(stage: &Stage, on: bool) -> Result<()> {
    let (rate, replicas) = if on { (json!("1"), json!("*")) } else { (json!(null), json!(null)) };
    let broker = json!({"follower.replication.throttled.rate": rate});
    stage.admin.alter_config("BROKER", &FOLLOWER.to_string(), broker).context("throttle the broker")?;
    let topic = json!({"follower.replication.throttled.replicas": replicas});
    stage.admin.alter_config("TOPIC", TOPIC, topic).context("throttle the topic")
}
