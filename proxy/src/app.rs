//! The composition root: every component is made once here and handed to the tasks that need it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::{ArcSwap, Guard};
use config::{ClientFacts, Config, Listener, ProxyProtocol, Rule, Zone};
use kafka::client::{Bootstrap, ClientTls, Dialer, OpenError, Security, Stream};
use kafka::types::BrokerId;
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::admin;
use crate::facade::connections::Connections;
use crate::facade::descriptors::{self, Descriptors};
use crate::facade::listen::{self, Listening};
use crate::facade::pace::Pace;
use crate::fleet::gossip::Gossip;
use crate::fleet::gossip::seal::Keyring;
use crate::fleet::roster::Roster;
use crate::fleet::{Endpoints, Fleet, probe};
use crate::identity::{self, Identities};
use crate::ledger::Ledger;
use crate::life::Orders;
use crate::life::drain::Drain;
use crate::life::ending::Ending;
use crate::life::expiry::Expiries;
use crate::life::ready;
use crate::life::reload::{Reloader, Reloads};
use crate::life::renewal::Stamps;
use crate::life::settings::Settings;
use crate::metrics::{Clients, Counters, Metrics};
use crate::rejects::{self, Rejects};
use crate::steer::held::Room;
use crate::telemetry::{self, Exports, Telemetry};
use crate::tier;
use crate::view::handle::ClusterHandle;
use crate::view::health;
use crate::view::watch::{Source, Watcher};

/// How long the gateway's own connections may take to be made, and its own calls to be answered.
const OWN_CALLS: Duration = Duration::from_secs(5);

/// One listener.
pub struct Door {
    /// Its name in the file.
    pub name: String,
    /// The zone of all clients that come in here.
    pub zone: Option<Zone>,
    /// What its clients are told.
    pub endpoints: Endpoints,
    /// Who clients are towards the brokers, where their certificates say so.
    pub identities: Option<Identities>,
    /// The load balancers in front.
    pub balancers: Option<ProxyProtocol>,
    /// TLS towards clients, as connections to come have it.
    pub tls: Option<ArcSwap<ServerConfig>>,
}

impl Door {
    /// What a connection that comes now is accepted with.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.load_full()))
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What every session shares.
#[derive(Debug)]
pub struct Gateway {
    /// Its id.
    pub id: Arc<str>,
    /// Its zone.
    pub zone: Zone,
    /// What a reload can change.
    settings: ArcSwap<Settings>,
    /// The zone of brokers that say nothing of theirs.
    pub unknown_zone: Zone,
    /// The cluster.
    pub cluster: ClusterHandle,
    /// How brokers are reached; its identity is the gateway's own.
    pub dialer: Dialer,
    /// TLS of clients' connections to brokers. Without our certificate, unless brokers go by SASL: a client must not be
    /// taken for us.
    pub client_tls: Option<ClientTls>,
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
    /// Endpoints that are bound.
    pub listening: Listening,
    /// What the gateways of the fleet know each other by, where they gossip.
    pub keyring: Arc<Keyring>,
    /// How it ends.
    pub drain: Arc<Drain>,
    /// What became of changed files.
    pub reloads: Reloads,
    /// When certificates end.
    pub expiries: Expiries,
    /// What went wrong.
    pub rejects: Arc<Rejects>,
    /// When it began.
    pub started: Instant,
    /// Room for answers that are held in memory.
    pub held: Arc<Room>,
    /// The tier.
    pub tier: tier::Handle,
    /// What an OpenTelemetry collector is told.
    pub telemetry: Telemetry,
}

impl Gateway {
    /// What the file says, as far as it can change: taken once for whatever is decided by it.
    pub fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// Takes over other settings. Decisions under way end by the old ones.
    pub fn change(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

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
        let (settings, mut ignored) = (self.settings(), false);
        loop {
            let (zone, rule) = settings.zones.client_zone(&facts);
            let said_by_client = match rule {
                Rule::ClientIdTag => &mut facts.client_id,
                Rule::Rack => &mut facts.rack,
                _ => return (zone, rule, ignored),
            };
            if self.is_known(&settings.fleet, &zone) {
                return (zone, rule, ignored);
            }
            (*said_by_client, ignored) = (None, true);
        }
    }

