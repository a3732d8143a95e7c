//! `listeners`, as typed; `brokers` is shared with `fleet.members`.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use super::cluster::Auth;
use crate::leaf::{Leaf, Refusal, Scalar, Typed, refuse, text};
use crate::valid::hosts::port_number;
use crate::{Advertise, Zone};

/// One address clients bootstrap from, and the endpoints that stand for brokers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name", "bind", "brokers"]))]
pub(crate) struct Listener {
    /// Name, unique in the file; `fleet.members` refer to it.
    #[schemars(required)]
    pub(crate) name: Option<Leaf<String>>,
    /// The bootstrap endpoint; broker ports are bound on the same IP. Port 0 takes any free one.
    #[schemars(required)]
    pub(crate) bind: Option<Leaf<SocketAddr>>,
    /// Host that clients are told; required when `bind` is `0.0.0.0` or `[::]`. Under SNI it may carry `:port`, if a load
    /// balancer in front listens on another port than `bind`. Default: the IP of `bind`.
    pub(crate) advertise: Option<Leaf<Advertise>>,
    /// Where each broker answers.
    pub(crate) brokers: Brokers,
    /// The zone of every client that comes in here (rule `listener`).
    pub(crate) zone: Option<Leaf<Zone>>,
    /// TLS towards clients. Default: plain TCP.
    pub(crate) tls: Option<ServerTls>,
    /// Load balancers in front that say by the PROXY protocol, version 2, whom they connect. Default: none.
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
}

/// Load balancers in front that say whom they connect (PROXY protocol, version 2).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["from"]))]
pub(crate) struct ProxyProtocol {
    /// Networks of the load balancers. A connection from there must begin with the header, and only from there it counts.
    #[schemars(length(min = 1))]
    pub(crate) from: Vec<Leaf<IpNet>>,
}

/// TLS towards clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["cert", "key"]))]
pub(crate) struct ServerTls {
    /// PEM file of the certificate chain.
    #[schemars(required)]
    pub(crate) cert: Option<Leaf<PathBuf>>,
    /// PEM file of its private key, unencrypted.
    #[schemars(required)]
    pub(crate) key: Option<Leaf<PathBuf>>,
    /// PEM file of the authorities whose client certificates are required. Default: none are asked for.
    pub(crate) client_ca: Option<Leaf<PathBuf>>,
    /// Who the holder of a certificate is towards the brokers; holders of others are refused. Needs `client_ca`.
    /// Default: a certificate opens the door, and says nothing to the brokers.
    #[schemars(length(min = 1))]
    pub(crate) identities: Option<Vec<Identity>>,
}

/// A certificate's subject, and the principal that the gateway takes for its holder.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["subject", "auth"]))]
pub(crate) struct Identity {
    /// The whole subject as Java prints it (RFC 2253), like CN=app-a,O=Example.
    #[schemars(required)]
    pub(crate) subject: Option<Leaf<String>>,
    /// How the gateway authenticates this client's connections to brokers.
    #[schemars(required)]
    pub(crate) auth: Option<Auth>,
}

/// Where each broker answers: `ports`, `ports` with `ids`, or `sni`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-kind" = "endpoints"))]
pub(crate) struct Brokers {
    /// first-last. Broker id N answers on first + N; with `ids`, the ids take the ports in their order.
    pub(crate) ports: Option<Leaf<PortRange>>,
    /// Broker ids for clusters with sparse or large ids: numbers and ranges like 1001-1010.
    pub(crate) ids: Option<Vec<Leaf<IdRange>>>,
    /// Host name of broker {id}, like b{id}.kafka.example.com. Needs `tls`; all brokers share the listener's port.
    pub(crate) sni: Option<Leaf<String>>,
}

impl Brokers {
    /// Whether brokers are told apart by ports; neither that nor by names if it is not said.
    pub(crate) fn by_ports(&self) -> bool {
        self.ports.is_some() && self.sni.is_none()
    }
}

/// Ports, both ends included; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

/// Broker ids, both ends included; never empty or negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdRange {
    pub(crate) first: i32,
    pub(crate) last: i32,
}

impl Scalar for PortRange {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let (shown, ends) = ends(typed, port_number)?;
        match ends {
            Some((first, last)) if first <= last => Ok(Self { first, last }),
            Some((first, last)) => {
                refuse(format!("`{shown}` is an empty range"), format!("write {last}-{first}"))
            }
            None => refuse(
                format!("`{shown}` is not a range of ports"),
                "write first-last within 1 to 65535, like 29100-29199",
            ),
        }
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "first-last", "type": ["string", "integer"], "pattern": "^[0-9]{1,5}-[0-9]{1,5}$", "minimum": 1, "maximum": 65535})
    }
}

impl Scalar for IdRange {
    fn read(typed: &Typed) -> Result<Self, Refusal> {
        let (shown, ends) = ends(typed, id_number)?;
        match ends {
            Some((first, last)) if first <= last => Ok(Self { first, last }),
            Some((first, last)) => {
                refuse(format!("`{shown}` is an empty range"), format!("write {last}-{first}"))
            }
            None => refuse(
                format!("`{shown}` is neither a broker id nor a range of them"),
                "write 1001, or 1001-1010; ids are 0 to 2147483647",
            ),
        }
    }

    fn schema() -> Schema {
        json_schema!({"x-kind": "broker id", "type": ["string", "integer"], "pattern": "^[0-9]+(-[0-9]+)?$", "minimum": 0, "maximum": i32::MAX})
    }
}

fn id_number(text: &str) -> Option<i32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What was typed, and the two ends of `a-b`; a single number is both ends of itself.
fn ends<T: Copy>(typed: &Typed, number: fn(&str) -> Option<T>) -> Result<(String, Option<(T, T)>), Refusal> {
    let shown = match typed {
        Typed::Int(v) => v.to_string(),
        other => text(other)?.trim().to_owned(),
    };
    let (first, last) = shown.split_once('-').unwrap_or((&shown, &shown));
    let ends = number(first.trim()).zip(number(last.trim()));
    Ok((shown, ends))
}
