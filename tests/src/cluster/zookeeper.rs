//! ZooKeeper for Kafka 2.8, from the jars that come with it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::Result;

use crate::kafka_dist::Dist;
use crate::process::Process;

/// Starts one server; brokers keep trying until it answers. Returns its `host:port` too.
pub(super) fn start(dist: &Dist, dir: &Path, port: u16) -> Result<(Process, String)> {
    let conf = dir.join("zookeeper.properties");
    let data = dir.join("zookeeper");
    let text = format!(
        "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\ntickTime=500\n\
         maxClientCnxns=0\n",
        data.display()
    );
    fs::write(&conf, text)?;
    let mut java = dist.java();
    java.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    java.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(conf).stdin(Stdio::null());
    Ok((Process::spawn(&mut java, &dir.join("zookeeper.log"))?, format!("127.0.0.1:{port}")))
}
