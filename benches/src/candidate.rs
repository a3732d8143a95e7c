//! The relays under test, each behind one address that stands for one broker.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tests::collector::Collector;
use tests::ports::Ports;
use tests::process::Process;
use tests::wait;

use crate::probe::Probe;
use crate::tls;

mod envoy;
mod haproxy;
mod kroxylicious;
mod tidegate;

/// How long a relay may take until it answers a first request.
const READY_MAX: Duration = Duration::from_secs(40);

/// Which relay, and how it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// HAProxy in TCP mode, one thread, otherwise as Debian ships it: the reference.
    Haproxy,
    /// The same with as many threads as it takes by itself: one a core.
    HaproxyShipped,
    /// The same with splice forced both ways.
    HaproxySplice,
    /// The same with TLS on the client side.
    HaproxyTls,
    /// Envoy's TCP proxy.
    Envoy,
    /// Kroxylicious without filters.
    Kroxylicious,
    /// Tidegate with everything on; as many threads as it takes by itself: one a core.
    Tidegate,
    /// The same with one thread.
    TidegateOne,
    /// The same with TLS on the client side.
    TidegateTls,
}

impl Kind {
    /// As tables say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "HAProxy",
            Self::HaproxyShipped => "HAProxy, as shipped",
            Self::HaproxySplice => "HAProxy, splice forced",
            Self::HaproxyTls => "HAProxy, TLS",
            Self::Envoy => "Envoy",
            Self::Kroxylicious => "Kroxylicious",
            Self::Tidegate => "Tidegate",
            Self::TidegateOne => "Tidegate, one thread",
            Self::TidegateTls => "Tidegate, TLS",
        }
    }

    /// Whether its clients speak TLS.
    pub fn tls(self) -> bool {
        matches!(self, Self::HaproxyTls | Self::TidegateTls)
    }
}

/// What a relay stands before.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Broker id, for relays that know of such.
    pub broker: i32,
    /// Where the broker answers clients of this relay.
    pub addr: SocketAddr,
    /// Port at which the relay stands for the broker: what the broker advertises, where the relay rewrites nothing.
    pub port: u16,
    /// Connections that it must carry.
    pub connections: usize,
}

/// A relay that runs and answers.
pub struct Candidate {
    /// Which.
    pub kind: Kind,
    /// Where it stands for the broker.
    pub addr: SocketAddr,
    /// The process.
    pub process: Process,
}

/// Folder for configurations and logs, and the certificate of the TLS runs.
pub struct Workshop {
    /// Where files go.
    pub folder: PathBuf,
    /// Certificate files.
    pub cert: tls::Files,
    /// The client's side of it.
    pub client_tls: tls::ClientTls,
    /// Leases; the last still has ports to give, until it hasn't.
    ports: RefCell<Vec<Ports>>,
    /// What Tidegate tells of itself goes there.
    collector: Collector,
}

impl Workshop {
    /// Makes the folder and a certificate.
    pub fn new(folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let (cert, client_tls) = tls::make(&folder)?;
        let mut ports = Ports::lease()?;
        let collector = Collector::start(ports.one()?, None)?;
        Ok(Self { folder, cert, client_tls, ports: RefCell::new(vec![ports]), collector })
    }

    /// `host:port` of a collector of metrics and traces.
    pub fn collector(&self) -> &str {
        self.collector.address()
    }

    /// A free port.
    pub fn port(&self) -> anyhow::Result<u16> {
        self.ports_in_a_row(1)
    }

    /// A free port for a relay; the one below it is free too, for a bootstrap address.
    pub fn relay_port(&self) -> anyhow::Result<u16> {
        Ok(self.ports_in_a_row(2)? + 1)
    }

    fn ports_in_a_row(&self, n: u16) -> anyhow::Result<u16> {
        let mut leases = self.ports.borrow_mut();
        if let Some(port) = leases.last_mut().and_then(|lease| lease.run(n).ok()) {
            return Ok(port);
        }
        leases.push(Ports::lease()?);
        leases.last_mut().context("just leased")?.run(n)
    }

    /// Starts a relay and waits until it answers.
    pub fn start(&self, kind: Kind, upstream: &Upstream) -> anyhow::Result<Candidate> {
        let process = match kind {
            Kind::Haproxy | Kind::HaproxyShipped | Kind::HaproxySplice | Kind::HaproxyTls => {
                haproxy::start(self, kind, upstream)
            }
            Kind::Envoy => envoy::start(self, upstream),
            Kind::Kroxylicious => kroxylicious::start(self, upstream),
            Kind::Tidegate | Kind::TidegateOne | Kind::TidegateTls => tidegate::start(self, kind, upstream),
        };
        let addr = (Ipv4Addr::LOCALHOST, upstream.port).into();
        let mut candidate = Candidate { kind, addr, process: process? };
        let alive = wait::until("a first answer", READY_MAX, || match candidate.process.is_alive() {
            true => Probe::hello(candidate.addr, self.tls_for(kind)).map(|()| Some(true)),
            false => Ok(Some(false)),
        });
        ensure!(alive?, "it ended by itself:\n{}", candidate.process.log_tail(10));
        Ok(candidate)
    }

    /// The TLS side for clients of `kind`.
    pub fn tls_for(&self, kind: Kind) -> Option<tls::ClientTls> {
        kind.tls().then(|| self.client_tls.clone())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// Starts a relay's process with its output in `NAME.log`.
    fn spawn(&self, name: &str, command: &mut Command) -> anyhow::Result<Process> {
        let log = self.folder.join(format!("{name}.log"));
        std::fs::write(&log, "").with_context(|| log.display().to_string())?;
        Process::spawn(command.stdin(Stdio::null()), &log)
    }
}

/// Starts all of `kinds` that can be had; says loudly which are left out and why.
pub fn start_all(
    workshop: &Workshop,
    kinds: &[Kind],
    mut upstream: impl FnMut(Kind) -> anyhow::Result<Upstream>,
) -> anyhow::Result<(Vec<Candidate>, Vec<String>)> {
    let (mut started, mut skipped) = (Vec::new(), Vec::new());
    for &kind in kinds {
        match workshop.start(kind, &upstream(kind)?) {
            Ok(candidate) => started.push(candidate),
            Err(error) => {
                eprintln!("\n*** SKIPPED: {}: {error:#}\n", kind.name());
                skipped.push(format!("{}: {:#}", kind.name(), error));
            }
        }
    }
    Ok((started, skipped))
}
