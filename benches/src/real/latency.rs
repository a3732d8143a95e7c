//! What a relay adds to one small Produce while Kafka works at half of what it can.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::frames;
use crate::probe::Probe;
use crate::stats::quantile;

/// Time between two probes of one way: 100 a second add nothing to the load.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes of the record.
const VALUE: usize = 1024;

/// Medians, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Medians {
    pub(super) direct: f64,
    pub(super) through: f64,
    /// 99th percentiles, to be told and not judged.
    pub(super) direct_p99: f64,
    pub(super) through_p99: f64,
}

/// Asks in turn directly and through a relay, until `done`; the two see the same broker at the same time.
pub(super) fn alternate(
    direct: SocketAddr,
    through: SocketAddr,
    topic: &str,
    done: &AtomicBool,
) -> anyhow::Result<Medians> {
    let mut ways = [Way::open(direct)?, Way::open(through)?];
    while !done.load(Ordering::Relaxed) {
        for way in &mut ways {
            way.ask(topic)?;
            std::thread::sleep(PAUSE);
        }
    }
    let [direct, through] = ways.map(Way::sorted);
    Ok(Medians {
        direct: quantile(&direct, 0.5),
        through: quantile(&through, 0.5),
        direct_p99: quantile(&direct, 0.99),
        through_p99: quantile(&through, 0.99),
    })
}

struct Way {
    probe: Probe,
    correlation: i32,
    times: Vec<f64>,
}

impl Way {
    fn open(addr: SocketAddr) -> anyhow::Result<Self> {
        let mut probe = Probe::connect(addr, None)?;
        probe.call(&frames::api_versions_request())?;
        Ok(Self { probe, correlation: 10, times: Vec::new() })
    }

    fn ask(&mut self, topic: &str) -> anyhow::Result<()> {
        self.correlation += 1;
        let request = frames::produce_one(topic, self.correlation, VALUE);
        self.times.push(self.probe.time(&request)?.as_secs_f64() * 1e6);
        anyhow::ensure!(
            frames::produce_accepted(self.probe.answer(), topic),
            "Kafka refused the probe's record"
        );
        Ok(())
    }

    fn sorted(mut self) -> Vec<f64> {
        self.times.sort_by(f64::total_cmp);
        self.times
    }
}
