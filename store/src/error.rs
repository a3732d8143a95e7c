//! What can go wrong with a store.

use std::fmt;

/// The kinds of failure callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The key is taken (412).
    Exists,
    /// There is no such object.
    NotFound,
    /// The object is shorter than the range (416).
    Range,
    /// Another conditional write was under way (409): nothing was written, try again.
    Conflict,
    /// The store asks for fewer requests (503 SlowDown, 429).
    Throttled,
    /// A write that was sent and whose answer never came: it may or may not have happened.
    Uncertain,
    /// Nothing happened and trying again may help: refused, reset, timed out before a write was sent, 500.
    Transient,
    /// Credentials are missing, expired or not allowed to do this.
    Denied,
    /// The store has no room, or the bucket is gone, or it can't do what is asked: trying again won't help.
    Unusable,
    /// What came is not what was stored (length or checksum).
    Corrupt,
}

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    /// What callers go by.
    pub kind: Kind,
    /// The operation and the key, for people.
    pub what: String,
    /// What the store or the system said; never a secret.
    pub said: String,
}

impl Error {
    /// A failure of `what`.
    pub fn new(kind: Kind, what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { kind, what: what.into(), said: said.into() }
    }

    /// Whether trying the same call again may help. Not [`Kind::Uncertain`]: look first.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Conflict | Kind::Throttled | Kind::Transient | Kind::Corrupt)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}: {}", self.what, self.kind, self.said)
    }
}
