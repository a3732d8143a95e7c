//! What kind of cluster a test wants, and how it comes up.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::broker::{Broker, Spec};
use super::properties::{self, Shared, Voter};
use super::{Cluster, zookeeper};
use crate::certs::Authority;
use crate::files;
use crate::java::Java;
use crate::kafka_dist::{Dist, Version};
use crate::ports::Ports;
use crate::reaper;

/// A user of SASL PLAIN or SCRAM.
#[derive(Clone, Debug)]
pub struct User {
    /// The name; the principal is `User:name`.
    pub name: String,
    /// The password, a test's own and no secret.
    pub password: String,
}

/// A cluster to be.
#[derive(Clone, Debug)]
pub struct Builder {
    version: Version,
    ids: Vec<i32>,
    racks: Vec<String>,
    hosts: Vec<String>,
    namespaces: Vec<String>,
    voters: usize,
    mechanisms: Vec<String>,
    users: Vec<User>,
    acls: bool,
    tls: bool,
    mutual: bool,
    properties: Vec<(String, String)>,
    jvm: Vec<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            version: Version::Newest,
            ids: vec![1],
            racks: Vec::new(),
            hosts: vec!["127.0.0.1".into()],
            namespaces: Vec::new(),
            voters: 3,
            mechanisms: Vec::new(),
            users: Vec::new(),
            acls: false,
            tls: false,
            mutual: false,
            properties: Vec::new(),
            // Tests want a quick start and a small share of two cores, not peak speed.
            jvm: ["-Xms96m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
                .map(Into::into)
                .to_vec(),
        }
    }
}

impl Builder {
    /// Which Kafka; default [`Version::Newest`].
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// That many brokers with the ids 1, 2, ...; default 1.
    pub fn brokers(self, count: i32) -> Self {
        self.ids(1..=count)
    }

    /// Brokers with these ids.
    pub fn ids(mut self, ids: impl IntoIterator<Item = i32>) -> Self {
        self.ids = ids.into_iter().collect();
        self
    }

    /// `broker.rack` by position, repeating; default none.
    pub fn racks<S: Into<String>>(mut self, racks: impl IntoIterator<Item = S>) -> Self {
        self.racks = racks.into_iter().map(Into::into).collect();
        self
    }

    /// The address a broker binds and advertises, by position, repeating; default 127.0.0.1 for all.
    pub fn hosts<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// The network namespace a broker runs in, by position; default this process's own.
    pub fn namespaces(mut self, namespaces: impl IntoIterator<Item = String>) -> Self {
        self.namespaces = namespaces.into_iter().collect();
        self
    }

    /// How many of the brokers vote in KRaft: 1 is cheap, the default 3 outlives any one of them.
    pub fn voters(mut self, voters: usize) -> Self {
        self.voters = voters;
        self
    }

    /// SASL on the `CLIENTS` listener with these mechanisms (`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`,
    /// `OAUTHBEARER`) and users, given as (name, password).
    pub fn sasl(mut self, mechanisms: &[&str], users: &[(&str, &str)]) -> Self {
        self.mechanisms = mechanisms.iter().map(|&m| m.into()).collect();
        let user = |&(name, password): &(&str, &str)| User { name: name.into(), password: password.into() };
        self.users = users.iter().map(user).collect();
        self
    }

    /// Kafka's authorizer, refusing what no ACL allows; user `admin` may everything.
    pub fn acls(mut self) -> Self {
        self.acls = true;
        self
    }

    /// TLS on the `CLIENTS` listener, with a certificate for `localhost` and the hosts.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// One more listener, `MUTUAL`: TLS that demands a client certificate of the cluster's authority, which says who the
    /// client is.
    pub fn mutual_tls(mut self) -> Self {
        self.mutual = true;
        self.tls()
    }

    /// One line of every broker's `server.properties`, winning over ours.
    pub fn property(mut self, key: &str, value: &str) -> Self {
        self.properties.push((key.into(), value.into()));
        self
    }

    /// The brokers' JVM flags in place of the light ones; benchmarks want a full compiler.
    pub fn jvm<S: Into<String>>(mut self, flags: impl IntoIterator<Item = S>) -> Self {
        self.jvm = flags.into_iter().map(Into::into).collect();
        self
    }

    /// One more flag of the brokers' JVM.
    pub fn jvm_flag(mut self, flag: &str) -> Self {
        self.jvm.push(flag.into());
        self
    }

