//! Numbers that must not be mixed up.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};

use crate::{Error, Kind};

/// One past the largest number: with it, every key of a version begins with `0`, which listings rely on.
const SEQ_END: u64 = 10_000_000_000_000_000_000;

/// The number of a version: 1, 2, 3 and so on, below 10^19.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// The first version of a register.
    pub const FIRST: Self = Self(1);

    /// Checks a number.
    pub fn new(number: u64) -> Option<Self> {
        (1..SEQ_END).contains(&number).then_some(Self(number))
    }

    /// As a number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The one after.
    ///
    /// # Errors
    /// [`Kind::Unusable`] after the last one, which no register reaches by counting.
    pub fn next(self) -> Result<Self, Error> {
        Self::new(self.0 + 1).ok_or_else(|| Error::new(Kind::Unusable, "register", "out of numbers"))
    }

    /// From the 20 digits of a key.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        let all_digits = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| all_digits).and_then(Self::new)
    }
}

impl fmt::Display for Seq {
    /// As in keys: 20 digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

/// How often the right to write has changed hands. A writer that meets a higher one stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterEpoch(pub u64);

impl WriterEpoch {
    /// The epoch of whoever takes over from this one.
    ///
    /// # Errors
    /// [`Kind::Unusable`] after the last one.
    pub fn next(self) -> Result<Self, Error> {
        let next = self.0.checked_add(1).map(Self);
        next.ok_or_else(|| Error::new(Kind::Unusable, "register", "out of writer epochs"))
    }
}

/// What one commit is known by: random, so that a writer that lost an answer knows its own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PutId(pub [u8; 16]);

impl PutId {
    /// A new one.
    pub(super) fn random() -> Result<Self, Error> {
        let mut id = [0; 16];
        let filled = SystemRandom::new().fill(&mut id);
        filled.map_err(|_| Error::new(Kind::Transient, "register", "the system gave no randomness"))?;
        Ok(Self(id))
    }
}