    fn is_known(&self, fleet: &Fleet, zone: &Zone) -> bool {
        let peers = fleet.peers();
        let gateways = peers.iter().map(|p| &p.zone).chain([&fleet.zone]);
        gateways.chain(self.cluster.view().brokers.values().map(|b| &b.zone)).any(|z| z == zone)
    }

    /// Brokers by zone and state.
    pub fn broker_counts(&self) -> Vec<(String, &'static str, u64)> {
        let mut counts = BTreeMap::<_, u64>::new();
        for b in self.cluster.view().brokers.values() {
            *counts.entry((b.zone.to_string(), b.state.label())).or_default() += 1;
        }
        counts.into_iter().map(|((zone, state), n)| (zone, state, n)).collect()
    }
}

/// A gateway with its listeners bound, ready to run.
pub struct App {
    config: Config,
    /// Of certificates' files, from before they were read.
    stamps: Stamps,
    gateway: Arc<Gateway>,
    metrics: Arc<Metrics>,
    exports: Exports,
    watcher: Watcher,
    doors: Vec<(Arc<Door>, listen::Bound)>,
    admin: tokio::net::TcpListener,
    gossip: Option<Gossip>,
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
        let stamps = Stamps::of(&config);
        let dialer = dialer(&config)?;
        let (news, receiver) = mpsc::channel(1024);
        let unknown_zone = Zone::new("unknown").context("the zone \"unknown\"")?;
        let (watcher, cluster) =
            Watcher::new(source(&config, &dialer, &unknown_zone), broker_zones(&config), receiver);
        let (settings, rejects) = (Settings::of(&config), Arc::<Rejects>::default());
        let (telemetry, mut exports) = telemetry::open(&config)?;
        let gateway = Arc::new(Gateway {
            id: config.gateway.id.as_str().into(),
            zone: config.gateway.zone.clone(),
            unknown_zone,
            cluster,
            dialer: dialer.clone(),
            client_tls: client_tls(&config, config.cluster.auth.is_some())?,
            ledger: Ledger::new(config.gateway.zone.clone()),
            counters: Counters::default(),
            clients: Clients::default(),
            connections: Connections::new(config.limits.connections, config.limits.connections_per_ip),
            pace: Pace::new(config.limits.accept_rate, config.limits.handshakes),
            descriptors: Descriptors::default(),
            listening: Listening::default(),
            keyring: Arc::new(Keyring::new(config.fleet.gossip.as_ref().map_or(&[], |g| &g.keys))),
            drain: Arc::default(),
            reloads: Reloads::default(),
            expiries: Expiries::of(&config),
            held: Arc::new(Room::new(config.limits.in_flight_bytes.0, settings.frame_max, rejects.clone())),
            rejects,
            started: Instant::now(),
            tier: tier::Handle::new(config.store.is_some(), config.tiering.clone()),
            telemetry,
            settings: ArcSwap::from_pointee(settings),
        });
        let mut doors = Vec::new();
        for listener in &config.listeners {
            doors.push((Arc::new(door(listener)?), listen::Bound::bind(listener, &gateway.listening).await?));
        }
        let admin = tokio::net::TcpListener::bind(config.gateway.admin).await;
        let admin = admin.with_context(|| format!("gateway.admin: cannot bind {}", config.gateway.admin))?;
        let gossip = match config.fleet.gossip.clone() {
            Some(settings) => Some(Gossip::bind(settings).await?),
            None => None,
        };
        let metrics = Arc::new(Metrics::new(&gateway, &mut exports)?);
        let tiering = tier::open::Plans::of(&config, &dialer);
        let health = (dialer, news);
        Ok(Self { config, stamps, gateway, metrics, exports, watcher, doors, admin, gossip, tiering, health })
    }

