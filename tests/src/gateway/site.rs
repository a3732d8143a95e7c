//! Where a gateway of a test listens, and the configuration that says so.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::Result;

use super::TOKEN_ENV;
use crate::Cluster;
use crate::ports::Ports;

/// One gateway's name, zone and addresses.
#[derive(Clone, Debug)]
pub struct Site {
    /// `gateway.id`.
    pub id: String,
    /// `gateway.zone`.
    pub zone: String,
    /// The address it binds and advertises.
    pub host: String,
    /// The port of the bootstrap listener.
    pub bootstrap: u16,
    /// The port of the admin listener.
    pub admin: u16,
    /// The cluster's broker ids, in order.
    pub brokers: Vec<i32>,
    /// The port of the first of them; the next has the next port.
    pub first_broker_port: u16,
}

impl Site {
    /// `host:port` that clients bootstrap from.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.bootstrap)
    }

    /// `host:port` at which a broker is reached through this gateway.
    pub fn broker_address(&self, id: i32) -> Option<String> {
        let at = self.brokers.iter().position(|b| *b == id)?;
        Some(format!("{}:{}", self.host, self.first_broker_port + at as u16))
    }

    fn broker_ports(&self) -> String {
        let last = self.first_broker_port + self.brokers.len() as u16 - 1;
        format!("{{ids: {:?}, ports: {}-{last}}}", self.brokers, self.first_broker_port)
    }

    /// The configuration: this gateway in front of `upstream`, the others as fleet members, and further
    /// top-level sections as they are. `listener` is appended inside the one listener (`tls: ...`).
    pub fn yaml(&self, upstream: &str, others: &[Self], listener: &str, sections: &str) -> String {
        let Self { id, zone, host, bootstrap, admin, .. } = self;
        let loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let token = if loopback { String::new() } else { format!(", admin_token: {{env: {TOKEN_ENV}}}") };
        let mut text = format!(
            "gateway: {{id: {id}, zone: {zone}, admin: {host}:{admin}{token}}}\n{upstream}\nlisteners:\n\
             \x20 - name: clients\n    bind: {host}:{bootstrap}\n    advertise: {host}\n    brokers: {}\n",
            self.broker_ports()
        );
        listener.lines().for_each(|line| text += &format!("    {line}\n"));
        if !others.is_empty() {
            text += "fleet:\n  members:\n";
        }
        for other in others {
            let Self { id, zone, host, admin, .. } = other;
            let _ = writeln!(
                text,
                "    - {{id: {id}, zone: {zone}, listener: clients, advertise: {host}, brokers: {}, \
                 admin: {host}:{admin}}}",
                other.broker_ports()
            );
        }
        text + sections + "\n"
    }
}

/// One site per zone, on 127.0.0.1, 127.0.0.2, ...; the ports are leased until this is dropped.
#[derive(Debug)]
pub struct Sites {
    /// The sites, in the order of the zones.
    pub all: Vec<Site>,
    _ports: Ports,
}

impl Sites {
    /// Sites in front of `cluster`, with the same port numbers on every host.
    pub fn of(cluster: &Cluster, zones: &[&str]) -> Result<Self> {
        let brokers: Vec<i32> = cluster.brokers().iter().map(crate::cluster::Broker::id).collect();
        let mut ports = Ports::lease()?;
        let (bootstrap, admin) = (ports.one()?, ports.one()?);
        let first_broker_port = ports.run(brokers.len() as u16)?;
        let site = |(n, zone): (usize, &&str)| Site {
            id: format!("gw-{zone}-{n}"),
            zone: (*zone).to_owned(),
            host: format!("127.0.0.{}", n + 1),
            bootstrap,
            admin,
            brokers: brokers.clone(),
            first_broker_port,
        };
        Ok(Self { all: zones.iter().enumerate().map(site).collect(), _ports: ports })
    }
}

/// The `cluster` section for a plain cluster.
pub(super) fn upstream(cluster: &Cluster) -> String {
    format!("cluster:\n  bootstrap: [{}]", cluster.bootstrap().replace(',', ", "))
}
