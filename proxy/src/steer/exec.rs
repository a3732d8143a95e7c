//! Does what [`plan`](crate::steer::plan) decided for a Fetch that does not simply go on to the broker.
//!
//! Nothing else is under way on the connection meanwhile, as on a broker, which works on one request per connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka::api::{DELETE_RECORDS, FETCH, SASL_AUTHENTICATE, SASL_HANDSHAKE};
use kafka::fetch::answer::{Answer, PartitionAnswer};
use kafka::fetch::request::FetchRequest;
use kafka::header::{LENGTH_PREFIX, key_of};
use kafka::types::{BrokerId, CorrelationId};
use opentelemetry::KeyValue;

use crate::metrics::Served;
use crate::session::Session;
use crate::session::fault::Fault;
use crate::session::sasl;
use crate::steer::legs::{self, version_of};
use crate::steer::merge::{Outcome, merge, record_bytes};
use crate::steer::plan::{Leg, Plan, Server, is_behind, plan};
use crate::steer::{OFFSET_OUT_OF_RANGE, may_be_in_tier};
use crate::steer::{facts, has_gateway, is_follower_trouble, note_forward, offsets, reads_zone, rights};
use crate::tier::trim;
use crate::view::View;
use crate::view::interest::TopicKey;

/// How long a fetch waits for topics that the view doesn't know yet.
const LEARN_WAIT: Duration = Duration::from_millis(500);
/// What sockets take from us even if the client is busy, bytes: a leg of a broker brings no more.
const SOCKET_TAKES: usize = 2 << 20;
/// How often one fetch is planned anew because a broker was in trouble.
const ROUNDS_MAX: usize = 3;
/// How long to wait for a view made after a broker was in trouble.
const REFRESH_WAIT: Duration = Duration::from_secs(1);

/// Which try a plan is.
#[derive(Clone, Copy, Debug)]
struct Tries {
    first: bool,
    last: bool,
}

/// Pause before an answer without anything, where nobody could serve: the client would ask again at once.
const CALM: Duration = Duration::from_millis(100);

/// Answers the request in `frame` (prefix included).
pub async fn intercept(session: &mut Session, frame: Vec<u8>) -> Result<(), Fault> {
    let answered = by_api(session, frame).await;
    session.core.traces.done(&answered);
    answered
}

async fn by_api(session: &mut Session, frame: Vec<u8>) -> Result<(), Fault> {
    match frame.get(LENGTH_PREFIX..).map_or(-1, key_of) {
        FETCH => fetch(session, frame).await,
        SASL_HANDSHAKE | SASL_AUTHENTICATE => sasl::refuse(session, &frame).await,
        DELETE_RECORDS => trim::answer(session, &frame).await,
        _ => offsets::answer(session, &frame).await,
    }
}

async fn fetch(session: &mut Session, frame: Vec<u8>) -> Result<(), Fault> {
    let payload = &frame[LENGTH_PREFIX..];
    let version = i16::from_be_bytes([payload[2], payload[3]]);
    let request = FetchRequest::parse(payload, version).map_err(Fault::answer)?;
    let (mut view, mut learned, mut looked) = (session.core.gateway.cluster.view(), false, false);
    if is_behind(&view, &request) {
        let mark = session.core.traces.mark();
        view = session.core.gateway.cluster.second_opinion(REFRESH_WAIT).await;
        session.core.traces.step("doubt", mark, Vec::new);
    }
    for round in 1.. {
        match decide(session, &view, &request, (learned, looked)) {
            Plan::Learn(mut topics) => {
                // Only what this client may read is worth knowing, and only such names reach our own requests.
                let allowed = rights::allowed(session, payload, &request).await?;
                let may_read = |t: &TopicKey| {
                    request.partitions.iter().zip(&allowed).any(|(p, yes)| *yes && p.topic == t.as_ref())
                };
                topics.retain(may_read);
                let mark = session.core.traces.mark();
                view = session.core.gateway.cluster.learn(&topics, LEARN_WAIT).await;
                session.core.traces.step("learn", mark, Vec::new);
                learned = true;
            }
            Plan::Look(places) => {
                let mark = session.core.traces.mark();
                let found = look(&session.core.gateway.clone(), &view, &request, &places).await;
                session.core.traces.step("look", mark, Vec::new);
                if !found {
                    return nothing_yet(session, payload, &request).await;
                }
                looked = true;
            }
            Plan::Forward => return forward(session, &view, &frame, &request).await,
            Plan::Flush => {
                return match may_know(session, payload, &request).await? {
                    true => flush(session, payload, &request).await,
                    false => forward(session, &view, &frame, &request).await,
                };
            }
            Plan::Hint(targets) => return hint(session, &view, payload, &request, &targets).await,
            Plan::Legs(legs) => {
                let tries = Tries { first: round == 1, last: round >= ROUNDS_MAX };
                if on_behalf(session, &view, payload, &request, &legs, tries).await? {
                    return Ok(());
                }
                let mark = session.core.traces.mark();
                view = session.core.gateway.cluster.refreshed(REFRESH_WAIT).await;
                session.core.traces.step("refresh", mark, Vec::new);
            }
        }
    }
    Ok(())
}