    /// Runs by `orders`; `file` is what a reload reads. Ends after a drain, or at once when told so.
    pub async fn run(self, file: PathBuf, orders: Orders) {
        let (stop, gateway) = (orders.stop.clone(), self.gateway);
        let doors: Vec<_> = self.doors.iter().map(|(door, _)| door.clone()).collect();
        let ending = Ending::new(gateway.clone(), orders.clone());
        let (tasks, work) = (&ending.tasks, &ending.work);
        tasks.spawn(self.watcher.run(stop.clone()));
        let (dialer, news) = self.health;
        tasks.spawn(health::run(gateway.cluster.clone(), dialer, news, tasks.clone(), stop.clone()));
        match (self.gossip, gateway.settings().fleet.roster.clone()) {
            (Some(gossip), Roster::Heard(heard)) => {
                tasks.spawn(gossip.run(gateway.clone(), doors.clone(), heard, stop.clone()));
            }
            _ => {
                tasks.spawn(probe::run(gateway.clone(), stop.clone()));
            }
        }
        let token = self.config.gateway.admin_token.clone();
        tasks.spawn(rejects::run(gateway.clone(), stop.clone()));
        tasks.spawn(ready::watch(gateway.clone(), stop.clone()));
        tasks.spawn(self.exports.run(self.metrics.clone(), stop.clone()));
        let page = admin::Admin { gateway: gateway.clone(), metrics: self.metrics, token };
        tasks.spawn(admin::serve::run(self.admin, Arc::new(page), tasks.clone(), stop.clone()));
        if let Some(plans) = self.tiering {
            work.spawn(plans.run(gateway.clone(), work.clone(), stop.clone()));
        }
        for (door, bound) in self.doors {
            bound.run(&gateway, &door, &ending.clients, (&ending.closing, &stop));
        }
        tracing::info!(admin = %self.config.gateway.admin, gateway = %gateway.id, zone = %gateway.zone, "running");
        let reloader = Reloader::new(file, (self.config, self.stamps), gateway, doors);
        tasks.spawn(reloader.run(orders.reload, stop));
        ending.run().await;
    }
}

fn door(listener: &Listener) -> anyhow::Result<Door> {
    let tls = server_tls(listener)?;
    Ok(Door {
        name: listener.name.clone(),
        zone: listener.zone.clone(),
        endpoints: Endpoints {
            host: listener.advertise.host.clone(),
            sni_port: listener.advertise.port.unwrap_or(listener.bind.port()),
            brokers: listener.brokers.clone(),
        },
        identities: listener.tls.as_ref().and_then(|t| t.identities.as_deref()).map(Identities::new),
        balancers: listener.proxy_protocol.clone(),
        tls: tls.map(ArcSwap::new),
    })
}

/// A listener's TLS, from its files as they are now.
pub fn server_tls(listener: &Listener) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let Some(t) = &listener.tls else { return Ok(None) };
    let client_ca = t.client_ca.as_ref().map(|ca| &*ca.path);
    let tls = kafka::client::server_config(&t.cert.path, &t.key, client_ca);
    Ok(Some(tls.with_context(|| format!("listeners[{}].tls", listener.name))?))
}

/// TLS towards brokers, with or without our own certificate.
fn client_tls(config: &Config, with_certificate: bool) -> anyhow::Result<Option<ClientTls>> {
    let Some(tls) = broker_tls(config, with_certificate)? else { return Ok(None) };
    let name = config.cluster.tls.as_ref().and_then(|t| t.server_name.as_deref());
    Ok(Some(ClientTls::new(tls, name).context("cluster.tls.server_name")?))
}

/// The same from its files as they are now.
pub fn broker_tls(config: &Config, with_certificate: bool) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    let Some(t) = &config.cluster.tls else { return Ok(None) };
    let own = t.cert.as_ref().zip(t.key.as_ref()).filter(|_| with_certificate);
    let (cert, key) = (own.map(|(cert, _)| &*cert.path), own.map(|(_, key)| &**key));
    let tls = kafka::client::client_config(t.ca.as_ref().map(|ca| &*ca.path), cert, key);
    Ok(Some(tls.context("cluster.tls")?))
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
    Source { bootstrap: bootstrap(config, dialer), unknown_zone: unknown_zone.clone() }
}

/// `cluster.bootstrap`.
pub fn bootstrap(config: &Config, dialer: &Dialer) -> Bootstrap {
    let servers = config.cluster.bootstrap.iter().map(|s| (s.host.clone(), s.port)).collect();
    Bootstrap::new(dialer.clone(), servers)
}

/// The zones that the file gives brokers.
pub(crate) fn broker_zones(config: &Config) -> BTreeMap<BrokerId, Zone> {
    config.zones.brokers.iter().map(|(id, zone)| (BrokerId(*id), zone.clone())).collect()
}

#[cfg(test)]
#[path = "testing.rs"]
pub(crate) mod testing;
