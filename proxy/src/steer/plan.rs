//! Where each partition of a consumer's Fetch is served: decided by the request, one view and what this connection
//! has seen. Pure.

use std::time::Instant;

use config::Zone;
use kafka::fetch::request::{FetchPartition, FetchRequest, Session, VERSION_FOLLOWERS};
use kafka::types::{BrokerId, LeaderEpoch, Offset};
use tiering::tier::Extent;

use crate::steer::memory::Memory;
use crate::view::View;
use crate::view::interest::TopicKey;

/// What happens to a Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It goes on to the broker at the other end of this connection.
    Forward,
    /// These topics are not in the view yet: learn them and plan again.
    Learn(Vec<TopicKey>),
    /// The session (KIP-227) hides partitions that are to be served elsewhere: an empty answer without a session
    /// makes the client list them all.
    Flush,
    /// The leader, which is at the other end, is asked for next to nothing; then the client is pointed to these
    /// replicas, one entry per partition asked for.
    Hint(Vec<Option<BrokerId>>),
    /// The tier may hold more of these partitions (places in the request) than this gateway knows: look, and plan again.
    Look(Vec<usize>),
    /// The gateway fetches itself: from each of these the partitions at these places in the request.
    Legs(Vec<Leg>),
}

impl Plan {
    /// Its name in traces.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Learn(_) => "learn",
            Self::Flush => "flush",
            Self::Hint(_) => "hint",
            Self::Look(_) => "look",
            Self::Legs(_) => "legs",
        }
    }
}

/// Who serves a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// A broker.
    Broker(BrokerId),
    /// The tier.
    Tier,
}

/// A fetch of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// From whom.
    pub from: Server,
    /// Which of the partitions asked for.
    pub partitions: Vec<usize>,
}

/// What a plan is made from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The cluster.
    pub view: &'a View,
    /// The zone reads are to come from: [`reads_zone`].
    pub zone: &'a Zone,
    /// The broker at the other end.
    pub own: BrokerId,
    /// Whether that broker stands in for another.
    pub stand_in: bool,
    /// Whether that broker serves this client's session as a follower.
    pub follows: bool,
    /// What this connection has seen.
    pub memory: &'a Memory,
    /// Now.
    pub now: Instant,
    /// Whether topics that the view lacks have been looked for already.
    pub learned: bool,
    /// Whether reads are steered at all; if not, only the tier is looked at.
    pub steers: bool,
    /// What the tier holds of each partition of the request; empty where it holds nothing of any.
    pub tier: &'a [Option<Extent>],
    /// Whether the tier has been looked at anew already.
    pub looked: bool,
}

/// The zone whose replicas serve a client's reads: its own. Where no gateway lives there, another zone's gateway serves it
/// and it is that gateway's zone: from a replica in the client's zone bytes would cross to the gateway and back.
pub fn reads_zone<'a>(client: &'a Zone, gateway: &'a Zone, client_has_gateway: bool) -> &'a Zone {
    if client_has_gateway { client } else { gateway }
}

/// Where one partition is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// At the other end of this connection.
    Own,
    /// By an in-sync replica in the zone reads come from; the leader is at the other end.
    Follow(BrokerId),
    /// By another broker.
    Elsewhere(BrokerId),
    /// By the tier.
    Tier,
}

/// Makes the plan for a consumer's Fetch.
pub fn plan(facts: &Facts<'_>, request: &FetchRequest<'_>) -> Plan {
    if !facts.learned && request.partitions.iter().any(|p| facts.view.topic(p.topic).is_none()) {
        return Plan::Learn(unknown_topics(facts.view, request));
    }
    if !facts.looked
        && let look @ [_, ..] = to_look_at(facts, request).as_slice()
    {
        return Plan::Look(look.to_vec());
    }
    let routes = || request.partitions.iter().enumerate().map(|(i, p)| route(facts, request.version, i, p));
    let all_own = routes().all(|route| route == Route::Own);
    if request.session == Session::Continue {
        return if all_own && !session_hides_something(facts) { Plan::Forward } else { Plan::Flush };
    }
    if all_own {
        return Plan::Forward;
    }
    let routes: Vec<_> = routes().collect();
    // What the tier serves would come with the hint's delay: beside it everything is fetched on behalf.
    if routes.contains(&Route::Tier) {
        return Plan::Legs(legs(facts.own, &routes));
    }
    let hints: Vec<_> =
        routes.iter().zip(&request.partitions).map(|(r, p)| hint(facts, request, *r, p)).collect();
    if hints.iter().any(Option::is_some) {
        return Plan::Hint(hints);
    }
    Plan::Legs(legs(facts.own, &routes))
}

fn unknown_topics(view: &View, request: &FetchRequest<'_>) -> Vec<TopicKey> {
    let mut unknown: Vec<_> = request.partitions.iter().map(|p| p.topic).collect();
    unknown.dedup();
    unknown.retain(|t| view.topic(*t).is_none());
    unknown.into_iter().map(TopicKey::from).collect()
}

