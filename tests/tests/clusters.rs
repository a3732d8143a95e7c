//! Every kind of cluster that the promises need comes up and is what it claims to be.

#![cfg(feature = "slow")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_tests::java::{Acl, class_of};
use tidegate_tests::{Cluster, Java, Version};

fn carries_a_record(cluster: &Cluster, props: &Value) {
    let java = Java::resident().unwrap();
    let producer = java.producer(props.clone()).unwrap();
    java.admin(&cluster.internal_bootstrap()).create_topic("t", 1, 1).unwrap();
    assert_eq!(producer.send(json!({"topic": "t"})).unwrap(), [Ok((0, 0))]);
    let records = java.assign(props.clone(), &[("t", 0)]).unwrap();
    assert_eq!(records.records(1, Duration::from_secs(30)).unwrap()[0].1, 0);
}

fn plain(cluster: &Cluster) -> Value {
    json!({"bootstrap.servers": cluster.bootstrap()})
}

#[test]
fn kafka_2_8_runs_with_zookeeper() {
    let cluster = Cluster::builder().version(Version::V2).brokers(2).start().unwrap();
    carries_a_record(&cluster, &plain(&cluster));
}

#[test]
fn kafka_3_9_runs_with_kraft_and_sparse_ids() {
    let cluster = Cluster::builder().version(Version::V3).ids([7, 1001]).start().unwrap();
    carries_a_record(&cluster, &plain(&cluster));
}

#[test]
fn kafka_4_4_runs() {
    let cluster = Cluster::builder().version(Version::NewestBroker).start().unwrap();
    carries_a_record(&cluster, &plain(&cluster));
}

#[test]
fn a_secured_cluster_takes_tls_plain_and_scram_and_refuses_what_no_acl_allows() {
    let users = [("admin", "admin-secret"), ("alice", "alice-secret")];
    let cluster = Cluster::builder()
        .tls()
        .acls()
        .sasl(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], &users)
        .start()
        .unwrap();
    let java = Java::resident().unwrap();
    let props = |mechanism: &str, user: &str, password: &str| cluster.client_props(mechanism, user, password);
    carries_a_record(&cluster, &props("PLAIN", "admin", "admin-secret"));

    let alice = java.admin_with(props("SCRAM-SHA-256", "alice", "alice-secret"));
    let refused = alice.call("create_topic", json!({"topic": "x"})).unwrap_err();
    assert_eq!(class_of(&refused), Some("TopicAuthorizationException"));
    let may = Acl { principal: "User:alice", operation: "CREATE", resource: "TOPIC", name: "x" };
    java.admin(&cluster.internal_bootstrap()).allow(may).unwrap();
    alice.call("create_topic", json!({"topic": "x"})).unwrap();

    let stranger = java.admin_with(props("SCRAM-SHA-512", "alice", "wrong"));
    let refused = stranger.call("list_topics", json!({})).unwrap_err();
    assert_eq!(class_of(&refused), Some("SaslAuthenticationException"));
}
