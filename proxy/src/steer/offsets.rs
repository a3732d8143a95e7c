//! ListOffsets and OffsetForLeaderEpoch from clients that ask the broker they read from.
//!
//! Only a partition's leader answers these. A client that was pointed to a follower, or whose broker another stands in
//! for, may ask here all the same (librdkafka before 2.6.1 does): the gateway asks the
//! leaders then, for partitions that the client's own connection may read.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::fetch::request::{Ask, FetchPartition, FetchRequest, TopicRef, encode};
use kafka::header::{LENGTH_PREFIX, framed};
use kafka::offsets::{Item, Request};
use kafka::types::{BrokerId, CorrelationId, LeaderEpoch, Offset};

use crate::session::Session;
use crate::session::core::Core;
use crate::session::fault::Fault;
use crate::steer::held::Held;
use crate::steer::{legs, rights};
use crate::tier;
use crate::view::View;

/// How long a leader may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The version of the rights probe: names topics, and followers answer it.
const PROBE_VERSION: i16 = 11;

/// Whether the request goes on to the broker as it is: on any connection that isn't steered, and wherever the broker
/// leads something of what is asked about, so that its answer stands.
pub fn forwards(core: &Core, request: &Request<'_>) -> bool {
    if tier::offsets::concerns(core, request) {
        return false;
    }
    if !core.is_steered() || request.items.is_empty() {
        return true;
    }
    let view = core.gateway.cluster.view();
    request.items.iter().any(|item| leader(&view, item).is_none_or(|l| l == core.own))
}

fn leader(view: &View, item: &Item<'_>) -> Option<BrokerId> {
    view.partition(TopicRef::Name(item.topic), item.partition)?.leader
}

/// Answers the request in `frame` (prefix included) from the leaders.
pub async fn answer(session: &mut Session, frame: &[u8]) -> Result<(), Fault> {
    let payload = &frame[LENGTH_PREFIX..];
    let (key, version) =
        (i16::from_be_bytes([payload[0], payload[1]]), i16::from_be_bytes([payload[2], payload[3]]));
    let Some(request) = Request::parse(payload, key, version).map_err(Fault::answer)? else {
        return forward(session, frame, key, version).await;
    };
    // Who asks at a leader, or at a broker that will say that it isn't one, is answered by it.
    if !session.core.is_steered() {
        session.core.traces.decided("overlay");
        let own = session.ask_own(payload).await?;
        return reply(session, &request, own.to_vec()).await;
    }
    session.core.traces.decided("legs");
    let asked = match may_read_all(session, &request).await? {
        true => ask_leaders(session, &request).await?,
        false => None,
    };
    let Some(answers) = asked else { return forward(session, frame, key, version).await };
    let mut items = Vec::new();
    for answer in &answers {
        items.extend(request.answer(answer).map_err(Fault::answer)?);
    }
    let mut frame = request.join(&items);
    reply(session, &request, frame.split_off(LENGTH_PREFIX)).await
}

/// Answers with a payload, after the tier has said what it knows better.
async fn reply(session: &mut Session, request: &Request<'_>, mut payload: Vec<u8>) -> Result<(), Fault> {
    let gateway = session.core.gateway.clone();
    if gateway.tier.is_configured() {
        let view = tier::learned(&gateway, request.items.iter().map(|i| i.topic)).await;
        tier::offsets::overlay(&gateway.tier, &view, request, &mut payload).await;
    }
    session.reply(request.key(), &framed(&payload)).await
}

/// The client's own broker answers after all: with its refusal, or with an error that makes the client look for the
/// leader itself.
async fn forward(session: &mut Session, frame: &[u8], key: i16, version: i16) -> Result<(), Fault> {
    let id = i32::from_be_bytes([frame[8], frame[9], frame[10], frame[11]]);
    session.core.expect(Some(CorrelationId(id)), key, version);
    session.send_own(frame).await
}

async fn may_read_all(session: &mut Session, request: &Request<'_>) -> Result<bool, Fault> {
    let partitions: Vec<_> = request.items.iter().map(|i| probe_of(i)).collect();
    let ask = Ask {
        version: PROBE_VERSION,
        correlation_id: 0,
        max_wait_ms: 0,
        min_bytes: 0,
        max_bytes: 1,
        isolation_level: 0,
    };
    let probe = encode(ask, "tidegate", &partitions.iter().collect::<Vec<_>>());
    let payload = &probe[LENGTH_PREFIX..];
    let as_fetch = FetchRequest::parse(payload, PROBE_VERSION).map_err(Fault::answer)?;
    Ok(rights::allowed(session, payload, &as_fetch).await?.into_iter().all(|yes| yes))
}

fn probe_of<'a>(item: &Item<'a>) -> FetchPartition<'a> {
    FetchPartition::new(TopicRef::Name(item.topic), item.partition, Offset(1 << 62), LeaderEpoch(-1), 1)
}

/// The leaders' answers; `None` if one of them could not be asked.
async fn ask_leaders(session: &mut Session, request: &Request<'_>) -> Result<Option<Vec<Held>>, Fault> {
    let view = session.core.gateway.cluster.view();
    let mut by_leader = BTreeMap::<BrokerId, Vec<usize>>::new();
    for (place, item) in request.items.iter().enumerate() {
        let Some(leader) = leader(&view, item) else { return Ok(None) };
        by_leader.entry(leader).or_default().push(place);
    }
    let claim = session.core.gateway.held.claim();
    let mut answers = Vec::new();
    for (leader, places) in by_leader {
        let part = request.part(&places);
        let answer = match leader == session.core.own {
            true => Some(session.ask_own_for(&claim, &part).await?),
            false => legs::ask_once(session, &claim, leader, &part, PATIENCE).await,
        };
        let Some(answer) = answer else { return Ok(None) };
        answers.push(answer);
    }
    Ok(Some(answers))
}
