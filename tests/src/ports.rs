//! Fixed ports for servers, shared fairly between test processes.
//!
//! Port 0 won't do: a broker must know its port before it starts, and keep it over a restart. Ports stay
//! below 32768, where the kernel's ephemeral range starts; above it, any outgoing connection may hold the
//! port that a server wants (a broker on 49291 failed at random).

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};

const FIRST: u16 = 11_000;
const LAST: u16 = 32_000;

/// Where this process looks next: a client that outlives its test finds nobody behind the ports it knew.
static NEXT: AtomicU16 = AtomicU16::new(FIRST);

/// How many consecutive ports one lease holds.
pub const LEASE: u16 = 100;

/// A run of [`LEASE`] ports that no other lease holds, in this process or another, until it is dropped.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    given: u16,
    _lock: File,
}

impl Ports {
    /// Takes the first run of ports that nobody has leased and nobody listens on.
    pub fn lease() -> Result<Self> {
        let dir = std::env::temp_dir().join("tidegate-ports");
        fs::create_dir_all(&dir)?;
        let next = NEXT.load(Ordering::Relaxed);
        for first in (next..LAST).chain(FIRST..next).step_by(usize::from(LEASE)) {
            let lock = File::create(dir.join(first.to_string()))?;
            if lock.try_lock().is_ok() && (first..first + LEASE).all(is_free) {
                NEXT.store(first + LEASE, Ordering::Relaxed);
                return Ok(Self { first, given: 0, _lock: lock });
            }
        }
        bail!("no {LEASE} free ports in {FIRST}..{LAST}")
    }

    /// The next port of the lease.
    pub fn one(&mut self) -> Result<u16> {
        self.run(1)
    }

    /// The first of the next `n` consecutive ports.
    pub fn run(&mut self, n: u16) -> Result<u16> {
        let next = self.given.checked_add(n).filter(|g| *g <= LEASE).context("port lease used up")?;
        let port = self.first + self.given;
        self.given = next;
        Ok(port)
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leases_never_share_a_port() {
        let (mut a, mut b) = (Ports::lease().unwrap(), Ports::lease().unwrap());
        assert_ne!(a.one().unwrap() / LEASE, b.one().unwrap() / LEASE);
        assert_eq!(a.run(10).unwrap() + 10, a.one().unwrap());
        assert!(a.run(LEASE).is_err());
    }
}
