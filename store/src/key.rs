//! Names of objects.

use std::fmt;
use std::sync::Arc;

/// The longest segment between two `/`, bytes: what file systems under S3 servers take.
const SEGMENT_MAX: usize = 255;
/// The longest key, bytes: S3's bound.
const KEY_MAX: usize = 1024;

/// A key: segments of printable ASCII joined by `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks a key; `None` if a segment is empty, `.` or `..`, or too long, or holds anything but printable ASCII.
    pub fn new(key: &str) -> Option<Self> {
        let sound = |s: &str| {
            !s.is_empty()
                && s.len() <= SEGMENT_MAX
                && s != "."
                && s != ".."
                && s.bytes().all(|b| b.is_ascii_graphic())
        };
        (key.len() <= KEY_MAX && key.split('/').all(sound)).then(|| Self(key.into()))
    }

    /// The key `{self}/{rest}`.
    pub fn join(&self, rest: &str) -> Option<Self> {
        Self::new(&format!("{self}/{rest}"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn keys_that_some_server_would_mangle_are_refused() {
        for bad in ["", "/a", "a/", "a//b", "a/../b", "a b", "a\n", "é", &"x".repeat(256), &"x/".repeat(600)]
        {
            assert!(Key::new(bad).is_none(), "{bad:?}");
        }
        assert!(Key::new("tide/man/00000000000000000001").is_some());
    }
}
