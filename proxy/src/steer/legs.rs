//! Fetches that the gateway makes on a client's behalf: one leg per broker and one for the tier, all under way together.

use std::time::{Duration, Instant, SystemTime};

use kafka::fetch::request::{Ask, FetchRequest, VERSION_FOLLOWERS, encode};
use kafka::header::{LENGTH_PREFIX, framed, key_of};
use kafka::types::BrokerId;

use crate::app::Gateway;
use crate::ledger::Leg as Way;
use crate::session::Session;
use crate::session::fault::Fault;
use crate::steer::held::{Claim, Held};
use crate::steer::plan::{Leg, Server};
use crate::steer::side::{Side, SideError};
use crate::tier;
use crate::view::View;

/// The longest a fetch on behalf waits for data, whatever the client asked: an empty answer is always right.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Where several brokers are asked, each waits this long at a time, so that data on one is not held up by silence on
/// another.
const SLICE: Duration = Duration::from_millis(100);
/// The most one answer on behalf brings. One batch always comes whole. So small that the socket's own buffers take it
/// from us even if the client is busy, so that slow clients hold no memory here.
pub const BYTES_MAX: i32 = 1 << 20;
/// The tier gets at least so long: a block that is in memory is read in much less.
const TIER_WAIT_MIN: Duration = Duration::from_millis(20);
/// What a broker gets on top of the wait it was asked for.
const GRACE: Duration = Duration::from_secs(2);

/// The payloads the legs brought, in their order; `None` where a leg failed.
pub type Payloads = Vec<Option<Held>>;

/// Asks all legs until enough bytes are there or the client's wait is over.
pub async fn run(
    session: &mut Session,
    view: &View,
    request: &FetchRequest<'_>,
    legs: &[Leg],
    enough: impl Fn(&Payloads) -> bool,
) -> Result<Payloads, Fault> {
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64).min(WAIT_MAX);
    let (started, alone) = (Instant::now(), legs.len() == 1);
    let mut slice = if alone { wait } else { Duration::ZERO };
    loop {
        let payloads = round(session, view, request, legs, slice).await?;
        let left = wait.saturating_sub(started.elapsed());
        if alone || left.is_zero() || payloads.iter().any(Option::is_none) || enough(&payloads) {
            return Ok(payloads);
        }
        slice = left.min(SLICE);
    }
}

async fn round(
    session: &mut Session,
    view: &View,
    request: &FetchRequest<'_>,
    legs: &[Leg],
    wait: Duration,
) -> Result<Payloads, Fault> {
    let mut sides = Vec::new();
    for leg in legs {
        sides.push(match leg.from {
            Server::Broker(broker) if broker != session.core.own => open(session, broker).await,
            _ => None,
        });
    }
    let mark = session.core.traces.mark();
    let frames: Vec<_> = legs.iter().map(|leg| frame(session, request, leg, legs.len(), wait)).collect();
    let claim = session.core.gateway.held.claim();
    let mut others = tokio::task::JoinSet::new();
    for (place, side) in sides.into_iter().enumerate() {
        let Some(mut side) = side else { continue };
        let (frame, gateway) = (frames[place].clone(), session.core.gateway.clone());
        let claim = claim.clone();
        others.spawn(async move {
            let answer = ask(&gateway, &mut side, &frame, &claim, wait + GRACE).await;
            (place, side, answer, SystemTime::now())
        });
    }
    let mut payloads: Payloads = legs.iter().map(|_| None).collect();
    let gateway = session.core.gateway.clone();
    let at = |from| legs.iter().position(|l| l.from == from);
    let (own, tier) = (at(Server::Broker(session.core.own)), at(Server::Tier));
    let ask_own = async {
        match own {
            Some(place) => session.ask_own_for(&claim, &frames[place][LENGTH_PREFIX..]).await.map(Some),
            None => Ok(None),
        }
    };
    let ask_tier = async {
        let leg = tier.map(|place| &legs[place])?;
        let bytes = request.max_bytes / legs.len() as i32;
        let wait = wait.max(TIER_WAIT_MIN);
        let asked = tier::answer::Asked { request, places: &leg.partitions, max_bytes: bytes, wait };
        let said = tier::answer::answer(&gateway, view, &asked, &claim).await?;
        Some((said, SystemTime::now()))
    };
    let (from_own, from_tier) = tokio::join!(ask_own, ask_tier);
    if let Some(place) = own {
        payloads[place] = from_own?;
    }
    if let Some(place) = tier {
        payloads[place] = from_tier.map(|(said, until)| {
            session.core.traces.tier(mark, until, said.len());
            said
        });
    }
    while let Some(done) = others.join_next().await {
        let Ok((place, side, answer, until)) = done else { continue };
        let bytes = answer.as_ref().ok().map(|a| a.len());
        session.core.trace_asked_until(side.broker, mark, until, bytes);
        payloads[place] = settle(session, side, kafka::api::FETCH, frames[place].len(), answer);
    }
    Ok(payloads)
}

