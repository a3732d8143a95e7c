//! What one user was told a moment ago opens nothing to another: same gateway, same broker, same partitions, turn by turn and side by side.

use std::thread;

use crate::client::{Client, Style};
use crate::stage::{Stage, TOPICS, ZONES, places, stage};

const ROUNDS: usize = 12;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;

/// A user, and the letter of the topics that are its own.
struct User {
    letter: &'static str,
    client: Client,
}

/// Both users at every endpoint, as clients of every zone.
fn pairs(stage: &Stage) -> Vec<[User; 2]> {
    let mut out = Vec::new();
    for (n, (site, broker)) in stage.endpoints().into_iter().enumerate() {
        for (m, zone) in ZONES.iter().enumerate() {
            let address = site.broker_address(broker).unwrap();
            let style = if (n + m) % 2 == 0 { Style::NAMES } else { Style::IDS };
            let user = |name, letter| User { letter, client: stage.client(&address, zone, style, name) };
            out.push([user("alice", ".a"), user("bob", ".b")]);
        }
    }
    out
}

impl User {
    /// Fetches everything; how many partitions of its own brought records. Nothing of the other's may.
    fn reads(&mut self, stage: &Stage) -> usize {
        let said = self.client.fetch(&places()).unwrap();
        let mut own = 0;
        for (place, got) in &said.partitions {
            if TOPICS[place.0].ends_with(self.letter) {
                assert_eq!(got.error, 0, "{place:?} is its own");
                own += usize::from(stage.are_the_logs(*place, &got.records));
            } else {
                let said = (got.error, got.records.len(), got.pointed);
                assert_eq!(said, (TOPIC_AUTHORIZATION_FAILED, 0, false), "{place:?} is the other's");
            }
        }
        own
    }
}

#[test]
fn a_yes_to_one_user_is_never_a_yes_to_another_at_the_same_gateway() {
    let stage = stage();
    let before = stage.served_by_gateways();
    let mut pairs = pairs(stage);
    // Turn by turn: a yes is at most a few milliseconds old when the other asks.
    let mut read = [0, 0];
    for _ in 0..ROUNDS {
        for pair in &mut pairs {
            for (user, read) in pair.iter_mut().zip(&mut read) {
                *read += user.reads(stage);
            }
        }
    }
    // Side by side: while the gateway fetches for one, the other asks.
    let (alices, bobs): (Vec<_>, Vec<_>) = pairs.into_iter().map(|[a, b]| (a, b)).unzip();
    let all = |mut users: Vec<User>| {
        move || -> usize {
            let mut rounds = (0..ROUNDS).map(|_| users.iter_mut().map(|u| u.reads(stage)).sum::<usize>());
            rounds.by_ref().sum()
        }
    };
    let both = [thread::spawn(all(alices)), thread::spawn(all(bobs))];
    for (thread, read) in both.into_iter().zip(&mut read) {
        *read += thread.join().unwrap();
    }
    // Of six partitions in each round, but for the few fetches that were pointed elsewhere.
    let all = 27 * 2 * ROUNDS * 6;
    assert!(read.iter().all(|n| *n > all / 2), "each read {read:?} of {all}");
    let served = stage.served_by_gateways();
    assert!(served[0] - before[0] > 500.0 && served[1] >= before[1], "{before:?} and then {served:?}");
}