/// Looks for newer manifests of the partitions at `places`. False if that could not be done: then nobody can say that an offset is nowhere.
async fn look(
    gateway: &crate::app::Gateway,
    view: &View,
    request: &FetchRequest<'_>,
    places: &[usize],
) -> bool {
    let Some(ready) = gateway.tier.get() else { return false };
    for place in places {
        let p = &request.partitions[*place];
        let Some(topic) = view.topic(p.topic).map(|t| t.id) else { return false };
        let looked = ready.tier.refresh(tiering::PartitionId { topic, partition: p.partition }).await;
        if let Err(e) = looked {
            tracing::warn!(partition = %p.partition, error = %e, "tier: cannot look for what it holds");
            return false;
        }
    }
    true
}

/// "Nothing new" for every partition asked for, after a pause: the client would ask again at once.
async fn nothing_yet(session: &mut Session, payload: &[u8], request: &FetchRequest<'_>) -> Result<(), Fault> {
    tokio::time::sleep(CALM).await;
    let partitions = request.partitions.iter().map(|p| PartitionAnswer::empty(p.topic, p.partition));
    let answer = Answer { throttle_ms: 0, error: 0, session_id: 0, partitions: partitions.collect() };
    session.reply(FETCH, &answer.encode(request.version, correlation_id(payload))).await
}

fn decide(session: &mut Session, view: &View, request: &FetchRequest<'_>, done: (bool, bool)) -> Plan {
    let mark = session.core.traces.mark();
    let tier = session.core.gateway.tier.extents(view, request);
    let plan = match &session.core.steering {
        Some(s) => plan(&facts(&session.core, view, &s.memory, &tier, done), request),
        None => Plan::Forward,
    };
    let traces = &mut session.core.traces;
    traces.step("plan", mark, || vec![KeyValue::new("tidegate.decision", plan.name())]);
    traces.decided(plan.name());
    plan
}

fn correlation_id(payload: &[u8]) -> i32 {
    i32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]])
}

async fn forward(
    session: &mut Session,
    view: &Arc<View>,
    frame: &[u8],
    request: &FetchRequest<'_>,
) -> Result<(), Fault> {
    note_forward(&mut session.core, view, request);
    let id = CorrelationId(correlation_id(&frame[LENGTH_PREFIX..]));
    session.core.expect(Some(id), kafka::api::FETCH, request.version);
    session.send_own(frame).await
}

/// Whether the client may know that something it lists is due elsewhere, and so is there. If it may read none of it, its broker says so itself.
async fn may_know(session: &mut Session, payload: &[u8], request: &FetchRequest<'_>) -> Result<bool, Fault> {
    let listed = !request.partitions.is_empty();
    Ok(!listed || rights::allowed(session, payload, request).await?.contains(&true))
}

