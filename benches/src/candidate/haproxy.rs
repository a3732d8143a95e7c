//! HAProxy from Debian's package, in TCP mode.

use std::process::Command;

use tests::process::Process;

use super::{Kind, Upstream, Workshop};

pub(super) fn start(workshop: &Workshop, kind: Kind, upstream: &Upstream) -> anyhow::Result<Process> {
    let name = match kind {
        Kind::HaproxyShipped => "haproxy-shipped",
        Kind::HaproxySplice => "haproxy-splice",
        Kind::HaproxyTls => "haproxy-tls",
        _ => "haproxy",
    };
    let config = workshop.write(&format!("{name}.cfg"), &config(workshop, kind, upstream))?;
    workshop.spawn(name, Command::new("haproxy").args(["-db", "-f"]).arg(config))
}

/// Debian's defaults but for one thread (two cost it more CPU on two cores), TCP mode, no
/// log, and timeouts that leave idle connections alone.
fn config(workshop: &Workshop, kind: Kind, upstream: &Upstream) -> String {
    let splice = match kind {
        Kind::HaproxySplice => "    option splice-request\n    option splice-response\n",
        _ => "",
    };
    let threads = if kind == Kind::HaproxyShipped { "" } else { "    nbthread 1\n" };
    let tls = match kind {
        Kind::HaproxyTls => format!(" ssl crt {}", workshop.cert.pem.display()),
        _ => String::new(),
    };
    format!(
        "global\n{threads}    maxconn {}\n\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n{splice}\
         listen kafka\n    bind 127.0.0.1:{}{tls}\n    server broker {}\n",
        upstream.connections, upstream.port, upstream.addr
    )
}
