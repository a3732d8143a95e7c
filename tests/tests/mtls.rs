//! A client's certificate says who it is: the brokers see the principal that the gateway's map names for it, on every
//! connection and for every read, and nobody else gets in.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kafka::client::metadata::{self, Topics};
use kafka::client::{ClientTls, Connection, Dialer, Security, Stream, client_config};
use kafka::fetch::answer::Answer;
use kafka::fetch::request::{Ask, FetchPartition, TopicRef, encode};
use kafka::types::{LeaderEpoch, Offset, Partition};
use serde_json::{Value, json};
use tidegate_tests::certs::{Authority, Identity};
use tidegate_tests::gateway::{Gateway, binary_path};
use tidegate_tests::java::{Acl, class_of};
use tidegate_tests::ports::Ports;
use tidegate_tests::{Cluster, Fleet, Java, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];
const MECHANISM: &str = "SCRAM-SHA-512";
const USERS: [(&str, &str); 3] =
    [("admin", "admin-secret"), ("app-a", "app-a-secret"), ("app-b", "app-b-secret")];
/// How long brokers let a session live.
const LIFETIME: Duration = Duration::from_secs(4);
/// How long a client may take for what it does at its own pace.
const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;

/// Topic `a` is app-a's and `b` app-b's; both are led in az2, with a copy in az1.
struct Stage {
    cluster: Cluster,
    fleet: Mutex<Fleet>,
    address: String,
    /// Where az1's gateway stands for broker 2.
    leader: String,
}

fn stage() -> &'static Stage {
    static STAGE: LazyLock<Stage> = LazyLock::new(build);
    &STAGE
}

fn build() -> Stage {
    let cluster =
        Cluster::builder().brokers(3).racks(ZONES).voters(1).acls().tls().sasl(&[MECHANISM], &USERS);
    let lifetime = LIFETIME.as_millis().to_string();
    let cluster = cluster
        .property("connections.max.reauth.ms", &lifetime)
        .property("auto.create.topics.enable", "false")
        .start()
        .unwrap();
    let admin = Java::resident().unwrap().admin(&cluster.internal_bootstrap());
    for topic in ["a", "b"] {
        admin.create_topic_on(topic, &[&[2, 1, 3]]).unwrap();
        let principal = format!("User:app-{topic}");
        for operation in ["READ", "WRITE", "DESCRIBE"] {
            admin.allow(Acl { principal: &principal, operation, resource: "TOPIC", name: topic }).unwrap();
        }
        let name = format!("readers-{topic}");
        let group = Acl { principal: &principal, operation: "READ", resource: "GROUP", name: &name };
        admin.allow(group).unwrap();
    }
    let hosts = ["localhost".into(), "127.0.0.1".into(), "127.0.0.2".into()];
    let fleet =
        Fleet::start_with(&cluster, &ZONES[..2], &upstream(&cluster), &listener(&cluster, &hosts), "");
    let fleet = fleet.unwrap();
    let site = &fleet.sites()[0];
    let (address, leader) = (site.address(), site.broker_address(2).unwrap());
    Stage { fleet: Mutex::new(fleet), address, leader, cluster }
}

/// The gateway's own principal is `admin`, which may do everything: whatever a client may not, it may.
fn upstream(cluster: &Cluster) -> String {
    format!(
        "cluster:\n  bootstrap: [{}]\n  tls: {{ca: {}}}\n  auth: {}",
        cluster.bootstrap().replace(',', ", "),
        cluster.authority().unwrap().ca().display(),
        auth(cluster, "admin", "admin-secret")
    )
}

/// Passwords come from files, because nothing secret stands in the configuration.
fn auth(cluster: &Cluster, user: &str, password: &str) -> String {
    let file = cluster.dir().join(format!("{user}-{password}.password"));
    std::fs::write(&file, password).unwrap();
    format!("{{mechanism: {MECHANISM}, username: {user}, password: {{file: {}}}}}", file.display())
}

