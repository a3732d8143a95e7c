//! Requests to the object store, as the gateways count them, and their list price.

use anyhow::Result;
use tidegate_tests::gateway::Metrics;

use super::places::Place;

/// USD for one PUT, POST or LIST of S3 Standard, by Amazon's list price in us-east-1.
const PUT: f64 = 0.005 / 1000.0;
/// USD for one GET or HEAD.
const GET: f64 = 0.0004 / 1000.0;

/// The operations that are charged as PUT; a sweep lists unfinished uploads.
const PUTS: [&str; 6] = ["put", "begin", "part", "complete", "list", "sweep"];
const GETS: [&str; 2] = ["get", "head"];

/// How many were asked, by what is charged for them. Deleting and aborting are free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// PUT, POST and LIST.
    pub(crate) puts: u64,
    /// GET and HEAD.
    pub(crate) gets: u64,
}

impl Requests {
    /// What all gateways have asked so far.
    pub(crate) fn so_far(places: &[Place]) -> Result<Self> {
        let mut sum = Self::default();
        for place in places {
            let metrics = Metrics::of(&place.admin)?;
            let count = |op: &&str| metrics.sum("tidegate_store_requests_total", &[("op", op)]) as u64;
            sum.puts += PUTS.iter().map(&count).sum::<u64>();
            sum.gets += GETS.iter().map(count).sum::<u64>();
        }
        Ok(sum)
    }

    /// What was asked since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        let Self { puts, gets } = self;
        Self { puts: puts.saturating_sub(earlier.puts), gets: gets.saturating_sub(earlier.gets) }
    }

    /// USD by list price.
    pub(crate) fn price(self) -> f64 {
        self.puts as f64 * PUT + self.gets as f64 * GET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_charged_by_the_list() {
        let all = Requests { puts: 3000, gets: 20_000 };
        let later = Requests { puts: 4000, gets: 30_000 };
        assert_eq!(later.since(all), Requests { puts: 1000, gets: 10_000 });
        assert!((later.since(all).price() - 0.009).abs() < 1e-9);
    }
}