    /// Starts it and waits until every broker sees every broker.
    pub fn start(self) -> Result<Cluster> {
        ensure!(!self.ids.is_empty() && !self.hosts.is_empty(), "a cluster needs a broker and a host");
        let dist = Dist::resolve(self.version)?;
        let mut ports = Ports::lease()?;
        let dir = tempfile::Builder::new().prefix("tidegate-kafka-").tempdir()?;
        reaper::note_dir(dir.path())?;
        let authority = self.tls.then(|| Authority::new(dir.path())).transpose()?;
        let zookeeper = match self.version.needs_zookeeper() {
            true => Some(zookeeper::start(&dist, dir.path(), ports.one()?)?),
            false => None,
        };
        let keeper = zookeeper.as_ref().map(|(_, address)| address.clone());
        let brokers = self.start_brokers(&dist, dir.path(), &mut ports, authority.as_ref(), keeper)?;
        let zookeeper = zookeeper.map(|(process, _)| process);
        let users = self.users.clone();
        let mut cluster = Cluster { brokers, zookeeper, dist, users, authority, ports, dir };
        cluster.wait_ready()?;
        self.create_scram_users(&cluster)?;
        Ok(cluster)
    }

    fn start_brokers(
        &self,
        dist: &Dist,
        dir: &Path,
        ports: &mut Ports,
        authority: Option<&Authority>,
        zookeeper: Option<String>,
    ) -> Result<Vec<Broker>> {
        let mut specs = Vec::new();
        for (n, &id) in self.ids.iter().enumerate() {
            specs.push(self.spec(n, id, dir, ports)?);
        }
        let voter = |s: &Spec| Voter { id: s.id, address: format!("{}:{}", s.host, s.controller_port) };
        let keystore = match authority {
            Some(authority) => Some(authority.issue_for_hosts(&self.hosts)?.keystore),
            None => None,
        };
        let shared = Shared {
            // 22 characters of base64, as Kafka makes them; the port keeps two clusters apart.
            cluster_id: format!("tidegate{:A>13}A", specs[0].port),
            zookeeper,
            voters: specs.iter().take(odd(self.voters.min(specs.len()))).map(voter).collect(),
            brokers: specs.len(),
            mechanisms: self.mechanisms.clone(),
            users: self.users.clone(),
            acls: self.acls,
            keystore,
            ca: authority.map(Authority::ca),
            version: self.version,
            extra: self.properties.clone(),
        };
        specs.into_iter().map(|spec| start_broker(spec, &shared, dist)).collect()
    }

    fn spec(&self, n: usize, id: i32, dir: &Path, ports: &mut Ports) -> Result<Spec> {
        let rack = (!self.racks.is_empty()).then(|| self.racks[n % self.racks.len()].clone());
        Ok(Spec {
            id,
            host: self.hosts[n % self.hosts.len()].clone(),
            port: ports.one()?,
            internal_port: ports.one()?,
            controller_port: ports.one()?,
            mutual_port: self.mutual.then(|| ports.one()).transpose()?,
            rack,
            dir: dir.join(format!("broker-{id}")),
            jvm: self.jvm.clone(),
            namespace: self.namespaces.get(n).cloned(),
        })
    }

    fn create_scram_users(&self, cluster: &Cluster) -> Result<()> {
        for mechanism in self.mechanisms.iter().filter(|m| m.starts_with("SCRAM")) {
            let admin = Java::resident()?.admin(&cluster.internal_bootstrap());
            for user in &self.users {
                admin.upsert_scram(&user.name, mechanism, &user.password).context("create a SCRAM user")?;
            }
        }
        Ok(())
    }
}

/// The largest odd number up to `n`: an even quorum outlives no more than the odd one below it.
fn odd(n: usize) -> usize {
    n.saturating_sub(1) | 1
}

fn start_broker(spec: Spec, shared: &Shared, dist: &Dist) -> Result<Broker> {
    fs::create_dir_all(spec.log_dir())?;
    fs::write(spec.config(), properties::of(&spec, shared))?;
    if shared.zookeeper.is_none() {
        fs::write(spec.log_dir().join("meta.properties"), properties::meta(spec.id, &shared.cluster_id))?;
        files::copy_tree(&dist.formatted(), &spec.log_dir())?;
    }
    Broker::start(spec, dist)
}
