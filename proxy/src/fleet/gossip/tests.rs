//! Gossip that ends begins again, over real sockets.

use std::sync::atomic::AtomicU32;
use std::time::Instant;

use async_trait::async_trait;
use chitchat::ChitchatMessage;
use chitchat::transport::Socket;
use config::Secret;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::super::card::Card;
use super::super::crowd::testing::{processes, syn};
use super::super::seal::Sealer;
use super::super::wire::Wire;
use super::*;
use crate::app::testing::{door, zone};
use crate::view::View;

/// For whatever is no promise about time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway that has the fleet's key.
fn gateway() -> Arc<Gateway> {
    let gateway = crate::app::testing::gateway(View::default());
    gateway.keyring.change(&[Secret::new("k")]);
    gateway
}

/// A wire that breaks when it is told to, as an assertion in chitchat would end it.
struct Frail {
    wire: Wire,
    opened: Arc<AtomicU32>,
    breaks: Arc<Notify>,
}

struct FrailSocket {
    socket: Box<dyn Socket>,
    breaks: Arc<Notify>,
}

#[async_trait]
impl Transport for Frail {
    async fn open(&self, at: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        self.opened.fetch_add(1, Relaxed);
        Ok(Box::new(FrailSocket { socket: self.wire.open(at).await?, breaks: self.breaks.clone() }))
    }
}

#[async_trait]
impl Socket for FrailSocket {
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        self.socket.send(to, message).await
    }

    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        tokio::select! {
            biased;
            () = self.breaks.notified() => panic!("broken by the test"),
            came = self.socket.recv() => came,
        }
    }
}

/// A gateway that gossips, and another one, `b`, that wants clients.
struct Stage {
    gateway: Arc<Gateway>,
    at: SocketAddr,
    heard: Arc<ArcSwap<Vec<Peer>>>,
    opened: Arc<AtomicU32>,
    breaks: Arc<Notify>,
    _b: ChitchatHandle,
}

impl Stage {
    async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (gateway, at) = (gateway(), socket.local_addr().unwrap());
        let (heard, opened, breaks) = <(Arc<ArcSwap<Vec<Peer>>>, Arc<AtomicU32>, Arc<Notify>)>::default();
        let wire = Wire::new(gateway.clone(), socket);
        let frail = Frail { wire, opened: opened.clone(), breaks: breaks.clone() };
        let settings = config::Gossip { bind: at, advertise: None, seeds: Vec::new(), keys: Vec::new() };
        let lives = Lives { settings, at, gateway: gateway.clone(), said: card("az1"), heard: heard.clone() };
        tokio::spawn(async move { lives.run(&frail).await });
        let stage = Self { gateway, at, heard, opened, breaks, _b: another(at).await };
        stage.until("b to be heard", |stage| stage.hears_b()).await;
        stage
    }

    fn hears_b(&self) -> bool {
        self.heard.load().iter().any(|peer| peer.id == "b" && peer.is_alive())
    }

    fn count(&self, reason: Reason) -> u64 {
        self.gateway.rejects.counts().iter().find(|(r, _)| *r == reason).map_or(0, |(_, n)| *n)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !is_so(self) {
            assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn card(of: &str) -> String {
    Card::of(&zone(of), [&*door()].into_iter()).text()
}

async fn another(seed: SocketAddr) -> ChitchatHandle {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let config = ChitchatConfig {
        chitchat_id: ChitchatId::new("b", 1, at),
        cluster_id: FLEET.to_owned(),
        gossip_interval: Duration::from_millis(100),
        listen_addr: at,
        seed_nodes: vec![seed.to_string()],
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: REMEMBERED,
        catchup_callback: None,
        extra_liveness_predicate: None,
    };
    let says = vec![(CARD.to_owned(), card("az2")), (READY.to_owned(), "yes".to_owned())];
    chitchat::spawn_chitchat(config, says, &Wire::new(gateway(), socket)).await.unwrap()
}

#[tokio::test]
async fn gossip_whose_task_dies_counts_nobody_as_alive_and_begins_again() {
    let stage = Stage::new().await;
    stage.breaks.notify_one();
    stage.until("nobody to count as alive", |stage| !stage.hears_b()).await;
    assert_eq!(stage.heard.load().len(), 1, "b is shown, as one that isn't heard");
    stage.until("b to be heard again", Stage::hears_b).await;
    assert_eq!((stage.opened.load(Relaxed), stage.count(Reason::GossipEnded)), (2, 1));
}

#[tokio::test]
async fn gossip_that_knows_too_many_processes_begins_again_without_them() {
    let stage = Stage::new().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut sealer = Sealer::new(stage.gateway.keyring.clone());
    // Each list is sound, both together are too long, and they still fit into a datagram.
    for ids in [0..350, 350..700] {
        let said = sealer.seal(&syn(&processes(ids))).unwrap();
        socket.send_to(&said, stage.at).await.unwrap();
    }
    stage.until("too many to be known", |stage| stage.count(Reason::GossipCrowded) == 1).await;
    stage.until("b to be heard again", Stage::hears_b).await;
    assert_eq!((stage.opened.load(Relaxed), stage.count(Reason::GossipEnded)), (2, 0));
    assert_eq!(stage.heard.load().len(), 1, "nobody else is known");
}

#[tokio::test]
async fn a_datagram_that_lists_too_many_processes_is_not_listened_to() {
    let stage = Stage::new().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut sealer = Sealer::new(stage.gateway.keyring.clone());
    let said = sealer.seal(&syn(&processes(0..700))).unwrap();
    socket.send_to(&said, stage.at).await.unwrap();
    stage.until("it to be refused", |stage| stage.count(Reason::GossipCrowded) == 1).await;
    let said = sealer.seal(&syn(&processes(0..1))).unwrap();
    socket.send_to(&said, stage.at).await.unwrap();
    // The answer to the second comes after whatever the first has led to.
    let mut answer = vec![0; 65_507];
    let came = tokio::time::timeout(PATIENCE, socket.recv(&mut answer)).await.unwrap().unwrap();
    assert!(came < 20_000, "an answer of {came} bytes: it lists them");
    assert_eq!(stage.opened.load(Relaxed), 1, "gossip goes on");
    assert!(stage.hears_b());
}