async fn flush(session: &mut Session, payload: &[u8], request: &FetchRequest<'_>) -> Result<(), Fault> {
    session.core.steering.get_or_insert_default().memory.flushed(Instant::now());
    let answer = Answer { throttle_ms: 0, error: 0, session_id: 0, partitions: Vec::new() };
    session.reply(FETCH, &answer.encode(request.version, correlation_id(payload))).await
}

/// The leader is asked for next to nothing, under the client's own name: so its errors, the client's rights and the
/// offset's place in the log are its word, for this very fetch. Where it has nothing to object, the client is pointed
/// to the replica in its zone.
async fn hint(
    session: &mut Session,
    view: &View,
    payload: &[u8],
    request: &FetchRequest<'_>,
    targets: &[Option<BrokerId>],
) -> Result<(), Fault> {
    // A broker with a selector would point partitions that are to stay here elsewhere, too.
    let zone = reads_zone(&session.core).clone();
    let rack = targets.iter().all(Option::is_some).then_some(zone.as_str());
    let peeked = session.ask_own(&request.peek(payload, rack)).await?;
    let mut answer = Answer::parse(&peeked, request.version).map_err(Fault::answer)?;
    let (now, places) = (Instant::now(), answer.places());
    let (own, sound) = (session.core.own, answer.error == 0);
    let memory = &mut session.core.steering.get_or_insert_default().memory;
    for (p, target) in request.partitions.iter().zip(targets) {
        let said = places.get(&(p.topic, p.partition)).map(|place| &mut answer.partitions[*place]);
        let Some(said) = said.filter(|_| sound) else { continue };
        let follows = view.partition(p.topic, p.partition).is_some_and(|v| v.leader != Some(own));
        match target {
            Some(replica) if said.error == 0 => {
                *said = said.hint(*replica);
                memory.hinted(p.topic, p.partition, now);
            }
            // Read here from a follower, beside partitions that are led here: its trouble is hidden here, too.
            None if follows && is_follower_trouble(said.error) => {
                *said = PartitionAnswer::empty(p.topic, p.partition);
                session.core.gateway.counters.hidden();
                memory.trouble(p.topic, p.partition, own, now);
            }
            _ => {}
        }
    }
    // A leader that lacks an offset may have dropped what the tier holds.
    hide_cold(session, &mut answer);
    if answer.partitions.iter().any(|a| a.error != 0) {
        session.core.gateway.cluster.nudge();
    }
    answer.session_id = 0;
    let served = if has_gateway(&session.core) { Served::Hinted } else { Served::CrossZoneNoGateway };
    session.core.served(served);
    session.reply(FETCH, &answer.encode(request.version, correlation_id(payload))).await
}

/// Fetches from other brokers and answers in the client's version. False if somebody was in trouble, nothing came of
/// it, and another try is left.
async fn on_behalf(
    session: &mut Session,
    view: &Arc<View>,
    payload: &[u8],
    request: &FetchRequest<'_>,
    legs: &[Leg],
    tries: Tries,
) -> Result<bool, Fault> {
    let own = session.core.own;
    let allowed = rights::allowed(session, payload, request).await?;
    let legs = own_where_refused(legs, own, &allowed);
    let min_bytes = request.min_bytes.max(0) as usize;
    let parse = |leg: &Leg, payload: &'_ [u8]| -> Option<usize> {
        let answer = Answer::parse(payload, version_of(request, leg, own)).ok()?;
        let failed = answer.error != 0 || answer.partitions.iter().any(|p| p.error != 0);
        Some(if failed { min_bytes } else { record_bytes(&answer) })
    };
    let payloads = legs::run(session, view, request, &legs, |payloads| {
        let sizes = payloads.iter().zip(&legs).filter_map(|(p, leg)| parse(leg, p.as_deref()?));
        sizes.sum::<usize>() >= min_bytes
    })
    .await?;
    let mut outcomes: Vec<Outcome<'_>> = Vec::with_capacity(legs.len());
    for (leg, payload) in legs.iter().zip(&payloads) {
        let version = version_of(request, leg, own);
        let answer =
            payload.as_deref().map(|p| Answer::parse(p, version)).transpose().map_err(Fault::answer)?;
        outcomes.push((leg.from, &leg.partitions, answer));
    }
    let mark = session.core.traces.mark();
    let mut merged = merge(view, own, request, &outcomes, !tries.first);
    session.core.traces.step("merge", mark, Vec::new);
    if hide_cold(session, &mut merged.answer) && !tries.last {
        return Ok(false);
    }
    note_troubles(session, view, request, &merged.troubles);
    let nothing = record_bytes(&merged.answer) == 0 && merged.answer.partitions.iter().all(|p| p.error == 0);
    if merged.unconfirmed && !tries.last {
        return Ok(false);
    }
    if !merged.troubles.is_empty() && nothing {
        if !tries.last {
            return Ok(false);
        }
        tokio::time::sleep(CALM).await;
    }
    count(session, view, &legs);
    let frame = merged.answer.encode(request.version, correlation_id(payload));
    // Their room is free again before a client that may be slow is written to. A frame that its socket won't take at once has room of its own.
    drop((merged, outcomes));
    drop(payloads);
    let gateway = session.core.gateway.clone();
    let _room = match frame.len() > SOCKET_TAKES {
        true => gateway.held.claim().take(frame.len()).await?,
        false => None,
    };
    session.reply(FETCH, &frame).await?;
    Ok(true)
}

