//! Which log lines about clients are written: a flood of bad connections must fill no disk, and must not hide what other
//! clients meet.
//!
//! Lines are counted in rounds. What is left out in a round is said at its end, in a few lines.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// How long a round is.
pub const ROUND: Duration = Duration::from_secs(10);
/// Lines of one kind about one client in a round.
const PER_CLIENT: u32 = 5;
/// Lines of one kind per second, whoever they are about.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("ten");
/// Clients and kinds told apart in a round; what comes beyond counts for nobody in particular.
const TOLD_APART: usize = 4096;
/// Clients of whom the end of a round says by themselves what was left out.
const NAMED: usize = 10;

/// What a line is about.
type Key = (&'static str, Option<IpAddr>);

/// Lines of one kind about one client (or about none) that were left out in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The kind.
    pub kind: &'static str,
    /// The client; none for those that are not told apart.
    pub client: Option<IpAddr>,
    /// How many.
    pub lines: u64,
}

#[derive(Debug, Default)]
struct Tally {
    written: u32,
    left_out: u64,
}

/// The limits, and what they have left out.
#[derive(Debug, Default)]
pub struct Lines {
    round: Mutex<HashMap<Key, Tally>>,
    kinds: DashMap<&'static str, DefaultDirectRateLimiter>,
}

impl Lines {
    /// Whether a line of this kind about this client is written.
    pub fn may(&self, kind: &'static str, client: Option<IpAddr>) -> bool {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let known = round.len() < TOLD_APART || round.contains_key(&(kind, client));
        let client = client.filter(|_| known);
        let tally = round.entry((kind, client)).or_default();
        let writes = (client.is_none() || tally.written < PER_CLIENT) && self.has_room(kind);
        match writes {
            true => tally.written += 1,
            false => tally.left_out += 1,
        }
        writes
    }

    /// Ends the round: what it left out, most first. Of those behind the first few only a sum by kind.
    pub fn end_round(&self) -> Vec<LeftOut> {
        let round = std::mem::take(&mut *self.round.lock().unwrap_or_else(PoisonError::into_inner));
        let left_out =
            |((kind, client), tally): (Key, Tally)| LeftOut { kind, client, lines: tally.left_out };
        let mut all: Vec<_> = round.into_iter().map(left_out).filter(|l| l.lines > 0).collect();
        all.sort_by_key(|l| (std::cmp::Reverse(l.lines), l.client, l.kind));
        let rest = all.split_off(all.len().min(NAMED));
        for l in rest {
            match all.iter_mut().find(|sum| (sum.kind, sum.client) == (l.kind, None)) {
                Some(sum) => sum.lines += l.lines,
                None => all.push(LeftOut { client: None, ..l }),
            }
        }
        all
    }

    fn has_room(&self, kind: &'static str) -> bool {
        let limit =
            self.kinds.entry(kind).or_insert_with(|| RateLimiter::direct(Quota::per_second(PER_SECOND)));
        limit.check().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(n: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::from_bits(n)))
    }

    fn written(lines: &Lines, kind: &'static str, client: Option<IpAddr>, n: usize) -> usize {
        (0..n).filter(|_| lines.may(kind, client)).count()
    }

    #[test]
    fn one_client_that_floods_silences_itself_and_nobody_else() {
        let lines = Lines::default();
        assert_eq!(written(&lines, "tls", client(1), 1000), PER_CLIENT as usize);
        assert_eq!(written(&lines, "tls", client(2), 3), 3, "another client");
        assert_eq!(written(&lines, "http", client(1), 3), 3, "another kind");
        let left_out = LeftOut { kind: "tls", client: client(1), lines: 995 };
        assert_eq!(lines.end_round(), [left_out]);
        assert_eq!(lines.end_round(), [], "said once");
    }

    #[test]
    fn many_clients_write_no_more_lines_than_a_kind_has_and_what_they_are_left_out_is_said_in_few() {
        let lines = Lines::default();
        let floods: u32 = 100;
        let all: usize = (0..floods).map(|n| written(&lines, "tls", client(n), 10)).sum();
        // A second may pass meanwhile.
        assert!((10..200).contains(&all), "{all}");
        let said = lines.end_round();
        assert_eq!(said.len(), NAMED + 1);
        assert_eq!(said.last().map(|l| l.client), Some(None), "the rest as a sum");
        assert_eq!(said.iter().map(|l| l.lines).sum::<u64>(), u64::from(floods) * 10 - all as u64);
    }

    #[test]
    fn memory_is_bounded_however_many_clients_come() {
        let lines = Lines::default();
        for n in 0..3 * TOLD_APART as u32 {
            lines.may("tls", client(n));
        }
        let held = lines.round.lock().expect("a round").len();
        assert_eq!(held, TOLD_APART + 1);
    }
}
