//! The tier's leg of a Fetch: answered as the leader would answer if it still had the records.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka::code::Code;
use kafka::fetch::answer::{Answer, PartitionAnswer};
use kafka::fetch::request::{FetchPartition, FetchRequest};
use kafka::types::{LeaderEpoch, Offset};
use tiering::PartitionId;
use tiering::manifest::Manifest;
use tiering::source::Named;
use tiering::tier::Tier;

use crate::app::Gateway;
use crate::steer::held::Held;
use crate::view::View;

/// The most one answer brings from the tier, bytes; one batch always comes whole.
const BYTES_MAX: usize = 8 << 20;

/// What the tier says of one partition.
struct Said {
    error: Code,
    high_watermark: Offset,
    last_stable: Offset,
    log_start: Offset,
    aborted: Vec<(i64, i64)>,
    records: Bytes,
}

impl Said {
    fn error(error: Code) -> Self {
        let unknown = Offset(-1);
        Self {
            error,
            high_watermark: unknown,
            last_stable: unknown,
            log_start: unknown,
            aborted: Vec::new(),
            records: Bytes::new(),
        }
    }
}

/// The payload of the answer for the partitions at `places`, in the request's version, of `max_bytes` of records. Where the store takes longer than `wait`, "nothing new": what
/// is being fetched goes on being fetched.
pub async fn answer(
    gateway: &Gateway,
    view: &View,
    request: &FetchRequest<'_>,
    places: &[usize],
    max_bytes: i32,
    wait: Duration,
) -> Option<Held> {
    let ready = gateway.tier.get()?;
    let said = tokio::time::timeout(wait, all(&ready.tier, view, request, places, max_bytes)).await;
    let said = said.unwrap_or_else(|_| places.iter().map(|_| Said::error(Code::NONE)).collect());
    let partitions = places.iter().zip(&said).map(|(place, said)| partition(request, *place, said));
    let answer = Answer { throttle_ms: 0, error: 0, session_id: 0, partitions: partitions.collect() };
    let bytes: usize = said.iter().map(|s| s.records.len()).sum();
    let room = gateway.held.take(bytes).await;
    let mut frame = answer.encode(request.version, 0);
    frame.drain(..kafka::header::LENGTH_PREFIX);
    Some(Held::new(frame, room))
}

fn partition<'a>(request: &FetchRequest<'a>, place: usize, said: &'a Said) -> PartitionAnswer<'a> {
    let p = &request.partitions[place];
    PartitionAnswer {
        error: said.error.0,
        high_watermark: said.high_watermark.0,
        last_stable_offset: said.last_stable.0,
        log_start_offset: said.log_start.0,
        aborted: (request.isolation_level == 1 && said.error.is_ok()).then(|| said.aborted.clone()),
        records: &said.records,
        ..PartitionAnswer::empty(p.topic, p.partition)
    }
}

/// All of them at once. The first that has records gets at least one batch; the others what room is left.
async fn all(
    tier: &Arc<Tier>,
    view: &View,
    request: &FetchRequest<'_>,
    places: &[usize],
    max_bytes: i32,
) -> Vec<Said> {
    let mut left = (max_bytes.max(0) as usize).min(BYTES_MAX);
    let mut nothing_yet = true;
    // What they need is fetched side by side; how much each may bring depends on those before it.
    let mut reads = tokio::task::JoinSet::new();
    for place in places {
        if let Some((named, p)) = known(view, request, *place) {
            let (tier, offset) = (tier.clone(), p.offset);
            reads.spawn(async move { warm(&tier, named.id, offset).await });
        }
    }
    while reads.join_next().await.is_some() {}
    let mut out = Vec::new();
    for place in places {
        let p = &request.partitions[*place];
        let bytes = left.min(p.max_bytes.max(0) as usize);
        let said = one(tier, view, request, *place, bytes, nothing_yet).await;
        nothing_yet &= said.records.is_empty();
        left = left.saturating_sub(said.records.len());
        out.push(said);
    }
    out
}

/// Has the block fetched that a read will want.
async fn warm(tier: &Tier, p: PartitionId, offset: Offset) {
    if let Some(m) = tier.manifest(p) {
        // Whatever is wrong, the read itself finds out.
        let _warmed = tier.reader.read(&m, offset, 1, true).await;
    }
}

fn known<'a, 'b>(
    view: &View,
    request: &'b FetchRequest<'a>,
    place: usize,
) -> Option<(Named, &'b FetchPartition<'a>)> {
    let p = &request.partitions[place];
    let topic = view.topic(p.topic)?;
    let id = PartitionId { topic: topic.id, partition: p.partition };
    Some((Named { topic: topic.name.clone(), id }, p))
}

async fn one(
    tier: &Tier,
    view: &View,
    request: &FetchRequest<'_>,
    place: usize,
    max_bytes: usize,
    at_least_one: bool,
) -> Said {
    let Some((named, p)) = known(view, request, place) else {
        return Said::error(Code::UNKNOWN_TOPIC_OR_PARTITION);
    };
    if let Some(error) = epoch_error(view, p) {
        return Said::error(error);
    }
    let Some(mut m) = tier.manifest(named.id) else { return Said::error(Code::NOT_LEADER_OR_FOLLOWER) };
    if p.offset < m.start {
        // It may have been raised lately, but it never falls: what this gateway knows is enough to refuse.
        return Said { log_start: m.start, ..Said::error(Code::OFFSET_OUT_OF_RANGE) };
    }
    if p.offset >= m.end()
        && let Ok(Some(newer)) = tier.refresh(named.id).await
    {
        m = newer;
    }
    read(tier, &named, &m, p.offset, max_bytes, at_least_one).await
}

async fn read(
    tier: &Tier,
    named: &Named,
    m: &Manifest,
    offset: Offset,
    max_bytes: usize,
    at_least_one: bool,
) -> Said {
    let slice = match tier.reader.read(m, offset, max_bytes, at_least_one).await {
        Ok(slice) => slice,
        Err(e) => {
            tracing::warn!(topic = %named.topic, partition = %named.id.partition, offset = offset.0, "tier: {e}");
            return Said::error(Code::KAFKA_STORAGE_ERROR);
        }
    };
    // A client must know where the log ends; who can't be asked now is asked again with the next fetch.
    let (high_watermark, last_stable) = tier.ends(named).await.unwrap_or((Offset(-1), Offset(-1)));
    let (records, aborted) = slice.map(|s| (s.records, s.aborted)).unwrap_or_default();
    Said { error: Code::NONE, high_watermark, last_stable, log_start: m.start, aborted, records }
}

/// A client that believes in another leader epoch than the cluster's is told so, as by the leader (KIP-320).
fn epoch_error(view: &View, p: &FetchPartition<'_>) -> Option<Code> {
    let current = view.partition(p.topic, p.partition)?.epoch;
    match p.current_leader_epoch {
        LeaderEpoch(-1) => None,
        _ if current == LeaderEpoch(-1) => None,
        asked if asked < current => Some(Code::FENCED_LEADER_EPOCH),
        asked if asked > current => Some(Code::UNKNOWN_LEADER_EPOCH),
        _ => None,
    }
}
