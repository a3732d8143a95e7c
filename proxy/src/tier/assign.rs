//! Which gateway offloads which partition, and by which rules. Pure.
//!
//! No lease is held: every gateway works out the same from the fleet it sees, and where two see it differently the fenced register lets one of
//! them commit (docs/decisions/0005).

use std::time::Duration;

use config::{Keep, Tiering, TopicRule};
use kafka::client::metadata::{PartitionInfo, Topic};
use tiering::PartitionId;
use tiering::duty::Assignment;
use tiering::headroom::Retention;
use tiering::offload::plan::{Hot, Rules};
use tiering::source::Named;

use crate::fleet::share::rendezvous;

/// A gateway that could own a partition.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether it has an in-sync replica of the partition in its zone.
    pub near: bool,
}

/// The rule for a topic: the first that matches, never for Kafka's own topics.
pub fn rule_of<'a>(tiering: &'a Tiering, topic: &str) -> Option<&'a TopicRule> {
    if topic.starts_with("__") { None } else { tiering.topics.iter().find(|rule| rule.matches(topic)) }
}

/// Who of the candidates owns the partition: those near a replica first, then by rendezvous hash.
pub fn owner<'a>(candidates: &[Candidate<'a>], p: PartitionId) -> Option<&'a str> {
    let weight =
        |c: &Candidate<'_>| rendezvous(c.id, p.topic.0.into_iter().chain(p.partition.0.to_be_bytes()));
    candidates.iter().max_by_key(|c| (c.near, weight(c))).map(|c| c.id)
}

/// What to do for a partition of a topic under its rule.
pub fn assignment(
    tiering: &Tiering,
    rule: &TopicRule,
    topic: &Topic,
    partition: &PartitionInfo,
    retention: Retention,
) -> Assignment {
    let (segment, hot) = (&tiering.segment, rule.trim.then(|| keep(rule.hot)));
    let rules = Rules {
        segment_bytes: u32::try_from(segment.bytes.0).unwrap_or(u32::MAX),
        // What a hot window shorter than a segment's age asks for can't wait for that age.
        segment_age: segment.age.min(hot.and_then(|hot| hot.time).unwrap_or(Duration::MAX)),
        trim: hot,
    };
    let id = PartitionId { topic: topic.id, partition: partition.index };
    let name = Named { topic: topic.name.as_str().into(), id };
    Assignment { name, rules, retain: keep(rule.retain), retention }
}

fn keep(keep: Keep) -> Hot {
    Hot { time: keep.time, bytes: keep.bytes.map(|b| b.0) }
}

/// Why a topic with this `cleanup.policy` can't be tiered.
pub fn refusal(cleanup_policy: &str) -> Option<String> {
    let compacts = cleanup_policy.split(',').any(|p| p.trim() == "compact");
    compacts.then(|| {
        format!("cleanup.policy={cleanup_policy}: compaction rewrites history, so it can't be closed")
    })
}

#[cfg(test)]
mod tests {
    use kafka::types::{Partition, TopicId};

    use super::*;

    fn owners(gateways: &[(&str, bool)]) -> Vec<String> {
        let candidates: Vec<_> = gateways.iter().map(|(id, near)| Candidate { id, near: *near }).collect();
        let p = |n| PartitionId { topic: TopicId([9; 16]), partition: Partition(n) };
        (0..60).map(|n| owner(&candidates, p(n)).expect("somebody").to_owned()).collect()
    }

    #[test]
    fn partitions_spread_over_the_fleet_and_only_a_dead_gateways_share_moves() {
        let all = owners(&[("a", true), ("b", true), ("c", true)]);
        for id in ["a", "b", "c"] {
            assert!(all.iter().filter(|o| *o == id).count() > 10, "{id}");
        }
        let without_c = owners(&[("a", true), ("b", true)]);
        assert!(all.iter().zip(&without_c).all(|(before, after)| before == "c" || before == after));
        assert!(
            owners(&[("a", false), ("b", true)]).iter().all(|o| o == "b"),
            "a replica near by is preferred"
        );
        assert_eq!(owner(&[], PartitionId { topic: TopicId([9; 16]), partition: Partition(0) }), None);
    }

    #[test]
    fn compacted_topics_are_refused_with_the_reason() {
        assert!(refusal("delete").is_none());
        assert!(
            refusal("compact").is_some()
                && refusal("compact,delete").is_some_and(|r| r.contains("compact,delete"))
        );
    }
}
