//! What a running gateway can take over from a changed file, and what needs a restart.

use std::path::PathBuf;

use crate::{CertificateFile, Config, Fleet, Gateway, Gossip, Listener, Otlp, Traces};

/// The settings that differ between two configurations, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// A running gateway takes these over.
    pub live: Vec<&'static str>,
    /// These count from the next start.
    pub restart: Vec<&'static str>,
}

/// Compares two configurations section by section. Warnings are no setting and don't count.
pub fn diff(old: &Config, new: &Config) -> Changes {
    let live = [
        ("zones", old.zones != new.zones),
        ("fleet", old.fleet != fleet_taken_over(&old.fleet, &new.fleet)),
        ("limits", old.limits != new.limits),
        ("gateway.drain", old.gateway.drain != new.gateway.drain),
        (
            "telemetry.otlp.traces",
            old.otlp.as_ref().zip(new.otlp.as_ref()).is_some_and(|(a, b)| a.traces != b.traces),
        ),
        ("listeners[].tls", certificates_moved(&old.listeners, &new.listeners)),
    ];
    let restart = [
        ("gateway", old.gateway != with_drain_of(old, &new.gateway)),
        ("cluster", old.cluster != new.cluster),
        ("listeners", apart_from_certificates(&old.listeners) != apart_from_certificates(&new.listeners)),
        ("fleet.gossip", places(&old.fleet) != places(&new.fleet)),
        ("store", old.store != new.store),
        ("tiering", old.tiering != new.tiering),
        ("telemetry", apart_from_traces(&old.otlp) != apart_from_traces(&new.otlp)),
    ];
    let changed = |sections: &[(&'static str, bool)]| sections.iter().filter(|s| s.1).map(|s| s.0).collect();
    Changes { live: changed(&live), restart: changed(&restart) }
}

/// What runs once a gateway that runs `old` has taken over from `new` whatever it can.
pub fn taken_over(old: &Config, new: &Config) -> Config {
    let mut next = old.clone();
    (next.zones, next.limits) = (new.zones.clone(), new.limits.clone());
    next.fleet = fleet_taken_over(&old.fleet, &new.fleet);
    next.gateway.drain = new.gateway.drain;
    if let Some((otlp, new)) = next.otlp.as_mut().zip(new.otlp.as_ref()) {
        otlp.traces = new.traces;
    }
    for listener in &mut next.listeners {
        let new = new.listeners.iter().find(|l| l.name == listener.name).and_then(|l| l.tls.as_ref());
        if let (Some(tls), Some(new)) = (&mut listener.tls, new) {
            (tls.cert, tls.key) = (new.cert.clone(), new.key.clone());
            tls.client_ca.clone_from(&new.client_ca);
        }
    }
    next
}

/// Members and keys come and go; between gossip and a list, or to other places of gossip, only a restart leads.
fn fleet_taken_over(old: &Fleet, new: &Fleet) -> Fleet {
    if old.gossip.is_some() != new.gossip.is_some() {
        return old.clone();
    }
    let keys = |new: &Gossip| new.keys.clone();
    let gossip = old.gossip.clone().zip(new.gossip.as_ref());
    let gossip = gossip.map(|(old, new)| Gossip { keys: keys(new), ..old });
    Fleet { members: new.members.clone(), gossip }
}

/// Where gossip is heard and sought.
fn places(fleet: &Fleet) -> Option<Gossip> {
    fleet.gossip.clone().map(|gossip| Gossip { keys: Vec::new(), ..gossip })
}

fn with_drain_of(old: &Config, new: &Gateway) -> Gateway {
    Gateway { drain: old.gateway.drain, ..new.clone() }
}

/// A collector without what is decided anew for each request.
fn apart_from_traces(otlp: &Option<Otlp>) -> Option<Otlp> {
    let traces = Traces { ratio: 0.0, client_ids: false };
    otlp.clone().map(|otlp| Otlp { traces, ..otlp })
}

/// Whether a listener of both has its certificates elsewhere. One that is new, or new to TLS, is another matter.
fn certificates_moved(old: &[Listener], new: &[Listener]) -> bool {
    old.iter().any(|old| {
        let new = new.iter().find(|l| l.name == old.name).and_then(|l| l.tls.as_ref());
        let both = old.tls.as_ref().zip(new);
        both.is_some_and(|(a, b)| (&a.cert, &a.key, &a.client_ca) != (&b.cert, &b.key, &b.client_ca))
    })
}

/// Listeners without the paths of their certificates: what is left can't change while running.
fn apart_from_certificates(listeners: &[Listener]) -> Vec<Listener> {
    let mut listeners = listeners.to_vec();
    for tls in listeners.iter_mut().filter_map(|l| l.tls.as_mut()) {
        (tls.cert, tls.key, tls.client_ca) = (CertificateFile::default(), PathBuf::new(), None);
    }
    listeners
}
