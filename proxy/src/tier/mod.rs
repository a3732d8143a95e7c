//! The tier in the gateway: what of a partition's log is read from the store, and who moves it there.
//!
//! [`answer`] serves a Fetch's leg, [`offsets`] and [`trim`] put the tier's word into the brokers' answers, [`assign`] decides which gateway
//! moves which partition.

pub mod answer;
pub mod assign;
pub mod meter;
pub mod metrics;
pub mod offsets;
pub mod open;
pub mod report;
pub mod trim;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use config::Tiering;
use dashmap::DashMap;
use kafka::fetch::request::{FetchRequest, TopicRef};
use kafka::types::Partition;
use tiering::PartitionId;
use tiering::duty::Duty;
use tiering::offload::Tools;
use tiering::tier::{Extent, Tier};

use crate::app::Gateway;
use crate::tier::meter::StoreCounts;
use crate::view::View;
use crate::view::interest::TopicKey;

/// How long a question waits for topics that the view doesn't know yet.
const LEARN_WAIT: Duration = Duration::from_millis(500);

/// A view that knows these topics, of which a broker has just told the client that they exist.
pub async fn learned<'a>(gateway: &Gateway, names: impl Iterator<Item = &'a str>) -> Arc<View> {
    let view = gateway.cluster.view();
    let unknown = names.map(TopicRef::Name).filter(|name| view.topic(*name).is_none());
    let mut unknown: Vec<_> = unknown.map(TopicKey::from).collect();
    unknown.dedup();
    if unknown.is_empty() { view } else { gateway.cluster.learn(&unknown, LEARN_WAIT).await }
}

/// Everything that is there once the cluster has said who it is and the store has answered.
#[derive(Debug)]
pub struct Ready {
    /// What this gateway knows of the tier.
    pub tier: Arc<Tier>,
    /// What it does for it.
    pub duty: Arc<Duty>,
    /// How a partition is changed.
    pub tools: Tools,
    /// Topics that rules name and that can't be tiered, and why.
    pub refused: DashMap<String, String>,
    /// What was asked of the store.
    pub counts: Arc<StoreCounts>,
}

/// The tier, if the file has one.
#[derive(Debug, Default)]
pub struct Handle {
    configured: bool,
    rules: Option<Tiering>,
    ready: OnceLock<Ready>,
}

impl Handle {
    /// A handle that is to become ready if the file has a store.
    pub fn new(configured: bool, rules: Option<Tiering>) -> Self {
        Self { configured, rules, ready: OnceLock::new() }
    }

    /// The tier, once it is there.
    pub fn get(&self) -> Option<&Ready> {
        self.ready.get()
    }

    /// Makes it ready.
    pub fn set(&self, ready: Ready) {
        // Only the one task that opens the tier calls this.
        let _first = self.ready.set(ready);
    }

    /// Whether an offset of this partition that brokers don't have may lie in the tier: this gateway knows that it holds something, or a
    /// rule names the topic, so that another gateway may have moved it there a moment ago.
    pub fn may_hold(&self, view: &View, topic: TopicRef<'_>, partition: Partition) -> bool {
        self.configured
            && (self.extent(view, topic, partition).is_some()
                || view.topic(topic).is_none_or(|t| self.has_rule(&t.name)))
    }

    fn has_rule(&self, topic: &str) -> bool {
        self.rules.as_ref().is_some_and(|rules| assign::rule_of(rules, topic).is_some())
    }

    /// Whether there is a tier of which nothing is known yet.
    pub fn is_loading(&self) -> bool {
        self.configured && self.ready.get().is_none()
    }

    /// Whether there is a tier at all.
    pub fn is_configured(&self) -> bool {
        self.configured
    }

    /// What the tier holds of a partition.
    pub fn extent(&self, view: &View, topic: TopicRef<'_>, partition: Partition) -> Option<Extent> {
        let ready = self.ready.get()?;
        let id = match topic {
            TopicRef::Id(id) => id,
            TopicRef::Name(_) => view.topic(topic)?.id,
        };
        ready.tier.extent(PartitionId { topic: id, partition })
    }

    /// The same for each partition of a Fetch, in its order. Empty where none has anything in the tier.
    pub fn extents(&self, view: &View, request: &FetchRequest<'_>) -> Vec<Option<Extent>> {
        if self.ready.get().is_none() {
            return Vec::new();
        }
        let extents: Vec<_> =
            request.partitions.iter().map(|p| self.extent(view, p.topic, p.partition)).collect();
        if extents.iter().all(Option::is_none) { Vec::new() } else { extents }
    }
}
