//! A cluster, a gateway before it and a session's core, made by hand: for tests of what is decided by them.
//!
//! Three brokers, one to three, in zones az1 to az3. The gateway stands in az1 and tells clients `gw.example`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use config::Zone;
use kafka::fetch::request::{Ask, FetchPartition, TopicRef, VERSION_TOPIC_IDS, encode};
use kafka::types::{BrokerId, LeaderEpoch, Offset, Partition, TopicId};

use super::{
    App, Clients, Connections, Counters, Descriptors, Door, Endpoints, Expiries, Gateway, Ledger, Listening,
    Pace, Rejects, Reloader, Reloads, Room, Settings,
};
use crate::fleet::Peer;
use crate::session::core::Core;
use crate::view::handle::ClusterHandle;
use crate::view::{BrokerState, BrokerView, PartitionView, TopicView, View};

const FILE: &str = "\
gateway: {id: gw, zone: az1}
cluster: {bootstrap: ['127.0.0.1:9092']}
listeners:
  - name: clients
    bind: 127.0.0.1:29092
    advertise: gw.example
    brokers: {ports: 29100-29199}
";

/// A zone.
pub(crate) fn zone(name: &str) -> Zone {
    Zone::new(name).expect("a zone's name")
}

/// Brokers by id, zone and state.
pub(crate) fn brokers(list: &[(i32, &str, BrokerState)]) -> BTreeMap<BrokerId, BrokerView> {
    let broker = |(id, z, state): &(i32, &str, BrokerState)| {
        let view = BrokerView {
            host: format!("broker-{id}.internal").into(),
            port: 9092,
            rack: Some((*z).to_owned()),
            zone: zone(z),
            state: *state,
        };
        (BrokerId(*id), view)
    };
    list.iter().map(broker).collect()
}

/// Brokers 1 to 3, alive, in az1 to az3.
pub(crate) fn three() -> BTreeMap<BrokerId, BrokerView> {
    brokers(&[1, 2, 3].map(|id| (id, ["az1", "az2", "az3"][id as usize - 1], BrokerState::Live)))
}

/// The id that a topic of this name has here: its first letter sixteen times.
pub(crate) fn topic_id(name: &str) -> TopicId {
    TopicId([name.as_bytes()[0]; 16])
}

/// A topic of partitions from 0 on, each (leader or none, in-sync replicas).
pub(crate) fn topic(name: &str, partitions: &[(Option<i32>, &[i32])]) -> TopicView {
    let partition = |(i, (leader, isr)): (usize, &(Option<i32>, &[i32]))| {
        let view = PartitionView {
            leader: leader.map(BrokerId),
            epoch: LeaderEpoch(-1),
            isr: isr.iter().map(|id| BrokerId(*id)).collect(),
        };
        (Partition(i as i32), view)
    };
    TopicView {
        name: name.into(),
        id: topic_id(name),
        partitions: partitions.iter().enumerate().map(partition).collect(),
    }
}

/// A consumer's sessionless Fetch (prefix included) of these partitions, from offset 0 and without an epoch.
pub(crate) fn fetch(version: i16, correlation_id: i32, partitions: &[(&str, i32)]) -> Vec<u8> {
    let asked = partitions.iter().map(|(name, p)| {
        let topic = match version >= VERSION_TOPIC_IDS {
            true => TopicRef::Id(topic_id(name)),
            false => TopicRef::Name(name),
        };
        FetchPartition::new(topic, Partition(*p), Offset(0), LeaderEpoch(-1), 1 << 20)
    });
    let ask = Ask {
        version,
        correlation_id,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 << 20,
        isolation_level: 0,
    };
    encode(ask, "consumer", &asked.collect::<Vec<_>>().iter().collect::<Vec<_>>())
}

/// Another gateway, alive.
pub(crate) fn peer(id: &str, z: &str) -> Peer {
    Peer {
        id: id.into(),
        zone: zone(z),
        listener: "clients".into(),
        endpoints: Endpoints {
            host: id.into(),
            sni_port: 0,
            brokers: config::BrokerEndpoints::Ports { first: 29_100, last: 29_199 },
        },
        admin: Some(("127.0.0.1".into(), 1)),
        alive: AtomicBool::new(true),
    }
}

/// The gateway, before a cluster that looks like `view` for ever.
pub(crate) fn gateway(view: View) -> Arc<Gateway> {
    let config = config::parse(FILE, ".").expect("a sound file");
    let (settings, rejects) = (Settings::of(&config), Arc::<Rejects>::default());
    Arc::new(Gateway {
        id: config.gateway.id.as_str().into(),
        zone: config.gateway.zone.clone(),
        unknown_zone: zone("unknown"),
        cluster: ClusterHandle::of(view),
        dialer: super::dialer(&config).expect("a dialer without TLS"),
        client_tls: None,
        ledger: Ledger::new(config.gateway.zone.clone()),
        counters: Counters::default(),
        clients: Clients::default(),
        connections: Connections::new(100, 100),
        pace: Pace::new(None, 100),
        descriptors: Descriptors::default(),
        listening: Listening::default(),
        keyring: Arc::new(crate::fleet::gossip::seal::Keyring::new(&[])),
        drain: Arc::default(),
        reloads: Reloads::default(),
        expiries: Expiries::default(),
        held: Arc::new(Room::new(config.limits.in_flight_bytes.0, settings.frame_max, rejects.clone())),
        rejects,
        started: std::time::Instant::now(),
        tier: crate::tier::Handle::default(),
        telemetry: crate::telemetry::Telemetry::default(),
        settings: arc_swap::ArcSwap::from_pointee(settings),
    })
}

/// What would look after the files of a gateway that is built and has not begun to run.
pub(crate) fn reloader(app: App) -> (Arc<Gateway>, Reloader) {
    let doors = app.doors.iter().map(|(door, _)| door.clone()).collect();
    let gateway = app.gateway.clone();
    (gateway.clone(), Reloader::new("tidegate.yaml".into(), (app.config, app.stamps), gateway, doors))
}

/// Puts these gateways beside `gateway`.
pub(crate) fn set_peers(gateway: &Gateway, peers: impl IntoIterator<Item = Peer>) {
    let mut settings = Settings::clone(&gateway.settings());
    settings.fleet.roster = crate::fleet::roster::Roster::Listed(Arc::new(peers.into_iter().collect()));
    gateway.change(settings);
}

/// A tier that no store has answered for yet, with a rule for topics of this pattern.
pub(crate) fn unopened_tier(pattern: &str) -> crate::tier::Handle {
    let tiering = format!(
        "{FILE}store: {{dir: d}}\ntiering: {{topics: [{{match: '{pattern}', hot: {{time: 1h}}}}]}}\n"
    );
    let config = config::parse(&tiering, ".").expect("a sound file");
    crate::tier::Handle::new(true, config.tiering)
}

/// The gateway's one door.
pub(crate) fn door() -> Arc<Door> {
    let config = config::parse(FILE, ".").expect("a sound file");
    Arc::new(super::door(&config.listeners[0]).expect("a door without TLS"))
}

/// The core of a session at `endpoint` whose upstream is `own`, before a cluster that looks like `view`.
pub(crate) fn core(view: View, endpoint: i32, own: i32) -> Core {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Core::new(gateway(view), door(), Some(BrokerId(endpoint)), BrokerId(own), peer)
}
