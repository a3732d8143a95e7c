//! ListOffsets and OffsetForLeaderEpoch of partitions whose history is in the tier: the broker answers, under the client's own name, and the
//! tier's word is put into its answer. So the rights are the broker's, and what the tier doesn't know better stays.
//!
//! Sentinels: KIP-405, KIP-1005, KIP-1023 (`ListOffsetsRequest`); epochs: `LeaderEpochFileCache.endOffsetFor`.

use std::collections::HashMap;

use kafka::code::Code;
use kafka::fetch::request::TopicRef;
use kafka::offsets::{
    EARLIEST, EARLIEST_LOCAL, EARLIEST_PENDING_UPLOAD, EpochAnswer, Item, LATEST, LATEST_TIERED, ListAnswer,
    MAX_TIMESTAMP, Question, Request,
};
use kafka::types::{LeaderEpoch, Offset};
use tiering::PartitionId;
use tiering::manifest::Manifest;
use tiering::read::ReadError;
use tiering::read::time::Found;
use tiering::tier::Tier;

use crate::session::core::Core;
use crate::tier::Handle;
use crate::view::View;

/// Manifests looked for side by side.
const LOOKS_AT_ONCE: usize = 32;

/// Whether the tier may have something to say to any part of the request.
pub fn concerns(core: &Core, request: &Request<'_>) -> bool {
    let (tier, view) = (&core.gateway.tier, core.gateway.cluster.view());
    let may_hold = |i: &Item<'_>| tier.may_hold(&view, TopicRef::Name(i.topic), i.partition);
    tier.is_configured() && request.items.iter().any(may_hold)
}

/// Puts the tier's word into the broker's answer (a payload, from its correlation id on).
pub async fn overlay(handle: &Handle, view: &View, request: &Request<'_>, payload: &mut [u8]) {
    let Ok(answers) = request.answer(payload) else { return };
    let places: Vec<_> = answers.iter().map(|a| (a.topic.to_owned(), a.partition, a.at())).collect();
    look_ahead(handle, view, request).await;
    let asked: HashMap<_, _> = request.items.iter().map(|i| ((i.topic, i.partition), i)).collect();
    for (topic, partition, at) in places {
        let asked = asked.get(&(topic.as_str(), partition));
        let Some(asked) = asked.filter(|_| handle.may_hold(view, TopicRef::Name(&topic), partition)) else {
            continue;
        };
        let id = view.topic(TopicRef::Name(&topic)).map(|t| PartitionId { topic: t.id, partition });
        let known = handle.get().zip(id).map(|(ready, id)| (&*ready.tier, id));
        match request.question(asked) {
            Question::Time(LATEST | EARLIEST_LOCAL) => {}
            Question::Time(timestamp) => {
                let broker = request.list_answer(payload, at);
                if let Some(answer) = time(known, timestamp, broker).await {
                    request.put_list_answer(payload, at, answer);
                }
            }
            Question::Epoch(epoch) => {
                let broker = request.epoch_answer(payload, at);
                let m = known.and_then(|(tier, id)| tier.manifest(id));
                if let Some(answer) = m.and_then(|m| self::epoch(&m, epoch, broker)) {
                    request.put_epoch_answer(payload, at, answer);
                }
            }
        }
    }
}

/// Looks for the manifests of many partitions side by side; each is looked at again, and found looked at, in its turn.
async fn look_ahead(handle: &Handle, view: &View, request: &Request<'_>) {
    let Some(ready) = handle.get().filter(|_| request.items.len() > 1) else { return };
    let mut looking = tokio::task::JoinSet::new();
    for item in &request.items {
        let topic = TopicRef::Name(item.topic);
        let wants = matches!(request.question(item), Question::Time(t) if t != LATEST && t != EARLIEST_LOCAL);
        let Some(id) = view.topic(topic).map(|t| PartitionId { topic: t.id, partition: item.partition })
        else {
            continue;
        };
        if !wants || !handle.may_hold(view, topic, item.partition) {
            continue;
        }
        if looking.len() >= LOOKS_AT_ONCE {
            looking.join_next().await;
        }
        let tier = ready.tier.clone();
        looking.spawn(async move {
            // What can't be looked at says so in its turn.
            let _looked = tier.refresh_lately(id).await;
        });
    }
    while looking.join_next().await.is_some() {}
}

