//! (user, topic, right) x (broker's endpoint at a gateway) x (client's zone) x (on brokers, in the tier) x (by name, by id; alone, in a
//! session): refused is what the broker refuses, with its own code; everything else is read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tidegate_tests::truth::list_question;

use crate::client::{Client, Got, Said, Style};
use crate::stage::{
    BROKERS, OFFSET_OUT_OF_RANGE, PATIENCE, Place, Stage, TOPICS, ZONES, is_cold, places, stage,
};

const USERS: [&str; 5] = ["alice", "bob", "carol", "dave", "mallory"];
/// So often a client asks at least: alone, pointed elsewhere, on behalf, and once more.
const ROUNDS: usize = 4;

/// The broker's word on each partition: the code it refuses with, or none.
type Word = BTreeMap<Place, Option<i16>>;

/// What a broker says to a user who asks it for everything directly. Whoever may read is told of cold data that it isn't there.
fn word_of(stage: &Stage, broker: i32, user: &str, style: Style) -> Word {
    let mut client = stage.client(&stage.broker(broker), "", style, user);
    let said = client.fetch(&places()).unwrap();
    assert!(said.partitions.keys().copied().eq(places()), "{user} at {broker}: {said:?}");
    let refusal = |(place, got): (&Place, &Got)| {
        let may = got.error == if is_cold(*place) { OFFSET_OUT_OF_RANGE } else { 0 };
        (*place, (!may).then_some(got.error))
    };
    said.partitions.iter().map(refusal).collect()
}

/// Holds an answer to the broker's word, and notes which partitions were read.
fn judge(stage: &Stage, word: &Word, asked: &[Place], said: &Said, read: &mut BTreeSet<Place>) {
    if !said.incremental {
        assert!(said.partitions.keys().eq(asked), "other partitions than asked for: {said:?}");
    }
    for (place, got) in &said.partitions {
        match word[place] {
            Some(code) => {
                let refused = Got { error: code, pointed: false, records: Vec::new() };
                assert_eq!(*got, refused, "{place:?} is not this user's to read");
            }
            None => assert_eq!(got.error, 0, "{place:?} is refused to who may read it"),
        }
        if !got.records.is_empty() {
            assert!(stage.are_the_logs(*place, &got.records), "other records than the log's at {place:?}");
            read.insert(*place);
        }
    }
}

/// Asks until everything that may be read has been, for a few rounds at least; what is asked about changes from round to round. How many fetches
/// went on in a session.
fn read_all(stage: &Stage, client: &mut Client, word: &Word) -> usize {
    let (started, mut read, mut continued) = (Instant::now(), BTreeSet::new(), 0);
    let hot: Vec<_> = places().into_iter().filter(|p| !is_cold(*p)).collect();
    let may: BTreeSet<_> = word.iter().filter(|(_, no)| no.is_none()).map(|(place, _)| *place).collect();
    for round in 0.. {
        let asked = match (client.is_in_session(), round % 4) {
            (true, 1 | 3) => Vec::new(),
            (_, 0 | 1) => hot.clone(),
            _ => places(),
        };
        continued += usize::from(client.is_in_session());
        let said = client.fetch(&asked).unwrap();
        judge(stage, word, &asked, &said, &mut read);
        if round >= ROUNDS && read == may {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "only {read:?} of {may:?} is read");
    }
    continued
}

#[test]
fn every_user_reads_at_every_endpoint_what_the_broker_gives_it_and_is_refused_the_rest_in_the_brokers_words()
{
    let stage = stage();
    let before = stage.served_by_gateways();
    let (mut continued, mut refusals) = (0, BTreeSet::new());
    for user in USERS {
        for broker in BROKERS {
            let (by_name, by_id) =
                (word_of(stage, broker, user, Style::NAMES), word_of(stage, broker, user, Style::IDS));
            refusals.insert(by_name.values().filter(|no| no.is_some()).count());
            for (g, site) in stage.fleet.sites().iter().enumerate() {
                for (z, zone) in ZONES.iter().enumerate() {
                    // Each user meets each pair on each broker's endpoints.
                    let styles = match (g + z) % 2 {
                        0 => [Style::NAMES, Style::IDS_IN_SESSIONS],
                        _ => [Style::NAMES_IN_SESSIONS, Style::IDS],
                    };
                    for style in styles {
                        let word = if style.version == Style::IDS.version { &by_id } else { &by_name };
                        let address = site.broker_address(broker).unwrap();
                        let mut client = stage.client(&address, zone, style, user);
                        continued += read_all(stage, &mut client, word);
                    }
                }
            }
        }
    }
    let served = stage.served_by_gateways();
    assert!(served[0] - before[0] > 100.0 && served[1] - before[1] > 100.0, "{before:?} and then {served:?}");
    assert!(continued > 100, "only {continued} fetches went on in a session");
    assert!(
        refusals.len() >= 2 && refusals.contains(&places().len()),
        "all users may the same: {refusals:?}"
    );
}

#[test]
fn offsets_and_deletions_too_are_refused_in_the_brokers_words() {
    let stage = stage();
    let mut codes = BTreeSet::new();
    for user in USERS {
        for broker in BROKERS {
            let mut direct = stage.client(&stage.broker(broker), "", Style::NAMES, user);
            let sites = stage.fleet.sites().iter();
            let mut through: Vec<_> = sites
                .map(|site| {
                    stage.client(&site.broker_address(broker).unwrap(), &site.zone, Style::NAMES, user)
                })
                .collect();
            for topic in TOPICS {
                // The partition that this broker leads.
                for (what, ask) in [("list", list as fn(&mut Client, &str, i32) -> i16), ("delete", delete)] {
                    let wanted = ask(&mut direct, topic, broker - 1);
                    codes.insert((what, wanted));
                    for client in &mut through {
                        assert_eq!(
                            ask(client, topic, broker - 1),
                            wanted,
                            "{user} at {broker}: {what} {topic}"
                        );
                    }
                }
            }
        }
    }
    assert!(codes.contains(&("list", 0)) && codes.len() > 2, "{codes:?}");
    assert!(!codes.contains(&("delete", 0)), "nobody here may delete: {codes:?}");
}

/// The error of ListOffsets v1 for the latest offset.
fn list(client: &mut Client, topic: &str, partition: i32) -> i16 {
    let answer = client.ask(kafka::api::LIST_OFFSETS, 1, &list_question(1, topic, partition, -1, 0)).unwrap();
    // Behind two arrays of one, the topic's name and the partition.
    error_at(&answer, 4 + 2 + topic.len() + 4 + 4)
}

/// The error of DeleteRecords v0 up to an offset that is gone everywhere.
fn delete(client: &mut Client, topic: &str, partition: i32) -> i16 {
    let mut body = 1i32.to_be_bytes().to_vec();
    kafka::wire::put_string(&mut body, topic, false);
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend(0i64.to_be_bytes());
    body.extend(30_000i32.to_be_bytes());
    let answer = client.ask(kafka::api::DELETE_RECORDS, 0, &body).unwrap();
    // Behind the throttle time, two arrays of one, the topic's name, the partition and the low watermark.
    error_at(&answer, 4 + 4 + 2 + topic.len() + 4 + 4 + 8)
}

/// The error code that stands there.
pub(crate) fn error_at(answer: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([answer[at], answer[at + 1]])
}
