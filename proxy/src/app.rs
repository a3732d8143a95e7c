//! The composition root: every component is made once here and handed to the tasks that need it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use config::{ClientFacts, Config, Listener, ProxyProtocol, Rule, Zone, Zones};
use kafka::client::{Bootstrap, ClientTls, Dialer, OpenError, Security, Stream};
use kafka::types::BrokerId;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin;
use crate::facade::connections::Connections;
use crate::facade::descriptors::{self, Descriptors};
use crate::facade::listen;
use crate::facade::pace::Pace;
use crate::fleet::{Endpoints, Fleet, Peer, probe};
use crate::identity::{self, Identities};
use crate::ledger::Ledger;
use crate::metrics::{Clients, Counters, Metrics};
use crate::rejects::Rejects;
use crate::steer::held::Room;
use crate::tier;
use crate::view::handle::ClusterHandle;
use crate::view::watch::{Source, Watcher};
use crate::view::{BrokerState, health};

/// How long the gateway's own connections may take to be made, and its own calls to be answered.
const OWN_CALLS: Duration = Duration::from_secs(5);
/// How long open connections may take to end once the gateway stops.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// One listener.
pub struct Door {
    /// Its name in the file.
    pub name: String,
    /// The zone of all clients that come in here.
    pub zone: Option<Zone>,
    /// What its clients are told.
    pub endpoints: Endpoints,
    /// TLS towards clients.
    pub tls: Option<TlsAcceptor>,
    /// Who clients are towards the brokers, where their certificates say so.
    pub identities: Option<Identities>,
    /// The load balancers in front.
    pub balancers: Option<ProxyProtocol>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What every session shares.
#[derive(Debug)]
pub struct Gateway {
    /// The rules for zones.
    pub zones: Zones,
    /// This gateway among the others.
    pub fleet: Fleet,
    /// The zone of brokers that say nothing of theirs.
    pub unknown_zone: Zone,
    /// The cluster.
    pub cluster: ClusterHandle,
    /// How brokers are reached; its identity is the gateway's own.
    pub dialer: Dialer,
    /// TLS of clients' connections to brokers. Without our certificate, unless brokers go by SASL: a client must not be
    /// taken for us.
    pub client_tls: Option<ClientTls>,
    /// The longest frame, bytes.
    pub frame_max: usize,
    /// The longest TLS handshake, and then the longest wait for the first request's header.
    pub handshake_max: Duration,
    /// How long a connection may be without traffic: `limits.idle`.
    pub idle_max: Duration,
    /// Bytes by leg, API and zones.
    pub ledger: Ledger,
    /// Counters of the data path.
    pub counters: Counters,
    /// Clients by zone.
    pub clients: Clients,
    /// Open connections.
    pub connections: Connections,
    /// How fast connections are let in.
    pub pace: Pace,
    /// Open files.
    pub descriptors: Descriptors,
    /// What went wrong.
    pub rejects: Rejects,
    /// Room for answers that are held in memory.
    pub held: Room,
    /// The tier.
    pub tier: tier::Handle,
}

impl Gateway {
    /// Opens a connection to a broker under the gateway's own identity.
    ///
    /// # Errors
    /// As [`kafka::client::open`].
    pub async fn open_as_ourselves(&self, host: &str, port: u16) -> Result<Stream, OpenError> {
        kafka::client::open(&self.dialer.security, host, port, self.dialer.connect_timeout).await
    }

    /// The client's zone and the rule that said so. Zones that clients name themselves count only if a broker or a
    /// gateway is there: anything else is a wrong setting, or an attempt to fill our memory with labels. The last value
    /// says whether a name was ignored for that.
    pub fn client_zone(&self, mut facts: ClientFacts<'_>) -> (Zone, Rule, bool) {
        let mut ignored = false;
        loop {
            let (zone, rule) = self.zones.client_zone(&facts);
            let said_by_client = match rule {
                Rule::ClientIdTag => &mut facts.client_id,
                Rule::Rack => &mut facts.rack,
                _ => return (zone, rule, ignored),
            };
            if self.is_known(&zone) {
                return (zone, rule, ignored);
            }
            (*said_by_client, ignored) = (None, true);
        }
    }