/// Certificates for two applications, and a third whose password nobody has.
fn listener(cluster: &Cluster, hosts: &[String]) -> String {
    let authority = cluster.authority().unwrap();
    let own = authority.issue("gateway", hosts).unwrap();
    let entry = |name: &str, password: &str| {
        let user = if name == "broken" { "app-a" } else { name };
        format!("{{subject: \"CN={name},O=Example\", auth: {}}}", auth(cluster, user, password))
    };
    let (a, b) = (entry("app-a", "app-a-secret"), entry("app-b", "app-b-secret"));
    format!(
        "tls: {{cert: {}, key: {}, client_ca: {}, identities: [{a}, {b}, {}]}}",
        own.cert.display(),
        own.key.display(),
        authority.ca().display(),
        entry("broken", "a-wrong-secret")
    )
}

impl Stage {
    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn authority(&self) -> &Authority {
        self.cluster.authority().unwrap()
    }

    /// A certificate that Java prints as `CN=name,O=Example`.
    fn certificate(&self, name: &str) -> Identity {
        self.authority().issue_client(name, "Example").unwrap()
    }

    /// Properties of a Java client with a certificate.
    fn props(&self, name: &str) -> Value {
        json!({
            "bootstrap.servers": self.address,
            "security.protocol": "SSL",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority().ca(),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.certificate(name).keystore,
        })
    }

    fn rejected(&self, reason: &str) -> f64 {
        self.fleet().metric("tidegate_rejected_total", &[("reason", reason)]).unwrap()
    }

    /// What it takes to be counted under this reason, once more than before.
    fn counted_under<T>(&self, reason: &str, done: impl FnOnce() -> T) -> T {
        let before = self.rejected(reason);
        let outcome = done();
        let more = || Ok(self.rejected(reason) > before);
        wait::until_true(&format!("a refusal for {reason}"), PATIENCE, more).unwrap();
        outcome
    }

    fn log(&self) -> String {
        self.fleet().gateways()[0].log().unwrap()
    }
}

fn outcome<T>(result: anyhow::Result<T>) -> String {
    match result {
        Ok(_) => "fine".into(),
        Err(error) => class_of(&error).map_or_else(|| format!("{error:#}"), str::to_owned),
    }
}

/// What happens to a client that tries this and that.
fn attempts(props: &Value) -> Vec<(String, String)> {
    let java = Java::resident().unwrap();
    let admin = java.admin_with(props.clone());
    let mut tried = vec![("list topics".to_owned(), outcome(admin.call("list_topics", json!({}))))];
    for topic in ["a", "b"] {
        let produce = || {
            let mut props = props.clone();
            props["max.block.ms"] = json!(10_000);
            java.producer(props)?.send(json!({"topic": topic}))?.remove(0).map_err(anyhow::Error::from)
        };
        let consume = |group: &str| {
            let mut props = props.clone();
            props["group.id"] = json!(group);
            props["auto.offset.reset"] = json!("earliest");
            java.subscribe(props, &[topic])?.records(1, PATIENCE)
        };
        tried.extend([
            (format!("describe {topic}"), outcome(admin.describe_topic(topic))),
            (format!("write to {topic}"), outcome(produce())),
            (format!("read {topic} in its group"), outcome(consume(&format!("readers-{topic}")))),
        ]);
        // In a's own group the one record of `a` has been read by now.
        if topic != "a" {
            tried.push((format!("read {topic} in a's group"), outcome(consume("readers-a"))));
        }
    }
    let _ = admin.call("close", json!({}));
    tried
}

