//! How many connections are open, in all and per address.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dashmap::DashMap;

use crate::session::fault::{Fault, PER_IP};

#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    by_ip: DashMap<IpAddr, u64>,
}

/// The bounds and the counts.
#[derive(Debug)]
pub struct Connections {
    max: AtomicU64,
    max_per_ip: AtomicU64,
    counts: Arc<Counts>,
}

/// One admitted connection; counted until dropped.
#[derive(Debug)]
pub struct Admitted {
    /// None until it is known, where a load balancer says whose connection it is.
    ip: Option<IpAddr>,
    counts: Arc<Counts>,
}

impl Connections {
    /// Bounds: `limits.connections` and `limits.connections_per_ip`.
    pub fn new(max: u32, max_per_ip: u32) -> Self {
        let (max, max_per_ip) = (AtomicU64::new(max.into()), AtomicU64::new(max_per_ip.into()));
        Self { max, max_per_ip, counts: Arc::default() }
    }

    /// Other bounds from now on. Connections that are open stay.
    pub fn bound(&self, max: u32, max_per_ip: u32) {
        self.max.store(max.into(), Relaxed);
        self.max_per_ip.store(max_per_ip.into(), Relaxed);
    }

    /// The bound on all.
    pub fn max(&self) -> u64 {
        self.max.load(Relaxed)
    }

    /// Open connections now.
    pub fn open(&self) -> u64 {
        self.counts.open.load(Relaxed)
    }

    /// Admits a connection, or says which bound is reached.
    ///
    /// # Errors
    /// [`Fault::TooMany`].
    pub fn admit(&self, ip: IpAddr) -> Result<Admitted, Fault> {
        let mut admitted = self.admit_unknown()?;
        self.place(&mut admitted, ip)?;
        Ok(admitted)
    }

    /// Admits a connection of which it isn't known yet whose it is; [`Connections::place`] says.
    ///
    /// # Errors
    /// [`Fault::TooMany`]: no more in all.
    pub fn admit_unknown(&self) -> Result<Admitted, Fault> {
        let admitted = Admitted { ip: None, counts: self.counts.clone() };
        match self.counts.open.fetch_add(1, Relaxed) < self.max() {
            true => Ok(admitted),
            false => Err(Fault::TooMany("limits.connections")),
        }
    }

    /// Counts a connection under its client's address.
    ///
    /// # Errors
    /// [`Fault::TooMany`]: no more from there.
    pub fn place(&self, admitted: &mut Admitted, ip: IpAddr) -> Result<(), Fault> {
        admitted.ip = Some(ip);
        let mut from_here = self.counts.by_ip.entry(ip).or_default();
        *from_here += 1;
        match *from_here <= self.max_per_ip.load(Relaxed) {
            true => Ok(()),
            false => Err(Fault::TooMany(PER_IP)),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Relaxed);
        let Some(ip) = self.ip else { return };
        self.counts.by_ip.remove_if_mut(&ip, |_, n| {
            *n = n.saturating_sub(1);
            *n == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    #[test]
    fn both_bounds_hold_and_room_returns() {
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let c = Connections::new(3, 2);
        let held = [c.admit(a).expect("1"), c.admit(a).expect("2")];
        assert_eq!(c.admit(a).expect_err("refused").reason(), Reason::TooManyConnectionsPerIp);
        let other = c.admit(b).expect("another address");
        assert_eq!(c.admit(b).expect_err("refused").reason(), Reason::TooManyConnections);
        c.bound(3, 1);
        drop(held);
        let one = c.admit(a).expect("room returned");
        assert_eq!(c.admit(a).expect_err("a lower bound counts").reason(), Reason::TooManyConnectionsPerIp);
        drop(one);
        drop(other);
        assert_eq!(c.open(), 0);
        assert!(c.counts.by_ip.is_empty());
    }
}
