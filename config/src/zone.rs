//! The name of an availability zone.

use std::fmt;
use std::sync::Arc;

/// Longest zone name, in bytes. Zones become metric labels, so their size needs a bound.
pub const ZONE_BYTES_MAX: usize = 128;

/// An availability zone's name. Cheap to clone. Names compare byte by byte, as Kafka compares racks.
///
/// Advise zone *ids* (`use1-az1`): zone names differ between accounts of one cloud.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(Arc<str>);

impl Zone {
    /// A zone of this name, or `None` unless the name has 1 to [`ZONE_BYTES_MAX`] bytes, no control
    /// characters, and no white space at its ends.
    pub fn new(name: &str) -> Option<Self> {
        let sound = !name.is_empty()
            && name.len() <= ZONE_BYTES_MAX
            && name.trim() == name
            && !name.chars().any(char::is_control);
        sound.then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl AsRef<str> for Zone {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_a_bounded_printable_name() {
        assert_eq!(Zone::new("use1-az1").map(|z| z.to_string()), Some("use1-az1".to_owned()));
        assert!(Zone::new(&"z".repeat(ZONE_BYTES_MAX)).is_some());
        for bad in ["", " az1", "az1 ", "a\nz", "a\0"] {
            assert_eq!(Zone::new(bad), None, "{bad:?}");
        }
        assert_eq!(Zone::new(&"z".repeat(ZONE_BYTES_MAX + 1)), None);
    }
}
