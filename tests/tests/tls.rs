//! TLS on both sides: one port and a server name per broker towards clients, verified certificates towards brokers.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use kafka::client::metadata::{self, Topics};
use kafka::client::{ClientTls, Connection, Dialer, Security, client_config};
use tidegate_tests::gateway::Gateway;
use tidegate_tests::ports::Ports;
use tidegate_tests::{Cluster, wait};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_name_leads_to_its_broker_over_tls_on_both_sides_and_clients_are_told_such_names() {
    let cluster = Cluster::builder().brokers(3).racks(ZONES).tls().start().unwrap();
    let authority = cluster.authority().unwrap();
    let names: Vec<String> =
        ["kafka.test".to_owned()].into_iter().chain((1..=3).map(|n| format!("b{n}.kafka.test"))).collect();
    let identity = authority.issue("gateway", &names).unwrap();
    let mut ports = Ports::lease().unwrap();
    let (bind, admin) = (ports.one().unwrap(), ports.one().unwrap());
    let ca = authority.ca();
    let gateway = Gateway::start(&format!(
        "gateway: {{id: gw, zone: az1, admin: 127.0.0.1:{admin}}}\n\
         cluster:\n  bootstrap: [{}]\n  tls: {{ca: {}}}\n\
         listeners:\n  - name: clients\n    bind: 127.0.0.1:{bind}\n    advertise: kafka.test:{bind}\n    \
         brokers: {{sni: \"b{{id}}.kafka.test\"}}\n    tls: {{cert: {}, key: {}}}\n",
        cluster.bootstrap().replace(',', ", "),
        ca.display(),
        identity.cert.display(),
        identity.key.display(),
    ))
    .unwrap();

    let config = client_config(Some(&ca), None, None).unwrap();
    for (name, zone) in [("b1.kafka.test", "az1"), ("b2.kafka.test", "az2"), ("b3.kafka.test", "az3")] {
        let dialer = Dialer {
            security: Security { tls: Some(ClientTls::new(config.clone(), Some(name)).unwrap()), sasl: None },
            client_id: "test".to_owned(),
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(10),
        };
        let mut connection = Connection::connect(&dialer, "127.0.0.1", bind).await.unwrap();
        let told = metadata::fetch(&mut connection, Topics::None).await.unwrap();
        let mut told: Vec<_> = told.brokers.iter().map(|b| format!("{}:{}", b.host, b.port)).collect();
        told.sort();
        assert_eq!(told, (1..=3).map(|n| format!("b{n}.kafka.test:{bind}")).collect::<Vec<_>>());
        let reached = || {
            let labels = [("direction", "broker_to_gateway"), ("api", "Metadata"), ("broker_zone", zone)];
            Ok(gateway.metrics()?.sum("tidegate_relayed_bytes_total", &labels) > 0.0)
        };
        wait::until_true(&format!("bytes from the broker in {zone}"), Duration::from_secs(5), reached)
            .unwrap();
    }

    let plain = Dialer {
        security: Security::default(),
        client_id: "test".to_owned(),
        connect_timeout: Duration::from_secs(5),
        call_timeout: Duration::from_secs(5),
    };
    assert!(Connection::connect(&plain, "127.0.0.1", bind).await.is_err(), "plain bytes on a TLS listener");
    let counted = || Ok(gateway.metrics()?.sum("tidegate_rejected_total", &[("reason", "tls")]) > 0.0);
    wait::until_true("the refusal to be counted", Duration::from_secs(5), counted).unwrap();
}
