//! Clients that ask for a lot and take it drop by drop.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use kafka::fetch::request::{Ask, FetchPartition, TopicRef, encode};
use kafka::types::{LeaderEpoch, Offset, Partition};
use socket2::SockRef;

use super::Inflicted;
use crate::chaos::stage::{BULK, Stage, ZONES};
use crate::raw::Raw;
use crate::wait;

const CLIENTS: usize = 8;
/// Fetches that each has under way, and bytes of each answer.
const ASKED: (i32, i32) = (20, 7 << 20);
/// What a client takes a second.
const DROP_BYTES: usize = 1 << 10;
/// What each has taken when it has shown that it is slow, and not dead.
const TAKEN: u64 = 6 * DROP_BYTES as u64;
const LIMIT: Duration = Duration::from_secs(60);

/// The most that the gateway may hold: docs/operations.md, "Capacity". 64 MiB to begin with, `limits.in_flight_bytes`
/// (32 MiB), four uploads of two parts (24 MiB each), and blocks; a relay buffer of 256 KiB for each slow client.
/// They ask for 1.1 GB.
const RESIDENT_MAX: u64 = (64 + 32 + 4 * 48 + 16) << 20;

/// Them, reading.
pub(super) struct SlowClients {
    zone: usize,
    clients: Vec<Slow>,
}

struct Slow {
    taken: Arc<AtomicU64>,
    announced: u64,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl SlowClients {
    pub(super) fn inflict(stage: &mut Stage, zone: usize) -> Result<Self> {
        let clients = (0..CLIENTS).map(|n| Slow::start(stage, zone, n)).collect::<Result<_>>()?;
        Ok(Self { zone, clients })
    }
}

impl Slow {
    fn start(stage: &Stage, zone: usize, n: usize) -> Result<Self> {
        let broker = zone as i32 + 1;
        let address =
            stage.sites[zone].broker_address(broker).ok_or_else(|| anyhow!("no broker {broker}"))?;
        let mut raw = Raw::connect(address)?;
        SockRef::from(raw.stream()).set_recv_buffer_size(4 << 10)?;
        for correlation in 0..ASKED.0 {
            raw.write(&fetch(correlation, Partition((n % 3) as i32), zone))?;
        }
        let mut stream = raw.stream().try_clone()?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let (taken, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (theirs, ending) = (Arc::clone(&taken), Arc::clone(&stop));
        let thread = thread::spawn(move || drip(&stream, &theirs, &ending));
        Ok(Self { taken, announced: u64::from(u32::from_be_bytes(length)), stop, thread })
    }
}

/// A Fetch v11 of one partition from its start: from the broker in the client's own zone, leader or not.
fn fetch(correlation_id: i32, partition: Partition, zone: usize) -> Vec<u8> {
    let ask = Ask {
        version: 11,
        correlation_id,
        max_wait_ms: 1_000,
        min_bytes: 1,
        max_bytes: ASKED.1,
        isolation_level: 0,
    };
    let wanted = FetchPartition::new(TopicRef::Name(BULK), partition, Offset(0), LeaderEpoch(-1), ASKED.1);
    encode(ask, &format!("slow,zone={}", ZONES[zone]), &[&wanted])
}

/// 1 KiB a second: the pace is the fault. Ends where the gateway gives up somebody who takes so little that nothing moves
/// on its side for `limits.idle`.
fn drip(mut stream: &TcpStream, taken: &AtomicU64, stop: &AtomicBool) {
    let mut bytes = [0; DROP_BYTES];
    while !stop.load(Relaxed) && stream.read_exact(&mut bytes).is_ok() {
        taken.fetch_add(DROP_BYTES as u64, Relaxed);
        thread::sleep(Duration::from_secs(1));
    }
}

impl Inflicted for SlowClients {
    fn fired(&mut self, _: &mut Stage) -> Result<()> {
        for slow in &self.clients {
            ensure!(slow.announced > 1 << 20, "an answer of {} bytes is soon taken", slow.announced);
        }
        let slow = || Ok(self.clients.iter().all(|c| c.taken.load(Relaxed) >= TAKEN));
        wait::until_true("slow clients to have taken a little", LIMIT, slow)
    }

    fn heal(self: Box<Self>, stage: &mut Stage) -> Result<()> {
        let resident = stage.gateways[self.zone].process().rss_bytes()?;
        eprintln!("chaos: the gateway of {} holds {} MiB", ZONES[self.zone], resident >> 20);
        ensure!(resident < RESIDENT_MAX, "slow clients let the gateway grow to {resident} bytes");
        self.clients.iter().for_each(|c| c.stop.store(true, Relaxed));
        for slow in self.clients {
            let taken = slow.taken.load(Relaxed);
            ensure!(taken < slow.announced, "{taken} bytes taken of {}: not slow", slow.announced);
            slow.thread.join().map_err(|_| anyhow!("a slow client panicked"))?;
        }
        Ok(())
    }
}
