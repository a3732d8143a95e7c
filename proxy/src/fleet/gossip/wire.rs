//! Gossip's UDP socket: what goes out is sealed, what comes in is opened, and what can't be opened is counted and dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatMessage, Deserializable, Serializable};
use tokio::net::UdpSocket;

use super::seal::{Opener, Refusal, Sealer};
use crate::app::Gateway;
use crate::reason::Reason;

/// Longest datagram there is (RFC 768 over IPv4).
const DATAGRAM_MAX: usize = 65_507;

/// Pause after an error of the socket: it may last.
const PAUSE: Duration = Duration::from_millis(100);

/// Hands the bound socket over, once.
pub(super) struct Wire {
    gateway: Arc<Gateway>,
    socket: Mutex<Option<UdpSocket>>,
}

impl Wire {
    /// Over a bound socket.
    pub(super) fn new(gateway: Arc<Gateway>, socket: UdpSocket) -> Self {
        Self { gateway, socket: Mutex::new(Some(socket)) }
    }
}

#[async_trait]
impl Transport for Wire {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ring = &self.gateway.keyring;
        Ok(Box::new(Sealed {
            socket: socket.context("gossip was begun twice")?,
            sealer: Sealer::new(ring.clone()),
            opener: Opener::new(ring.clone()),
            datagram: vec![0; DATAGRAM_MAX],
            gateway: self.gateway.clone(),
        }))
    }
}

struct Sealed {
    gateway: Arc<Gateway>,
    socket: UdpSocket,
    sealer: Sealer,
    opener: Opener,
    datagram: Vec<u8>,
}

#[async_trait]
impl Socket for Sealed {
    /// A datagram that can't be sent is lost, as any may be: gossip says everything again.
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        let mut said = Vec::new();
        message.serialize(&mut said);
        let sealed = self.sealer.seal(&said).context("no key to seal with")?;
        if let Err(error) = self.socket.send_to(&sealed, to).await {
            self.gateway.rejects.gossip_unsent(to.ip(), &error);
        }
        Ok(())
    }

    /// Never an error: gossip would end for good. Can be cancelled between two datagrams.
    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        loop {
            match self.socket.recv_from(&mut self.datagram).await {
                Ok((len, from)) => {
                    if let Some(message) = self.listen(len, from) {
                        return Ok((from, message));
                    }
                }
                Err(error) => self.trouble(error).await,
            }
        }
    }
}

impl Sealed {
    fn listen(&mut self, len: usize, from: SocketAddr) -> Option<ChitchatMessage> {
        let datagram = self.datagram.get_mut(..len)?;
        let mut said = match self.opener.open(datagram) {
            Ok(said) => said,
            Err(refusal) => {
                let reason = match refusal {
                    Refusal::Stranger => Reason::GossipStranger,
                    Refusal::Replayed => Reason::GossipReplayed,
                };
                self.gateway.rejects.gossip(from.ip(), reason);
                return None;
            }
        };
        let message = ChitchatMessage::deserialize(&mut said);
        message.inspect_err(|_| self.gateway.rejects.gossip(from.ip(), Reason::GossipMalformed)).ok()
    }

    /// A refusal that an earlier datagram met (ICMP) says nothing of this socket.
    async fn trouble(&self, error: io::Error) {
        if error.kind() != io::ErrorKind::ConnectionRefused {
            self.gateway.rejects.gossip_unheard(&error);
            tokio::time::sleep(PAUSE).await;
        }
    }
}
