//! Steering (issue 4, section 2 "Zones"): default clients in a zone without a leader read from the replica in their
//! zone, and whatever befalls that replica, they see no gap, no repeat and no reset.
//!
//! Java follows the hint, librdkafka follows it in its own way, aiokafka ignores it. The other clients go through
//! the same in `make clients`.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use tidegate_tests::clients::{Driver, Stage, Trouble};

const CLIENTS: [Driver; 3] = [Driver::Java, Driver::Librdkafka, Driver::Aiokafka];
/// How long a reader may take to read what is acknowledged by now.
const LIMIT: Duration = Duration::from_secs(60);
/// How often leaders move in quick succession. A gateway that asks one wrong follower after the other was caught
/// by the eighth move.
const MOVES: u32 = 20;
/// Of what readers fetch, the share that may cross a zone when all is well: the peek before each hint, and the
/// probes of a client that does not follow.
const CROSSING_MAX: f64 = 0.005;

#[test]
fn default_clients_read_in_their_zone_and_no_trouble_of_the_follower_reaches_them() {
    let mut stage = Stage::start(&CLIENTS).unwrap();
    reads_stay_in_the_zone(&mut stage);
    for trouble in Trouble::ALL {
        readers_survive(&mut stage, trouble);
    }
    readers_keep_pace_with_the_leaders(&mut stage);
}

fn reads_stay_in_the_zone(stage: &mut Stage) {
    let share = stage.crossing_share(1_000, LIMIT).unwrap();
    println!("baseline: {:.3} % of the bytes fetched crossed a zone", share * 100.0);
    assert!(share <= CROSSING_MAX, "{:.2} % of the bytes fetched crossed a zone", share * 100.0);
    all_keep_up(stage, "in peace");
}

fn readers_survive(stage: &mut Stage, trouble: Trouble) {
    let crossed_before = stage.crossed().unwrap();
    stage.readers.iter().for_each(|(_, reader)| reader.forget_pauses());
    let started = Instant::now();
    trouble.inflict(stage).unwrap();
    println!("{}: came true after {:.1?}", trouble.name(), started.elapsed());
    all_keep_up(stage, trouble.name());
    let crossed = stage.crossed().unwrap() - crossed_before;
    assert!(!trouble.crosses() || crossed > 0.0, "{}: no read had to cross a zone", trouble.name());
    trouble.heal(stage).unwrap();
    all_keep_up(stage, trouble.name());
    for (client, reader) in &stage.readers {
        println!("{}: {client} paused for at most {:.1?}", trouble.name(), reader.longest_pause());
    }
    stage.wait_in_zone(2 * LIMIT).unwrap_or_else(|error| panic!("after {}: {error:#}", trouble.name()));
}

/// Leaders that move back and forth without a pause: clients fetch with an old epoch from wherever they are, every
/// follower refuses them for it, and only a leader's refusal makes them look for the new one.
fn readers_keep_pace_with_the_leaders(stage: &mut Stage) {
    for round in 0..MOVES {
        let trouble = if round % 3 == 0 { Trouble::Reassigned } else { Trouble::LeaderMoved };
        trouble.inflict(stage).unwrap();
        all_keep_up(stage, trouble.name());
        trouble.heal(stage).unwrap();
        all_keep_up(stage, trouble.name());
    }
}

fn all_keep_up(stage: &Stage, when: &str) {
    for ((client, _), outcome) in stage.readers.iter().zip(stage.keep_up(LIMIT)) {
        outcome.unwrap_or_else(|error| panic!("{client}, {when}: {error:#}"));
    }
}
