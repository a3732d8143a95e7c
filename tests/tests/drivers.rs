//! The drivers keep their own promises, on Kafka itself: what one client writes every other reads back, none keeps quiet
//! about a reset, and what the command line asks for happens or is said to be unsupported. Without this, a silent driver
//! would make every test of the gateway green.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use kafka::batch::Batches;
use serde_json::{Value, json};
use tidegate_tests::certs::Authority;
use tidegate_tests::clients::{
    Acks, Administering, Driver, Fault, GroupProtocol, History, Isolation, Outcome, Reader, Reading, STEPS,
    Security, Writer, Writing,
};
use tidegate_tests::{Cluster, Java};

const LIMIT: Duration = Duration::from_secs(90);

/// Those that the environment variable `CLIENT` names (several by comma), or every client in the slow run, and in CI the
/// reference, librdkafka, and the one that is furthest from both.
static DRIVERS: LazyLock<Vec<Driver>> = LazyLock::new(|| match std::env::var("CLIENT") {
    Ok(names) => names.split(',').map(named).collect(),
    Err(_) if cfg!(feature = "slow") => Driver::ALL.to_vec(),
    Err(_) => vec![Driver::Java, Driver::Librdkafka, Driver::Franz],
});

fn named(name: &str) -> Driver {
    Driver::ALL
        .into_iter()
        .find(|driver| driver.name() == name)
        .unwrap_or_else(|| panic!("CLIENT: no {name}"))
}

const MECHANISM: &str = "SCRAM-SHA-512";
const USER: &str = "alice";
const PASSWORD: &str = "alice's \"secret\"";

/// A broker behind passwords, certificates, or nothing.
fn cluster() -> &'static Cluster {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
        Cluster::builder().brokers(1).mutual_tls().sasl(&[MECHANISM], &[(USER, PASSWORD)]).start().unwrap()
    });
    &CLUSTER
}

/// Where nobody asks who one is.
fn plain() -> String {
    cluster().internal_bootstrap()
}

fn create(topic: &str, partitions: i32) {
    Java::resident().unwrap().admin(&plain()).create_topic(topic, partitions, 1).unwrap();
}

/// franz-go's default is snappy, which kafkajs cannot read.
fn readable_by_all(driver: Driver) -> Value {
    if driver == Driver::Franz { json!({"uncompressed": true}) } else { json!({}) }
}

fn write(driver: Driver, writing: &Writing) -> Writer {
    let mut writing = writing.clone().with_keys();
    writing.key_prefix = format!("{driver}-{}", writing.key_prefix);
    writing.props = readable_by_all(driver);
    driver.spawn_producer(&writing).unwrap()
}

fn read(driver: Driver, reading: &Reading) -> Reader {
    let mut reading = reading.clone().with_keys();
    reading.group = reading.group.map(|group| format!("{group}-{driver}"));
    driver.spawn_consumer(&reading).unwrap()
}

fn completed(writers: Vec<(Driver, Writer)>) -> Vec<(Driver, History)> {
    let complete = |(driver, writer): (Driver, Writer)| {
        (driver, writer.complete(LIMIT).unwrap_or_else(|error| panic!("{driver}: {error:#}")))
    };
    writers.into_iter().map(complete).collect()
}

/// What all readers read, once each has as many records.
fn read_by_all(readers: Vec<(Driver, Reader)>, records: usize) -> Vec<(Driver, History)> {
    let finish = |(driver, reader): (Driver, Reader)| {
        reader.wait_records(records as u64, LIMIT).unwrap_or_else(|error| panic!("{driver}: {error:#}"));
        (driver, reader.finish(LIMIT).unwrap())
    };
    readers.into_iter().map(finish).collect()
}

type Keys = BTreeMap<(i32, i64), String>;

fn keys(written: &[(Driver, History)]) -> Keys {
    written.iter().flat_map(|(_, history)| history.keys().clone()).collect()
}

/// Those that CI runs. kafka-python is left out: it may join a group before it knows the topic, and then keeps an empty assignment until its metadata is
/// five minutes old (seen twice here, on Kafka itself).
fn quick() -> Vec<Driver> {
    Driver::LIBRARIES.into_iter().filter(|driver| *driver != Driver::KafkaPython).collect()
}

