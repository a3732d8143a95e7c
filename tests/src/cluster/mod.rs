//! A real Kafka cluster: processes, ports and folders, all gone when the value is dropped.

mod broker;
mod builder;
mod properties;
mod ready;
mod zookeeper;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use broker::Broker;
pub use builder::{Builder, User};

use crate::certs::Authority;
use crate::kafka_dist::Dist;
use crate::ports::Ports;
use crate::process::Process;
use crate::wait;

/// How long brokers may take to register; a loaded two-core machine needs 30 s at worst.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A running cluster.
///
/// Each broker has two listeners: `CLIENTS`, which tests and gateways use, with the security that was asked
/// for, and `INTERNAL`, plain and with all rights, for the brokers themselves and for administration. `MUTUAL`, which
/// demands a client certificate, is there only if it was asked for.
#[derive(Debug)]
pub struct Cluster {
    brokers: Vec<Broker>,
    zookeeper: Option<Process>,
    dist: Dist,
    users: Vec<User>,
    authority: Option<Authority>,
    ports: Ports,
    dir: TempDir,
}

impl Cluster {
    /// What kind of cluster? Start with [`Builder::start`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The Kafka it runs.
    pub fn dist(&self) -> &Dist {
        &self.dist
    }

    /// The brokers in the order of their ids as given to the builder.
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// One broker.
    pub fn broker(&mut self, id: i32) -> Result<&mut Broker> {
        self.brokers.iter_mut().find(|b| b.id() == id).with_context(|| format!("no broker {id}"))
    }

    /// `host:port,...` of all brokers' `CLIENTS` listeners.
    pub fn bootstrap(&self) -> String {
        self.brokers.iter().map(Broker::address).collect::<Vec<_>>().join(",")
    }

    /// `host:port,...` of all brokers' `INTERNAL` listeners.
    pub fn internal_bootstrap(&self) -> String {
        self.brokers.iter().map(Broker::internal_address).collect::<Vec<_>>().join(",")
    }

    /// `host:port,...` of all brokers' `MUTUAL` listeners; empty without [`Builder::mutual_tls`].
    pub fn mutual_bootstrap(&self) -> String {
        self.brokers.iter().filter_map(Broker::mutual_address).collect::<Vec<_>>().join(",")
    }

    /// The users that SASL knows.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Properties of a Java client that comes in through `CLIENTS` with this SASL mechanism and user.
    pub fn client_props(&self, mechanism: &str, user: &str, password: &str) -> Value {
        client_props(
            &self.bootstrap(),
            self.authority.as_ref().map(Authority::ca).as_deref(),
            mechanism,
            user,
            password,
        )
    }

    /// Who signed the brokers' certificates, if the cluster speaks TLS.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// A folder for the test's own files; removed with the cluster.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until every living broker sees every living broker.
    pub fn wait_ready(&mut self) -> Result<()> {
        let alive: Vec<bool> = self.brokers.iter_mut().map(Broker::is_alive).collect();
        let of = |b: &Broker| (b.id(), b.internal_address());
        let expected: Vec<_> =
            self.brokers.iter().zip(alive).filter(|(_, alive)| *alive).map(|(b, _)| of(b)).collect();
        let ids: Vec<i32> = expected.iter().map(|(id, _)| *id).collect();
        for (id, address) in &expected {
            let sees_all = || ready::sees(address, &ids);
            let what = format!("broker {id} to see all brokers");
            wait::until_true(&what, START_LIMIT, sees_all).map_err(|e| self.explain(e))?;
        }
        Ok(())
    }

    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        error.context(self.log_tails(15))
    }

    /// The end of every broker's log.
    pub fn log_tails(&self, lines: usize) -> String {
        let tail =
            |b: &Broker| format!("--- broker {} ({})\n{}", b.id(), b.log().display(), b.log_tail(lines));
        self.brokers.iter().map(tail).collect::<Vec<_>>().join("\n")
    }
}

/// Properties of a Java client that authenticates to `bootstrap`, over TLS if there is a certificate to trust.
pub fn client_props(
    bootstrap: &str,
    ca: Option<&Path>,
    mechanism: &str,
    user: &str,
    password: &str,
) -> Value {
    let module = match mechanism {
        "PLAIN" => "plain.PlainLoginModule",
        _ => "scram.ScramLoginModule",
    };
    let jaas = format!(
        "org.apache.kafka.common.security.{module} required username=\"{user}\" password=\"{password}\";"
    );
    let mut props = json!({
        "bootstrap.servers": bootstrap,
        "security.protocol": if ca.is_some() { "SASL_SSL" } else { "SASL_PLAINTEXT" },
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": jaas,
    });
    if let Some(ca) = ca {
        props["ssl.truststore.type"] = json!("PEM");
        props["ssl.truststore.location"] = json!(ca);
    }
    props
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tails(20));
        }
        // Brokers first: one that loses its ZooKeeper or quorum fills its log with complaints.
        self.brokers.clear();
        self.zookeeper = None;
        let _ = &self.ports;
    }
}
