//! Three brokers and three gateways in three zones; two topics on brokers, two whose beginning is in the tier only; users with different rights.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use kafka::types::TopicId;
use serde_json::json;
use tidegate_tests::gateway::{Fleet, Site};
use tidegate_tests::java::{Acl, Admin};
use tidegate_tests::{Cluster, Java, wait};

use crate::client::{Client, Style};

pub(crate) const ZONES: [&str; 3] = ["az1", "az2", "az3"];
pub(crate) const BROKERS: [i32; 3] = [1, 2, 3];
pub(crate) const TOPICS: [&str; 4] = ["hot.a", "hot.b", "cold.a", "cold.b"];
pub(crate) const PARTITIONS: i32 = 3;
/// Every broker leads one partition of each topic, and has a copy of the others.
const REPLICAS: [&[i32]; 3] = [&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]];

/// User `x` has the password `x-secret`.
const USERS: [(&str, &str); 8] = [
    ("admin", "admin-secret"),
    ("alice", "alice-secret"),
    ("bob", "bob-secret"),
    ("carol", "carol-secret"),
    ("dave", "dave-secret"),
    ("mallory", "mallory-secret"),
    ("rita", "rita-secret"),
    ("rob", "rob-secret"),
];

/// Who may what: (user, operation, topic; with a star at its end all that begin so, allowed or denied).
const RIGHTS: [(&str, &str, &str, &str); 15] = [
    ("alice", "READ", "hot.a", "ALLOW"),
    ("alice", "READ", "cold.a", "ALLOW"),
    ("bob", "READ", "hot.b", "ALLOW"),
    ("bob", "READ", "cold.b", "ALLOW"),
    ("carol", "READ", "*", "ALLOW"),
    ("carol", "READ", "hot.b", "DENY"),
    ("carol", "READ", "cold.a", "DENY"),
    ("dave", "DESCRIBE", "*", "ALLOW"),
    ("dave", "WRITE", "cold.*", "ALLOW"),
    ("rita", "READ", "hot.a", "ALLOW"),
    ("rita", "READ", "hot.b", "ALLOW"),
    ("rita", "READ", "cold.a", "ALLOW"),
    ("rita", "READ", "cold.b", "ALLOW"),
    ("rob", "READ", "hot.a", "ALLOW"),
    ("rob", "READ", "cold.a", "ALLOW"),
];

/// How long anything may take that goes at its own pace.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Of each partition.
const RECORDS: i64 = 2_600;
/// Where everybody reads. Of cold topics brokers have dropped it.
pub(crate) const OFFSET: i64 = 300;

/// What a broker says of an offset that it dropped, to who may read.
pub(crate) const OFFSET_OUT_OF_RANGE: i16 = 1;

const TIERING: &str = "tiering:\n  topics:\n    - {match: \"cold.*\", hot: {bytes: 1MiB}, trim: true}\n  segment: {bytes: 1MiB, age: 1s}\n";

/// A partition by the place of its topic in [`TOPICS`] and its number.
pub(crate) type Place = (usize, i32);

pub(crate) fn places() -> Vec<Place> {
    (0..TOPICS.len()).flat_map(|topic| (0..PARTITIONS).map(move |p| (topic, p))).collect()
}

pub(crate) fn is_cold(place: Place) -> bool {
    TOPICS[place.0].starts_with("cold.")
}

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) fleet: Fleet,
    pub(crate) admin: Admin,
    pub(crate) ids: Vec<TopicId>,
    /// What the log had at [`OFFSET`] while brokers had all of it.
    pub(crate) history: BTreeMap<Place, Vec<u8>>,
}

pub(crate) fn stage() -> &'static Stage {
    static STAGE: LazyLock<Stage> = LazyLock::new(build);
    &STAGE
}

fn build() -> Stage {
    let cluster = Cluster::builder().brokers(3).racks(ZONES).voters(1).acls().sasl(&["PLAIN"], &USERS);
    // Who authenticates again on an open connection is heard; nobody here has to.
    let cluster = cluster
        .property("connections.max.reauth.ms", "3600000")
        .property("auto.create.topics.enable", "false")
        .start()
        .unwrap();
    let admin = Java::resident().unwrap().admin(&cluster.internal_bootstrap());
    TOPICS.iter().for_each(|topic| admin.create_topic_on(topic, &REPLICAS).unwrap());
    RIGHTS.iter().for_each(|right| grant(&admin, right));
    write(&cluster);
    let ids: Vec<_> = TOPICS.iter().map(|topic| TopicId(admin.topic_id(topic).unwrap())).collect();
    let history = history(&cluster, &ids);
    let fleet = fleet(&cluster);
    wait_trimmed(&cluster, &ids);
    Stage { cluster, fleet, admin, ids, history }
}

fn grant(admin: &Admin, (user, operation, topic, permission): &(&str, &str, &str, &str)) {
    let (name, pattern) = match topic.strip_suffix('*') {
        // Kafka's own way to name all topics.
        Some("") => ("*", "LITERAL"),
        Some(prefix) => (prefix, "PREFIXED"),
        None => (*topic, "LITERAL"),
    };
    let rule = json!({
        "principal": format!("User:{user}"), "operation": operation, "permission": permission,
        "resource": "TOPIC", "name": name, "pattern": pattern,
    });
    admin.call("create_acl", rule).unwrap();
}

