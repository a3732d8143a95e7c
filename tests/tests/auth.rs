//! Who may do what is the brokers' word, through the gateway as without it: every mechanism, every refusal.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use kafka::api;
use serde_json::{Value, json};
use tidegate_tests::certs::Authority;
use tidegate_tests::cluster::client_props;
use tidegate_tests::gateway::binary_path;
use tidegate_tests::java::{Acl, class_of};
use tidegate_tests::raw::{Raw, request};
use tidegate_tests::tool::Tool;
use tidegate_tests::transparency::listed;
use tidegate_tests::{Cluster, Fleet, Java, wait};

const USERS: [(&str, &str); 3] =
    [("admin", "admin-secret"), ("alice", "alice-secret"), ("mallory", "mallory-secret")];

/// The users of the test of `check`, beside the others.
const CHECKED: [(&str, &str); 2] = [("admin", "admin-secret"), ("tidegate", "tidegate-secret")];

const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// How long a client may take for what it does at its own pace.
const PATIENCE: Duration = Duration::from_secs(60);

/// The stage that all tests share but the one with TLS: alice has rights to `mine`, mallory none.
struct Stage {
    cluster: Cluster,
    fleet: Fleet,
}

fn stage() -> &'static Stage {
    static SHARED: LazyLock<Stage> = LazyLock::new(|| {
        let cluster = cluster();
        rights_of_alice(&cluster);
        let fleet = fleet(&cluster, "", "");
        Stage { cluster, fleet }
    });
    &SHARED
}

fn cluster() -> Cluster {
    let builder = Cluster::builder().acls().sasl(&MECHANISMS, &USERS);
    // Clients must authenticate again every 4 s; tokens need a key.
    builder
        .property("connections.max.reauth.ms", "4000")
        .property("delegation.token.secret.key", "a-key-of-the-test")
        .property("auto.create.topics.enable", "false")
        .start()
        .unwrap()
}

/// A gateway that reads the cluster as `admin`.
fn fleet(cluster: &Cluster, tls: &str, listener: &str) -> Fleet {
    // The password comes from a file, because nothing secret stands in the configuration.
    let secret = cluster.dir().join("admin-password");
    std::fs::write(&secret, "admin-secret").unwrap();
    let upstream = format!(
        "cluster:\n  bootstrap: [{}]\n{tls}  auth: {{mechanism: SCRAM-SHA-512, username: admin, password: {{file: {}}}}}",
        cluster.bootstrap(),
        secret.display()
    );
    Fleet::start_with(cluster, &["az1"], &upstream, listener, "").unwrap()
}

fn outcome<T>(result: anyhow::Result<T>) -> String {
    match result {
        Ok(_) => "fine".into(),
        Err(error) => class_of(&error).map_or_else(|| format!("{error:#}"), str::to_owned),
    }
}

/// What happens to a user who tries this and that.
fn attempts(props: &Value) -> Vec<(&'static str, String)> {
    let java = Java::resident().unwrap();
    let admin = java.admin_with(props.clone());
    let produce = |topic: &str, extra: Value| {
        let mut props = props.clone();
        props["max.block.ms"] = json!(5000);
        extra.as_object().unwrap().iter().for_each(|(k, v)| props[k] = v.clone());
        let producer = java.producer(props)?;
        if extra.get("transactional.id").is_some() {
            producer.begin()?;
        }
        producer.send(json!({"topic": topic}))?.remove(0).map_err(anyhow::Error::from)
    };
    let consume = |topic: &str, group: &str| {
        let mut props = props.clone();
        props["group.id"] = json!(group);
        props["auto.offset.reset"] = json!("earliest");
        java.subscribe(props, &[topic])?.records(1, PATIENCE)
    };
    let tried = vec![
        ("list topics", outcome(admin.call("list_topics", json!({})))),
        ("describe its topic", outcome(admin.describe_topic("mine"))),
        ("describe another's", outcome(admin.describe_topic("theirs"))),
        ("create a topic", outcome(admin.call("create_topic", json!({"topic": "new"})))),
        ("delete another's", outcome(admin.delete_topic("theirs"))),
        ("write to its topic", outcome(produce("mine", json!({"enable.idempotence": false})))),
        ("write to another's", outcome(produce("theirs", json!({"enable.idempotence": false})))),
        ("write without repeats", outcome(produce("mine", json!({})))),
        ("write in a transaction", outcome(produce("mine", json!({"transactional.id": "tx"})))),
        ("read in its group", outcome(consume("mine", "readers"))),
        ("read another's", outcome(consume("theirs", "readers"))),
        ("read in another's group", outcome(consume("mine", "strangers"))),
        ("see configuration", outcome(admin.call("describe_config", json!({"name": "theirs"})))),
    ];
    let _ = admin.call("close", json!({}));
    tried
}