#[test]
fn every_client_reads_what_every_other_wrote() {
    create("all", 2);
    let writing = Writing::new(&plain(), "all", &[0, 1], 200);
    let drivers = if cfg!(feature = "slow") { Driver::ALL.to_vec() } else { quick() };
    let written = completed(drivers.iter().map(|driver| (*driver, write(*driver, &writing))).collect());
    written.iter().for_each(|(driver, history)| assert_eq!(history.records(), 200, "{driver}"));
    let reading = Reading::group(&plain(), "all", "all");
    let readers = drivers.iter().map(|driver| (*driver, read(*driver, &reading))).collect();
    let expected = keys(&written);
    for (driver, read) in read_by_all(readers, expected.len()) {
        read.check().unwrap_or_else(|error| panic!("{driver}: {error}"));
        assert!(read.keys() == &expected, "{driver} read {read}");
    }
}

/// The group's offset is beyond the log end, so that the broker itself answers OFFSET_OUT_OF_RANGE. sarama is
/// left out: it looks before its first fetch and starts elsewhere without a word.
#[test]
fn every_client_tells_of_a_reset() {
    create("far", 1);
    let readers = quick().into_iter().filter(|driver| *driver != Driver::Sarama).map(|driver| {
        commit_far_beyond_the_end(&plain(), &format!("far-{driver}"));
        (driver, read(driver, &Reading::group(&plain(), "far", "far")))
    });
    for (driver, reader) in readers.collect::<Vec<_>>() {
        let told = |fault: &Fault| matches!(fault, Fault::Reset(_));
        reader.wait_fault(told, LIMIT).unwrap_or_else(|error| panic!("{driver}: {error:#}"));
    }
}

fn commit_far_beyond_the_end(bootstrap: &str, group: &str) {
    let props = json!({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "none"});
    let consumer = Java::resident().unwrap().assign(props, &[("far", 0)]).unwrap();
    consumer.call("seek", json!({"topic": "far", "partition": 0, "offset": 1_000_000_000})).unwrap();
    consumer.commit().unwrap();
    consumer.close().unwrap();
}

/// Partition 0 with acks all, 1 with the leader's alone, 2 with none, 3 idempotent; the batches in the broker's log say
/// whether a producer had an id.
#[test]
fn every_client_writes_with_every_acknowledgement_and_idempotent_when_asked() {
    for driver in DRIVERS.iter() {
        create(&format!("acks-{driver}"), 4);
    }
    let writers = DRIVERS.iter().flat_map(|driver| {
        let writing = |p| Writing::new(&plain(), &format!("acks-{driver}"), &[p], 100);
        let all =
            [writing(0), writing(1).acks(Acks::Leader), writing(2).acks(Acks::None), writing(3).idempotent()];
        all.map(|writing| (*driver, write(*driver, &writing)))
    });
    for (n, (driver, wrote)) in completed(writers.collect()).into_iter().enumerate() {
        let placed = if n % 4 == 2 { 0 } else { 100 };
        assert_eq!((wrote.records(), wrote.keys().len()), (100, placed), "{driver}, partition {}", n % 4);
        assert!(wrote.errors().is_empty(), "{driver}: {wrote}");
    }
    for driver in DRIVERS.iter() {
        let reading = Reading::assign(&plain(), &format!("acks-{driver}"), &[0, 1, 2, 3]);
        let read = read_by_all(vec![(Driver::Java, read(Driver::Java, &reading))], 400).remove(0).1;
        read.check().unwrap();
        let idempotent: Vec<_> = (0..4).map(|p| has_producer_id(&format!("acks-{driver}"), p)).collect();
        assert_eq!(idempotent[1..], [false, false, true], "{driver}");
    }
}

fn has_producer_id(topic: &str, partition: i32) -> bool {
    let log: PathBuf =
        cluster().brokers()[0].log_dir().join(format!("{topic}-{partition}/00000000000000000000.log"));
    let bytes = std::fs::read(log).unwrap();
    let mut ids = Batches::new(&bytes).map(|batch| batch.unwrap().producer_id() >= 0);
    let first = ids.next().unwrap();
    assert!(ids.all(|id| id == first));
    first
}

