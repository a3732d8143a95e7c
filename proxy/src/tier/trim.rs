//! DeleteRecords by users of a topic whose history is in the tier: the broker answers first, under the client's own name, so that rights and bounds
//! are its own; then the visible log's start is raised durably; then the client is told.

use kafka::code::Code;
use kafka::fetch::request::TopicRef;
use kafka::header::{LENGTH_PREFIX, framed};
use kafka::trim::{self, Trim};
use kafka::types::Offset;
use kafka::wire::WireError;
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

fn wrong(e: WireError) -> Fault {
    Fault::Answer(e.to_string())
}

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
    let asked = trim::request(payload, version).map_err(wrong)?;
    session.core.traces.decided("trim");
    let mut answer = session.ask_own(payload).await?.to_vec();
    let said = trim::answer(&answer, version).map_err(wrong)?;
    let view = tier::learned(&session.core.gateway, said.iter().map(|s| s.topic)).await;
    let mut raised = Vec::new();
    for s in said.iter().filter(|s| s.error == 0) {
        let asked = asked.iter().find(|a| (a.topic, a.partition) == (s.topic, s.partition));
        let Some((named, asked)) = named(&session.core.gateway, &view, s).zip(asked) else { continue };
        // -1 stands for the high watermark, which the broker's answer names.
        let to = if asked.offset.0 < 0 { s.offset } else { asked.offset };
        raised.push((s.at(), named, to));
    }
    for (at, named, to) in raised {
        let (low, error) = raise(&session.core.gateway, named, to).await;
        trim::put(&mut answer, at, low, error.0);
    }
    session.reply(&framed(&answer)).await
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
