//! The files people start from.

use super::{SMALLEST, parse, right};
use crate::{BrokerEndpoints, ByteSize, EXAMPLE, Rule, Store, schema};
use std::time::Duration;

/// "The file" of the interface description, word for word.
const INTERFACE: &str = r#"
gateway:
  id: gw-az1-0              # unique in the fleet; default: host name
  zone: az1                 # advise availability zone *ids* (use1-az1): names differ between accounts
  admin: 127.0.0.1:9644     # /metrics (Prometheus), /healthz, /readyz, /status (JSON); loopback unless said otherwise

cluster:                    # the Kafka you already run
  bootstrap: [127.0.0.1:19091, 127.0.0.1:19092]

listeners:
  - name: clients
    bind: 127.0.0.1:29092            # bootstrap
    advertise: 127.0.0.1             # host that clients are told
    brokers: {ports: 29100-29199}    # broker id N answers on 29100+N

zones:
  clients:                           # the first rule that answers wins
    - listener
    - client_id_tag                  # zone=, ws_az=, warpstream_az=, automq_az=, diskless_az= inside client.id
    - cidr: {az1: [10.0.1.0/24], az2: [10.0.2.0/24]}
    - rack                           # what the client's Fetch says
    - gateway                        # the zone of the gateway it reached
  reads: in_zone                     # or as_is
  when_zone_has_no_gateway: any      # or refuse

fleet:                               # the other gateways, so that a client can be sent to its own zone
  members:
    - {id: gw-az2-0, zone: az2, listener: clients, advertise: 127.0.0.2, brokers: {ports: 29100-29199}, admin: 127.0.0.2:9644}

limits: {connections: 50000, connections_per_ip: 2000, frame: 100MiB, in_flight_bytes: 1GiB, idle: 10m, handshake: 10s}

store:                               # where tiered data and control records live
  dir: ./tidegate-store              # embedded default

tiering:
  topics:
    - match: "orders.*"
      hot: {time: 2h, bytes: 10GiB}  # what stays on the brokers
      retain: {time: 90d}            # the whole history, tier included
      trim: true                     # false: copy only, brokers keep their own retention
  segment: {bytes: 256MiB, age: 10m}
  cache: {memory: 512MiB, disk: {path: /var/cache/tidegate, bytes: 50GiB}}
"#;

#[test]
fn the_file_of_the_interface_description_means_what_it_says() {
    let config = right(INTERFACE);
    assert_eq!((config.gateway.id.as_str(), config.gateway.zone.as_str()), ("gw-az1-0", "az1"));
    assert_eq!(
        config.cluster.bootstrap.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["127.0.0.1:19091", "127.0.0.1:19092"]
    );
    assert_eq!(config.listeners[0].brokers, BrokerEndpoints::Ports { first: 29100, last: 29199 });
    let rules: Vec<_> = config.zones.clients.iter().map(|r| r.kind()).collect();
    assert_eq!(rules, [Rule::Listener, Rule::ClientIdTag, Rule::Cidr, Rule::Rack, Rule::Gateway]);
    assert_eq!(config.fleet.members[0].admin.to_string(), "127.0.0.2:9644");
    assert_eq!(config.limits.idle, Duration::from_secs(600));
    assert_eq!(config.store, Some(Store::Dir("/nonexistent/./tidegate-store".into())));
    let tiering = config.tiering.unwrap();
    assert_eq!(tiering.topics[0].hot.bytes, Some(ByteSize(10 << 30)));
    assert!(tiering.topics[0].trim);
    assert_eq!(tiering.cache.disk.unwrap().bytes, ByteSize(50 << 30));
}

#[test]
fn the_example_is_right_as_it_stands_and_with_its_store_and_tiering_switched_on() {
    assert_eq!(right(EXAMPLE).warnings, [""; 0]);
    let tail = EXAMPLE.find("# store:").unwrap();
    let on: String =
        EXAMPLE[tail..].lines().map(|line| line.trim_start_matches('#').to_owned() + "\n").collect();
    let on = on.replace("\n #", "\n").replace("\n ", "\n");
    let on = on.trim_start();
    let config = right(&format!("{}{on}", &EXAMPLE[..tail]));
    assert!(config.store.is_some() && config.tiering.is_some());
}

