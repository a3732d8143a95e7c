//! When to stop, and when a record is due.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CLOSE_LIMIT: Duration = Duration::from_secs(10);
const EXIT_STUCK: i32 = 4;
/// How long a wait may be before it looks whether it is over.
const NAP: Duration = Duration::from_millis(50);

/// Whether standard input is still open.
#[derive(Clone)]
pub struct Life(Arc<AtomicBool>);

impl Life {
    /// A driver that fails to close its client within 10 s of the end of its input ends all the same.
    pub fn until_stdin_closes() -> Self {
        let open = Arc::new(AtomicBool::new(true));
        let theirs = Arc::clone(&open);
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            let mut bytes = [0; 4096];
            while input.read(&mut bytes).is_ok_and(|n| n > 0) {}
            theirs.store(false, Ordering::Relaxed);
            thread::sleep(CLOSE_LIMIT);
            std::process::exit(EXIT_STUCK);
        });
        Self(open)
    }

    pub fn goes_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits; at once over when standard input closes.
    pub fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while self.goes_on() && Instant::now() < until {
            thread::sleep(NAP.min(until.saturating_duration_since(Instant::now())));
        }
    }

    /// Waits until record `number` is due at `rate` a second (0: at once); false when standard input closed.
    pub fn pace(&self, started: Instant, number: u64, rate: f64) -> bool {
        if rate > 0.0 {
            let due = started + Duration::from_secs_f64(number as f64 / rate);
            self.sleep(due.saturating_duration_since(Instant::now()));
        }
        self.goes_on()
    }
}
