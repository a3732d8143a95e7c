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

use super::crowd;
use super::seal::{Opener, Refusal, Sealer};
use crate::app::Gateway;
use crate::reason::Reason;

/// Longest datagram there is (RFC 768 over IPv4).
const DATAGRAM_MAX: usize = 65_507;

/// Pause after an error of the socket: it may last.
const PAUSE: Duration = Duration::from_millis(100);

/// The bound socket, for one gossip after another: what was heard stays known, so that nothing is heard twice.
pub(super) struct Wire {
    gateway: Arc<Gateway>,
    socket: Arc<UdpSocket>,
    opener: Arc<Mutex<Opener>>,
}

impl Wire {
    /// Over a bound socket.
    pub(super) fn new(gateway: Arc<Gateway>, socket: UdpSocket) -> Self {
        let opener = Arc::new(Mutex::new(Opener::new(gateway.keyring.clone())));
        Self { gateway, socket: Arc::new(socket), opener }
    }
}

#[async_trait]
impl Transport for Wire {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        Ok(Box::new(Sealed {
            socket: self.socket.clone(),
            sealer: Sealer::new(self.gateway.keyring.clone()),
            opener: self.opener.clone(),
            datagram: vec![0; DATAGRAM_MAX],
            gateway: self.gateway.clone(),
        }))
    }
}

struct Sealed {
    gateway: Arc<Gateway>,
    socket: Arc<UdpSocket>,
    sealer: Sealer,
    opener: Arc<Mutex<Opener>>,
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
        let mut opener = self.opener.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said = match opener.open(datagram) {
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
        let list = crowd::list_len_in(said);
        if list > crowd::LIST_MAX {
            self.gateway.rejects.gossip_crowd(from.ip(), list);
            return None;
        }
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

#[cfg(test)]
mod tests {
    use chitchat::ChitchatId;
    use config::Secret;

    use super::super::crowd::testing::syn;
    use super::*;
    use crate::view::View;

    #[tokio::test]
    async fn what_was_heard_is_not_heard_again_by_gossip_that_begins_anew() {
        let gateway = crate::app::testing::gateway(View::default());
        gateway.keyring.change(&[Secret::new("k")]);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        let wire = Wire::new(gateway.clone(), socket);
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut sealer = Sealer::new(gateway.keyring.clone());
        let said = [1, 2].map(|n| syn(&[ChitchatId::new("b", n, at)]));
        let sealed = said.each_ref().map(|said| sealer.seal(said).unwrap());
        let heard = async |socket: &mut Box<dyn Socket>| socket.recv().await.unwrap().1.serialize_to_vec();

        other.send_to(&sealed[0], at).await.unwrap();
        assert_eq!(heard(&mut wire.open(at).await.unwrap()).await, said[0]);
        let mut anew = wire.open(at).await.unwrap();
        other.send_to(&sealed[0], at).await.unwrap();
        other.send_to(&sealed[1], at).await.unwrap();
        assert_eq!(heard(&mut anew).await, said[1]);
        assert_eq!(gateway.rejects.seen(), [(Reason::GossipReplayed, 1)]);
    }
}