fn rights_of_alice(cluster: &Cluster) {
    let java = Java::resident().unwrap();
    let admin = java.admin(&cluster.internal_bootstrap());
    for topic in ["mine", "again", "by-token"] {
        for operation in ["READ", "WRITE", "DESCRIBE"] {
            admin.allow(Acl { principal: "User:alice", operation, resource: "TOPIC", name: topic }).unwrap();
        }
        admin.create_topic(topic, 1, 1).unwrap();
    }
    admin.create_topic("theirs", 1, 1).unwrap();
    for (operation, resource, name) in [("READ", "GROUP", "readers"), ("WRITE", "TRANSACTIONAL_ID", "tx")] {
        admin.allow(Acl { principal: "User:alice", operation, resource, name }).unwrap();
    }
}

#[test]
fn users_with_and_without_rights_meet_the_same_answers_directly_and_through_the_gateway() {
    let Stage { cluster, fleet } = stage();
    let address = fleet.sites()[0].address();
    let mut seen = Vec::new();
    for (user, mechanism, password) in [
        ("alice", "SCRAM-SHA-256", "alice-secret"),
        ("alice", "PLAIN", "alice-secret"),
        ("mallory", "SCRAM-SHA-512", "mallory-secret"),
        ("mallory", "SCRAM-SHA-512", "alice-secret"),
    ] {
        let direct = attempts(&cluster.client_props(mechanism, user, password));
        let through = attempts(&client_props(&address, None, mechanism, user, password));
        assert_eq!(direct, through, "{user} with {mechanism}");
        seen.push(direct);
    }
    let fine = |n: usize| seen[n].iter().filter(|(_, outcome)| outcome == "fine").count();
    assert!(fine(0) >= 6 && fine(1) == fine(0), "alice may too little: {:?}", seen[0]);
    assert!(fine(2) <= 1, "mallory may too much: {:?}", seen[2]);
    assert_eq!(fine(3), 0, "a wrong password opens something: {:?}", seen[3]);
}

#[test]
fn clients_authenticate_again_on_open_connections() {
    let Stage { fleet, .. } = stage();
    let java = Java::resident().unwrap();
    let props = client_props(&fleet.sites()[0].address(), None, "SCRAM-SHA-256", "alice", "alice-secret");
    let producer = java.producer(props.clone()).unwrap();
    let reader = java.assign(props, &[("again", 0)]).unwrap();
    let mut sent = 0;
    wait::until_true("two authentications on one connection", PATIENCE, || {
        assert!(producer.send(json!({"topic": "again"}))?[0].is_ok());
        sent += 1;
        Ok(reader.metric("successful-reauthentication-total")? >= 2.0)
    })
    .unwrap();
    let records = reader.records(sent, PATIENCE).unwrap();
    assert_eq!(records.iter().map(|r| r.1).collect::<Vec<_>>(), (0..sent as i64).collect::<Vec<_>>());
    assert_eq!(reader.metric("failed-reauthentication-total").unwrap(), 0.0);
}

#[test]
fn delegation_tokens_are_issued_and_accepted_through_the_gateway() {
    let Stage { fleet, .. } = stage();
    let address = fleet.sites()[0].address();
    let java = Java::resident().unwrap();
    let alice = java.admin_with(client_props(&address, None, "SCRAM-SHA-256", "alice", "alice-secret"));
    let token = alice.call("create_token", json!({})).unwrap();
    let (id, hmac) = (token["id"].as_str().unwrap(), token["hmac"].as_str().unwrap());
    let mut props = client_props(&address, None, "SCRAM-SHA-256", id, hmac);
    let jaas = props["sasl.jaas.config"].as_str().unwrap().replace(';', " tokenauth=\"true\";");
    props["sasl.jaas.config"] = json!(jaas);
    // Brokers learn of a token by the metadata log, a moment later.
    wait::until_true("the token to be accepted", PATIENCE, || {
        let producer = java.producer(props.clone())?;
        Ok(producer.send(json!({"topic": "by-token"}))?.remove(0)? == (0, 0))
    })
    .unwrap();
}

