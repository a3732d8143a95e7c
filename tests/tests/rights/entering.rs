//! Nothing is answered to who has not said who it is, nor to who is saying it anew, nor to who said it wrongly.

use anyhow::Result;
use kafka::api;
use tidegate_tests::gateway::Site;
use tidegate_tests::truth::{epoch_question, list_question};
use tidegate_tests::wait;

use crate::client::{Client, Got, Style};
use crate::stage::{OFFSET_OUT_OF_RANGE, PATIENCE, Place, Stage, TOPICS, ZONES, places, stage};
use crate::table::error_at;

/// SASL_AUTHENTICATION_FAILED, as it stands at the front of an answer.
const REFUSED: [u8; 2] = [0, 58];
const COLD: &str = "cold.a";

/// Whether a server opens anything to a client, and whether it ends the connection if it doesn't.
type Outcome = (bool, bool);

/// A request that a gateway answers itself, or reads at least, and whether what is said to it is no refusal.
type Request = (&'static str, Style, fn(&mut Client) -> Result<bool>);

const REQUESTS: [Request; 6] = [
    ("a fetch by name", Style::NAMES, fetch),
    ("a fetch by id", Style::IDS, fetch),
    ("a fetch for a session", Style::NAMES_IN_SESSIONS, fetch),
    ("a fetch in a session", Style::IDS, fetch_in_a_session),
    ("ListOffsets", Style::NAMES, list),
    ("OffsetForLeaderEpoch", Style::NAMES, epoch_end),
];

/// Kafka refuses each partition, or the whole; that a broker lacks an offset is told only to who may read.
fn fetch(client: &mut Client) -> Result<bool> {
    let said = client.fetch(&places())?;
    let refused = |error: i16| error != 0 && error != OFFSET_OUT_OF_RANGE;
    let opened = |got: &Got| !refused(got.error) || !got.records.is_empty();
    Ok(!refused(said.error) && (said.partitions.is_empty() || said.partitions.values().any(opened)))
}

fn fetch_in_a_session(client: &mut Client) -> Result<bool> {
    client.claim_session(7, 3);
    fetch(client)
}

fn list(client: &mut Client) -> Result<bool> {
    let said = client.ask(api::LIST_OFFSETS, 1, &list_question(1, COLD, 0, -1, 0))?;
    Ok(error_at(&said, 4 + 2 + COLD.len() + 4 + 4) == 0)
}

fn epoch_end(client: &mut Client) -> Result<bool> {
    let said = client.ask(api::OFFSET_FOR_LEADER_EPOCH, 2, &epoch_question(2, COLD, (0, -1), 0))?;
    // Behind the throttle time, two arrays of one and the topic's name.
    Ok(error_at(&said, 4 + 4 + 2 + COLD.len() + 4) == 0)
}

fn outcome(client: &mut Client, ask: impl FnOnce(&mut Client) -> Result<bool>) -> Outcome {
    let opens = ask(client).unwrap_or(false);
    (opens, !opens && client.is_closed())
}

/// Somebody who may reads everything at every endpoint, so that every gateway knows what it is asked about below.
fn warm(stage: &Stage) {
    for (site, broker) in stage.endpoints() {
        let mut alice = stage.client(&site.broker_address(broker).unwrap(), "az1", Style::NAMES, "alice");
        wait_cold(stage, &mut alice);
    }
}

fn cold() -> Place {
    (TOPICS.iter().position(|topic| *topic == COLD).unwrap(), 0)
}

/// Until a fetch brings cold data.
fn wait_cold(stage: &Stage, client: &mut Client) {
    let reads = || Ok(stage.are_the_logs(cold(), &client.fetch(&[cold()])?.partitions[&cold()].records));
    wait::until_true("cold data", PATIENCE, reads).unwrap();
}

#[test]
fn nothing_is_answered_before_a_client_has_proved_who_it_is() {
    let stage = stage();
    warm(stage);
    for half_way in [false, true] {
        for (what, style, ask) in REQUESTS {
            let try_at = |address: &str, zone: &str| {
                let mut client = stage.stranger(address, zone, style);
                if half_way {
                    assert_eq!(client.handshake().unwrap()[..2], [0, 0], "the handshake is refused");
                }
                outcome(&mut client, ask)
            };
            let direct = try_at(&stage.broker(1), "");
            assert_eq!(direct, (false, true), "{what}: Kafka itself opens something");
            for (n, (site, broker)) in stage.endpoints().into_iter().enumerate() {
                let through = try_at(&site.broker_address(broker).unwrap(), ZONES[n % 3]);
                assert_eq!(through, direct, "{what} at {}/{broker}, half way: {half_way}", site.id);
            }
        }
    }
}

#[test]
fn wrong_passwords_are_refused_in_the_brokers_words_at_every_endpoint_and_open_nothing() {
    let stage = stage();
    warm(stage);
    let wrong = [
        ("alice", "bob-secret"),
        ("alice", ""),
        ("alice", "alice-secret "),
        ("nobody", "nobody-secret"),
        ("Alice", "alice-secret"),
    ];
    for (user, password) in wrong {
        let try_at = |address: &str, zone: &str| {
            let mut client = stage.stranger(address, zone, Style::NAMES);
            client.handshake().unwrap();
            let said = client.prove(user, password).map_err(|e| format!("{e:#}"));
            (said, outcome(&mut client, fetch))
        };
        let direct = try_at(&stage.broker(2), "");
        assert!(
            password.is_empty() || direct.0.as_ref().is_ok_and(|said| said.starts_with(&REFUSED)),
            "{direct:?}"
        );
        assert_eq!(direct.1, (false, true), "{user} with {password:?}");
        for (n, (site, broker)) in stage.endpoints().into_iter().enumerate() {
            let through = try_at(&site.broker_address(broker).unwrap(), ZONES[n % 3]);
            assert_eq!(through, direct, "{user} with {password:?} at {}/{broker}", site.id);
        }
    }
}

/// How a client ends what it began by authenticating again, and what it then says and gets.
type Ending = (&'static str, fn(&mut Client) -> Result<Vec<u8>>);

const ENDINGS: [Ending; 4] = [
    ("as nobody yet", |_| Ok(Vec::new())),
    ("as somebody else", |client| client.prove("bob", "bob-secret")),
    ("with a wrong password", |client| client.prove("alice", "bob-secret")),
    ("as before", |client| client.prove("alice", "alice-secret")),
];

/// The broker's last word on who it is, and what a fetch of cold data meets then.
fn ends(client: &mut Client, (_, prove): Ending) -> (Result<Vec<u8>, String>, Outcome) {
    let said = prove(client).map_err(|e| format!("{e:#}"));
    (said, outcome(client, fetch))
}

/// Has alice, who reads cold data all the time at these addresses, authenticate again on each connection. Brokers hear of that once a second at
/// most. What came of it, by address.
fn again(
    stage: &Stage,
    addresses: &[(String, &str)],
    ending: Ending,
) -> Vec<(Result<Vec<u8>, String>, Outcome)> {
    let mut clients: Vec<_> =
        addresses.iter().map(|(address, zone)| stage.client(address, zone, Style::NAMES, "alice")).collect();
    let mut came: Vec<_> = clients.iter().map(|_| None).collect();
    wait::until_true("brokers to hear of it", PATIENCE, || {
        for (client, came) in clients.iter_mut().zip(&mut came).filter(|(_, came)| came.is_none()) {
            wait_cold(stage, client);
            // The yes that it was given is a moment old now.
            if client.handshake()?.starts_with(&[0, 0]) {
                *came = Some(ends(client, ending));
            }
        }
        Ok(came.iter().all(Option::is_some))
    })
    .unwrap();
    if ending.0 == "as before" {
        clients.iter_mut().for_each(|client| wait_cold(stage, client));
    }
    came.into_iter().flatten().collect()
}

/// The same directly, where there is no cold data to read.
fn again_directly(stage: &Stage, ending: Ending) -> (Result<Vec<u8>, String>, Outcome) {
    let mut client = stage.client(&stage.broker(3), "", Style::NAMES, "alice");
    let heard = || Ok(client.handshake()?.starts_with(&[0, 0]));
    wait::until_true("the broker to hear of it", PATIENCE, heard).unwrap();
    ends(&mut client, ending)
}

#[test]
fn who_authenticates_again_is_nobody_meanwhile_and_never_becomes_somebody_else() {
    let stage = stage();
    for ending in ENDINGS {
        let what = ending.0;
        let direct = again_directly(stage, ending);
        assert_eq!(direct.1.0, what == "as before", "{what}: {direct:?}");
        let endpoints = stage.endpoints();
        let address = |(n, (site, broker)): (usize, &(&Site, i32))| {
            (site.broker_address(*broker).unwrap(), ZONES[n % 3])
        };
        let addresses: Vec<_> = endpoints.iter().enumerate().map(address).collect();
        for (through, (address, zone)) in again(stage, &addresses, ending).into_iter().zip(&addresses) {
            assert_eq!(through, direct, "{what} at {address} as a client in {zone}");
        }
    }
}
