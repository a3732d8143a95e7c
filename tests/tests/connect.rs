//! Kafka Connect works through the gateway as it does without: a distributed worker whose group, connectors and
//! offsets are the cluster's, from file to topic to file.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tidegate_tests::apps::Worker;
use tidegate_tests::ports::Ports;
use tidegate_tests::{Cluster, Fleet, Java, wait};

const ZONES: [&str; 3] = ["az1", "az2", "az3"];

/// Lines written at a time.
const LINES: usize = 2_000;

/// How long a JVM, a group and a connector may take to be there, or to get over a gateway's death.
const PATIENCE: Duration = Duration::from_secs(90);

/// The file that is read and the one that is written.
struct Files {
    source: PathBuf,
    sink: PathBuf,
    written: usize,
}

impl Files {
    fn new(dir: &Path) -> Self {
        Self { source: dir.join("source.txt"), sink: dir.join("sink.txt"), written: 0 }
    }

    fn append(&mut self) {
        let mut file = File::options().create(true).append(true).open(&self.source).unwrap();
        let text: String =
            (self.written..self.written + LINES).map(|n| format!("line {n} of a file\n")).collect();
        file.write_all(text.as_bytes()).unwrap();
        self.written += LINES;
    }

    /// Everything has come, byte for byte, and nothing twice.
    fn wait_equal(&self, worker: &Worker) {
        let source = fs::read(&self.source).unwrap();
        let arrived = wait::until_true("the sink to hold all of the source", PATIENCE, || {
            let sink = fs::read(&self.sink)?;
            anyhow::ensure!(sink.len() >= source.len(), "{} of {} bytes", sink.len(), source.len());
            Ok(true)
        });
        arrived.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail(40)));
        assert!(fs::read(&self.sink).unwrap() == source, "the sink holds something else");
    }
}

#[test]
fn a_distributed_worker_carries_a_file_over_gateways_that_die_and_its_own_restart() {
    let cluster = Cluster::builder().brokers(3).racks(ZONES).start().unwrap();
    let mut fleet = Fleet::start(&cluster, &ZONES, "").unwrap();
    let admin = Java::resident().unwrap().admin(&cluster.bootstrap());
    admin.create_topic("lines", 1, 3).unwrap();
    let mut files = Files::new(cluster.dir());
    files.append();
    let mut ports = Ports::lease().unwrap();
    let gateway = fleet.sites()[0].address();
    let mut worker = Worker::start(&gateway, cluster.dir(), ports.one().unwrap(), 3).unwrap();
    let package = "org.apache.kafka.connect.file.FileStream";
    let source = json!({"connector.class": format!("{package}SourceConnector"), "file": files.source, "topic": "lines"});
    let sink =
        json!({"connector.class": format!("{package}SinkConnector"), "file": files.sink, "topics": "lines"});
    worker.put_connector("source", &source, PATIENCE).unwrap();
    worker.put_connector("sink", &sink, PATIENCE).unwrap();
    files.wait_equal(&worker);

    // The worker's only gateway dies while lines come in, and comes back knowing nothing.
    let gateway = &mut fleet.gateways()[0];
    gateway.kill9().unwrap();
    assert!(!gateway.is_alive());
    files.append();
    gateway.restart().unwrap();
    files.wait_equal(&worker);

    // What the worker knew is in topics: started again it goes on where it was.
    worker.stop(PATIENCE).unwrap();
    files.append();
    worker.restart().unwrap();
    for name in ["source", "sink"] {
        worker.wait_running(name, 1, PATIENCE).unwrap();
    }
    files.wait_equal(&worker);

    // Asked at the brokers: the sink's offsets are committed, as far as the topic goes.
    let end = files.written as i64;
    assert_eq!(admin.offsets("lines", 0).unwrap(), (0, end));
    wait::until_true("the sink's offsets to be committed", PATIENCE, || {
        let offsets = admin.group_offsets("connect-sink")?;
        anyhow::ensure!(offsets.get("lines-0") == Some(&end), "{offsets:?}");
        Ok(true)
    })
    .unwrap();
    // And all of it went through the gateway: the work, the group, the offsets.
    for api in ["Produce", "Fetch", "JoinGroup", "OffsetCommit", "CreateTopics"] {
        let bytes = fleet.metric("tidegate_relayed_bytes_total", &[("api", api)]).unwrap();
        assert!(bytes > 0.0 || api == "CreateTopics", "no {api} came through the gateway");
    }
}