/// SaslHandshake v0, then PLAIN's token in a frame without Kafka's header, then a request.
fn old_handshake(address: &str, password: &str) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut raw = Raw::connect(address).unwrap();
    let answer = raw.call(1, api::SASL_HANDSHAKE, 0, &[0, 5, b'P', b'L', b'A', b'I', b'N']).unwrap();
    assert_eq!(answer[4..6], [0, 0], "no error");
    raw.send(format!("\0alice\0{password}").as_bytes()).unwrap();
    let token = raw.recv().ok();
    let after = raw.send(&request(1, api::API_VERSIONS, 0, 77, "old", &[])).and_then(|()| raw.recv()).ok();
    (token, after)
}

#[test]
fn the_first_sasl_handshake_still_works_and_still_refuses() {
    let Stage { cluster, fleet } = stage();
    let direct = cluster.brokers()[0].address();
    let through = fleet.sites()[0].broker_address(1).unwrap();
    assert_eq!(listed(&direct).unwrap()[&api::SASL_HANDSHAKE].0, 0, "this Kafka has no v0");
    let right = old_handshake(&direct, "alice-secret");
    assert!(right.1.is_some());
    assert_eq!(right, old_handshake(&through, "alice-secret"));
    assert_eq!(old_handshake(&direct, "wrong"), old_handshake(&through, "wrong"));
}

/// The reason and the remedy of a finding.
type Found = (String, String);

/// What `tidegate check --connect` says as `user`: its exit code, and (reason, remedy) of each finding about rights.
fn check(cluster: &Cluster, user: &str) -> (Option<i32>, Vec<Found>) {
    let secret = cluster.dir().join(format!("{user}-password"));
    std::fs::write(&secret, format!("{user}-secret")).unwrap();
    let file = cluster.dir().join(format!("check-{user}.yaml"));
    let yaml = format!(
        "gateway: {{id: gw, zone: az1}}\ncluster:\n  bootstrap: [{}]\n  auth: {{mechanism: PLAIN, username: {user}, \
         password: {{file: {}}}}}\nlisteners:\n  - name: clients\n    bind: 127.0.0.1:29092\n    \
         advertise: 127.0.0.1\n    brokers: {{ports: 29100-29199}}\n",
        cluster.bootstrap(),
        secret.display()
    );
    std::fs::write(&file, yaml).unwrap();
    let mut check = Command::new(binary_path().unwrap());
    let ran = check.args(["check", "--connect", "-o", "json", "-c"]).arg(&file).output().unwrap();
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let text = |f: &Value, key: &str| f[key].as_str().unwrap().to_owned();
    let rights = said["findings"].as_array().unwrap().iter().filter(|f| f["at"] == "rights");
    let rights = rights
        .inspect(|f| assert_eq!(f["severity"], "warning"))
        .map(|f| (text(f, "reason"), text(f, "remedy")));
    (ran.status.code(), rights.collect())
}

/// Runs the command that a remedy ends in, as the brokers' own user.
fn obey(cluster: &Cluster, remedy: &str) {
    let (_, command) = remedy.split_once("kafka-acls.sh ").unwrap();
    let command = command.replace(&cluster.bootstrap(), &cluster.internal_bootstrap());
    let command = command.replace(" --command-config admin.properties", "").replace('\'', "");
    let words: Vec<_> = command.split(' ').collect();
    let ran =
        Tool::start(cluster.dist(), "org.apache.kafka.tools.AclCommand", &words).unwrap().wait().unwrap();
    assert_eq!(ran.code, Some(0), "{command}: {}{}", ran.out, ran.err);
}

