//! A budget: what usually goes well earns, what is extra costs.

use std::sync::{Mutex, PoisonError};

/// Thousandths, so that nothing is lost to rounding.
const UNIT: u64 = 1000;

/// Tokens up to a bound.
#[derive(Debug)]
pub(super) struct Tokens {
    thousandths: Mutex<u64>,
    most: u64,
    earn: u64,
}

impl Tokens {
    /// Full, with `most` tokens; each success earns `earn` thousandths of one.
    pub(super) fn full(most: u64, earn: u64) -> Self {
        Self { thousandths: Mutex::new(most * UNIT), most: most * UNIT, earn }
    }

    /// The same, without any.
    pub(super) fn none(most: u64, earn: u64) -> Self {
        Self { thousandths: Mutex::new(0), most: most * UNIT, earn }
    }

    /// Something went well, or was done once.
    pub(super) fn earn(&self) {
        self.with(|left| *left = (*left + self.earn).min(self.most));
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&self) -> bool {
        self.with(|left| match left.checked_sub(UNIT) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut u64) -> T) -> T {
        f(&mut self.thousandths.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_are_a_share_of_what_is_done_and_saved_up_to_a_bound() {
        let tokens = Tokens::none(2, 50);
        let taken = (0..1000).filter(|_| {
            tokens.earn();
            tokens.take()
        });
        assert_eq!(taken.count(), 50);
        (0..1000).for_each(|_| tokens.earn());
        assert_eq!((0..10).filter(|_| tokens.take()).count(), 2);
    }
}
