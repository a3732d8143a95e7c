//! One gossip after another. chitchat is a task of its own: if it ends, or knows too many processes, its list of the living would stay as it is for ever. So
//! its end is waited for, nobody counts as alive from then on, and it begins again, as somebody new who knows nobody.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use chitchat::transport::Transport;
use chitchat::{Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig};
use tokio::time::sleep;
use tracing::info;

use super::crowd;
use super::hearsay::{self, Heard, roster};
use crate::app::Gateway;
use crate::fleet::Peer;
use crate::life::ready;
use crate::reason::Reason;

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
/// How long the dead are shown, and asked whether they are back. All talk of them for half of that, so it also bounds what gateways that start again and
/// again add to every datagram.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Before gossip that has ended begins again: what ended it may still be there.
const PAUSE: Duration = Duration::from_secs(2);

/// What every fleet is called. Strangers have other keys.
const FLEET: &str = "tidegate";
/// A gateway's [`Card`](super::card::Card).
const CARD: &str = "card";
/// `yes` while `/readyz` says so.
const READY: &str = "ready";

/// Why a gossip has ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// It could not begin.
    #[error("it can't begin: {0:#}")]
    Unbegun(anyhow::Error),
    /// Its task ended by itself, or panicked.
    #[error("its task has ended: {0:#}")]
    Died(anyhow::Error),
    /// It knows too many processes.
    #[error("the processes that it knows take {0} bytes to list, more than {max}: does a gateway start again and again?", max = crowd::LIST_MAX)]
    Crowded(usize),
}

impl End {
    /// Under what it is counted.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unbegun(_) | Self::Died(_) => Reason::GossipEnded,
            Self::Crowded(_) => Reason::GossipCrowded,
        }
    }
}

/// What all gossips of this process have in common.
pub(super) struct Lives {
    pub(super) settings: config::Gossip,
    /// Where others reach it.
    pub(super) at: SocketAddr,
    pub(super) gateway: Arc<Gateway>,
    /// Its card.
    pub(super) said: String,
    /// The roster, which only this writes.
    pub(super) heard: Arc<ArcSwap<Vec<Peer>>>,
}

impl Lives {
    /// For ever, over `transport`, which is opened each time.
    pub(super) async fn run(self, transport: &dyn Transport) {
        loop {
            let end = self.one(transport).await;
            // Nobody can be heard now, so nobody is known to live: clients are told this gateway alone.
            self.heard.load().iter().for_each(|peer| peer.alive.store(false, Relaxed));
            self.gateway.rejects.gossip_ended(&end);
            sleep(PAUSE).await;
        }
    }

    async fn one(&self, transport: &dyn Transport) -> End {
        let handle = match self.begin(transport).await {
            Ok(handle) => handle,
            Err(error) => return End::Unbegun(error),
        };
        let end = self.until_its_end(&handle).await;
        // Where it hasn't ended by itself it does now, at its next await: the next one must not share the socket with it.
        handle.abort();
        let _ended = handle.shutdown().await;
        end
    }

    async fn begin(&self, transport: &dyn Transport) -> anyhow::Result<ChitchatHandle> {
        info!(at = %self.at, seeds = self.settings.seeds.len(), "gossip begins");
        let config = ChitchatConfig {
            // Each is somebody new: it needs no clock, and no file, to know that it comes after the one before.
            chitchat_id: ChitchatId::new(&*self.gateway.id, rand::random(), self.at),
            cluster_id: FLEET.to_owned(),
            gossip_interval: EVERY,
            listen_addr: self.settings.bind,
            seed_nodes: self.settings.seeds.iter().map(ToString::to_string).collect(),
            failure_detector_config: FailureDetectorConfig::new(PHI, SAMPLES, USUAL_MAX, USUAL, REMEMBERED),
            marked_for_deletion_grace_period: REMEMBERED,
            catchup_callback: None,
            extra_liveness_predicate: None,
        };
        chitchat::spawn_chitchat(config, vec![(CARD.to_owned(), self.said.clone())], transport).await
    }

    async fn until_its_end(&self, handle: &ChitchatHandle) -> End {
        let mut ended = pin!(handle.termination_watcher());
        loop {
            let list = self.look(handle).await;
            if list > crowd::LIST_MAX {
                return End::Crowded(list);
            }
            tokio::select! {
                biased;
                ended = &mut ended => {
                    return End::Died(ended.err().unwrap_or_else(|| anyhow::anyhow!("nobody told it to")));
                }
                () = sleep(EVERY) => {}
            }
        }
    }

    /// Says whether this gateway wants clients, and takes note of the others. Returns how long their list is.
    async fn look(&self, handle: &ChitchatHandle) -> usize {
        let ready = ready::of(&self.gateway).is_empty();
        let all = handle.with_chitchat(|chitchat| {
            say(chitchat, READY, if ready { "yes" } else { "no" });
            (hear(chitchat, handle.chitchat_id()), crowd::list_len(chitchat))
        });
        let (all, list) = all.await;
        self.note(roster(&all, &self.gateway.id, |id, error| self.gateway.rejects.gossip_card(id, error)));
        list
    }

    fn note(&self, peers: Vec<Peer>) {
        let before = self.heard.load();
        if !hearsay::same(&before, &peers) {
            hearsay::changes(&before, &peers).for_each(
                |peer| info!(gateway = %peer.id, zone = %peer.zone, alive = peer.is_alive(), "gateway"),
            );
            self.heard.store(Arc::new(peers));
        }
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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
