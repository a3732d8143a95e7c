//! No one reads through the gateway what the broker would refuse them.
//!
//! What the gateway fetches by its own principal it hands out only where the client's own connection has just been
//! told yes. The question costs nothing: a Fetch at offset 2^62 is answered OFFSET_OUT_OF_RANGE to those who may
//! read and TOPIC_AUTHORIZATION_FAILED to those who may not, on leaders and followers alike.

use std::time::Instant;

use kafka::fetch::answer::Answer;
use kafka::fetch::request::FetchRequest;

use crate::session::Session;
use crate::session::fault::Fault;
use crate::steer::OFFSET_OUT_OF_RANGE;

/// What a broker that doesn't hold the partition says after it has checked the rights.
const NOT_LEADER_OR_FOLLOWER: i16 = 6;

/// Which of the request's partitions the client may read, asked anew where the last yes is too old.
///
/// # Errors
/// The client's own connection broke, or answers against its schema.
pub async fn allowed(
    session: &mut Session,
    payload: &[u8],
    request: &FetchRequest<'_>,
) -> Result<Vec<bool>, Fault> {
    let now = Instant::now();
    let memory = &session.core.steering.get_or_insert_default().memory;
    if request.partitions.iter().all(|p| memory.may_read(p.topic, now)) {
        return Ok(vec![true; request.partitions.len()]);
    }
    let probe = request.rights_probe(payload);
    let answer = session.ask_own(&probe).await?;
    let answer = Answer::parse(&answer, request.version).map_err(Fault::answer)?;
    let places = answer.places();
    let says_yes =
        |error: i16| answer.error == 0 && [OFFSET_OUT_OF_RANGE, NOT_LEADER_OR_FOLLOWER].contains(&error);
    let allowed: Vec<_> = request
        .partitions
        .iter()
        .map(|p| {
            let said = places.get(&(p.topic, p.partition));
            said.is_some_and(|place| says_yes(answer.partitions[*place].error))
        })
        .collect();
    let memory = &mut session.core.steering.get_or_insert_default().memory;
    for (p, _) in request.partitions.iter().zip(&allowed).filter(|(_, yes)| **yes) {
        memory.said_yes(p.topic, now);
    }
    Ok(allowed)
}
