//! A value that must not be seen.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret, read when the file was loaded. Printing it in any way shows only that it is one, and its memory is
/// overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The secret itself, for the one place that sends it. Never log what this returns.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `said` is the secret. How long this takes tells nothing but the secret's length.
    pub fn is(&self, said: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(said).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter2");
        for shown in [format!("{secret}"), format!("{secret:?}"), format!("{secret:#?}")] {
            assert_eq!(shown, "<secret>");
        }
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        let secret = Secret::new("hunter2");
        assert!(secret.is(b"hunter2"));
        for said in ["", "hunter", "hunter22", "Hunter2"] {
            assert!(!secret.is(said.as_bytes()), "{said}");
        }
    }
}