#[test]
fn holders_of_certificates_may_through_the_gateway_what_their_principals_may_directly() {
    let stage = stage();
    let mut seen = Vec::new();
    for (user, password) in &USERS[1..] {
        let direct = attempts(&stage.cluster.client_props(MECHANISM, user, password));
        let through = attempts(&stage.props(user));
        assert_eq!(direct, through, "{user}");
        let fine = direct.iter().filter(|(_, outcome)| outcome == "fine").count();
        assert!(
            (4..direct.len() - 2).contains(&fine),
            "{user} may nearly nothing, or nearly all: {direct:?}"
        );
        seen.push(direct);
    }
    assert_ne!(seen[0], seen[1], "the two principals differ in nothing");
}

fn dialer(ca: &Path, identity: Option<&Identity>, server_name: Option<&str>) -> Dialer {
    let (cert, key) = identity.map(|i| (i.cert.as_path(), i.key.as_path())).unzip();
    let tls = ClientTls::new(client_config(Some(ca), cert, key).unwrap(), server_name).unwrap();
    Dialer {
        security: Security { tls: Some(tls), sasl: None },
        client_id: "test".to_owned(),
        connect_timeout: Duration::from_secs(20),
        call_timeout: Duration::from_secs(20),
    }
}

fn host_and_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap();
    (host, port.parse().unwrap())
}

/// Whether a client gets as far as an answer.
fn gets_in(stage: &Stage, identity: Option<&Identity>) -> bool {
    let (host, port) = host_and_port(&stage.address);
    let dialer = dialer(&stage.authority().ca(), identity, None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Connection::connect(&dialer, host, port)).is_ok()
}

#[test]
fn who_shows_no_certificate_or_one_that_nobody_is_meant_by_is_refused_counted_and_named() {
    let stage = stage();
    assert!(gets_in(stage, Some(&stage.certificate("app-a"))));
    let stranger = stage.authority().issue_client("stranger", "Example").unwrap();
    assert!(!stage.counted_under("certificate_not_mapped", || gets_in(stage, Some(&stranger))));
    let named = "the certificate's subject \"CN=stranger,O=Example\" is not in `tls.identities`";
    assert!(stage.log().contains(named), "{}", stage.log());
    // The whole subject counts, not its common name.
    let other = stage.authority().issue_client("app-a", "Elsewhere").unwrap();
    assert!(!stage.counted_under("certificate_not_mapped", || gets_in(stage, Some(&other))));
    assert!(!stage.counted_under("tls", || gets_in(stage, None)));
    let elsewhere = tempfile::tempdir().unwrap();
    let forged = Authority::new(elsewhere.path()).unwrap().issue_client("app-a", "Example").unwrap();
    assert!(!stage.counted_under("tls", || gets_in(stage, Some(&forged))));
    let broken = stage.certificate("broken");
    assert!(!stage.counted_under("identity_refused", || gets_in(stage, Some(&broken))));
    assert!(!stage.log().contains("-secret"), "a password in the log: {}", stage.log());
}

#[test]
fn sasl_beside_a_certificate_is_refused_in_words_that_a_client_understands() {
    let stage = stage();
    let mut props = stage.cluster.client_props(MECHANISM, "app-b", "app-b-secret");
    for (key, value) in stage.props("app-a").as_object().unwrap() {
        props[key] = value.clone();
    }
    props["security.protocol"] = json!("SASL_SSL");
    let admin = Java::resident().unwrap().admin_with(props);
    let refused =
        stage.counted_under("sasl_beside_certificate", || admin.call("list_topics", json!({})).unwrap_err());
    assert_eq!(class_of(&refused), Some("IllegalSaslStateException"), "{refused:#}");
}

/// A connection to the endpoint of the leader in az2, at az1's gateway, that fetches by itself.
struct Reader {
    stream: Stream,
    next: i32,
}

impl Reader {
    async fn connect(stage: &Stage, name: &str) -> Self {
        let (host, port) = host_and_port(&stage.leader);
        let dialer = dialer(&stage.authority().ca(), Some(&stage.certificate(name)), None);
        let stream = kafka::client::open(&dialer.security, host, port, PATIENCE).await.unwrap();
        Self { stream, next: 0 }
    }

