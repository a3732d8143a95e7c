//! Zone steering of reads: every consumer reads from the in-sync replica in its own zone, or, where no gateway lives in
//! that, in the zone of the gateway that serves it.
//!
//! [`plan`] decides, [`exec`] does, [`merge`] combines. Most fetches are planned `Forward` and never leave the relay.
//! Rules and what they rest on: docs/steering.md.

pub mod exec;
pub mod held;
pub mod legs;
pub mod memory;
pub mod merge;
pub mod offsets;
pub mod plan;
pub mod rights;
pub mod side;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use config::{Reads, Zone};
use kafka::fetch::request::{FetchRequest, Session, TopicRef};
use kafka::fetch::walk::{PartitionHead, Policy};
use kafka::types::Partition;
use opentelemetry::KeyValue;
use tiering::tier::Extent;

use crate::metrics::Served;
use crate::session::core::Core;
use crate::steer::memory::Memory;
use crate::steer::plan::{Facts, Plan, plan};
use crate::steer::side::Side;
use crate::view::View;

/// What steering keeps for a connection.
#[derive(Debug, Default)]
pub struct Steering {
    /// What it has seen.
    pub memory: Memory,
    /// Connections of the gateway's own, for fetches on this client's behalf.
    pub sides: Vec<Side>,
    /// Whether the broker at the other end serves this client as a follower, so that its trouble is ours to hide.
    pub follows: bool,
}

/// Whether an error of a broker that doesn't lead the partition is its own trouble: the leader may well serve it. All
/// are but TOPIC_AUTHORIZATION_FAILED, which any broker knows.
pub fn is_follower_trouble(error: i16) -> bool {
    error != 0 && error != 29
}

/// The zone whose replicas serve this client's reads now.
pub fn reads_zone(core: &Core) -> &Zone {
    plan::reads_zone(&core.zone, &core.gateway.zone, has_gateway(core))
}

/// Whether a gateway lives in the client's zone. Where none does, whatever the client reads crosses into its zone.
pub fn has_gateway(core: &Core) -> bool {
    core.gateway.settings().fleet.has_gateway(&core.zone, &core.door.name)
}

/// The facts for a plan of this session.
pub fn facts<'a>(
    core: &'a Core,
    view: &'a View,
    memory: &'a Memory,
    tier: &'a [Option<Extent>],
    (learned, looked): (bool, bool),
) -> Facts<'a> {
    Facts {
        view,
        zone: reads_zone(core),
        own: core.own,
        stand_in: core.is_stand_in(),
        follows: core.steering.as_ref().is_some_and(|s| s.follows),
        memory,
        now: Instant::now(),
        learned,
        steers: core.gateway.settings().zones.reads != Reads::AsIs,
        tier,
        looked,
    }
}

/// Whether a Fetch goes on to the broker as it is; otherwise [`exec`] answers it.
pub fn forwards(core: &mut Core, request: &FetchRequest<'_>) -> bool {
    if !request.is_consumer() {
        return true;
    }
    let view = core.gateway.cluster.view();
    if core.gateway.settings().zones.reads == Reads::AsIs && !core.gateway.tier.is_configured() {
        served_by_own(core, &view, false);
        return true;
    }
    let steering = core.steering.get_or_insert_default();
    if request.session == Session::Continue {
        steering.memory.session_continued();
    }
    let memory = std::mem::take(&mut steering.memory);
    let tier = core.gateway.tier.extents(&view, request);
    let mark = core.traces.mark();
    let planned = plan(&facts(core, &view, &memory, &tier, (false, false)), request);
    core.traces.step("plan", mark, || vec![KeyValue::new("tidegate.decision", planned.name())]);
    let forward = planned == Plan::Forward;
    core.steering.get_or_insert_default().memory = memory;
    if forward {
        note_forward(core, &view, request);
    }
    forward
}

