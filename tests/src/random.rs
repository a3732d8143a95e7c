//! Random numbers that can be had again: a failing run prints its seed, and `SEED=... make ...` repeats it.

/// A generator (SplitMix64, Steele and others 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

/// `$SEED`, or a fixed seed; says which on standard error.
pub fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_124);
    eprintln!("SEED={seed}");
    seed
}

impl Random {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From [`seed`].
    pub fn from_env() -> Self {
        Self::new(seed())
    }

    /// Another generator that follows from this one: one for each thread, say.
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.number() % n as u64) as usize
    }
}