fn write(cluster: &Cluster) {
    let props =
        json!({"bootstrap.servers": cluster.internal_bootstrap(), "batch.size": 4_000, "linger.ms": 5});
    let producer = Java::resident().unwrap().producer(props).unwrap();
    for (topic, partition) in places() {
        let records =
            json!({"topic": TOPICS[topic], "partition": partition, "count": RECORDS, "size": 1_000});
        assert!(producer.send(records).unwrap().iter().all(Result::is_ok));
    }
}

fn history(cluster: &Cluster, ids: &[TopicId]) -> BTreeMap<Place, Vec<u8>> {
    let mut out = BTreeMap::new();
    for broker in cluster.brokers() {
        let mut admin = Client::connect(&broker.address(), "", Style::NAMES, ids).unwrap();
        admin.authenticate("admin", "admin-secret").unwrap();
        let led = |place: &Place| REPLICAS[place.1 as usize][0] == broker.id();
        let led: Vec<_> = places().into_iter().filter(led).collect();
        let said = admin.fetch(&led).unwrap();
        for place in led {
            let got = &said.partitions[&place];
            assert!(got.error == 0 && !got.records.is_empty(), "{place:?}: {got:?}");
            out.insert(place, got.records.clone());
        }
    }
    out
}

/// The gateways' own principal is `admin`, which may do everything: whatever a client may not, it may.
fn fleet(cluster: &Cluster) -> Fleet {
    let secret = cluster.dir().join("admin-password");
    std::fs::write(&secret, "admin-secret").unwrap();
    let upstream = format!(
        "cluster:\n  bootstrap: [{}]\n  auth: {{mechanism: PLAIN, username: admin, password: {{file: {}}}}}",
        cluster.bootstrap().replace(',', ", "),
        secret.display()
    );
    let sections = format!("store: {{dir: {}}}\n{TIERING}", cluster.dir().join("tier").display());
    Fleet::start_with(cluster, &ZONES, &upstream, "", &sections).unwrap()
}

/// Until no broker has what everybody reads of cold topics; followers drop it a moment after the leader.
fn wait_trimmed(cluster: &Cluster, ids: &[TopicId]) {
    let cold: Vec<_> = places().into_iter().filter(|p| is_cold(*p)).collect();
    for broker in cluster.brokers() {
        let mut admin = Client::connect(&broker.address(), "", Style::NAMES, ids).unwrap();
        admin.authenticate("admin", "admin-secret").unwrap();
        let dropped =
            || Ok(admin.fetch(&cold)?.partitions.values().all(|got| got.error == OFFSET_OUT_OF_RANGE));
        wait::until_true("brokers to drop what the tier holds", PATIENCE, dropped).unwrap();
    }
}

impl Stage {
    /// Where a broker is reached directly.
    pub(crate) fn broker(&self, id: i32) -> String {
        self.cluster.brokers().iter().find(|b| b.id() == id).unwrap().address()
    }

    /// Every broker's endpoint at every gateway.
    pub(crate) fn endpoints(&self) -> Vec<(&Site, i32)> {
        let of = |site| BROKERS.map(move |broker| (site, broker));
        self.fleet.sites().iter().flat_map(of).collect()
    }

    /// A client that has not said who it is.
    pub(crate) fn stranger(&self, address: &str, zone: &str, style: Style) -> Client {
        Client::connect(address, zone, style, &self.ids).unwrap()
    }

    /// A client in a zone.
    pub(crate) fn client(&self, address: &str, zone: &str, style: Style, user: &str) -> Client {
        let mut client = self.stranger(address, zone, style);
        client.authenticate(user, &format!("{user}-secret")).unwrap();
        client
    }

    /// Whether records are the log's own, from the batch at [`OFFSET`] on.
    pub(crate) fn are_the_logs(&self, place: Place, records: &[u8]) -> bool {
        let truth = &self.history[&place];
        let n = truth.len().min(records.len());
        n > 0 && truth[..n] == records[..n]
    }

    /// Fetches so far that gateways served from the tier, and by fetching from other brokers.
    pub(crate) fn served_by_gateways(&self) -> [f64; 2] {
        let sum = |label: (&str, &str)| {
            let metrics = self.fleet.sites().iter().map(|site| {
                let admin = format!("{}:{}", site.host, site.admin);
                tidegate_tests::gateway::Metrics::of(&admin).unwrap()
            });
            metrics.map(|m| m.sum("tidegate_fetch_served_total", &[label])).sum()
        };
        [sum(("from", "tier")), sum(("reason", "on_behalf"))]
    }

    fn acl<'a>(user: &'a str, topic: &'a str) -> Acl<'a> {
        Acl { principal: user, operation: "READ", resource: "TOPIC", name: topic }
    }

    pub(crate) fn revoke(&self, user: &str, topic: &str) {
        self.admin.revoke(Self::acl(&format!("User:{user}"), topic)).unwrap();
    }

    pub(crate) fn allow(&self, user: &str, topic: &str) {
        self.admin.allow(Self::acl(&format!("User:{user}"), topic)).unwrap();
    }
}
