//! Tidegate itself, with everything on that a zone-aware gateway has on: limits, metrics, traces.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use tests::process::Process;

use super::{Kind, Upstream, Workshop};

/// Which part of the requests is traced.
const TRACED: f64 = 0.001;

pub(super) fn start(workshop: &Workshop, kind: Kind, upstream: &Upstream) -> anyhow::Result<Process> {
    let name = match kind {
        Kind::TidegateTls => "tidegate-tls",
        Kind::TidegateOne => "tidegate-one",
        _ => "tidegate",
    };
    let config = workshop.write(&format!("{name}.yaml"), &config(workshop, kind, upstream)?)?;
    let mut command = Command::new(binary()?);
    if kind == Kind::TidegateOne {
        command.env("TOKIO_WORKER_THREADS", "1");
    }
    workshop.spawn(name, command.args(["run", "-c"]).arg(config))
}

/// `TIDEGATE_BIN`, or the binary that was built beside this one.
fn binary() -> anyhow::Result<PathBuf> {
    let path = match std::env::var_os("TIDEGATE_BIN") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.with_file_name("tidegate"),
    };
    ensure!(
        path.is_file(),
        "{} is not there: cargo build --release -p tidegate-proxy, or set TIDEGATE_BIN",
        path.display()
    );
    Ok(path)
}

fn config(workshop: &Workshop, kind: Kind, upstream: &Upstream) -> anyhow::Result<String> {
    let tls = match kind.tls() {
        true => format!(
            "    tls: {{cert: {}, key: {}}}\n",
            workshop.cert.cert.display(),
            workshop.cert.key.display()
        ),
        false => String::new(),
    };
    let (admin, bootstrap) = (workshop.port()?, workshop.port()?);
    Ok(format!(
        "gateway: {{id: bench, zone: az1, admin: \"127.0.0.1:{admin}\"}}\n\
         cluster: {{bootstrap: [\"{}\"]}}\n\
         listeners:\n  - name: clients\n    bind: 127.0.0.1:{bootstrap}\n    advertise: 127.0.0.1\n    \
         brokers: {{ids: [{}], ports: {}-{}}}\n{tls}\
         limits: {{connections: 50000, connections_per_ip: 50000, accept_rate: 20000, idle: 1h}}\n\
         telemetry: {{otlp: {{endpoint: \"http://{}\", interval: 10s, traces: {{ratio: {TRACED}}}}}}}\n",
        upstream.addr,
        upstream.broker,
        upstream.port,
        upstream.port,
        workshop.collector()
    ))
}