    /// The error, the replica that the client is pointed to (-1: none), and how many bytes came.
    async fn fetch(&mut self, topic: &str) -> (i16, i32, usize) {
        self.next += 1;
        let ask = Ask {
            version: 11,
            correlation_id: self.next,
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation_level: 0,
        };
        let place = (TopicRef::Name(topic), Partition(0), Offset(0), LeaderEpoch(-1));
        let partition = FetchPartition::new(place.0, place.1, place.2, place.3, 1 << 20);
        self.stream.write_all(&encode(ask, "zone=az1", &[&partition])).await.unwrap();
        self.stream.flush().await.unwrap();
        let mut payload = vec![0; self.stream.read_i32().await.unwrap() as usize];
        self.stream.read_exact(&mut payload).await.unwrap();
        assert!(payload.starts_with(&self.next.to_be_bytes()), "an answer to another request");
        let answer = Answer::parse(&payload, 11).unwrap();
        let p = &answer.partitions[0];
        (p.error, p.preferred_read_replica.0, p.records.len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_reads_on_a_clients_behalf_it_reads_by_that_clients_rights() {
    let stage = stage();
    let producer = Java::resident().unwrap().producer(stage.props("app-a")).unwrap();
    assert!(producer.send(json!({"topic": "a"})).unwrap()[0].is_ok());
    let on_behalf = || {
        let served = [("from", "in_zone"), ("reason", "on_behalf")];
        stage.fleet().metric("tidegate_fetch_served_total", &served).unwrap()
    };
    let before = on_behalf();
    let mut mine = Reader::connect(stage, "app-a").await;
    // The first fetch that the view knows enough for is pointed to the replica in az1, the next ones are served from it.
    let deadline = Instant::now() + PATIENCE;
    let mut pointed = false;
    loop {
        assert!(Instant::now() < deadline, "no fetch is served on behalf; pointed elsewhere: {pointed}");
        let (error, elsewhere, bytes) = mine.fetch("a").await;
        assert_eq!(error, 0);
        pointed |= elsewhere == 1;
        if pointed && bytes > 0 && on_behalf() > before {
            break;
        }
    }
    // The same place, where it is known now that the gateway itself may read.
    let counted = on_behalf();
    let mut other = Reader::connect(stage, "app-b").await;
    for n in 0..10 {
        assert_eq!(other.fetch("a").await, (TOPIC_AUTHORIZATION_FAILED, -1, 0), "fetch {n}");
        assert_eq!(mine.fetch("a").await.0, 0);
    }
    assert!(on_behalf() > counted, "the gateway did not read meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_outlive_the_lifetime_that_brokers_grant_them_busy_or_idle() {
    let stage = stage();
    let renewed = || stage.fleet().metric("tidegate_identities_renewed_total", &[]).unwrap();
    let before = renewed();
    let (host, port) = host_and_port(&stage.address);
    let dialer = dialer(&stage.authority().ca(), Some(&stage.certificate("app-b")), None);
    let mut idle = Connection::connect(&dialer, host, port).await.unwrap();

    let java = Java::resident().unwrap();
    let mut props = stage.props("app-b");
    let producer = java.producer(props.clone()).unwrap();
    props["fetch.max.wait.ms"] = json!(200);
    let reader = java.assign(props, &[("b", 0)]).unwrap();
    let (_, first) = producer.send(json!({"topic": "b"})).unwrap().remove(0).unwrap();
    reader.records(first as usize + 1, PATIENCE).unwrap();
    let closed = reader.metric("connection-close-total").unwrap();
    let (started, mut sent) = (Instant::now(), 0);
    while started.elapsed() < 3 * LIFETIME {
        for ack in producer.send(json!({"topic": "b", "count": 200})).unwrap() {
            sent += 1;
            assert_eq!(ack.unwrap(), (0, first + sent), "after {:?}", started.elapsed());
        }
    }
    let records = reader.records(sent as usize, PATIENCE).unwrap();
    assert!(records.iter().map(|r| r.1).eq(first + 1..=first + sent));
    assert_eq!(reader.metric("connection-close-total").unwrap(), closed, "the consumer had to come back");
    let told = metadata::fetch(&mut idle, Topics::None).await;
    assert_eq!(told.unwrap().brokers.len(), 3, "the idle connection ended");
    // The idle one, the producer's and the reader's, each at least twice.
    assert!(renewed() - before >= 6.0, "{} renewals", renewed() - before);
}

#[test]
fn check_tries_the_credentials_that_certificates_stand_for() {
    let stage = stage();
    let listener = listener(&stage.cluster, &["localhost".into()]).replace('\n', "");
    let yaml = format!(
        "gateway: {{id: gw, zone: az1}}\n{}\nlisteners:\n  - name: clients\n    bind: 127.0.0.1:29092\n    \
         brokers: {{ports: 29100-29199}}\n    {listener}\n",
        upstream(&stage.cluster),
    );
    let file = stage.cluster.dir().join("check.yaml");
    std::fs::write(&file, yaml).unwrap();
    let mut check = Command::new(binary_path().unwrap());
    let ran = check.args(["check", "--connect", "-o", "json", "-c"]).arg(&file).output().unwrap();
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let errors: Vec<_> =
        said["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "error").collect();
    let [error] = &errors[..] else { panic!("{errors:#?}") };
    assert_eq!(error["at"], "listeners[clients].tls.identities[2]", "{error}");
    let reason = error["reason"].as_str().unwrap();
    assert!(reason.starts_with("CN=broken,O=Example: ") && !reason.contains("-secret"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_server_names_too_the_certificate_says_who_the_client_is() {
    let stage = stage();
    let names: Vec<String> =
        ["kafka.test".to_owned()].into_iter().chain((1..=3).map(|n| format!("b{n}.kafka.test"))).collect();
    let mut ports = Ports::lease().unwrap();
    let (bind, admin) = (ports.one().unwrap(), ports.one().unwrap());
    let gateway = Gateway::start(&format!(
        "gateway: {{id: gw, zone: az1, admin: 127.0.0.1:{admin}}}\n{}\n\
         listeners:\n  - name: clients\n    bind: 127.0.0.1:{bind}\n    advertise: kafka.test\n    \
         brokers: {{sni: \"b{{id}}.kafka.test\"}}\n    {}\n",
        upstream(&stage.cluster),
        listener(&stage.cluster, &names),
    ))
    .unwrap();
    let asked = ["a".to_owned(), "b".to_owned()];
    for (name, seen) in [("app-a", ["a"]), ("app-b", ["b"])] {
        let certificate = stage.certificate(name);
        for server_name in &names {
            let dialer = dialer(&stage.authority().ca(), Some(&certificate), Some(server_name));
            let mut connection = Connection::connect(&dialer, "127.0.0.1", bind).await.unwrap();
            let told = metadata::fetch(&mut connection, Topics::Names(&asked)).await.unwrap();
            let may = told.topics.iter().filter(|t| t.error.is_ok()).map(|t| t.name.as_str());
            assert!(may.eq(seen), "{name} at {server_name}: {:?}", told.topics);
        }
    }
    let stranger = stage.authority().issue_client("stranger", "Example").unwrap();
    let dialer = dialer(&stage.authority().ca(), Some(&stranger), Some("b2.kafka.test"));
    assert!(Connection::connect(&dialer, "127.0.0.1", bind).await.is_err());
    let counted = || {
        Ok(gateway.metrics()?.sum("tidegate_rejected_total", &[("reason", "certificate_not_mapped")]) > 0.0)
    };
    wait::until_true("the refusal to be counted", PATIENCE, counted).unwrap();
}
