//! How long brokers still keep what is not in the tier. Pure.

use std::time::Duration;

use crate::offload::Lag;

/// What brokers keep by themselves; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// `retention.ms`.
    pub time: Option<Duration>,
    /// `retention.bytes`, of a partition.
    pub bytes: Option<u64>,
}

/// Seconds until retention reaches the tier's end; 0 or less: it may have. `None`: never.
///
/// By time: what is not in the tier may become so old. By size: the log from the tier's end on may become so long, at the pace at which it grew
/// since then.
pub fn headroom(lag: Lag, retention: Retention) -> Option<i64> {
    let age = i64::try_from(lag.seconds).unwrap_or(i64::MAX);
    let by_time = retention.time.map(|time| seconds(time).saturating_sub(age));
    let by_size = retention.bytes.map(|bytes| {
        let room = i128::from(bytes) - i128::from(lag.bytes);
        let left = room * i128::from(lag.seconds.max(1)) / i128::from(lag.bytes.max(1));
        left.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    });
    by_time.into_iter().chain(by_size).min()
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(bytes: u64, seconds: u64) -> Lag {
        Lag { offsets: 1, bytes, seconds }
    }

    fn keeps(seconds: Option<u64>, bytes: Option<u64>) -> Retention {
        Retention { time: seconds.map(Duration::from_secs), bytes }
    }

    #[test]
    fn time_is_left_until_the_oldest_that_is_missing_becomes_too_old() {
        assert_eq!(headroom(lag(10, 40), keeps(Some(100), None)), Some(60));
        assert_eq!(headroom(lag(10, 140), keeps(Some(100), None)), Some(-40), "it may be gone");
        assert_eq!(headroom(lag(10, 40), keeps(None, None)), None, "brokers keep all");
        assert_eq!(headroom(Lag::default(), keeps(Some(u64::MAX), None)), Some(i64::MAX));
    }

    #[test]
    fn by_size_time_is_left_until_what_is_missing_has_become_too_much_at_its_own_pace() {
        assert_eq!(headroom(lag(400, 40), keeps(None, Some(1000))), Some(60), "10 a second, 600 to go");
        assert_eq!(headroom(lag(1400, 40), keeps(None, Some(1000))), Some(-11));
        assert_eq!(headroom(lag(400, 40), keeps(Some(50), Some(1000))), Some(10), "whichever comes first");
        assert_eq!(headroom(lag(0, 0), keeps(None, Some(u64::MAX))), Some(i64::MAX));
    }
}
