//! Who may read what is in the tier is the brokers' word, now as at any time.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use kafka::types::TopicId;
use serde_json::json;
use tidegate_tests::cluster::client_props;
use tidegate_tests::gateway::Fleet;
use tidegate_tests::java::{Acl, class_of};
use tidegate_tests::s3::{Maker, Server};
use tidegate_tests::truth::{Asker, Fetched, Part, Question};
use tidegate_tests::{Cluster, Java, wait};

const USERS: [(&str, &str); 4] = [
    ("admin", "admin-secret"),
    ("alice", "alice-secret"),
    ("bob", "bob-secret"),
    ("mallory", "mallory-secret"),
];
const TOPIC: &str = "orders.mine";
const RECORDS: i64 = 6000;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
/// How long a right that was taken away may still be believed.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);
const TIERING: &str = "tiering:\n  topics:\n    - {match: \"orders.*\", hot: {bytes: 1MiB}, trim: true}\n  segment: {bytes: 1MiB, age: 1s}\n";

struct Stage {
    cluster: Cluster,
    _server: Server,
    fleet: Fleet,
    id: TopicId,
    /// Where brokers begin.
    start: i64,
}

fn stage() -> &'static Stage {
    static STAGE: LazyLock<Stage> = LazyLock::new(build);
    &STAGE
}

fn build() -> Stage {
    let cluster = Cluster::builder().acls().sasl(&["PLAIN"], &USERS).start().unwrap();
    let java = Java::resident().unwrap();
    let admin = java.admin(&cluster.internal_bootstrap());
    admin.create_topic(TOPIC, 1, 1).unwrap();
    for (user, operation) in [("alice", "READ"), ("bob", "READ"), ("mallory", "DESCRIBE")] {
        let principal = format!("User:{user}");
        admin.allow(Acl { principal: &principal, operation, resource: "TOPIC", name: TOPIC }).unwrap();
        admin.allow(Acl { principal: &principal, operation: "READ", resource: "GROUP", name: "g" }).unwrap();
    }
    let producer = java.producer(json!({"bootstrap.servers": cluster.internal_bootstrap()})).unwrap();
    let acks = producer.send(json!({"topic": TOPIC, "count": RECORDS, "size": 1000})).unwrap();
    assert!(acks.iter().all(Result::is_ok));
    let secret = cluster.dir().join("admin-password");
    std::fs::write(&secret, "admin-secret").unwrap();
    let upstream = format!(
        "cluster:\n  bootstrap: [{}]\n  auth: {{mechanism: PLAIN, username: admin, password: {{file: {}}}}}",
        cluster.bootstrap(),
        secret.display()
    );
    let server = Server::start(Maker::S3Proxy).unwrap();
    let sections = Server::yaml(&server.bucket().unwrap()) + TIERING;
    let fleet = Fleet::launch(&cluster, &["az1"], (&upstream, "", &sections), &Server::env()).unwrap();
    let start = wait::until("brokers to drop what the tier holds", Duration::from_secs(90), || {
        Ok(Some(admin.offsets(TOPIC, 0)?.0).filter(|start| *start >= RECORDS / 2))
    });
    let id = TopicId(admin.topic_id(TOPIC).unwrap());
    Stage { start: start.unwrap(), cluster, _server: server, fleet, id }
}

impl Stage {
    fn asker(&self, user: &str) -> Asker {
        let address = self.fleet.sites()[0].broker_address(1).unwrap();
        Asker::connect_as(&address, user, &format!("{user}-secret")).unwrap()
    }

    fn question(&self, version: i16, offset: i64) -> Question {
        let part = Part { partition: 0, offset, epoch: -1, max_bytes: 10_000 };
        Question {
            version,
            isolation: 0,
            max_bytes: 1 << 20,
            parts: vec![part],
            topic: TOPIC.into(),
            id: self.id,
        }
    }

    fn fetch(&self, asker: &mut Asker, version: i16, offset: i64) -> Fetched {
        asker.fetch(&self.question(version, offset)).unwrap().remove(0)
    }

    /// What Java's consumer meets that begins at the earliest offset.
    fn consume(&self, bootstrap: &str, user: &str) -> String {
        let mut props = client_props(bootstrap, None, "PLAIN", user, &format!("{user}-secret"));
        props["auto.offset.reset"] = json!("earliest");
        let consumer = Java::resident().unwrap().assign(props, &[(TOPIC, 0)]).unwrap();
        match consumer.records(RECORDS as usize, Duration::from_secs(60)) {
            Ok(records) => format!("{} records from {}", records.len(), records[0].1),
            Err(e) => class_of(&e).map_or_else(|| format!("{e:#}"), str::to_owned),
        }
    }
}

#[test]
fn a_user_without_read_is_refused_cold_data_as_hot_data_and_one_with_it_reads_all() {
    let stage = stage();
    let through = stage.fleet.sites()[0].address();
    assert_eq!(stage.consume(&through, "alice"), format!("{RECORDS} records from 0"));
    let refused = stage.consume(&stage.cluster.bootstrap(), "mallory");
    assert_eq!(refused, "TopicAuthorizationException");
    assert_eq!(stage.consume(&through, "mallory"), refused);
    let (mut alice, mut mallory) = (stage.asker("alice"), stage.asker("mallory"));
    for version in [4, 11, 12, 13, 17] {
        for offset in [0, stage.start - 1, stage.start, RECORDS - 1] {
            let said = stage.fetch(&mut mallory, version, offset);
            assert_eq!(
                (said.error, said.records.len()),
                (TOPIC_AUTHORIZATION_FAILED, 0),
                "v{version} at {offset}"
            );
            let said = stage.fetch(&mut alice, version, offset);
            assert_eq!((said.error, said.records.is_empty()), (0, false), "v{version} at {offset}");
        }
    }
}

#[test]
fn a_right_taken_away_in_the_middle_of_a_read_ends_it_within_seconds() {
    let stage = stage();
    let mut bob = stage.asker("bob");
    let said = stage.fetch(&mut bob, 13, 10);
    assert_eq!((said.error, said.records.is_empty()), (0, false));
    let admin = Java::resident().unwrap().admin(&stage.cluster.internal_bootstrap());
    admin.revoke(Acl { principal: "User:bob", operation: "READ", resource: "TOPIC", name: TOPIC }).unwrap();
    let revoked = Instant::now();
    let mut offset = 10;
    let refused = loop {
        let said = stage.fetch(&mut bob, 13, offset % stage.start);
        if said.error != 0 {
            break said.error;
        }
        assert!(revoked.elapsed() < REVOKED_WITHIN, "still reads after {:?}", revoked.elapsed());
        offset += 7;
    };
    eprintln!("refused {:?} after the right was taken away", revoked.elapsed());
    assert_eq!(refused, TOPIC_AUTHORIZATION_FAILED);
    for offset in 0..50 {
        let said = stage.fetch(&mut bob, 13, offset * 20);
        assert_eq!((said.error, said.records.len()), (TOPIC_AUTHORIZATION_FAILED, 0), "at {offset}");
    }
}
