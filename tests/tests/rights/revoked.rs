//! A right taken away in the middle of reads is gone everywhere five seconds after the brokers know, and back when it is given back.

use std::time::{Duration, Instant};

use tidegate_tests::wait;

use crate::client::{Client, Style};
use crate::stage::{BROKERS, PATIENCE, Place, Stage, TOPICS, ZONES, places, stage};

/// How long a right that was taken away may still be believed, from when every broker knows.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;

/// A reader, and what it was told last.
struct Reader {
    what: String,
    client: Client,
    refused: bool,
}

/// One at every endpoint for a client in the gateway's zone, and one for a client in the next; they ask in every style.
fn readers(stage: &Stage, user: &str) -> Vec<Reader> {
    let styles = [Style::NAMES, Style::IDS_IN_SESSIONS, Style::IDS, Style::NAMES_IN_SESSIONS];
    let mut out = Vec::new();
    for (n, (site, broker)) in stage.endpoints().into_iter().enumerate() {
        let own = ZONES.iter().position(|zone| *zone == site.zone).unwrap();
        for (m, zone) in [ZONES[own], ZONES[(own + 1) % 3]].into_iter().enumerate() {
            let (address, style) = (site.broker_address(broker).unwrap(), styles[(n + 2 * m) % 4]);
            let client = stage.client(&address, zone, style, user);
            out.push(Reader {
                what: format!("{zone} at {}/{broker}, {style:?}", site.id),
                client,
                refused: false,
            });
        }
    }
    out
}

fn is_of(place: Place, topics: &[&str]) -> bool {
    topics.contains(&TOPICS[place.0])
}

impl Reader {
    /// One fetch of everything: how many partitions of `topics` brought records. Every other topic is read undisturbed.
    fn read(&mut self, topics: &[&str], others_are_open: bool) -> usize {
        let asked = if self.client.is_in_session() { Vec::new() } else { places() };
        let said = self.client.fetch(&asked).unwrap_or_else(|e| panic!("{}: {e:#}", self.what));
        let (mut brought, mut refused) = (0, 0);
        for (place, got) in &said.partitions {
            if is_of(*place, topics) {
                assert!([0, TOPIC_AUTHORIZATION_FAILED].contains(&got.error), "{}: {got:?}", self.what);
                brought += usize::from(!got.records.is_empty());
                refused += usize::from(got.error != 0);
            } else if others_are_open {
                assert_eq!(got.error, 0, "{}: {place:?}", self.what);
            }
        }
        // Within a session all that is refused is told each time, too.
        self.refused = brought == 0 && refused == topics.len() * 3;
        brought
    }
}

/// Whether each broker itself refuses the user these topics.
fn brokers_refuse(direct: &mut [Client], topics: &[&str]) -> bool {
    direct.iter_mut().all(|client| {
        let said = client.fetch(&places()).unwrap();
        said.partitions
            .iter()
            .filter(|(p, _)| is_of(**p, topics))
            .all(|(_, got)| got.error == TOPIC_AUTHORIZATION_FAILED)
    })
}

fn all_read(readers: &mut [Reader], topics: &[&str], others_are_open: bool) {
    for reader in readers {
        let what = reader.what.clone();
        let reads = || Ok(reader.read(topics, others_are_open) == topics.len() * 3);
        wait::until_true(&format!("{what} to read {topics:?}"), PATIENCE, reads).unwrap();
    }
}

/// Takes rights away while everybody reads, and gives them back.
fn take_away_and_give_back(user: &str, topics: &[&str], others_are_open: bool) {
    let stage = stage();
    let mut readers = readers(stage, user);
    let mut direct: Vec<_> =
        BROKERS.iter().map(|id| stage.client(&stage.broker(*id), "", Style::NAMES, user)).collect();
    all_read(&mut readers, topics, others_are_open);
    let before = stage.served_by_gateways();
    topics.iter().for_each(|topic| stage.revoke(user, topic));
    let (started, mut known, mut after, mut late) = (Instant::now(), None, 0, 0);
    while known.is_none() || readers.iter().any(|r| !r.refused) {
        if known.is_none() && brokers_refuse(&mut direct, topics) {
            known = Some(Instant::now());
        }
        for reader in &mut readers {
            let asked = Instant::now();
            let brought = reader.read(topics, others_are_open);
            if let Some(known) = known {
                after += brought;
                late += if asked > known + REVOKED_WITHIN { brought } else { 0 };
            }
        }
        let open: Vec<_> = readers.iter().filter(|r| !r.refused).map(|r| &r.what).collect();
        assert!(started.elapsed() < PATIENCE, "not refused: {open:?}; late: {late}");
    }
    println!(
        "{user}: every reader is refused {:.1?} after the brokers knew; {after} partitions read meanwhile",
        known.unwrap().elapsed()
    );
    assert_eq!(late, 0, "handed out more than {REVOKED_WITHIN:?} after the brokers knew");
    for reader in &mut readers {
        (0..5)
            .for_each(|_| assert_eq!(reader.read(topics, others_are_open), 0, "{}: once more", reader.what));
    }
    let served = stage.served_by_gateways();
    assert!(served > before, "gateways served none of it themselves: {before:?} and then {served:?}");
    topics.iter().for_each(|topic| stage.allow(user, topic));
    all_read(&mut readers, topics, others_are_open);
}

#[test]
fn rights_taken_away_from_who_has_no_other_end_its_reads_and_given_back_let_them_go_on() {
    take_away_and_give_back("rob", &["hot.a", "cold.a"], false);
}

#[test]
fn rights_taken_away_from_who_has_others_end_those_reads_only() {
    take_away_and_give_back("rita", &["hot.a", "cold.a"], true);
}