    fn is_known(&self, zone: &Zone) -> bool {
        let gateways = self.fleet.peers.iter().map(|p| &p.zone).chain([&self.fleet.zone]);
        gateways.chain(self.cluster.view().brokers.values().map(|b| &b.zone)).any(|z| z == zone)
    }

    /// What was refused, ended or made to wait, by reason.
    pub fn rejected_counts(&self) -> Vec<(&'static str, u64)> {
        let waits = Some(("in_flight_bytes", self.held.waits())).filter(|(_, n)| *n > 0);
        self.rejects.counts().into_iter().chain(waits).collect()
    }

    /// Brokers by zone and state.
    pub fn broker_counts(&self) -> Vec<(String, &'static str, u64)> {
        let mut counts = BTreeMap::<_, u64>::new();
        for b in self.cluster.view().brokers.values() {
            let state = match b.state {
                BrokerState::Live => "live",
                BrokerState::Suspect => "suspect",
                BrokerState::Absent => "absent",
            };
            *counts.entry((b.zone.to_string(), state)).or_default() += 1;
        }
        counts.into_iter().map(|((zone, state), n)| (zone, state, n)).collect()
    }
}

/// A gateway with its listeners bound, ready to run.
pub struct App {
    gateway: Arc<Gateway>,
    metrics: Arc<Metrics>,
    watcher: Watcher,
    doors: Vec<(Arc<Door>, listen::Bound)>,
    admin: (SocketAddr, tokio::net::TcpListener, Option<config::Secret>),
    tiering: Option<tier::open::Plans>,
    health: (Dialer, mpsc::Sender<(BrokerId, bool)>),
}

impl App {
    /// Makes every component and binds every port.
    ///
    /// # Errors
    /// A certificate that can't be used, a port that can't be bound.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        descriptors::raise(config.limits.connections);
        let dialer = dialer(&config)?;
        let (news, receiver) = mpsc::channel(1024);
        let unknown_zone = Zone::new("unknown").context("the zone \"unknown\"")?;
        let (watcher, cluster) = Watcher::new(source(&config, &dialer, &unknown_zone), receiver);
        let frame_max = usize::try_from(config.limits.frame.0).unwrap_or(usize::MAX).min(i32::MAX as usize);
        let gateway = Arc::new(Gateway {
            zones: config.zones.clone(),
            fleet: fleet(&config),
            unknown_zone,
            cluster,
            dialer: dialer.clone(),
            client_tls: client_tls(&config, config.cluster.auth.is_some())?,
            frame_max,
            handshake_max: config.limits.handshake,
            idle_max: config.limits.idle,
            ledger: Ledger::new(config.gateway.zone.clone()),
            counters: Counters::default(),
            clients: Clients::default(),
            connections: Connections::new(config.limits.connections, config.limits.connections_per_ip),
            pace: Pace::new(config.limits.accept_rate, config.limits.handshakes),
            descriptors: Descriptors::default(),
            rejects: Rejects::default(),
            held: Room::new(config.limits.in_flight_bytes.0, frame_max),
            tier: tier::Handle::new(config.store.is_some(), config.tiering.clone()),
        });
        let mut doors = Vec::new();
        for listener in &config.listeners {
            doors.push((Arc::new(door(listener)?), listen::Bound::bind(listener).await?));
        }
        let admin = tokio::net::TcpListener::bind(config.gateway.admin).await;
        let admin = admin.with_context(|| format!("gateway.admin: cannot bind {}", config.gateway.admin))?;
        let metrics = Arc::new(Metrics::new(&gateway)?);
        Ok(Self {
            gateway,
            metrics,
            watcher,
            doors,
            tiering: tier::open::Plans::of(&config, &dialer),
            admin: (config.gateway.admin, admin, config.gateway.admin_token),
            health: (dialer, news),
        })
    }

