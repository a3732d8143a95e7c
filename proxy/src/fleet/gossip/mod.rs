//! Membership by gossip: every gateway says of itself where it is and whether it wants clients, and hears of the others by way of any of them
//! (chitchat: Scuttlebutt reconciliation with a phi accrual failure detector). No clock but each machine's own monotonic one counts.
//!
//! [`seal`] keeps strangers out, [`card`] is what is said, [`hearsay`] what is made of it, `crowd` bounds how many are known, and [`life`] is the only
//! writer of the roster.

pub mod card;
mod crowd;
pub mod hearsay;
pub mod life;
mod place;
pub mod seal;
mod wire;

use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::app::{Door, Gateway};
use crate::fleet::Peer;
use card::Card;
use life::Lives;
use wire::Wire;

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
        // chitchat's own task ends once nobody holds it; whatever it would say after that is of no more use.
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.live(gateway, said, heard) => {}
        }
    }

    async fn live(self, gateway: Arc<Gateway>, said: String, heard: Arc<ArcSwap<Vec<Peer>>>) {
        let at = place::of(&self.settings, &self.socket).await;
        let wire = Wire::new(gateway.clone(), self.socket);
        Lives { settings: self.settings, at, gateway, said, heard }.run(&wire).await;
    }
}