/// The answer to a time or a sentinel, where it is another than the broker's. The newest manifest is looked for: another gateway may have moved
/// what the broker no longer has. Where that can't be done nobody can say, and clients ask again.
async fn time(known: Option<(&Tier, PartitionId)>, timestamp: i64, broker: ListAnswer) -> Option<ListAnswer> {
    if broker.error != 0 || (timestamp == EARLIEST && broker.offset == Offset(0)) {
        return None;
    }
    let Some((tier, id)) = known else { return found(Err(not_open())) };
    match tier.refresh_lately(id).await {
        Ok(m) => list(tier, &*m.filter(|m| m.segments() > 0)?, timestamp, broker).await,
        Err(e) => found(Err(e)),
    }
}

fn not_open() -> ReadError {
    ReadError::Store(store::Error::new(store::Kind::Transient, "look up", "the tier is not open yet"))
}

/// The tier's answer, where it is another than the broker's.
async fn list(tier: &Tier, m: &Manifest, timestamp: i64, broker: ListAnswer) -> Option<ListAnswer> {
    let at = |offset: Offset, epoch| ListAnswer { error: 0, timestamp: -1, offset, epoch };
    match timestamp {
        EARLIEST => {
            let start = m.start.min(broker.offset);
            (start < broker.offset).then(|| at(start, m.epoch_at(start)))
        }
        LATEST_TIERED => Some(at(Offset(m.end().0 - 1), m.epoch_at(Offset(m.end().0 - 1)))),
        EARLIEST_PENDING_UPLOAD => Some(at(m.end(), m.epoch_at(m.end()))),
        MAX_TIMESTAMP => {
            let newest = tier.reader.max_timestamp(m).filter(|newest| *newest > broker.timestamp)?;
            found(tier.reader.find_time(m, newest).await)
        }
        // What the broker found may lie behind what only the tier has.
        timestamp if timestamp >= 0 => found(tier.reader.find_time(m, timestamp).await),
        _ => None,
    }
}

fn found(found: Result<Option<Found>, ReadError>) -> Option<ListAnswer> {
    match found {
        Ok(found) => {
            found.map(|f| ListAnswer { error: 0, timestamp: f.timestamp, offset: f.offset, epoch: f.epoch })
        }
        Err(e) => {
            tracing::warn!(error = %e, "tier: cannot look an offset up");
            // Clients ask again.
            let error = Code::KAFKA_STORAGE_ERROR.0;
            Some(ListAnswer { error, timestamp: -1, offset: Offset(-1), epoch: LeaderEpoch(-1) })
        }
    }
}

/// The end of an epoch that brokers may have forgotten with what they trimmed.
fn epoch(m: &Manifest, asked: LeaderEpoch, broker: EpochAnswer) -> Option<EpochAnswer> {
    // Where they still have their log, brokers know better: after an unclean election it may be another.
    let (epoch, end) = m.lineage.end_of(asked).filter(|(_, end)| broker.error == 0 && *end <= m.trimmed)?;
    Some(EpochAnswer { error: 0, epoch, end })
}

#[cfg(test)]
mod tests {
    use kafka::types::{Partition, TopicId};

    use super::*;

    fn manifest() -> Manifest {
        let id = PartitionId { topic: TopicId([1; 16]), partition: Partition(0) };
        let mut m = Manifest::new("t", id, Offset(0));
        m.trimmed = Offset(60);
        m.lineage = tiering::lineage::Lineage::from_pairs(vec![(0, 0), (3, 50)]).expect("a lineage");
        m
    }

    #[test]
    fn an_epoch_that_ended_in_the_tier_is_answered_from_its_lineage_and_the_newest_by_the_broker() {
        let broker = EpochAnswer { error: 0, epoch: LeaderEpoch(9), end: Offset(900) };
        let asked = |e| epoch(&manifest(), LeaderEpoch(e), broker).map(|a| (a.epoch.0, a.end.0));
        assert_eq!(asked(0), Some((0, 50)));
        assert_eq!(asked(2), Some((0, 50)));
        assert_eq!(asked(3), None);
    }

    #[test]
    fn what_the_broker_refuses_stays_refused() {
        let refused = EpochAnswer { error: 29, epoch: LeaderEpoch(-1), end: Offset(-1) };
        assert_eq!(epoch(&manifest(), LeaderEpoch(0), refused), None);
    }
}
