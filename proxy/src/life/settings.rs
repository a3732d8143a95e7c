//! What can change in a running gateway, as one snapshot: whoever decides something takes it once and sees all of one
//! file, never half of two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use config::{Config, Zones};

use crate::fleet::roster::Roster;
use crate::fleet::{Endpoints, Fleet, Peer};
use crate::telemetry::sampling::Sampling;

/// The snapshot.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often there was a change before: sessions that settled something under an earlier number look again.
    pub generation: u64,
    /// The rules for zones.
    pub zones: Zones,
    /// This gateway among the others.
    pub fleet: Fleet,
    /// The longest frame, bytes.
    pub frame_max: usize,
    /// The longest TLS handshake, and then the longest wait for the first request's header.
    pub handshake_max: Duration,
    /// How long a connection may be without traffic: `limits.idle`.
    pub idle_max: Duration,
    /// Over which time connections end when the gateway does.
    pub drain: Duration,
    /// Which requests are traced.
    pub sampling: Sampling,
    /// Whether spans name clients' `client.id`.
    pub client_ids: bool,
}

impl Settings {
    /// A file's.
    pub fn of(config: &Config) -> Self {
        Self {
            generation: 0,
            zones: config.zones.clone(),
            fleet: fleet(config),
            frame_max: usize::try_from(config.limits.frame.0).unwrap_or(usize::MAX).min(i32::MAX as usize),
            handshake_max: config.limits.handshake,
            idle_max: config.limits.idle,
            drain: config.gateway.drain,
            sampling: config.otlp.as_ref().map(|o| Sampling::of(o.traces.ratio)).unwrap_or_default(),
            client_ids: config.otlp.as_ref().is_some_and(|o| o.traces.client_ids),
        }
    }

    /// A file's that follows on these: what is known of the gateways that stay is kept.
    pub fn followed_by(&self, config: &Config) -> Self {
        let mut next = Self { generation: self.generation + 1, ..Self::of(config) };
        match &self.fleet.roster {
            Roster::Heard(_) => next.fleet.roster = self.fleet.roster.clone(),
            Roster::Listed(known) => keep_dead(known, &next.fleet.peers()),
        }
        next.fleet.leaving = self.fleet.leaving.clone();
        next
    }
}

/// Who is known to be dead stays so until a probe says otherwise.
fn keep_dead(known: &[Peer], next: &[Peer]) {
    for peer in next {
        if let Some(known) = known.iter().find(|p| p.is_same(peer)) {
            peer.alive.store(known.is_alive(), Relaxed);
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
        admin: Some((m.admin.host.clone(), m.admin.port)),
        alive: AtomicBool::new(true),
    });
    Fleet {
        id: config.gateway.id.as_str().into(),
        zone: config.gateway.zone.clone(),
        roster: match &config.fleet.gossip {
            Some(_) => Roster::silent(),
            None => Roster::Listed(Arc::new(peers.collect())),
        },
        fallback: config.zones.when_zone_has_no_gateway,
        leaving: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(members: &str) -> Config {
        let member = |id: &str| {
            format!(
                "    - {{id: {id}, zone: az2, listener: clients, advertise: {id}, brokers: {{ports: 1-9}}, admin: '{id}:1'}}\n"
            )
        };
        let members: String = members.split(' ').map(member).collect();
        let file = format!(
            "gateway: {{id: gw, zone: az1}}\ncluster: {{bootstrap: [k:9092]}}\nlisteners:\n  - name: clients\n    \
             bind: 127.0.0.1:29092\n    advertise: gw.example\n    brokers: {{ports: 29100-29199}}\nfleet:\n  members:\n{members}"
        );
        config::parse(&file, ".").expect("a sound file")
    }

    #[test]
    fn a_gateway_known_to_be_dead_stays_dead_over_a_reload_and_a_new_one_is_trusted() {
        let before = Settings::of(&config("b c"));
        before.fleet.peers()[1].alive.store(false, Relaxed);
        before.fleet.leaving.store(true, Relaxed);
        let after = before.followed_by(&config("c d"));
        let peers = after.fleet.peers();
        let alive: Vec<_> = peers.iter().map(|p| (p.id.as_str(), p.alive.load(Relaxed))).collect();
        assert_eq!(alive, [("c", false), ("d", true)]);
        assert!(after.fleet.leaving.load(Relaxed), "a gateway that leaves goes on leaving");
        assert_eq!(after.generation, 1);
    }

    #[test]
    fn whoever_was_heard_of_by_gossip_is_known_after_a_reload_too() {
        let file = |zones: &str| {
            let key = "0123456789abcdef0123456789abcdef";
            let dir = tempfile::tempdir().expect("a folder");
            std::fs::write(dir.path().join("key"), key).expect("a key");
            let file = format!(
                "gateway: {{id: gw, zone: az1}}\ncluster: {{bootstrap: [k:9092]}}\nlisteners:\n  - name: clients\n    \
                 bind: 127.0.0.1:29092\n    brokers: {{ports: 29100-29199}}\n{zones}fleet:\n  gossip: {{bind: 127.0.0.1:1, \
                 seeds: ['127.0.0.1:2'], keys: [{{file: key}}]}}\n"
            );
            config::parse(&file, dir.path()).expect("a sound file")
        };
        let before = Settings::of(&file(""));
        let Roster::Heard(heard) = &before.fleet.roster else { panic!("no gossip") };
        let after = before.followed_by(&file("zones: {reads: as_is}\n"));
        heard.store(Arc::new(vec![crate::app::testing::peer("b", "az2")]));
        assert_eq!(after.fleet.peers().len(), 1, "what its task hears after the reload is heard");
    }
}
