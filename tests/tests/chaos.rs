//! Whatever breaks, no acknowledged record is lost, repeated or reordered, no reader's offset goes back, history
//! reads as it was written, and everybody goes on. `SEED=... CHAOS_MINUTES=... make chaos` repeats a run.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use tidegate_tests::chaos;
use tidegate_tests::random::seed;

#[test]
fn acknowledged_records_are_read_once_and_in_order_whatever_breaks() {
    let minutes = std::env::var("CHAOS_MINUTES").map_or(10, |text| text.parse().unwrap());
    chaos::run(Duration::from_secs(60 * minutes), seed()).unwrap();
}