#[test]
fn aborted_records_are_invisible_to_readers_of_committed_ones_alone() {
    // kafkajs looks up one aborted transaction per record, in the order of their ends: where those of several producers
    // interleave it shows aborted records.
    let (alone, others): (Vec<_>, Vec<_>) =
        DRIVERS.iter().copied().partition(|driver| *driver == Driver::KafkaJs);
    committed_and_uncommitted("transactions", &DRIVERS, &others);
    committed_and_uncommitted("transactions-alone", &alone, &alone);
}

fn committed_and_uncommitted(topic: &str, writers: &[Driver], readers: &[Driver]) {
    create(topic, 2);
    let writing = Writing::new(&plain(), topic, &[0, 1], 200);
    let in_transactions = |driver| writing.clone().transactions(&format!("{topic}-{driver}"), 20, 3);
    let written = completed(
        writers.iter().map(|driver| (*driver, write(*driver, &in_transactions(*driver)))).collect(),
    );
    for (driver, wrote) in &written {
        // Every third of ten, so that the last is committed: what was aborted lies before it.
        assert_eq!((wrote.records(), wrote.aborted()), (140, 60), "{driver}: {wrote}");
        assert!(wrote.retried().is_empty(), "{driver}: {:?}", wrote.retried());
    }
    let committed = keys(&written);
    assert_eq!(committed.len(), 140 * writers.len());
    for (isolation, records) in [(Isolation::Committed, 140), (Isolation::Uncommitted, 200)] {
        let reading = Reading::group(&plain(), topic, isolation.name()).isolation(isolation);
        let readers = readers.iter().map(|driver| (*driver, read(*driver, &reading))).collect();
        for (driver, read) in read_by_all(readers, records * writers.len()) {
            let dirty = isolation == Isolation::Uncommitted;
            assert_eq!(read.keys() == &committed, !dirty, "{driver}, {}: {read}", isolation.name());
            assert!(committed.iter().all(|record| read.keys().get(record.0) == Some(record.1)), "{driver}");
        }
    }
}

/// Another producer takes the transactional id in the middle of it: the first is fenced, and takes it back.
#[test]
fn a_transaction_that_a_client_loses_is_written_again_and_nothing_twice() {
    let java = Java::resident().unwrap();
    for driver in DRIVERS.iter() {
        let topic = format!("fenced-{driver}");
        create(&topic, 2);
        let writing = Writing::new(&plain(), &topic, &[0, 1], 400).rate(100).transactions(&topic, 20, 0);
        let writer = write(*driver, &writing);
        writer.wait_acks(40, LIMIT).unwrap();
        drop(java.producer(json!({"bootstrap.servers": plain(), "transactional.id": topic})).unwrap());
        let wrote = writer.complete(LIMIT).unwrap_or_else(|error| panic!("{driver}: {error:#}"));
        assert!(!wrote.retried().is_empty(), "{driver} was not fenced");
        assert_eq!(wrote.records(), 400, "{driver}: {wrote}");
        let reading = Reading::assign(&plain(), &topic, &[0, 1]).isolation(Isolation::Committed);
        let read = read_by_all(vec![(Driver::Java, read(Driver::Java, &reading))], 400).remove(0).1;
        read.check_is(&wrote).unwrap_or_else(|error| panic!("{driver}: {error:#}"));
    }
}

#[test]
fn every_client_comes_in_by_password_and_by_certificate() {
    let authority = cluster().authority().unwrap();
    let tls = Security::tls(&authority.ca());
    let own = authority.issue_client("app", "Example").unwrap();
    let entrances = [
        ("password", cluster().bootstrap(), tls.clone().scram(USER, PASSWORD)),
        ("certificate", cluster().mutual_bootstrap(), tls.certificate(&own)),
    ];
    for (topic, bootstrap, security) in entrances {
        create(topic, 1);
        let writing = Writing::new(&bootstrap, topic, &[0], 50).security(&security);
        let written = completed(DRIVERS.iter().map(|driver| (*driver, write(*driver, &writing))).collect());
        let reading = Reading::group(&bootstrap, topic, topic).security(&security);
        let readers = DRIVERS.iter().map(|driver| (*driver, read(*driver, &reading))).collect();
        let expected = keys(&written);
        assert_eq!(expected.len(), 50 * DRIVERS.len(), "{topic}");
        for (driver, read) in read_by_all(readers, expected.len()) {
            assert!(read.keys() == &expected, "{driver} by {topic}: {read}");
        }
    }
}