/// Asks another broker one question (a request's payload) under the gateway's own identity; `None` if it could not
/// be asked.
pub async fn ask_once(
    session: &mut Session,
    claim: &Claim,
    broker: BrokerId,
    payload: &[u8],
    wait: Duration,
) -> Option<Held> {
    let mut side = open(session, broker).await?;
    let frame = framed(payload);
    let gateway = session.core.gateway.clone();
    let mark = session.core.traces.mark();
    let answer = ask(&gateway, &mut side, &frame, claim, wait).await;
    session.core.trace_asked(broker, mark, answer.as_ref().ok().map(|a| a.len()));
    settle(session, side, key_of(payload), frame.len(), answer)
}

/// Asks, and asks once more over a new connection if the old one turns out to have been ended meanwhile.
async fn ask(
    gateway: &Gateway,
    side: &mut Side,
    frame: &[u8],
    claim: &Claim,
    wait: Duration,
) -> Result<Held, SideError> {
    let used = side.used;
    match side.ask(frame, claim, wait).await {
        Err(SideError::Io(_)) if used => {
            *side = dial(gateway, side.broker).await?;
            side.ask(frame, claim, wait).await
        }
        answer => answer,
    }
}

async fn dial(gateway: &Gateway, broker: BrokerId) -> Result<Side, SideError> {
    let view = gateway.cluster.view();
    let b = view.brokers.get(&broker).ok_or_else(|| SideError::Open("unknown broker".to_owned()))?;
    let stream = gateway.open_as_ourselves(&b.host, b.port).await;
    stream.map(|s| Side::new(broker, s)).map_err(|e| SideError::Open(e.to_string()))
}

/// Counts the bytes of a leg and keeps its connection for the next time if it is still sound.
fn settle(
    session: &mut Session,
    side: Side,
    key: i16,
    asked: usize,
    answer: Result<Held, SideError>,
) -> Option<Held> {
    let gateway = session.core.gateway.clone();
    let view = gateway.cluster.view();
    let zone = view.zone_of(side.broker).cloned().unwrap_or_else(|| gateway.unknown_zone.clone());
    let account = gateway.ledger.account(&session.core.zone, &zone);
    account.add(Way::GatewayToBroker, key, asked);
    match answer {
        Ok(payload) => {
            account.add(Way::BrokerToGateway, key, LENGTH_PREFIX + payload.len());
            session.core.steering.get_or_insert_default().sides.push(side);
            Some(payload)
        }
        Err(e) => {
            gateway.rejects.side_failed(side.broker, &e);
            gateway.cluster.nudge();
            None
        }
    }
}

/// The connection to a broker, an open one if there is one.
async fn open(session: &mut Session, broker: BrokerId) -> Option<Side> {
    let sides = &mut session.core.steering.get_or_insert_default().sides;
    if let Some(at) = sides.iter().position(|s| s.broker == broker) {
        return Some(sides.swap_remove(at));
    }
    let gateway = session.core.gateway.clone();
    match dial(&gateway, broker).await {
        Ok(side) => Some(side),
        Err(e) => {
            gateway.rejects.side_failed(broker, &e);
            gateway.cluster.nudge();
            None
        }
    }
}

/// The version a leg is asked in: the client's, unless a follower needs a newer one.
pub fn version_of(request: &FetchRequest<'_>, leg: &Leg, own: BrokerId) -> i16 {
    match leg.from {
        Server::Broker(broker) if broker != own => request.version.max(VERSION_FOLLOWERS),
        _ => request.version,
    }
}

fn frame(session: &Session, request: &FetchRequest<'_>, leg: &Leg, legs: usize, wait: Duration) -> Vec<u8> {
    let ask = Ask {
        version: version_of(request, leg, session.core.own),
        correlation_id: 0,
        max_wait_ms: wait.as_millis() as i32,
        min_bytes: request.min_bytes,
        max_bytes: request.max_bytes.min(BYTES_MAX) / legs as i32,
        isolation_level: request.isolation_level,
    };
    let partitions: Vec<_> = leg.partitions.iter().map(|i| &request.partitions[*i]).collect();
    encode(ask, request.client_id, &partitions)
}