#[test]
fn check_names_each_missing_right_and_obeying_it_grants_them_all() {
    let cluster = Cluster::builder().acls().sasl(&MECHANISMS[..1], &CHECKED);
    let cluster = cluster.property("auto.create.topics.enable", "false").start().unwrap();
    let java = Java::resident().unwrap();
    let admin = java.admin(&cluster.internal_bootstrap());
    for topic in ["seen", "unseen"] {
        admin.create_topic(topic, 1, 1).unwrap();
    }
    let host_bound = json!({
        "principal": "User:alice", "operation": "READ", "resource": "TOPIC", "name": "unseen", "host": "10.9.8.7",
    });
    admin.call("create_acl", host_bound).unwrap();
    admin
        .allow(Acl { principal: "User:tidegate", operation: "DESCRIBE", resource: "TOPIC", name: "seen" })
        .unwrap();
    let says = |found: &[Found], what: &str| found.iter().any(|(reason, _)| reason.contains(what));
    // Brokers learn of a rule by the metadata log, a moment later.
    let settled = |what: &str, holds: &dyn Fn(&[Found]) -> bool| {
        let mut last = Vec::new();
        wait::until_true(what, PATIENCE, || {
            let (code, found) = check(&cluster, "tidegate");
            assert_eq!(code, Some(0), "warnings are no failure: {found:?}");
            last = found;
            Ok(holds(&last))
        })
        .unwrap_or_else(|e| panic!("{e:#}"));
        last
    };

    let found = settled("the first rules", &|f| says(f, "User:tidegate may not Read seen:"));
    assert!(says(&found, "may not Describe topics that no rule names for it: "), "{found:?}");
    assert!(says(&found, "could not be looked at (refused: CLUSTER_AUTHORIZATION_FAILED"), "{found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
    let blind = found.iter().find(|(reason, _)| reason.contains("could not be looked at")).unwrap();
    obey(&cluster, &blind.1);

    let found = settled("the rules to be seen", &|f| says(f, "ACLs name hosts"));
    assert!(says(&found, "is refused: User:alice at 10.9.8.7 on unseen"), "{found:?}");
    assert!(
        says(&found, "may not Describe unseen: "),
        "a rule tells of a topic that is not shown: {found:?}"
    );
    for (_, remedy) in found.iter().filter(|(reason, _)| reason.contains("may not")) {
        obey(&cluster, remedy);
    }
    let found = settled("topics to be readable", &|f| !says(f, "Read seen") && !says(f, "Describe unseen"));
    let general =
        found.iter().find(|(reason, _)| reason.contains("topics that no rule names for it")).unwrap();
    obey(&cluster, &general.1);
    let found = settled("all to be granted", &|f| !says(f, "may not"));
    assert_eq!(found.len(), 1, "hosts are still named: {found:?}");
    assert!(!says(&check(&cluster, "admin").1, "may not"), "who may do everything lacks nothing");
}

#[test]
fn tls_on_both_sides_carries_every_mechanism() {
    let cluster = Cluster::builder().tls().sasl(&MECHANISMS, &USERS).start().unwrap();
    let authority: &Authority = cluster.authority().unwrap();
    let ca = authority.ca();
    let own = authority.issue("gateway", &["localhost".into(), "127.0.0.1".into()]).unwrap();
    let listener = format!("tls: {{cert: {}, key: {}}}", own.cert.display(), own.key.display());
    let fleet = fleet(&cluster, &format!("  tls: {{ca: {}}}\n", ca.display()), &listener);
    let java = Java::resident().unwrap();
    java.admin(&cluster.internal_bootstrap()).create_topic("t", 1, 1).unwrap();
    let address = fleet.sites()[0].address();
    for (n, mechanism) in MECHANISMS.into_iter().enumerate() {
        let props = client_props(&address, Some(&ca), mechanism, "alice", "alice-secret");
        let producer = java.producer(props.clone()).unwrap();
        assert_eq!(producer.send(json!({"topic": "t"})).unwrap(), [Ok((0, n as i64))]);
        let reader = java.assign(props, &[("t", 0)]).unwrap();
        assert_eq!(reader.records(n + 1, PATIENCE).unwrap().len(), n + 1);
    }
    // A client that does not trust our authority does not get in.
    let stranger = Authority::new(Path::new(&tempfile::tempdir().unwrap().keep())).unwrap();
    let props = client_props(&address, Some(&stranger.ca()), "PLAIN", "alice", "alice-secret");
    let refused = java.admin_with(props).call("list_topics", json!({})).unwrap_err();
    assert_eq!(class_of(&refused), Some("SslAuthenticationException"));
}
