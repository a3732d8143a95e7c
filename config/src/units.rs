//! Sizes and durations as people write them: `64MiB`, `10s`, `90d`.

use std::fmt;
use std::time::Duration;

/// A number of bytes. Written `512`, `64KiB`, `100MiB`, `1GiB`, `2TiB`, or decimal: `64kB`, `100MB`, `1GB`, `2TB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const KIB: u64 = 1024;

/// Largest first, so that printing finds the largest unit that divides evenly.
const BINARY: [(&str, u64); 4] =
    [("TiB", KIB * KIB * KIB * KIB), ("GiB", KIB * KIB * KIB), ("MiB", KIB * KIB), ("KiB", KIB)];
const DECIMAL: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];
const TIMES_MS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no size or duration; says what one looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a whole number followed by a unit of size.
    #[error(
        "is not a size; write a whole number and a unit (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB), like 64MiB"
    )]
    Size,
    /// Not a whole number followed by a unit of time.
    #[error("is not a duration; write a whole number and a unit (ms, s, m, h, d), like 10s")]
    Duration,
    /// More than 2^64 - 1 bytes or milliseconds.
    #[error("is too large")]
    TooLarge,
}

impl ByteSize {
    /// Reads `64MiB`; a bare number counts bytes. Whole numbers only.
    ///
    /// # Errors
    /// [`UnitError`] if the text is not a size, or not below 2^64 bytes.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let (digits, unit) = split(text).ok_or(UnitError::Size)?;
        let factor = match unit {
            "" => 1,
            _ => find(&BINARY, unit).or_else(|| find(&DECIMAL, unit)).ok_or(UnitError::Size)?,
        };
        product(digits, factor).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BINARY.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// Reads `10s`, `5m`, `2h`, `90d`, `250ms`. The unit is required: a bare number would be a guess.
///
/// # Errors
/// [`UnitError`] if the text is not a duration, or not below 2^64 milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (digits, unit) = split(text).ok_or(UnitError::Duration)?;
    let factor = find(&TIMES_MS, unit).ok_or(UnitError::Duration)?;
    product(digits, factor).map(Duration::from_millis)
}

/// Writes a duration the way [`parse_duration`] reads it, in the largest unit that divides it; below a
/// millisecond nothing is kept.
pub fn format_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match TIMES_MS.iter().find(|(_, factor)| ms > 0 && ms.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", ms / factor),
        None => format!("{ms}ms"),
    }
}

/// `10 MiB` -> (`10`, `MiB`); `None` if there are no digits in front.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (!digits.is_empty()).then(|| (digits, unit.trim_start()))
}

fn find(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

fn product(digits: &str, factor: u64) -> Result<u64, UnitError> {
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or(UnitError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_trip_through_their_text() {
        for text in ["0B", "1B", "1023B", "1KiB", "1536B", "64MiB", "1GiB", "100MiB", "10GiB", "3TiB"] {
            let size = ByteSize::parse(text).unwrap();
            assert_eq!(ByteSize::parse(&size.to_string()), Ok(size));
            assert_eq!(size.to_string(), text);
        }
        assert_eq!(ByteSize::parse(&ByteSize(u64::MAX).to_string()), Ok(ByteSize(u64::MAX)));
    }

    #[test]
    fn binary_and_decimal_units_mean_what_they_say() {
        let sizes = [("512", 512), ("2KiB", 2048), ("2kB", 2000), ("1MB", 1_000_000), ("1 MiB", 1 << 20)];
        for (text, bytes) in sizes {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn durations_round_trip_through_their_text() {
        for text in ["0ms", "250ms", "10s", "5m", "2h", "90d", "1500ms", "90s"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            assert_eq!(format_duration(duration), text);
        }
    }

    #[test]
    fn what_is_no_size_or_duration_is_refused_and_says_what_one_looks_like() {
        for bad in ["", "MiB", "1.5GiB", "-1KiB", "1Mib", "1 M", "64 MiB x"] {
            assert_eq!(ByteSize::parse(bad), Err(UnitError::Size), "{bad:?}");
        }
        for bad in ["", "10", "s", "1.5h", "-1s", "10S", "1w", "1m30s"] {
            assert_eq!(parse_duration(bad), Err(UnitError::Duration), "{bad:?}");
        }
        assert_eq!(ByteSize::parse("18446744073709551616"), Err(UnitError::TooLarge));
        assert_eq!(ByteSize::parse("99999999TiB"), Err(UnitError::TooLarge));
        assert_eq!(parse_duration("999999999999999999d"), Err(UnitError::TooLarge));
        assert!(
            UnitError::Size.to_string().contains("64MiB") && UnitError::Duration.to_string().contains("10s")
        );
    }
}
