//! Waiting for a condition with a deadline, instead of sleeping and hoping.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long to wait between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks every 50 ms until `look` answers, at most for `limit`; the error names `what` was awaited and
/// what the last look said.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = match look() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => "not yet".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if start.elapsed() > limit {
            bail!("waited {limit:?} for {what}; last: {last}");
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Like [`until`], for a plain condition.
pub fn until_true(what: &str, limit: Duration, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, limit, || Ok(look()?.then_some(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_names_what_was_awaited_and_the_last_answer() {
        let look = || -> Result<Option<()>> { bail!("connection refused") };
        let error = until("a broker", Duration::ZERO, look).unwrap_err().to_string();
        assert!(error.contains("a broker") && error.contains("connection refused"), "{error}");
    }
}
