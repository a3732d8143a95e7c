//! Clients do everything through the gateways: write with every `acks`, idempotently and in transactions, read in groups that
//! rebalance, administer, come in by SCRAM and by certificate, read in their zone and out of the store, and go on while a
//! gateway dies, a broker dies and the fleet is restarted. What they do is held against what the brokers themselves say.
//!
//! Java, librdkafka and franz-go in `make test`, all nine clients by `make clients`. One cell: `CLIENT=kafkajs
//! CHECK="cold reads" make clients`; `DIRECT=1` for what a client does at the brokers themselves.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Instant;

use tidegate_tests::clients::{Driver, chosen};
use tidegate_tests::matrix::{Check, Client, Stage, Table, Trouble};

/// As many run side by side as there are zones.
const AT_ONCE: usize = 3;
/// Who takes part: the three libraries that follow hints and know KIP-848, or everybody.
const CLIENTS: &[Driver] = match cfg!(feature = "slow") {
    true => &Driver::ALL,
    false => &[Driver::Java, Driver::Librdkafka, Driver::Franz],
};
/// What a client does wrong on Kafka itself, too, now and then: shown in the table, and no failure of ours. kafkajs takes the sequence number of a batch
/// back when its connection breaks, and gives it to whatever it sends next: a leader that has the first takes the second for a repetition.
const ITS_OWN: [(Driver, Check); 1] = [(Driver::KafkaJs, Check::AtWork(Trouble::BrokerKilled))];
/// How that shows: anything else that goes wrong there is a failure like any other.
const TAKEN_FOR_A_REPETITION: &str = "was acknowledged at";
/// Who can be in a classic group only.
const CLASSIC: [Driver; 5] =
    [Driver::Java28, Driver::Sarama, Driver::KafkaJs, Driver::Aiokafka, Driver::KafkaPython];

#[test]
fn every_client_does_everything_through_the_gateways() {
    let started = Instant::now();
    let mut stage = Stage::start().unwrap();
    println!("the stage was set after {:.1?}", started.elapsed());
    let clients = chosen("CLIENT", CLIENTS, Driver::name);
    let mut checks = chosen("CHECK", &Check::ALL, Check::name);
    checks.retain(|check| !stage.is_direct() || check.works_directly());
    let mut table = Table::new(&checks);
    for drivers in clients.chunks(AT_ONCE) {
        table.name(drivers);
        let party = Client::party(drivers);
        for check in &checks {
            let started = Instant::now();
            let verdicts = check.run(&mut stage, &party);
            println!("{} of {drivers:?} in {:.1?}: {verdicts:?}", check.name(), started.elapsed());
            table.add(*check, verdicts);
        }
    }
    println!("\n{}", table.markdown());
    let mut failures = table.failures();
    failures.retain(|(driver, check, why)| {
        !(ITS_OWN.contains(&(*driver, *check)) && why.contains(TAKEN_FOR_A_REPETITION))
    });
    assert_eq!(failures, []);
    assert_eq!(table.lacking(), lacking(&clients, &checks));
}

/// What the clients' libraries can't do, and no more than that.
fn lacking(clients: &[Driver], checks: &[Check]) -> Vec<(Driver, Check)> {
    let classic = clients.iter().filter(|_| checks.contains(&Check::ConsumerGroup));
    classic.filter(|driver| CLASSIC.contains(driver)).map(|driver| (*driver, Check::ConsumerGroup)).collect()
}
