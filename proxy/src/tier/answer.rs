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
use tiering::read::Slice;
use tiering::source::Named;
use tiering::tier::Tier;
use tokio::time::Instant;

use crate::app::Gateway;
use crate::steer::held::{Claim, Held};
use crate::steer::legs;
use crate::view::View;

/// The most one answer brings from the tier, bytes; one batch always comes whole.
const BYTES_MAX: usize = 4 << 20;
/// Partitions whose first blocks are fetched side by side.
const WARM_MAX: usize = 4;
/// Partitions of one fetch that may go on being fetched after its answer.
const UNFINISHED_MAX: usize = 4;
/// How long the leaders may take to say where their logs end.
const ENDS_WAIT: Duration = Duration::from_millis(200);

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

/// What is asked of the tier.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a, 'b> {
    /// The client's request.
    pub request: &'b FetchRequest<'a>,
    /// The places in it of the partitions that the tier answers for.
    pub places: &'b [usize],
    /// Bytes of records, at most; one batch always comes whole.
    pub max_bytes: i32,
    /// What is not there after this is left out this time, and goes on being fetched.
    pub wait: Duration,
}

/// The payload of the answer, in the request's version; none where there is no tier yet, or no room for it.
pub async fn answer(gateway: &Gateway, view: &View, asked: &Asked<'_, '_>, claim: &Claim) -> Option<Held> {
    let ready = gateway.tier.get()?;
    let deadline = Instant::now() + asked.wait;
    // Clients that are slow to take large answers must not take the room that all others need.
    let most = if gateway.held.is_tight() { legs::BYTES_MAX as usize } else { BYTES_MAX };
    let said = all(&ready.tier, view, asked, most, deadline).await;
    if said.iter().all(|s| s.error.is_ok() && s.records.is_empty()) {
        // Whoever is told "nothing" asks again at once.
        tokio::time::sleep_until(deadline).await;
    }
    let (request, places) = (asked.request, asked.places);
    let partitions = places.iter().zip(&said).map(|(place, said)| partition(request, *place, said));
    let answer = Answer { throttle_ms: 0, error: 0, session_id: 0, partitions: partitions.collect() };
    let bytes: usize = said.iter().map(|s| s.records.len()).sum();
    let room = claim.take(bytes).await.ok()?;
    Some(Held::frame(answer.encode(request.version, 0), room))
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

/// One after another, as far as the bytes go: the first that has records gets at least one batch, the others what room is left. One that is slow
/// holds up nobody whose records are near; but when so many are, the rest has to come another time, lest one fetch begins thousands.
async fn all(
    tier: &Arc<Tier>,
    view: &View,
    asked: &Asked<'_, '_>,
    most: usize,
    deadline: Instant,
) -> Vec<Said> {
    let (request, places) = (asked.request, asked.places);
    warm(tier, view, request, places);
    let mut left = (asked.max_bytes.max(0) as usize).min(most);
    let (mut nothing_yet, mut unfinished) = (true, 0);
    let mut out = Vec::new();
    for place in places {
        let bytes = left.min(request.partitions[*place].max_bytes.max(0) as usize);
        if (left == 0 && !nothing_yet) || unfinished == UNFINISHED_MAX {
            out.push(not_this_time(tier, view, request, *place));
            continue;
        }
        let said =
            tokio::time::timeout_at(deadline, one(tier, view, request, *place, bytes, nothing_yet)).await;
        unfinished += usize::from(said.is_err());
        let said = said.unwrap_or_else(|_| not_this_time(tier, view, request, *place));
        nothing_yet &= said.records.is_empty();
        left = left.saturating_sub(said.records.len());
        out.push(said);
    }
    ends(tier, view, request, places, &mut out).await;
    out
}

/// What is said of a partition whose turn doesn't come.
fn not_this_time(tier: &Tier, view: &View, request: &FetchRequest<'_>, place: usize) -> Said {
    let empty = |(_, m): (Named, Arc<Manifest>)| Said { log_start: m.start, ..Said::error(Code::NONE) };
    check(tier, view, request, place).map_or_else(|said| said, empty)
}

/// Has the first few fetched side by side; the rest would push each other out of memory before their turn comes.
fn warm(tier: &Tier, view: &View, request: &FetchRequest<'_>, places: &[usize]) {
    for (named, p) in places.iter().take(WARM_MAX).filter_map(|place| known(view, request, *place)) {
        if let Some(m) = tier.manifest(named.id) {
            tier.reader.begin_warm(m, p.offset);
        }
    }
}

/// Says where the logs end whose records are in the answer. Who can't be asked now is asked again with the next fetch.
async fn ends(tier: &Arc<Tier>, view: &View, request: &FetchRequest<'_>, places: &[usize], out: &mut [Said]) {
    let mut asked = tokio::task::JoinSet::new();
    for (n, place) in places.iter().enumerate().filter(|(n, _)| !out[*n].records.is_empty()) {
        let Some((named, _)) = known(view, request, *place) else { continue };
        let tier = tier.clone();
        asked.spawn(async move { (n, tokio::time::timeout(ENDS_WAIT, tier.ends(&named)).await) });
    }
    while let Some(done) = asked.join_next().await {
        if let Ok((n, Ok(Ok((high_watermark, last_stable))))) = done {
            (out[n].high_watermark, out[n].last_stable) = (high_watermark, last_stable);
        }
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
    let (named, mut m) = match check(tier, view, request, place) {
        Ok(known) => known,
        Err(said) => return said,
    };
    let offset = request.partitions[place].offset;
    if offset >= m.end()
        && let Ok(Some(newer)) = tier.refresh(named.id).await
    {
        m = newer;
    }
    read(tier, &named, &m, offset, max_bytes, at_least_one).await
}

/// The partition and its manifest, or the error that a leader would answer without reading.
fn check(
    tier: &Tier,
    view: &View,
    request: &FetchRequest<'_>,
    place: usize,
) -> Result<(Named, Arc<Manifest>), Said> {
    let (named, p) =
        known(view, request, place).ok_or_else(|| Said::error(Code::UNKNOWN_TOPIC_OR_PARTITION))?;
    if let Some(error) = epoch_error(view, p) {
        return Err(Said::error(error));
    }
    let m = tier.manifest(named.id).ok_or_else(|| Said::error(Code::NOT_LEADER_OR_FOLLOWER))?;
    if p.offset < m.start {
        // It may have been raised lately, but it never falls: what this gateway knows is enough to refuse.
        return Err(Said { log_start: m.start, ..Said::error(Code::OFFSET_OUT_OF_RANGE) });
    }
    Ok((named, m))
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
            tracing::warn!(topic = %named.topic, partition = %named.id.partition, offset = offset.0, error = %e, "tier: cannot read");
            return Said::error(Code::KAFKA_STORAGE_ERROR);
        }
    };
    if let Some(slice) = slice.as_ref().filter(|_| offset >= m.trimmed)
        && !is_the_leaders(tier, named, m, offset, slice).await
    {
        return Said { log_start: m.start, ..Said::error(Code::NONE) };
    }
    let slice = match slice {
        None => beyond(tier, named, m, offset, max_bytes).await,
        slice => slice,
    };
    let (records, aborted) = slice.map(|s| (s.records, s.aborted)).unwrap_or_default();
    Said { log_start: m.start, aborted, records, ..Said::error(Code::NONE) }
}

/// What brokers were told to drop is the tier's alone. Of what lies behind that the leader has a copy, unless its own retention was faster; if it has
/// neither dropped it nor has it, an unclean election replaced it, and nobody is given it until the tier has followed.
async fn is_the_leaders(tier: &Tier, named: &Named, m: &Manifest, offset: Offset, slice: &Slice) -> bool {
    tier.agrees(named, m, offset, slice.end).await.unwrap_or(false)
}

/// What follows a range that nobody has, where brokers have it: readers skip over holes, as over those that compaction leaves.
async fn beyond(tier: &Tier, named: &Named, m: &Manifest, offset: Offset, max_bytes: usize) -> Option<Slice> {
    let to = m.gap_end(offset)?;
    let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX).max(1);
    tier.beyond(named, to, max_bytes).await.ok()
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
