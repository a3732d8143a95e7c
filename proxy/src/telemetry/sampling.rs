//! Which requests are traced: decided by chance, once, before anything is known of them.

use std::hash::{BuildHasher, RandomState};

/// Which part of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampling(u64);

impl Sampling {
    /// None, all, or what lies between; `ratio` is 0 to 1.
    pub fn of(ratio: f64) -> Self {
        match ratio {
            ratio if ratio >= 1.0 => Self(u64::MAX),
            // Below 1 the product is below 2^64, and what isn't a number gives 0.
            ratio => Self((ratio * 2f64.powi(64)) as u64),
        }
    }

    /// Whether this request is one of them. Costs a comparison where none is, and a few shifts else.
    pub fn hits(self, dice: &mut Dice) -> bool {
        self.0 != 0 && (self.0 == u64::MAX || dice.roll() < self.0)
    }
}

/// Chance, one for each connection: xorshift64, by Marsaglia. Good enough to choose by, and no secret.
#[derive(Debug)]
pub struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0) | 1)
    }
}

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_kept_and_nothing_and_everything_are_exact() {
        let dice = &mut Dice::default();
        println!("{dice:?}");
        let mut of = |ratio| {
            let sampling = Sampling::of(ratio);
            (0..100_000).filter(|_| sampling.hits(dice)).count()
        };
        assert_eq!((of(0.0), of(1.0)), (0, 100_000));
        // Six standard deviations.
        assert!((810..1190).contains(&of(0.01)), "a hundredth");
        assert!((49_000..51_000).contains(&of(0.5)), "a half");
    }

    #[test]
    fn no_two_connections_throw_alike() {
        let mut rolls: Vec<_> = (0..100).map(|_| Dice::default().roll()).collect();
        rolls.sort_unstable();
        rolls.dedup();
        assert_eq!(rolls.len(), 100);
    }
}
