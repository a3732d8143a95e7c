//! Membership by gossip: every gateway says of itself where it is and whether it wants clients, and hears of the others by way of any of them
//! (chitchat: Scuttlebutt reconciliation with a phi accrual failure detector). No clock but each machine's own monotonic one counts.
//!
//! [`seal`] keeps strangers out, [`card`] is what is said, [`hearsay`] what is made of it, and the task here is the only writer of the roster.

pub mod card;
pub mod hearsay;
pub mod seal;
mod wire;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use chitchat::{Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig};
use config::HostPort;
use tokio::net::{UdpSocket, lookup_host};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::{Door, Gateway};
use crate::fleet::Peer;
use crate::life::ready;
use card::Card;
use hearsay::{Heard, roster};
use wire::Wire;

/// Between two rounds of gossip, and two looks at what came of it.
const EVERY: Duration = Duration::from_millis(500);
/// Silence, in multiples of a gateway's usual time between heartbeats, that counts as its death: two to four seconds.
const PHI: f64 = 8.0;
/// What is taken for the usual time until it is known.
const USUAL: Duration = EVERY;
/// Heartbeats farther apart say nothing about the usual time.
const USUAL_MAX: Duration = Duration::from_secs(5);
/// How many of a gateway's last heartbeats say what is usual.
const SAMPLES: usize = 100;
/// How long the dead are shown, and asked whether they are back.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Before a name is looked up again that leads nowhere yet.
const LOOK_UP_EVERY: Duration = Duration::from_secs(2);
/// How long one look-up may take.
const LOOK_UP_MAX: Duration = Duration::from_secs(5);

/// What every fleet is called. Strangers have other keys.
const FLEET: &str = "tidegate";
/// A gateway's [`Card`].
const CARD: &str = "card";
/// `yes` while `/readyz` says so.
const READY: &str = "ready";

/// Gossip that has its port and has not begun.
#[derive(Debug)]
pub struct Gossip {
    settings: config::Gossip,
    socket: UdpSocket,
}

impl Gossip {
    /// Binds the port.
    ///
    /// # Errors
    /// It can't be bound.
    pub async fn bind(settings: config::Gossip) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(settings.bind).await;
        let socket =
            socket.with_context(|| format!("fleet.gossip.bind: cannot bind {} (UDP)", settings.bind))?;
        Ok(Self { settings, socket })
    }

    /// Tells of `gateway` and its doors, and keeps `heard` true, until `stop`.
    pub async fn run(
        self,
        gateway: Arc<Gateway>,
        doors: Vec<Arc<Door>>,
        heard: Arc<ArcSwap<Vec<Peer>>>,
        stop: CancellationToken,
    ) {
        let said = Card::of(&gateway.zone, doors.iter().map(|door| &**door)).text();
        let begun = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            begun = self.begin(gateway.clone(), said) => begun,
        };
        let Some(handle) = begun else { return };
        loop {
            look(&handle, &gateway, &heard).await;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        // It ends by itself, too, once nobody holds it; whatever is said here is of no more use.
        let _ = handle.shutdown().await;
    }

    async fn begin(self, gateway: Arc<Gateway>, said: String) -> Option<ChitchatHandle> {
        let at = match self.settings.advertise {
            Some(at) => at,
            None => SocketAddr::new(
                own_address(&self.settings.seeds).await,
                self.socket.local_addr().map_or(self.settings.bind.port(), |bound| bound.port()),
            ),
        };
        info!(%at, seeds = self.settings.seeds.len(), "gossip begins");
        let config = ChitchatConfig {
            // Each process is somebody new: it needs no clock, and no file, to know that it comes after the one before.
            chitchat_id: ChitchatId::new(&*gateway.id, rand::random(), at),
            cluster_id: FLEET.to_owned(),
            gossip_interval: EVERY,
            listen_addr: self.settings.bind,
            seed_nodes: self.settings.seeds.iter().map(ToString::to_string).collect(),
            failure_detector_config: FailureDetectorConfig::new(PHI, SAMPLES, USUAL_MAX, USUAL, REMEMBERED),
            marked_for_deletion_grace_period: REMEMBERED,
            catchup_callback: None,
            extra_liveness_predicate: None,
        };
        let wire = Wire::new(gateway, self.socket);
        match chitchat::spawn_chitchat(config, vec![(CARD.to_owned(), said)], &wire).await {
            Ok(handle) => Some(handle),
            Err(error) => {
                warn!(%error, "gossip does not begin: this gateway knows no other");
                None
            }
        }
    }
}

/// The address from which this machine reaches its first seed that can be looked up. Asks again until there is one.
async fn own_address(seeds: &[HostPort]) -> IpAddr {
    loop {
        for seed in seeds {
            let found = tokio::time::timeout(LOOK_UP_MAX, lookup_host((seed.host.as_str(), seed.port))).await;
            let Ok(Ok(addresses)) = found else { continue };
            for address in addresses {
                if let Ok(own) = own_address_towards(address).await {
                    return own;
                }
            }
        }
        warn!("fleet.gossip: no seed can be looked up or reached yet, so it isn't known what to advertise");
        tokio::time::sleep(LOOK_UP_EVERY).await;
    }
}

/// Connecting a UDP socket sends nothing: the kernel only chooses a route.
async fn own_address_towards(seed: SocketAddr) -> std::io::Result<IpAddr> {
    let any =
        if seed.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(seed).await?;
    Ok(socket.local_addr()?.ip())
}

/// Says whether this gateway wants clients, and takes note of the others.
async fn look(handle: &ChitchatHandle, gateway: &Gateway, heard: &ArcSwap<Vec<Peer>>) {
    let ready = ready::of(gateway).is_empty();
    let all = handle.with_chitchat(|chitchat| {
        say(chitchat, READY, if ready { "yes" } else { "no" });
        hear(chitchat, handle.chitchat_id())
    });
    let peers = roster(&all.await, &gateway.id, |id, error| gateway.rejects.gossip_card(id, error));
    let before = heard.load();
    if !hearsay::same(&before, &peers) {
        hearsay::changes(&before, &peers).for_each(
            |peer| info!(gateway = %peer.id, zone = %peer.zone, alive = peer.is_alive(), "gateway"),
        );
        heard.store(Arc::new(peers));
    }
}

fn say(chitchat: &mut Chitchat, key: &str, value: &str) {
    let own = chitchat.self_node_state();
    if own.get(key) != Some(value) {
        own.set(key, value);
    }
}

/// Everybody but this process.
fn hear(chitchat: &Chitchat, own: &ChitchatId) -> Vec<Heard> {
    let alive: std::collections::HashSet<_> = chitchat.live_nodes().collect();
    let others = chitchat.node_states().iter().filter(|(id, _)| *id != own);
    others
        .map(|(id, state)| Heard {
            id: id.node_id.to_string(),
            alive: alive.contains(id),
            ready: state.get(READY) == Some("yes"),
            card: state.get(CARD).map(ToOwned::to_owned),
        })
        .collect()
}
