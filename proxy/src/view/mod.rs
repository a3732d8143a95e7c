//! What the gateway knows of the cluster: one immutable snapshot, replaced as a whole.
//!
//! A request loads one [`View`] and decides by it alone. Only [`watch`] makes views.

pub mod doubts;
pub mod handle;
pub mod health;
pub mod interest;
pub mod signals;
pub mod watch;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use config::Zone;
use kafka::fetch::request::TopicRef;
use kafka::types::{BrokerId, LeaderEpoch, Partition, TopicId};

/// How a broker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerState {
    /// In the cluster's metadata and answering.
    Live,
    /// In the cluster's metadata, but our pings go unanswered.
    Suspect,
    /// Gone from the cluster's metadata; clients are still shown an endpoint for it.
    Absent,
}

impl BrokerState {
    /// Its name in `/status` and in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspect => "suspect",
            Self::Absent => "absent",
        }
    }
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerView {
    /// The host that it advertises to the gateway.
    pub host: Arc<str>,
    /// The port that it advertises.
    pub port: u16,
    /// Its rack as the cluster says it.
    pub rack: Option<String>,
    /// Its zone: the file's map of brokers, or else its rack.
    pub zone: Zone,
    /// How it stands.
    pub state: BrokerState,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// Its leader, if it has one.
    pub leader: Option<BrokerId>,
    /// The leader's epoch; -1 on clusters that don't say.
    pub epoch: LeaderEpoch,
    /// Its in-sync replicas.
    pub isr: Box<[BrokerId]>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; zero on clusters without topic ids.
    pub id: TopicId,
    /// Its partitions by index. Empty when the cluster doesn't have, or doesn't show us, the topic.
    pub partitions: BTreeMap<Partition, PartitionView>,
}

/// The snapshot.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Grows when anything below changes. 0 until the cluster has answered once.
    pub generation: u64,
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// All brokers, absent ones included.
    pub brokers: BTreeMap<BrokerId, BrokerView>,
    /// Topics that clients fetch, by name.
    pub topics: HashMap<Arc<str>, Arc<TopicView>>,
    /// The same by id.
    pub topics_by_id: HashMap<TopicId, Arc<TopicView>>,
}

impl View {
    /// Whether the cluster has answered yet.
    pub fn is_ready(&self) -> bool {
        self.generation > 0
    }

    /// The topic, if it is known (even if known to be missing).
    pub fn topic(&self, topic: TopicRef<'_>) -> Option<&TopicView> {
        match topic {
            TopicRef::Name(name) => self.topics.get(name).map(Arc::as_ref),
            TopicRef::Id(id) => self.topics_by_id.get(&id).map(Arc::as_ref),
        }
    }

    /// Whether nothing is known of the topic's partitions.
    pub fn lacks(&self, topic: TopicRef<'_>) -> bool {
        self.topic(topic).is_none_or(|t| t.partitions.is_empty())
    }

    /// The partition, if it is known.
    pub fn partition(&self, topic: TopicRef<'_>, partition: Partition) -> Option<&PartitionView> {
        self.topic(topic)?.partitions.get(&partition)
    }

    /// Whether the broker is in the cluster and answers.
    pub fn is_live(&self, id: BrokerId) -> bool {
        self.brokers.get(&id).is_some_and(|b| b.state == BrokerState::Live)
    }

    /// The broker's zone, if the broker is known.
    pub fn zone_of(&self, id: BrokerId) -> Option<&Zone> {
        self.brokers.get(&id).map(|b| &b.zone)
    }

    /// Brokers that may take a connection meant for `endpoint` (already tried if it is live), in the order to try them:
    /// live ones, those of `zone` first; then, since our pings may be what fails, the endpoint's own and other suspects.
    /// Equals stand in another order for each endpoint, so that one broker doesn't take the clients of all dead ones.
    pub fn candidates(&self, endpoint: Option<BrokerId>, zone: &Zone) -> Vec<BrokerId> {
        let rank = |id: BrokerId, b: &BrokerView| match b.state {
            BrokerState::Live if Some(id) == endpoint => None,
            BrokerState::Live => Some(u8::from(b.zone != *zone)),
            BrokerState::Suspect if Some(id) == endpoint => Some(2),
            BrokerState::Suspect => Some(3),
            BrokerState::Absent => None,
        };
        let turn = |id: BrokerId| endpoint.map(|e| spread(e, id));
        let mut ranked: Vec<_> =
            self.brokers.iter().filter_map(|(id, b)| Some((rank(*id, b)?, turn(*id), *id))).collect();
        ranked.sort();
        ranked.into_iter().map(|(_, _, id)| id).collect()
    }
}

/// The turn of a broker among those that could stand in for an endpoint's: a mix of the two ids (MurmurHash3's last
/// steps), the same in every gateway.
fn spread(endpoint: BrokerId, id: BrokerId) -> u64 {
    let pair = (u64::from(endpoint.0 as u32) << 32) | u64::from(id.0 as u32);
    let h = (pair ^ (pair >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::{brokers, zone};

    #[test]
    fn dead_brokers_clients_are_spread_over_the_living_of_the_zone_first() {
        // Forty dead in az1, four alive there, and one alive elsewhere.
        let dead = (100..140).map(|id| (id, "az1", BrokerState::Absent));
        let living = [1, 2, 3, 4].map(|id| (id, "az1", BrokerState::Live));
        let list: Vec<_> = dead.chain(living).chain([(9, "az2", BrokerState::Live)]).collect();
        let view = View::of(brokers(&list), vec![]);
        let mut taken = BTreeMap::<_, u32>::new();
        for id in 100..140 {
            let order = view.candidates(Some(BrokerId(id)), &zone("az1"));
            assert_eq!((order.len(), order[4]), (5, BrokerId(9)), "the other zone's comes last");
            assert_eq!(order, view.candidates(Some(BrokerId(id)), &zone("az1")), "the same each time");
            *taken.entry(order[0]).or_default() += 1;
        }
        assert_eq!(taken.len(), 4, "{taken:?}");
        assert!(taken.values().all(|n| *n <= 16), "{taken:?}");
    }
}
