//! File descriptors, counted before they run out: a process without any can neither reach a broker nor say that it lives.
//!
//! Each client takes two. The last ones are kept for what the gateway needs itself: brokers, store, admin port.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::session::fault::Fault;

/// What a client's connection takes: its own and the one to its broker.
const PER_CLIENT: u64 = 2;
/// How long a count is believed; what was admitted meanwhile is added.
const COUNTED_FOR: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    open: u64,
}

/// The count.
#[derive(Debug, Default)]
pub struct Descriptors(Mutex<Option<Counted>>);

impl Descriptors {
    /// Room for one more client, which is taken as used; or how many are open.
    ///
    /// # Errors
    /// [`Fault::Descriptors`]: what is left is the gateway's own.
    pub fn admit(&self) -> Result<(), Fault> {
        let Some(limit) = getrlimit(Resource::Nofile).current else { return Ok(()) };
        // Without /proc nobody can count: accepting fails in time, and is counted there.
        let Some(open) = self.open() else { return Ok(()) };
        match open + PER_CLIENT + reserve(limit) > limit {
            true => Err(Fault::Descriptors { open, limit }),
            false => Ok(()),
        }
    }

    /// Open descriptors, as counted or as it must be since.
    fn open(&self) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = counted.filter(|c| c.at.elapsed() < COUNTED_FOR);
        let now = match fresh {
            Some(c) => Counted { open: c.open + PER_CLIENT, ..c },
            None => Counted { at: Instant::now(), open: open_now()? },
        };
        *counted = Some(now);
        Some(now.open)
    }
}

/// Descriptors that are open, and the most that may be; `None` where the kernel doesn't say.
pub fn used() -> Option<(u64, u64)> {
    Some((open_now()?, getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)))
}

/// How many of `limit` are kept for the gateway itself.
fn reserve(limit: u64) -> u64 {
    (limit / 16).clamp(64, 1024)
}

/// Linux says the number as the directory's size since 6.2; before, its entries are counted.
fn open_now() -> Option<u64> {
    let listing = Path::new("/proc/self/fd");
    match std::fs::metadata(listing).ok()?.len() {
        0 => Some(std::fs::read_dir(listing).ok()?.count() as u64),
        open => Some(open),
    }
}

/// Lets the process open as many as it may, and says if that is too few for `connections` clients.
pub fn raise(connections: u32) {
    let now = getrlimit(Resource::Nofile);
    if now.current != now.maximum {
        let all = Rlimit { current: now.maximum, maximum: now.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, all) {
            info!(%error, "cannot raise the limit of open files");
        }
    }
    let Some(limit) = getrlimit(Resource::Nofile).current else { return };
    let wanted = u64::from(connections) * PER_CLIENT + reserve(limit);
    if wanted > limit {
        let enough_for = limit.saturating_sub(reserve(limit)) / PER_CLIENT;
        warn!(
            limit,
            wanted,
            enough_for,
            "the process may open fewer files than `limits.connections` clients need: raise its limit (LimitNOFILE, \
             ulimit -n), or lower the setting"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    #[test]
    fn what_is_kept_grows_with_the_limit_within_bounds() {
        assert_eq!([256, 1024, 4096, 1 << 20].map(reserve), [64, 64, 256, 1024]);
    }

    #[test]
    fn open_files_are_counted_and_what_is_admitted_since_is_added() {
        let held: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").expect("a file")).collect();
        assert!(open_now().expect("linux") >= held.len() as u64);
        let descriptors = Descriptors(Mutex::new(Some(Counted { at: Instant::now(), open: 10 })));
        assert_eq!([descriptors.open(), descriptors.open()], [Some(12), Some(14)]);
    }

    #[test]
    fn a_client_that_would_take_what_is_kept_is_refused() {
        let limit = getrlimit(Resource::Nofile).current.expect("a limit");
        let open = limit - reserve(limit) - PER_CLIENT;
        let at =
            |open| Descriptors(Mutex::new(Some(Counted { at: Instant::now(), open: open - PER_CLIENT })));
        assert!(at(open).admit().is_ok());
        assert_eq!(at(open + 1).admit().expect_err("refused").reason(), Reason::Descriptors);
    }
}
