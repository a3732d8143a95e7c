//! The ways in.

/// A listener, which every gateway has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// TLS; the client authenticates to the broker by SCRAM.
    Scram,
    /// TLS with a client's certificate that `tls.identities` maps to a principal.
    Certificate,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Scram, Self::Certificate];

    /// The listener's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scram => "scram",
            Self::Certificate => "certificate",
        }
    }
}