    /// Runs until `stop`, then waits a little for connections to end.
    pub async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        tasks.spawn(self.watcher.run(stop.clone()));
        let (dialer, news) = self.health;
        tasks.spawn(health::run(self.gateway.cluster.clone(), dialer, news, tasks.clone(), stop.clone()));
        tasks.spawn(probe::run(self.gateway.fleet.clone(), stop.clone()));
        let page = admin::Admin { gateway: self.gateway.clone(), metrics: self.metrics, token: self.admin.2 };
        tasks.spawn(admin::run(self.admin.1, Arc::new(page), tasks.clone(), stop.clone()));
        if let Some(plans) = self.tiering {
            tasks.spawn(plans.run(self.gateway.clone(), tasks.clone(), stop.clone()));
        }
        for (door, bound) in self.doors {
            bound.run(&self.gateway, &door, &tasks, &stop);
        }
        tracing::info!(admin = %self.admin.0, gateway = %self.gateway.fleet.id, zone = %self.gateway.fleet.zone, "running");
        stop.cancelled().await;
        tasks.close();
        if tokio::time::timeout(STOP_WAIT, tasks.wait()).await.is_err() {
            tracing::info!(open = tasks.len(), "connections still open at the deadline were cut");
        }
    }
}

fn fleet(config: &Config) -> Fleet {
    let peers = config.fleet.members.iter().map(|m| Peer {
        id: m.id.clone(),
        zone: m.zone.clone(),
        listener: m.listener.clone(),
        endpoints: Endpoints {
            host: m.advertise.host.clone(),
            sni_port: m.advertise.port.unwrap_or_default(),
            brokers: m.brokers.clone(),
        },
        admin: (m.admin.host.clone(), m.admin.port),
        alive: AtomicBool::new(true),
    });
    Fleet {
        id: config.gateway.id.as_str().into(),
        zone: config.gateway.zone.clone(),
        peers: peers.collect(),
        fallback: config.zones.when_zone_has_no_gateway,
    }
}

fn door(listener: &Listener) -> anyhow::Result<Door> {
    let tls = listener.tls.as_ref().map(|t| {
        kafka::client::server_config(&t.cert, &t.key, t.client_ca.as_deref())
            .with_context(|| format!("listeners[{}].tls", listener.name))
    });
    Ok(Door {
        name: listener.name.clone(),
        zone: listener.zone.clone(),
        endpoints: Endpoints {
            host: listener.advertise.host.clone(),
            sni_port: listener.advertise.port.unwrap_or(listener.bind.port()),
            brokers: listener.brokers.clone(),
        },
        tls: tls.transpose()?.map(TlsAcceptor::from),
        identities: listener.tls.as_ref().and_then(|t| t.identities.as_deref()).map(Identities::new),
        balancers: listener.proxy_protocol.clone(),
    })
}

/// TLS towards brokers, with or without our own certificate.
fn client_tls(config: &Config, with_certificate: bool) -> anyhow::Result<Option<ClientTls>> {
    let Some(t) = &config.cluster.tls else { return Ok(None) };
    let own = |path: &Option<PathBuf>| path.clone().filter(|_| with_certificate);
    let tls = kafka::client::client_config(t.ca.as_deref(), own(&t.cert).as_deref(), own(&t.key).as_deref());
    let tls = ClientTls::new(tls.context("cluster.tls")?, t.server_name.as_deref());
    Ok(Some(tls.context("cluster.tls.server_name")?))
}

/// How the gateway reaches brokers.
///
/// # Errors
/// A certificate file that can't be used.
pub fn dialer(config: &Config) -> anyhow::Result<Dialer> {
    let sasl = config.cluster.auth.as_ref().map(identity::sasl);
    Ok(Dialer {
        security: Security { tls: client_tls(config, true)?, sasl },
        client_id: format!("tidegate-{}", config.gateway.id),
        connect_timeout: OWN_CALLS,
        call_timeout: OWN_CALLS,
    })
}

fn source(config: &Config, dialer: &Dialer, unknown_zone: &Zone) -> Source {
    let servers = config.cluster.bootstrap.iter().map(|s| (s.host.clone(), s.port)).collect();
    let zones = config.zones.brokers.iter();
    Source {
        bootstrap: Bootstrap::new(dialer.clone(), servers),
        zones: zones.map(|(id, zone)| (BrokerId(*id), zone.clone())).collect(),
        unknown_zone: unknown_zone.clone(),
    }
}

#[cfg(test)]
#[path = "testing.rs"]
pub(crate) mod testing;
