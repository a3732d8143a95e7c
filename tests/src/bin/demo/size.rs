//! How much history the demo makes.

use std::fmt;
use std::str::FromStr;

use config::ByteSize;

/// Less than this shows nothing: brokers keep that much for themselves.
const MIN: u64 = 64 << 20;
/// The most that is made unless somebody asks for more.
const MAX_UNASKED: u64 = 1 << 30;
const PER_CORE: u64 = 128 << 20;

/// A number of bytes, written `256MiB` or `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Size {
    /// What this machine moves within a minute.
    pub(crate) fn of_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        Self((cores * PER_CORE).clamp(2 * PER_CORE, MAX_UNASKED))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = ByteSize::parse(text).map_err(|e| e.to_string())?.0;
        if bytes < MIN { Err(format!("at least {}", Self(MIN))) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ByteSize(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_it_is_shown_and_too_little_is_refused() {
        assert_eq!("2GiB".parse(), Ok(Size(2 << 30)));
        assert_eq!(Size(256 << 20).to_string().parse(), Ok(Size(256 << 20)));
        assert!("1MiB".parse::<Size>().is_err() && "much".parse::<Size>().is_err());
        assert!((MIN..=MAX_UNASKED).contains(&Size::of_machine().0));
    }
}
