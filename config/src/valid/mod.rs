//! What the file means, after every check: the types the rest of the program works with.

pub(crate) mod certificates;
pub(crate) mod client_zone;
pub(crate) mod cluster;
pub(crate) mod endpoints;
pub(crate) mod files;
pub(crate) mod fleet;
pub(crate) mod gateway;
pub(crate) mod hosts;
pub(crate) mod identities;
pub(crate) mod limits;
pub(crate) mod listeners;
mod peers;
mod ports;
pub(crate) mod proxy_protocol;
pub(crate) mod store;
pub(crate) mod telemetry;
pub(crate) mod tiering;
pub(crate) mod zones;

use cluster::Cluster;
use fleet::Fleet;
use gateway::Gateway;
use limits::Limits;
use listeners::Listener;
use store::Store;
use telemetry::Otlp;
use tiering::Tiering;
use zones::Zones;

use crate::check::Check;
use crate::{Error, raw};

/// A whole file that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// This gateway.
    pub gateway: Gateway,
    /// The Kafka cluster behind it.
    pub cluster: Cluster,
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// Which zone is whose.
    pub zones: Zones,
    /// The other gateways.
    pub fleet: Fleet,
    /// Bounds.
    pub limits: Limits,
    /// Where tiered data and control records live.
    pub store: Option<Store>,
    /// Which topics move to the store.
    pub tiering: Option<Tiering>,
    /// Where metrics and traces are sent.
    pub otlp: Option<Otlp>,
    /// What is allowed but unwise, each with its path; for the log and for `tidegate check`.
    pub warnings: Vec<String>,
}

impl Config {
    /// Every section by itself, then the sections against each other; at the end all mistakes, or the meaning.
    pub(crate) fn check(raw: &raw::File, mut check: Check<'_>) -> Result<Self, Vec<Error>> {
        let gateway = Gateway::check(&raw.gateway, &mut check);
        let cluster = Cluster::check(&raw.cluster, &mut check);
        let placed = Listener::check_all(&raw.listeners, &mut check);
        let zones = Zones::check(&raw.zones, &mut check);
        let fleet = Fleet::check(&raw.fleet, &mut check);
        let limits = Limits::check(&raw.limits, &mut check);
        let store = raw.store.as_ref().and_then(|store| Store::check(store, &mut check));
        let tiering = raw.tiering.as_ref().map(|tiering| Tiering::check(tiering, &mut check));
        let otlp = raw.telemetry.otlp.as_ref().and_then(|otlp| Otlp::check(otlp, &mut check));
        if raw.tiering.is_some() && raw.store.is_none() {
            check.wrong("tiering", "has nowhere to put data", "write store: {dir: ./tidegate-store}, or s3");
        }
        if raw.tiering.is_some() && matches!(store, Some(Store::Dir(_))) && fleet != Fleet::default() {
            let text = "a folder of this machine's own is another store on each gateway, and what one moves there the others can't serve: \
                        use store.s3, or a file system that all gateways share";
            check.warn("store.dir", text);
        }
        ports::check(gateway.as_ref(), &placed, &fleet, cluster.as_ref(), &mut check);
        peers::check(gateway.as_ref(), &placed, &fleet, raw.listeners.len(), &mut check);
        identities::warn_of_clear(&placed, cluster.as_ref(), &mut check);
        let warnings = check.finish()?;
        let listeners = placed.into_iter().map(|(_, listener)| listener).collect();
        let whole = gateway.zip(cluster);
        whole
            .map(|(gateway, cluster)| Self {
                gateway,
                cluster,
                listeners,
                zones,
                fleet,
                limits,
                store,
                tiering,
                otlp,
                warnings,
            })
            .ok_or_else(Vec::new)
    }
}
