//! `tidegate check --connect`: is the cluster what the file says?

use std::time::Duration;

use config::Config;
use kafka::client::metadata::{Cluster, Topics, fetch};
use kafka::client::{Connection, Dialer, Security, open};

use super::check::Finding;
use super::rights;

/// How long the bucket may take for all that is tried.
const BUCKET_WAIT: Duration = Duration::from_secs(30);

pub(super) fn finding(severity: &'static str, at: &str, reason: String, remedy: &str) -> Finding {
    Finding { severity, at: at.to_owned(), line: None, reason, remedy: remedy.to_owned() }
}

/// What is found when everything is tried.
///
/// # Errors
/// A certificate file that can't be used, or no runtime.
pub(super) fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let dialer = tidegate_proxy::app::dialer(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let mut found = look(config, &dialer).await;
        found.extend(bucket(config).await);
        found
    }))
}

/// Whether the store can be reached, written and read, and keeps create-if-absent.
async fn bucket(config: &Config) -> Option<Finding> {
    let section = config.store.as_ref()?;
    let tried = async { store::probe::probe(&tiering::open::open(section).await?).await };
    let said = match tokio::time::timeout(BUCKET_WAIT, tried).await {
        Ok(Ok(())) => return None,
        Ok(Err(e)) => e.to_string(),
        Err(_) => format!("does not answer within {} s", BUCKET_WAIT.as_secs()),
    };
    let remedy = "check the bucket, its region and endpoint, the credentials in the environment, and that they may get, put, list and delete; \
                  a store without create-if-absent (If-None-Match: *) can't be used";
    Some(finding("error", "store", said, remedy))
}

async fn look(config: &Config, dialer: &Dialer) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut cluster = None;
    for (n, server) in config.cluster.bootstrap.iter().enumerate() {
        let at = format!("cluster.bootstrap[{n}]");
        match describe(dialer, &server.host, server.port).await {
            Ok(seen) => cluster = Some(seen),
            Err(e) => found.push(finding("error", &at, e, "check the address, cluster.tls and cluster.auth")),
        }
    }
    let Some(cluster) = cluster else { return found };
    for broker in &cluster.brokers {
        let at = format!("broker {} ({}:{})", broker.id, broker.host, broker.port);
        if let Err(e) = describe(dialer, &broker.host, broker.port).await {
            found.push(finding(
                "error",
                &at,
                e,
                "the gateway must reach every broker at its advertised listener",
            ));
        }
        endpoints(config, broker.id.0, &at, &mut found);
        if broker.rack.is_none() && !config.zones.brokers.contains_key(&broker.id.0) {
            let remedy = "set broker.rack, or name the broker under zones.brokers";
            found.push(finding("warning", &at, "has no rack, so no zone".to_owned(), remedy));
        }
    }
    zones(config, &cluster, &mut found);
    found.extend(identities(config, dialer, &cluster).await);
    found.extend(rights(config, dialer, &cluster).await);
    found
}

/// Whether brokers take the credentials that clients' certificates stand for. One broker is asked: they share what they know.
async fn identities(config: &Config, dialer: &Dialer, cluster: &Cluster) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(broker) = cluster.brokers.first() else { return found };
    for listener in &config.listeners {
        let list = listener.tls.as_ref().and_then(|tls| tls.identities.as_deref()).unwrap_or_default();
        for (n, identity) in list.iter().enumerate() {
            let sasl = Some(tidegate_proxy::identity::sasl(&identity.auth));
            let security = Security { sasl, ..dialer.security.clone() };
            let opened = open(&security, &broker.host, broker.port, dialer.connect_timeout).await;
            if let Err(e) = opened {
                let at = format!("listeners[{}].tls.identities[{n}]", listener.name);
                let remedy = "check the user and its password, and that brokers offer the mechanism";
                found.push(finding("error", &at, format!("{}: {e}", identity.subject), remedy));
            }
        }
    }
    found
}

/// What the first broker that answers says of rights. One that does not has been found above.
async fn rights(config: &Config, dialer: &Dialer, cluster: &Cluster) -> Vec<Finding> {
    for broker in &cluster.brokers {
        if let Ok(mut connection) = Connection::connect(dialer, &broker.host, broker.port).await {
            return rights::look(config, &mut connection).await;
        }
    }
    Vec::new()
}

async fn describe(dialer: &Dialer, host: &str, port: u16) -> Result<Cluster, String> {
    let mut connection = Connection::connect(dialer, host, port).await.map_err(|e| e.to_string())?;
    fetch(&mut connection, Topics::None).await.map_err(|e| e.to_string())
}

/// A broker outside the configured ids can't be shown to clients.
fn endpoints(config: &Config, id: i32, at: &str, found: &mut Vec<Finding>) {
    for listener in &config.listeners {
        let b = &listener.brokers;
        if b.port_of(id).is_none() && b.host_of(id).is_none() {
            let remedy = format!("widen listeners[{}].brokers so that it holds id {id}", listener.name);
            found.push(finding(
                "error",
                at,
                format!("listener `{}` has no endpoint for it", listener.name),
                &remedy,
            ));
        }
    }
}

fn zones(config: &Config, cluster: &Cluster, found: &mut Vec<Finding>) {
    let zone = &config.gateway.zone;
    let here = |b: &kafka::client::metadata::Broker| match config.zones.brokers.get(&b.id.0) {
        Some(mapped) => mapped == zone,
        None => b.rack.as_deref() == Some(zone.as_str()),
    };
    if !cluster.brokers.iter().any(here) {
        let reason = format!("no broker is in this gateway's zone `{zone}`, so no read can stay in it");
        found.push(finding("warning", "gateway.zone", reason, "check the spelling against broker.rack"));
    }
}
