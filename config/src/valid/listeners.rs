//! `listeners`: where clients connect.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::certificates::CertificateFile;
use super::endpoints::endpoints;
use super::files::{Pem, pem};
use super::identities::{self, Identity};
use super::proxy_protocol::ProxyProtocol;
use crate::check::Check;
use crate::raw::listeners as raw;
use crate::tree::join;
use crate::{Advertise, BrokerEndpoints, Zone};

/// One address clients bootstrap from, and the endpoints that stand for brokers behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Name, unique in the file; fleet members refer to it.
    pub name: String,
    /// Address of the bootstrap endpoint. Broker ports are bound on the same IP.
    pub bind: SocketAddr,
    /// Host that clients are told.
    pub advertise: Advertise,
    /// Where each broker answers.
    pub brokers: BrokerEndpoints,
    /// The zone of every client that comes in here, by the rule `listener`.
    pub zone: Option<Zone>,
    /// TLS towards clients. `None`: plain TCP.
    pub tls: Option<ServerTls>,
    /// The load balancers in front that say whom they connect.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// PEM file of the certificate chain.
    pub cert: CertificateFile,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// PEM file of the authorities whose client certificates are required. `None`: none are asked for.
    pub client_ca: Option<CertificateFile>,
    /// Who the holders of certificates are towards the brokers. `None`: their certificates say nothing to those.
    pub identities: Option<Vec<Identity>>,
}

/// Most listeners of one gateway.
const LISTENERS_MAX: usize = 1_000;

impl Listener {
    /// All listeners that are right, each at its own place in the file.
    pub(crate) fn check_all(raw: &[raw::Listener], check: &mut Check<'_>) -> Vec<(String, Self)> {
        if raw.is_empty() {
            check.missing::<()>("", "listeners", "[{name: clients, bind: .., advertise: .., brokers: ..}]");
        }
        if raw.len() > LISTENERS_MAX {
            check.wrong("listeners", "is too long", format!("list {LISTENERS_MAX} listeners at most"));
        }
        let mut listeners: Vec<(String, Self)> = Vec::new();
        for (n, raw) in raw.iter().take(LISTENERS_MAX).enumerate() {
            let at = format!("listeners[{n}]");
            let Some(listener) = Self::check(raw, &at, check) else { continue };
            if let Some((first, _)) = listeners.iter().find(|(_, l)| l.name == listener.name) {
                let reason = format!("`{}` is the name of {first} too", listener.name);
                check.wrong(&join(&at, "name"), reason, "give each listener a name of its own");
            }
            listeners.push((at, listener));
        }
        listeners
    }

    fn check(raw: &raw::Listener, at: &str, check: &mut Check<'_>) -> Option<Self> {
        let name = check.need(at, "name", &raw.name, "clients");
        let bind = check.need(at, "bind", &raw.bind, "0.0.0.0:9092");
        let zone = check.read(at, "zone", &raw.zone);
        let tls = raw.tls.as_ref().and_then(|tls| ServerTls::check(tls, &join(at, "tls"), check));
        let balancers = raw.proxy_protocol.as_ref();
        let proxy_protocol =
            balancers.and_then(|p| ProxyProtocol::check(p, &join(at, "proxy_protocol"), check));
        let brokers = endpoints(&raw.brokers, &join(at, "brokers"), check);
        if matches!(brokers, Some(BrokerEndpoints::Sni { .. })) && raw.tls.is_none() {
            check.wrong(
                &join(at, "brokers.sni"),
                "needs TLS on this listener",
                "write tls: {cert: .., key: ..}, or use ports",
            );
        }
        let advertise = match (&raw.advertise, bind) {
            (Some(_), _) => check.read(at, "advertise", &raw.advertise),
            (None, Some(bind)) => Some(Advertise { host: bind.ip().to_string(), port: None }),
            (None, None) => None,
        };
        let advertise = advertise.and_then(|a| dialable(a, !raw.brokers.by_ports(), at, check));
        if raw.tls.is_some() && tls.is_none() {
            return None;
        }
        Some(Self {
            name: name?,
            bind: bind?,
            advertise: advertise?,
            brokers: brokers?,
            zone,
            tls,
            proxy_protocol,
        })
    }
}

/// Refuses what clients could not dial.
pub(crate) fn dialable(
    advertise: Advertise,
    sni: bool,
    at: &str,
    check: &mut Check<'_>,
) -> Option<Advertise> {
    let path = join(at, "advertise");
    let anywhere = advertise.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    if anywhere && !sni {
        check.wrong(
            &path,
            format!("clients cannot dial {}", advertise.host),
            "write the host that clients reach this gateway by",
        );
    }
    if let (Some(port), false) = (advertise.port, sni) {
        check.wrong(
            &path,
            format!("port {port} has no meaning beside brokers.ports"),
            "leave the port out: each broker has its own",
        );
    }
    Some(advertise)
}

impl ServerTls {
    fn check(raw: &raw::ServerTls, at: &str, check: &mut Check<'_>) -> Option<Self> {
        if raw.cert.is_none() {
            check.missing::<()>(at, "cert", "server.pem");
        }
        if raw.key.is_none() {
            check.missing::<()>(at, "key", "server.key");
        }
        let cert = CertificateFile::check(check, at, "cert", &raw.cert);
        let key = pem(check, at, "key", &raw.key, Pem::PrivateKey);
        let client_ca = CertificateFile::check(check, at, "client_ca", &raw.client_ca);
        let identities = raw.identities.as_ref();
        let identities = identities.map(|list| identities::check(list, raw.client_ca.is_some(), at, check));
        Some(Self { cert: cert?, key: key?, client_ca, identities })
    }
}
