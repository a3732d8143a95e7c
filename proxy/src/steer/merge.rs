//! Puts the answers of several legs together. Pure.

use kafka::code::Code;
use kafka::fetch::answer::{Answer, NO_BROKER, PartitionAnswer};
use kafka::fetch::request::FetchRequest;
use kafka::types::BrokerId;

use crate::steer::is_follower_trouble;
use crate::steer::plan::Server;
use crate::view::View;

/// NOT_LEADER_OR_FOLLOWER: from a broker the view says is the leader, it only means that the view is old.
const NOT_LEADER_OR_FOLLOWER: i16 = 6;

/// One leg's outcome: who served it, the places of its partitions in the request, and what it answered.
pub type Outcome<'a> = (Server, &'a [usize], Option<Answer<'a>>);

/// The merged answer, and the partitions whose server was in trouble (place in the request, who).
#[derive(Debug)]
pub struct Merged<'a> {
    /// What the client gets.
    pub answer: Answer<'a>,
    /// Who could not serve what.
    pub troubles: Vec<(usize, Server)>,
    /// A leader's error was kept back only because no fresh view has confirmed yet that it leads. It has to be asked again now: with the
    /// client's next fetch it would be kept back again, for as long as other partitions have records.
    pub unconfirmed: bool,
}

/// TOPIC_AUTHORIZATION_FAILED.
const NOT_AUTHORIZED: i16 = 29;

/// Merges the outcomes into one answer with every partition asked for, in the order asked.
///
/// A leg that failed, and a follower's own trouble, leave "nothing new" in place: the client asks again and another
/// broker is asked then. The leader's errors are the client's to see. Throttle times combine to the longest (KIP-219).
pub fn merge<'a>(
    view: &View,
    own: BrokerId,
    request: &FetchRequest<'a>,
    outcomes: &[Outcome<'a>],
    confirmed: bool,
) -> Merged<'a> {
    let empty = |p: &kafka::fetch::request::FetchPartition<'a>| PartitionAnswer::empty(p.topic, p.partition);
    let mut partitions: Vec<_> = request.partitions.iter().map(empty).collect();
    let (mut troubles, mut unconfirmed) = (Vec::new(), false);
    for (from, places, answer) in outcomes {
        let said = answer.as_ref().filter(|a| a.error == 0).map(|a| (a, a.places()));
        for &place in *places {
            let p = &request.partitions[place];
            let said =
                said.as_ref().and_then(|(a, at)| Some(&a.partitions[*at.get(&(p.topic, p.partition))?]));
            let leader = view.partition(p.topic, p.partition).and_then(|p| p.leader);
            let leads = leader.map(Server::Broker) == Some(*from);
            let hides = |a: &PartitionAnswer<'_>, confirmed| match from {
                Server::Tier => hides_of_tier(a.error, confirmed),
                Server::Broker(id) => hides(a.error, leads, *id == own, confirmed),
            };
            match said {
                Some(a) if !hides(a, confirmed) => {
                    partitions[place] = PartitionAnswer { preferred_read_replica: NO_BROKER, ..a.clone() };
                }
                _ => {
                    let shown_later = said.is_some_and(|a| !hides(a, true));
                    unconfirmed |= *from != Server::Tier && shown_later;
                    troubles.push((place, *from));
                }
            }
        }
    }
    if outcomes.len() > 1 {
        fit(&mut partitions, request.max_bytes);
    }
    let throttle_ms = outcomes.iter().filter_map(|(_, _, a)| a.as_ref()).map(|a| a.throttle_ms).max();
    let answer = Answer { throttle_ms: throttle_ms.unwrap_or(0), error: 0, session_id: 0, partitions };
    Merged { answer, troubles, unconfirmed }
}

/// Together no more than the client asked for, as a broker has it (KIP-74): the first partition with records brings them whatever
/// their size, a later one that doesn't fit brings none this time. Each leg brings one batch at least, so several may bring too much.
fn fit(partitions: &mut [PartitionAnswer<'_>], max_bytes: i32) {
    let (mut left, mut any) = (max_bytes.max(0) as usize, false);
    for p in partitions.iter_mut().filter(|p| !p.records.is_empty()) {
        if any && p.records.len() > left {
            p.records = &[];
            p.aborted = p.aborted.take().map(|_| Vec::new());
            continue;
        }
        left = left.saturating_sub(p.records.len());
        any = true;
    }
}

/// Whether an error is kept from the client. `leads`: by our view the broker leads the partition; `confirmed`: that
/// view was made after the broker had said this once before.
fn hides(error: i16, leads: bool, own: bool, confirmed: bool) -> bool {
    match (leads, own) {
        // The client's own broker is asked under the client's own name: what it says as the leader stands.
        (true, true) => false,
        // Another broker refuses us, not the client, who was told yes.
        (_, false) if error == NOT_AUTHORIZED => true,
        // A leader's word on offsets, epochs and topics counts once it is sure that it leads.
        (true, false) => error == NOT_LEADER_OR_FOLLOWER || (!confirmed && is_follower_trouble(error)),
        (false, _) => is_follower_trouble(error),
    }
}

/// The same for the tier. What it says of offsets and epochs stands, because clients ask again on either; trouble with the store may be over at the
/// second try.
fn hides_of_tier(error: i16, confirmed: bool) -> bool {
    error == NOT_LEADER_OR_FOLLOWER || (error == Code::KAFKA_STORAGE_ERROR.0 && !confirmed)
}

/// Bytes of records in an answer.
pub fn record_bytes(answer: &Answer<'_>) -> usize {
    answer.partitions.iter().map(|p| p.records.len()).sum()
}