#[test]
fn what_is_left_out_gets_the_documented_default() {
    let config = right(SMALLEST);
    assert_eq!(config.gateway.id, "gw-host");
    assert_eq!(config.gateway.admin.to_string(), "127.0.0.1:9644");
    assert_eq!(config.gateway.drain, Duration::from_secs(25));
    assert_eq!(
        (config.listeners[0].advertise.host.as_str(), config.listeners[0].advertise.port),
        ("127.0.0.1", None)
    );
    let rules: Vec<_> = config.zones.clients.iter().map(|r| r.kind().name()).collect();
    assert_eq!(rules, ["listener", "client_id_tag", "rack", "gateway"]);
    assert_eq!(config.zones.prices.cross_zone, 0.02);
    let l = &config.limits;
    assert_eq!((l.connections, l.connections_per_ip), (50_000, 2_000));
    assert_eq!((l.frame.to_string(), l.in_flight_bytes.to_string()), ("100MiB".into(), "1GiB".into()));
    assert_eq!((l.idle.as_secs(), l.handshake.as_secs()), (600, 10));
    assert!(config.store.is_none() && config.tiering.is_none() && config.fleet.members.is_empty());
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn the_schema_refuses_unknown_keys_everywhere_and_says_what_is_required() {
    let schema = schema();
    assert_eq!(schema["title"], "Tidegate");
    let sections = schema["$defs"].as_object().unwrap();
    for (name, section) in sections.iter().filter(|(name, _)| *name != "ClientRule") {
        assert_eq!(section["additionalProperties"], false, "{name}");
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], serde_json::json!(["gateway", "cluster", "listeners"]));
    assert_eq!(sections["Listener"]["required"], serde_json::json!(["name", "bind", "brokers"]));
    assert_eq!(sections["Auth"]["properties"]["mechanism"]["enum"][2], "SCRAM-SHA-512");
}

/// Every key of the schema stands in the reference, so that a new key can't be forgotten there.
#[test]
fn the_reference_describes_every_key() {
    let reference = include_str!("../../../docs/configuration.md");
    let schema = schema();
    let mut sections = vec![&schema];
    sections.extend(schema["$defs"].as_object().unwrap().values());
    let keys = sections.iter().filter_map(|s| s["properties"].as_object()).flat_map(|p| p.keys());
    let missing: Vec<_> = keys.filter(|key| !reference.contains(key.as_str())).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn an_empty_file_names_all_that_is_required() {
    let errors = parse("").unwrap_err();
    let paths: Vec<_> = errors.0.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["gateway.zone", "cluster.bootstrap", "listeners"]);
    assert!(
        errors
            .0
            .iter()
            .all(|e| e.line == Some(1) && e.reason == "is missing" && e.remedy.starts_with("write "))
    );
}

/// The pages that show files. A block that is no file of ours, or not a whole section of one, has more than `yaml` behind its
/// fence: "yaml values of the chart".
const PAGES: [(&str, &str); 6] = [
    ("README.md", include_str!("../../../README.md")),
    ("deploy/README.md", include_str!("../../../deploy/README.md")),
    ("docs/configuration.md", include_str!("../../../docs/configuration.md")),
    ("docs/operations.md", include_str!("../../../docs/operations.md")),
    ("docs/steering.md", include_str!("../../../docs/steering.md")),
    ("docs/tiering.md", include_str!("../../../docs/tiering.md")),
];

/// Each example of the docs, filled up with the sections it leaves out; only the files it names may be missing.
#[test]
fn the_examples_of_the_docs_are_right() {
    let mut seen = 0;
    for (page, text) in PAGES {
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let whole = filled_up(block);
            let errors = parse(&whole).err().map(|errors| errors.0).unwrap_or_default();
            let real: Vec<_> = errors.iter().filter(|e| !e.reason.starts_with("cannot read ")).collect();
            assert!(real.is_empty(), "{page}\n{whole}\n{real:#?}");
            seen += 1;
        }
    }
    assert!(seen >= 9, "{seen} examples");
}

/// With those sections of the smallest file that it lacks.
fn filled_up(block: &str) -> String {
    let sections = ["gateway:", "cluster:", "listeners:"];
    let start = |n: usize| sections.get(n).map_or(SMALLEST.len(), |key| SMALLEST.find(key).unwrap());
    let lacks = |key: &str| !block.lines().any(|line| line.starts_with(key));
    let rest = sections.iter().enumerate().filter(|(_, key)| lacks(key));
    format!("{block}{}", rest.map(|(n, _)| &SMALLEST[start(n)..start(n + 1)]).collect::<String>())
}