/// Partitions that the client may not read go to its own broker, which says so itself.
pub(super) fn own_where_refused(legs: &[Leg], own: BrokerId, allowed: &[bool]) -> Vec<Leg> {
    let mut out: Vec<Leg> = Vec::new();
    let mut refused = Vec::new();
    for leg in legs {
        let (yes, no): (Vec<_>, Vec<_>) =
            leg.partitions.iter().partition(|i| leg.from == Server::Broker(own) || allowed[**i]);
        refused.extend(no);
        if !yes.is_empty() {
            out.push(Leg { from: leg.from, partitions: yes });
        }
    }
    match out.iter_mut().find(|l| l.from == Server::Broker(own)) {
        Some(leg) => leg.partitions.extend(refused),
        None if !refused.is_empty() => out.push(Leg { from: Server::Broker(own), partitions: refused }),
        None => {}
    }
    out
}

/// Hides that brokers lack offsets which the tier may have; true if that was so anywhere.
fn hide_cold(session: &mut Session, answer: &mut Answer<'_>) -> bool {
    let mut any = false;
    for a in answer.partitions.iter_mut().filter(|a| a.error == OFFSET_OUT_OF_RANGE) {
        if may_be_in_tier(&mut session.core, a.topic, a.partition) {
            *a = PartitionAnswer::empty(a.topic, a.partition);
            any = true;
        }
    }
    any
}

fn note_troubles(
    session: &mut Session,
    view: &View,
    request: &FetchRequest<'_>,
    troubles: &[(usize, Server)],
) {
    if troubles.is_empty() {
        return;
    }
    session.core.gateway.cluster.nudge();
    let (now, memory) = (Instant::now(), &mut session.core.steering.get_or_insert_default().memory);
    for (place, from) in troubles {
        let (p, Server::Broker(broker)) = (&request.partitions[*place], from) else { continue };
        if view.partition(p.topic, p.partition).and_then(|p| p.leader) != Some(*broker) {
            session.core.gateway.counters.hidden();
            memory.trouble(p.topic, p.partition, *broker, now);
        }
    }
}

fn count(session: &mut Session, view: &View, legs: &[Leg]) {
    if legs.iter().any(|l| l.from == Server::Tier) {
        return session.core.served(Served::Tier);
    }
    let near = |from| matches!(from, Server::Broker(id) if view.zone_of(id) == Some(&session.core.zone));
    let in_zone = legs.iter().all(|l| near(l.from));
    let served = match (has_gateway(&session.core), in_zone) {
        (false, _) => Served::CrossZoneNoGateway,
        (true, true) => Served::InZoneOnBehalf,
        (true, false) => Served::CrossZoneOnBehalf,
    };
    session.core.served(served);
}
