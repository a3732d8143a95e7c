//! DeleteRecords by users of a topic whose history is in the tier: the broker answers first, under the client's own name, so that rights and bounds
//! are its own; then the visible log's start is raised durably; then the client is told.

use std::collections::HashMap;

use kafka::api::DELETE_RECORDS;
use kafka::code::Code;
use kafka::fetch::request::TopicRef;
use kafka::header::{LENGTH_PREFIX, framed};
use kafka::trim::{self, Trim};
use kafka::types::Offset;
use tiering::PartitionId;
use tiering::offload::Offloader;
use tiering::offload::plan::Rules;
use tiering::source::Named;

use crate::app::Gateway;
use crate::session::Session;
use crate::session::core::Core;
use crate::session::fault::Fault;
use crate::tier;
use crate::view::View;

/// Whether any of the partitions may have something in the tier.
pub fn concerns(core: &Core, trims: &[Trim<'_>]) -> bool {
    let (tier, view) = (&core.gateway.tier, core.gateway.cluster.view());
    trims.iter().any(|t| tier.may_hold(&view, TopicRef::Name(t.topic), t.partition))
}

/// The partition, if the tier may hold something of it.
fn named(gateway: &Gateway, view: &View, t: &Trim<'_>) -> Option<Named> {
    let topic = view.topic(TopicRef::Name(t.topic))?;
    gateway.tier.may_hold(view, TopicRef::Name(t.topic), t.partition).then_some(())?;
    let id = PartitionId { topic: topic.id, partition: t.partition };
    Some(Named { topic: topic.name.clone(), id })
}

/// Answers the request in `frame` (prefix included).
pub async fn answer(session: &mut Session, frame: &[u8]) -> Result<(), Fault> {
    let payload = &frame[LENGTH_PREFIX..];
    let version = i16::from_be_bytes([payload[2], payload[3]]);
    let asked = trim::request(payload, version).map_err(Fault::answer)?;
    session.core.traces.decided("trim");
    let mut answer = session.ask_own(payload).await?.to_vec();
    let said = trim::answer(&answer, version).map_err(Fault::answer)?;
    let view = tier::learned(&session.core.gateway, said.iter().map(|s| s.topic)).await;
    let mut raised = Vec::new();
    for (s, to) in starts(&asked, &said) {
        let Some(named) = named(&session.core.gateway, &view, s) else { continue };
        raised.push((s.at(), named, to));
    }
    for (at, named, to) in raised {
        let (low, error) = raise(&session.core.gateway, named, to).await;
        trim::put(&mut answer, at, low, error.0);
    }
    session.reply(DELETE_RECORDS, &framed(&answer)).await
}

/// Where the partitions begin that a broker has said yes to. Of several entries for one the last counts, as with brokers
/// (`ReplicaManager.deleteRecords` takes a map); and none begins behind the low watermark that it names, whatever was asked.
fn starts<'a>(asked: &[Trim<'_>], said: &'a [Trim<'a>]) -> Vec<(&'a Trim<'a>, Offset)> {
    let asked: HashMap<_, _> = asked.iter().map(|a| ((a.topic, a.partition), a.offset)).collect();
    let start = |s: &'a Trim<'a>| {
        let asked = asked.get(&(s.topic, s.partition))?;
        // -1 stands for the high watermark, which is the low watermark then.
        Some((s, if asked.0 < 0 { s.offset } else { s.offset.min(*asked) }))
    };
    said.iter().filter(|s| s.error == 0).filter_map(start).collect()
}

/// Raises a partition's visible start. Whoever owns the partition at the time is fenced and takes it over again.
async fn raise(gateway: &Gateway, named: Named, to: Offset) -> (Offset, Code) {
    let Some(ready) = gateway.tier.get() else { return (Offset(-1), Code::REQUEST_TIMED_OUT) };
    let rules = Rules { segment_bytes: u32::MAX, segment_age: std::time::Duration::MAX, trim: None };
    let owner = format!("{} (DeleteRecords)", gateway.id);
    let raised = async {
        let mut offloader = Offloader::take_over(ready.tools.clone(), named.clone(), rules, &owner).await?;
        offloader.raise_start(to).await?;
        Ok::<_, tiering::offload::OffloadError>(offloader)
    };
    match raised.await {
        Ok(offloader) => {
            let start = offloader.manifest().start;
            ready.tier.publish(offloader.seq(), std::sync::Arc::new(offloader.manifest().clone()));
            (start, Code::NONE)
        }
        Err(e) => {
            // The brokers have dropped theirs; the tier's part stays visible until the client tries again, as it is told to.
            tracing::warn!(topic = %named.topic, partition = %named.id.partition, error = %e, "tier: DeleteRecords failed");
            (Offset(-1), Code::REQUEST_TIMED_OUT)
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka::api::DELETE_RECORDS;
    use kafka::wire::put_string;

    use super::*;

    /// A payload of version 0: entries of topic "t", with errors if it is an answer.
    fn payload(entries: &[(i32, i64)], is_answer: bool) -> Vec<u8> {
        let mut p = match is_answer {
            true => vec![0; 8],
            false => [&DELETE_RECORDS.to_be_bytes()[..], &[0, 0, 0, 0, 0, 1, 0xff, 0xff]].concat(),
        };
        p.extend(1i32.to_be_bytes());
        put_string(&mut p, "t", false);
        p.extend((entries.len() as i32).to_be_bytes());
        for (partition, offset) in entries {
            p.extend(partition.to_be_bytes());
            p.extend(offset.to_be_bytes());
            p.extend(if is_answer { &[0u8; 2][..] } else { &[] });
        }
        p.extend(if is_answer { &[][..] } else { &[0; 4] });
        p
    }

    fn starts_of(asked: &[(i32, i64)], said: &[(i32, i64)]) -> Vec<i64> {
        let (asked, said) = (payload(asked, false), payload(said, true));
        let (asked, said) = (trim::request(&asked, 0).expect("asked"), trim::answer(&said, 0).expect("said"));
        starts(&asked, &said).iter().map(|(_, to)| to.0).collect()
    }

    #[test]
    fn a_log_never_begins_behind_what_its_broker_says_and_of_two_wishes_the_last_counts() {
        assert_eq!(starts_of(&[(0, 100), (1, -1)], &[(0, 100), (1, 70)]), [100, 70]);
        assert_eq!(starts_of(&[(0, 100)], &[(0, 5000)]), [100], "brokers had dropped more than that");
        assert_eq!(starts_of(&[(0, 1 << 50), (0, 0)], &[(0, 0)]), [0]);
        assert_eq!(starts_of(&[(0, 0), (0, 100)], &[(0, 100)]), [100]);
        assert_eq!(starts_of(&[(0, 1 << 50)], &[(0, 300)]), [300]);
    }
}
