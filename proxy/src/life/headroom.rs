//! How near the gateway is to its limits.

use crate::app::Gateway;

/// A limit, and what is used of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// Its name: a setting's, or `descriptors`, which the operating system sets.
    pub limit: &'static str,
    /// What is used.
    pub used: u64,
    /// What there is.
    pub max: u64,
}

impl Headroom {
    /// Whether nine tenths are used.
    pub fn is_near(&self) -> bool {
        u128::from(self.used) * 10 >= u128::from(self.max) * 9
    }
}

/// All that are counted.
pub fn of(gateway: &Gateway) -> Vec<Headroom> {
    let connections = Headroom {
        limit: "limits.connections",
        used: gateway.connections.open(),
        max: gateway.connections.max(),
    };
    let (used, max) = gateway.held.used();
    let held = Headroom { limit: "limits.in_flight_bytes", used, max };
    [connections, held].into_iter().chain(descriptors()).collect()
}

/// Open files of this process; `None` where the kernel doesn't say.
fn descriptors() -> Option<Headroom> {
    let used = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    let max = soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)?;
    Some(Headroom { limit: "descriptors", used, max })
}

/// The soft limit on open files in `/proc/self/limits`.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|l| l.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_are_near_the_end() {
        let of = |used, max| Headroom { limit: "x", used, max }.is_near();
        assert!(!of(89, 100) && of(90, 100) && of(100, 100) && of(0, 0));
        assert!(!of(u64::MAX / 2, u64::MAX));
    }

    #[test]
    fn the_kernels_table_is_read() {
        let table = "Limit                     Soft Limit           Hard Limit           Units\n\
                     Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(table), Some(1024));
        assert_eq!(
            soft_limit("Max open files            unlimited            unlimited            files"),
            Some(u64::MAX)
        );
        assert_eq!(soft_limit(""), None);
        assert!(descriptors().is_none_or(|d| d.used > 0 && d.max > d.used));
    }
}