/// A session's partitions are not listed in its later fetches. Something among them may be due elsewhere if a
/// follower was in trouble, or if the cluster has changed since the session was opened on a broker out of zone.
fn session_hides_something(facts: &Facts<'_>) -> bool {
    let out_of_zone = facts.stand_in || facts.view.zone_of(facts.own) != Some(facts.zone);
    facts.memory.has_trouble(facts.now)
        || ((out_of_zone || facts.follows)
            && facts.memory.session_is_stale(facts.view.generation, facts.follows, facts.now))
}

/// Partitions of which a broker has just said that it doesn't have the offset, and the tier, as far as is known, neither: another
/// gateway may have moved it there a moment ago.
fn to_look_at(facts: &Facts<'_>, request: &FetchRequest<'_>) -> Vec<usize> {
    let cold = |(_, p): &(usize, &FetchPartition<'_>)| facts.memory.is_cold(p.topic, p.partition, facts.now);
    let unknown = |(i, p): &(usize, &FetchPartition<'_>)| !in_tier(facts, *i, p.offset);
    let asked = request.partitions.iter().enumerate();
    asked.filter(cold).filter(unknown).map(|(i, _)| i).collect()
}

fn extent(facts: &Facts<'_>, place: usize) -> Option<Extent> {
    facts.tier.get(place).copied().flatten()
}

fn in_tier(facts: &Facts<'_>, place: usize, offset: Offset) -> bool {
    extent(facts, place).is_some_and(|e| (e.start..e.end).contains(&offset))
}

/// The tier serves what brokers were told to drop, and what one of them has just said it doesn't have.
fn is_cold(facts: &Facts<'_>, place: usize, p: &FetchPartition<'_>) -> bool {
    let trimmed = extent(facts, place).is_some_and(|e| p.offset < e.trimmed);
    in_tier(facts, place, p.offset) && (trimmed || facts.memory.is_cold(p.topic, p.partition, facts.now))
}

fn route(facts: &Facts<'_>, version: i16, place: usize, p: &FetchPartition<'_>) -> Route {
    if is_cold(facts, place, p) {
        return Route::Tier;
    }
    if !facts.steers {
        return Route::Own;
    }
    let Some(known) = facts.view.partition(p.topic, p.partition) else { return Route::Own };
    let Some(leader) = known.leader else { return Route::Own };
    let troubled =
        |id: BrokerId| id != leader && facts.memory.is_troubled(p.topic, p.partition, id, facts.now);
    let serves = |id: &BrokerId| facts.view.is_live(*id) && !troubled(*id);
    let in_zone = |id: &BrokerId| facts.view.zone_of(*id) == Some(facts.zone);
    let near = || known.isr.iter().filter(|id| in_zone(id) && serves(id));
    // A broker answers consumers as a follower from v11 on (KIP-392); below, only as the leader.
    let own_can = facts.own == leader || version >= VERSION_FOLLOWERS;
    if own_can && near().any(|id| *id == facts.own) {
        return Route::Own;
    }
    let others = || near().filter(|id| **id != facts.own);
    // Replicas of a zone share its partitions.
    let place = p.partition.0.unsigned_abs() as usize % others().count().max(1);
    if let Some(pick) = others().nth(place).copied() {
        return if facts.own == leader { Route::Follow(pick) } else { Route::Elsewhere(pick) };
    }
    let own_serves = facts.own == leader || (own_can && known.isr.contains(&facts.own) && serves(&facts.own));
    if own_serves { Route::Own } else { Route::Elsewhere(leader) }
}

/// At most one hint per connection and partition in a while: a client that comes back sooner did not follow, and is
/// served on behalf.
fn hint(
    facts: &Facts<'_>,
    request: &FetchRequest<'_>,
    route: Route,
    p: &FetchPartition<'_>,
) -> Option<BrokerId> {
    let Route::Follow(replica) = route else { return None };
    let may = request.version >= VERSION_FOLLOWERS
        && !facts.stand_in
        && facts.memory.may_hint(p.topic, p.partition, facts.now);
    may.then_some(replica)
}

fn legs(own: BrokerId, routes: &[Route]) -> Vec<Leg> {
    let mut legs: Vec<Leg> = Vec::new();
    for (i, route) in routes.iter().enumerate() {
        let from = match route {
            Route::Own => Server::Broker(own),
            Route::Follow(id) | Route::Elsewhere(id) => Server::Broker(*id),
            Route::Tier => Server::Tier,
        };
        match legs.iter_mut().find(|l| l.from == from) {
            Some(leg) => leg.partitions.push(i),
            None => legs.push(Leg { from, partitions: vec![i] }),
        }
    }
    legs
}

/// Whether the client knows of a later leader than the view does: the broker that we ask may have been cut off, and not know it yet.
pub fn is_behind(view: &View, request: &FetchRequest<'_>) -> bool {
    request.partitions.iter().any(|p| {
        let known = view.partition(p.topic, p.partition).map(|v| v.epoch);
        known.is_some_and(|known| known >= LeaderEpoch(0) && p.current_leader_epoch > known)
    })
}
