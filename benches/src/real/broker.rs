//! One real broker with a listener per relay, each advertised as that relay: relays that rewrite nothing need
//! clients to be led back to them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use tests::kafka_dist::{Dist, Version};
use tests::process::Process;
use tests::wait;

use crate::candidate::Workshop;
use crate::probe::Probe;

const READY_MAX: Duration = Duration::from_secs(60);
/// A full compiler and a heap that holds the load: the broker is not to be the limit.
const JVM: [&str; 2] = ["-Xms1g", "-Xmx1g"];

/// A listener beside the direct one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Led {
    /// Where the broker listens for the relay.
    pub(super) listen: u16,
    /// Where it tells the relay's clients to go.
    pub(super) advertise: u16,
}

/// The broker; its data goes when it is dropped.
pub(super) struct RealBroker {
    _process: Process,
    dist: Dist,
    direct: SocketAddr,
    _data: tempfile::TempDir,
}

impl RealBroker {
    pub(super) const ID: i32 = 1;

    /// Starts one and waits until it answers.
    pub(super) fn start(workshop: &Workshop, led: &[Led]) -> anyhow::Result<Self> {
        let dist = Dist::resolve(Version::Newest)?;
        let data = tempfile::Builder::new().prefix("tidegate-bench-").tempdir()?;
        tests::reaper::note_dir(data.path())?;
        let (direct, controller) = (workshop.port()?, workshop.port()?);
        let file = data.path().join("server.properties");
        std::fs::write(&file, properties(data.path(), direct, controller, led))?;
        let logs = data.path().join("logs");
        std::fs::create_dir(&logs)?;
        std::fs::write(logs.join("meta.properties"), META)?;
        tests::files::copy_tree(&dist.formatted(), &logs)?;
        let mut java = dist.java();
        java.args(JVM).arg("kafka.Kafka").arg(file).stdin(Stdio::null());
        let mut process = Process::spawn(&mut java, &workshop.folder.join("kafka.log"))?;
        let direct = (Ipv4Addr::LOCALHOST, direct).into();
        let alive = wait::until("Kafka", READY_MAX, || match process.is_alive() {
            true => Probe::hello(direct, None).map(|()| Some(true)),
            false => Ok(Some(false)),
        });
        ensure!(alive?, "Kafka ended by itself:\n{}", process.log_tail(10));
        Ok(Self { _process: process, dist, direct, _data: data })
    }

    /// Where it answers without a relay.
    pub(super) fn direct(&self) -> SocketAddr {
        self.direct
    }

    /// The Kafka it runs, tools included.
    pub(super) fn dist(&self) -> &Dist {
        &self.dist
    }
}

const META: &str =
    "version=1\ncluster.id=tidegateAAAAAAAAbenchA\nnode.id=1\ndirectory.id=tidegateAAAAAAAbrokerA\n";

fn properties(folder: &Path, direct: u16, controller: u16, led: &[Led]) -> String {
    let listeners: Vec<String> = led.iter().map(|l| format!("VIA{0}://127.0.0.1:{0}", l.listen)).collect();
    let advertised: Vec<String> =
        led.iter().map(|l| format!("VIA{}://127.0.0.1:{}", l.listen, l.advertise)).collect();
    let protocols: Vec<String> = led.iter().map(|l| format!("VIA{}:PLAINTEXT", l.listen)).collect();
    let also = |lines: &[String]| lines.iter().map(|l| format!(",{l}")).collect::<String>();
    format!(
        "process.roles=broker,controller\nnode.id=1\nbroker.rack=az1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=DIRECT\n\
         listeners=DIRECT://127.0.0.1:{direct},CONTROLLER://127.0.0.1:{controller}{}\n\
         advertised.listeners=DIRECT://127.0.0.1:{direct}{}\n\
         listener.security.protocol.map=DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT{}\n\
         log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\nlog.segment.delete.delay.ms=100\nnum.network.threads=2\n\
         num.io.threads=4\n",
        also(&listeners),
        also(&advertised),
        also(&protocols),
        folder.join("logs").display()
    )
}
