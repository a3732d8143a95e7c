//! The `server.properties` of one broker.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::broker::Spec;
use super::builder::User;
use crate::kafka_dist::Version;

/// A KRaft voter.
#[derive(Clone, Debug)]
pub(super) struct Voter {
    pub(super) id: i32,
    pub(super) address: String,
}

/// What all brokers of a cluster have in common.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) version: Version,
    pub(super) cluster_id: String,
    pub(super) zookeeper: Option<String>,
    pub(super) voters: Vec<Voter>,
    pub(super) brokers: usize,
    pub(super) mechanisms: Vec<String>,
    pub(super) users: Vec<User>,
    pub(super) acls: bool,
    pub(super) keystore: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) extra: Vec<(String, String)>,
}

/// Lines of `key=value`; the last of a key wins, as Java's `Properties` have it.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn set(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{key}={value}");
    }
}

/// The whole file.
pub(super) fn of(spec: &Spec, shared: &Shared) -> String {
    let mut lines = Lines::default();
    roles(&mut lines, spec, shared);
    listeners(&mut lines, spec, shared);
    sasl(&mut lines, shared);
    tls(&mut lines, shared);
    acls(&mut lines, shared);
    small(&mut lines, shared);
    shared.extra.iter().for_each(|(key, value)| lines.set(key, value));
    lines.0
}

/// `meta.properties` of a formatted log folder; the directory id only has to be unique.
pub(super) fn meta(id: i32, cluster: &str) -> String {
    let directory = format!("T{id:A>20}A");
    format!("version=1\ncluster.id={cluster}\nnode.id={id}\ndirectory.id={directory}\n")
}

fn roles(lines: &mut Lines, spec: &Spec, shared: &Shared) {
    match &shared.zookeeper {
        Some(address) => {
            lines.set("broker.id", spec.id);
            lines.set("zookeeper.connect", address);
            lines.set("zookeeper.session.timeout.ms", 6000);
        }
        None => {
            let votes = shared.voters.iter().any(|v| v.id == spec.id);
            lines.set("process.roles", if votes { "broker,controller" } else { "broker" });
            lines.set("node.id", spec.id);
            let voters: Vec<_> = shared.voters.iter().map(|v| format!("{}@{}", v.id, v.address)).collect();
            lines.set("controller.quorum.voters", voters.join(","));
            lines.set("controller.listener.names", "CONTROLLER");
            // A dead broker is noticed in 6 s instead of 9; less, and a busy machine fences the living.
            lines.set("broker.session.timeout.ms", 6000);
            lines.set("broker.heartbeat.interval.ms", 500);
        }
    }
    lines.set("log.dirs", spec.log_dir().display());
    if let Some(rack) = &spec.rack {
        lines.set("broker.rack", rack);
    }
}

fn listeners(lines: &mut Lines, spec: &Spec, shared: &Shared) {
    let host = &spec.host;
    let mut mine = format!("CLIENTS://{host}:{},INTERNAL://{host}:{}", spec.port, spec.internal_port);
    if let Some(port) = spec.mutual_port {
        let _ = write!(mine, ",MUTUAL://{host}:{port}");
    }
    lines.set("advertised.listeners", &mine);
    let controller = format!(",CONTROLLER://{host}:{}", spec.controller_port);
    let votes = shared.zookeeper.is_none() && shared.voters.iter().any(|v| v.id == spec.id);
    lines.set("listeners", mine + if votes { &controller } else { "" });
    lines.set("inter.broker.listener.name", "INTERNAL");
    let clients = match (shared.mechanisms.is_empty(), shared.keystore.is_some()) {
        (true, false) => "PLAINTEXT",
        (true, true) => "SSL",
        (false, false) => "SASL_PLAINTEXT",
        (false, true) => "SASL_SSL",
    };
    let map = format!("CLIENTS:{clients},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL");
    lines.set("listener.security.protocol.map", map);
}

fn sasl(lines: &mut Lines, shared: &Shared) {
    if shared.mechanisms.is_empty() {
        return;
    }
    lines.set("listener.name.clients.sasl.enabled.mechanisms", shared.mechanisms.join(","));
    for mechanism in &shared.mechanisms {
        let key = format!("listener.name.clients.{}.sasl.jaas.config", mechanism.to_lowercase());
        lines.set(&key, jaas(mechanism, &shared.users));
    }
}

fn jaas(mechanism: &str, users: &[User]) -> String {
    let package = "org.apache.kafka.common.security";
    match mechanism {
        "PLAIN" => {
            let user = |u: &User| format!(" user_{}=\"{}\"", u.name, u.password);
            let users: String = users.iter().map(user).collect();
            format!("{package}.plain.PlainLoginModule required{users};")
        }
        "OAUTHBEARER" => {
            // Unsecured tokens (alg none): the broker's test validator, which every Kafka ships.
            let module = format!("{package}.oauthbearer.OAuthBearerLoginModule");
            format!("{module} required unsecuredLoginStringClaim_sub=\"broker\";")
        }
        _ => format!("{package}.scram.ScramLoginModule required;"),
    }
}

fn tls(lines: &mut Lines, shared: &Shared) {
    let (Some(keystore), Some(ca)) = (&shared.keystore, &shared.ca) else { return };
    for listener in ["clients", "mutual"] {
        lines.set(&format!("listener.name.{listener}.ssl.keystore.type"), "PEM");
        lines.set(&format!("listener.name.{listener}.ssl.keystore.location"), keystore.display());
    }
    lines.set("listener.name.mutual.ssl.truststore.type", "PEM");
    lines.set("listener.name.mutual.ssl.truststore.location", ca.display());
    lines.set("listener.name.mutual.ssl.client.auth", "required");
}

fn acls(lines: &mut Lines, shared: &Shared) {
    if shared.acls {
        let authorizer = match shared.zookeeper {
            Some(_) => "kafka.security.authorizer.AclAuthorizer",
            None => "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        };
        lines.set("authorizer.class.name", authorizer);
        // The INTERNAL listener is anonymous and trusted.
        lines.set("super.users", "User:ANONYMOUS;User:admin");
    }
}

/// Few threads, few internal partitions, no waiting: a cluster must fit half a core.
fn small(lines: &mut Lines, shared: &Shared) {
    let replicas = shared.brokers.min(3);
    for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        lines.set(&format!("{topic}.replication.factor"), replicas);
        lines.set(&format!("{topic}.num.partitions"), 3);
    }
    lines.set("transaction.state.log.min.isr", 1);
    lines.set("share.coordinator.state.topic.min.isr", 1);
    lines.set("group.initial.rebalance.delay.ms", 0);
    lines.set("default.replication.factor", replicas);
    lines.set("num.partitions", 1);
    lines.set("num.network.threads", 2);
    lines.set("num.io.threads", 4);
    lines.set("num.replica.fetchers", 1);
    lines.set("log.cleaner.dedupe.buffer.size", 4 << 20);
    if shared.version == Version::Newest || shared.version == Version::NewestBroker {
        lines.set("group.consumer.min.heartbeat.interval.ms", 500);
        lines.set("group.consumer.heartbeat.interval.ms", 1000);
    }
}
