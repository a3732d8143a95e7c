//! What a byte between zones costs.

use std::str::FromStr;

/// Bytes in the GB that clouds charge for.
const GB: f64 = 1e9;

/// USD per GB, charged on each side of a zone's border.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Price(f64);

impl FromStr for Price {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(usd) if usd.is_finite() && usd >= 0.0 => Ok(Self(usd)),
            _ => Err("a number of USD such as 0.01".into()),
        }
    }
}

impl Price {
    /// The price as people name it.
    pub(crate) fn describe(self) -> String {
        format!("USD {} per GB on each side of a zone's border, {} for both", self.0, round(self.0 * 2.0))
    }

    /// USD for so many bytes across a border.
    pub(crate) fn of(self, bytes: u64) -> f64 {
        bytes as f64 / GB * self.0 * 2.0
    }
}

/// Without the noise of binary fractions: 0.02, never 0.020000000000000004.
fn round(usd: f64) -> f64 {
    (usd * 1e6).round() / 1e6
}

/// An amount with thousands apart: `4,860`, and cents where they say something: `13.32`.
pub(crate) fn usd(amount: f64) -> String {
    if amount < 100.0 {
        return format!("{amount:.2}");
    }
    let digits = format!("{amount:.0}");
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crossing_gigabyte_is_charged_on_both_sides() {
        let price: Price = "0.01".parse().unwrap();
        assert_eq!(price.of(1_000_000_000), 0.02);
        assert_eq!(price.describe(), "USD 0.01 per GB on each side of a zone's border, 0.02 for both");
    }

    #[test]
    fn amounts_read_well_and_nonsense_is_refused() {
        let shown = [0.0, 13.333, 99.99, 100.2, 4860.0, 1_234_567.0].map(usd);
        assert_eq!(shown, ["0.00", "13.33", "99.99", "100", "4,860", "1,234,567"]);
        for bad in ["", "free", "-1", "NaN", "inf"] {
            assert!(bad.parse::<Price>().is_err(), "{bad}");
        }
    }
}