/// Notes a Fetch that goes on to the broker: its session, and whether the broker serves it as a follower.
pub fn note_forward(core: &mut Core, view: &Arc<View>, request: &FetchRequest<'_>) {
    let follows = request.partitions.iter().any(|p| {
        let leader = view.partition(p.topic, p.partition).and_then(|p| p.leader);
        leader.is_some_and(|l| l != core.own)
    });
    let steering = core.steering.get_or_insert_default();
    // Nothing is fetched on behalf any more; brokers end idle connections anyway.
    steering.sides.clear();
    if request.session != Session::Continue {
        steering.follows = follows;
    }
    if request.session == Session::Open {
        steering.memory.session_opened(view.generation);
    }
    let follows = steering.follows;
    served_by_own(core, view, follows);
}

fn served_by_own(core: &mut Core, view: &View, follows: bool) {
    let home = has_gateway(core);
    let in_zone = home && view.zone_of(core.own) == Some(&core.zone);
    let served = match (in_zone, follows) {
        (true, true) => Served::InZoneFollower,
        (true, false) => Served::InZoneLeader,
        (false, _) if core.gateway.settings().zones.reads == Reads::AsIs => Served::CrossZoneAsIs,
        (false, _) if !home => Served::CrossZoneNoGateway,
        (false, _) => Served::CrossZoneNoReplica,
    };
    core.served(served);
}

/// OFFSET_OUT_OF_RANGE.
pub const OFFSET_OUT_OF_RANGE: i16 = 1;

/// Whether an offset that a broker doesn't have may lie in the tier. Noted, so that the next fetch is planned by it; and said once only, so
/// that a client whose offset is nowhere gets to know.
pub fn may_be_in_tier(core: &mut Core, topic: TopicRef<'_>, partition: Partition) -> bool {
    let tier = &core.gateway.tier;
    if core.steering.is_none() {
        return false;
    }
    if !tier.may_hold(&core.gateway.cluster.view(), topic, partition) {
        return false;
    }
    // Until the tier is open nobody can say that an offset is nowhere.
    let loading = tier.is_loading();
    let now = Instant::now();
    let memory = &mut core.steering.get_or_insert_default().memory;
    let first = !memory.is_cold(topic, partition, now);
    if first {
        memory.turned_cold(topic, partition, now);
    }
    loading || first
}

/// Looks at a relayed Fetch answer as it passes.
#[derive(Debug)]
pub struct Judge<'a> {
    core: &'a mut Core,
}

impl<'a> Judge<'a> {
    /// The judge for this session.
    pub fn of(core: &'a mut Core) -> Self {
        Self { core }
    }

    fn leads_elsewhere(&self, topic: TopicRef<'_>, head: PartitionHead) -> bool {
        let view = self.core.gateway.cluster.view();
        view.partition(topic, head.partition).is_some_and(|p| p.leader != Some(self.core.own))
    }
}

impl Policy for Judge<'_> {
    fn session(&mut self, session_id: i32) -> i32 {
        if let Some(s) = self.core.steering.as_mut().filter(|_| session_id != 0) {
            s.memory.session_granted();
        }
        session_id
    }

    /// A follower's trouble never reaches a client: it sees "nothing new", asks again, and
    /// is then served from the leader.
    fn partition(&mut self, topic: TopicRef<'_>, head: PartitionHead) -> i16 {
        if head.error == OFFSET_OUT_OF_RANGE && may_be_in_tier(self.core, topic, head.partition) {
            return 0;
        }
        if !is_follower_trouble(head.error)
            || self.core.gateway.settings().zones.reads == Reads::AsIs
            || self.core.steering.is_none()
            || !self.leads_elsewhere(topic, head)
        {
            return head.error;
        }
        let own = self.core.own;
        if let Some(s) = self.core.steering.as_mut() {
            s.memory.trouble(topic, head.partition, own, Instant::now());
        }
        self.core.gateway.cluster.nudge();
        self.core.gateway.counters.hidden();
        0
    }
}