/// Whoever is given away by another authority's trust, another's password, no certificate, or a host that the broker's
/// certificate doesn't name, has written nothing by the time that the one who is right has.
#[test]
fn no_client_comes_in_or_trusts_whom_it_should_not() {
    create("closed", 1);
    let authority = cluster().authority().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Authority::new(elsewhere.path()).unwrap();
    let (tls, plain) = (Security::tls(&authority.ca()), cluster().bootstrap());
    let right = tls.clone().scram(USER, PASSWORD);
    let wrong = [
        ("trusts another authority", plain.clone(), Security::tls(&stranger.ca()).scram(USER, PASSWORD)),
        ("has another password", plain.clone(), tls.clone().scram(USER, "guessed")),
        ("shows no certificate", cluster().mutual_bootstrap(), tls),
        ("meets another host", passed_on(&plain), right.clone()),
    ];
    for driver in DRIVERS.iter() {
        let writer = |bootstrap: &str, security: &Security| {
            write(*driver, &Writing::new(bootstrap, "closed", &[0], 10).security(security))
        };
        let wrong = wrong.each_ref().map(|(why, bootstrap, security)| (why, writer(bootstrap, security)));
        let wrote = writer(&plain, &right).complete(LIMIT).unwrap();
        assert_eq!(wrote.records(), 10, "{driver}: {wrote}");
        for (why, writer) in wrong {
            assert_eq!(writer.history().records(), 0, "{driver} {why}");
        }
    }
}

/// Another address of the same machine, from which bytes go to `to` and back.
fn passed_on(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let (address, to) = (listener.local_addr().unwrap().to_string(), to.to_owned());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let broker = TcpStream::connect(&to).unwrap();
            let (mut client_too, mut broker_too) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
            let (mut client, mut broker) = (client, broker);
            thread::spawn(move || io::copy(&mut client, &mut broker));
            thread::spawn(move || io::copy(&mut broker_too, &mut client_too));
        }
    });
    address
}

/// What the libraries have no way of asking for. Everything else works.
fn unsupported(driver: Driver) -> &'static [&'static str] {
    let _ = driver;
    &[]
}

#[test]
fn every_client_administers_a_topic_from_its_making_to_its_end() {
    let ca = cluster().authority().unwrap().ca();
    for driver in DRIVERS.iter() {
        let task = Administering {
            bootstrap: cluster().bootstrap(),
            topic: format!("made-by-{driver}"),
            replication: 1,
            security: Security::tls(&ca).scram(USER, PASSWORD),
        };
        let steps = driver.administer(&task, LIMIT).unwrap_or_else(|error| panic!("{driver}: {error:#}"));
        for (step, op) in steps.iter().zip(STEPS) {
            let missing = unsupported(*driver).contains(&op);
            let expected = if missing { Outcome::Unsupported } else { Outcome::Done };
            assert_eq!(step.outcome, expected, "{driver}: {step}");
        }
    }
}

/// Clients that speak KIP-848.
const BROKER_SHARES_OUT: [Driver; 4] = [Driver::Java, Driver::Librdkafka, Driver::Rdkafka, Driver::Franz];

#[test]
fn a_group_is_of_the_protocol_that_was_asked_for() {
    create("groups", 2);
    let admin = Java::resident().unwrap().admin(&plain());
    for (protocol, group_type) in [(GroupProtocol::Classic, "Classic"), (GroupProtocol::Consumer, "Consumer")]
    {
        let reading = Reading::group(&plain(), "groups", protocol.name()).protocol(protocol);
        let readers: Vec<_> = DRIVERS.iter().map(|driver| (*driver, read(*driver, &reading))).collect();
        for (driver, reader) in readers {
            if protocol == GroupProtocol::Consumer && !BROKER_SHARES_OUT.contains(&driver) {
                let history = reader.ended(LIMIT).unwrap();
                assert_eq!(history.unsupported(), Some("group-protocol consumer"), "{driver}");
                continue;
            }
            reader.wait_assigned(2, LIMIT).unwrap_or_else(|error| panic!("{driver}: {error:#}"));
            let group = format!("{}-{driver}", protocol.name());
            let described = admin.call("describe_group", json!({"group": group})).unwrap();
            assert_eq!(described["type"], group_type, "{driver}");
            reader.finish(LIMIT).unwrap();
        }
    }
}
