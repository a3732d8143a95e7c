//! How a client comes in: TLS, a certificate of its own, SCRAM.

use std::path::{Path, PathBuf};

use super::args::Args;
use crate::certs::Identity;
use crate::cluster::User;

/// The environment variable that carries the password: a command line is everybody's to read.
pub(super) const PASSWORD: &str = "TIDEGATE_CLIENT_PASSWORD";

/// What a client shows, and what it trusts; nothing of both by default.
#[derive(Clone, Debug, Default)]
pub struct Security {
    ca: Option<PathBuf>,
    identity: Option<Identity>,
    scram: Option<User>,
}

impl Security {
    /// TLS, with servers' certificates signed by `ca`; hosts are verified.
    pub fn tls(ca: &Path) -> Self {
        Self { ca: Some(ca.to_owned()), ..Self::default() }
    }

    /// Shows this certificate (mTLS).
    pub fn certificate(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// SCRAM-SHA-512 as this user, over TLS if there is any.
    pub fn scram(mut self, user: &str, password: &str) -> Self {
        self.scram = Some(User { name: user.to_owned(), password: password.to_owned() });
        self
    }

    pub(super) fn write(&self, args: &mut Args) {
        args.add_if("--tls-ca", self.ca.as_ref().map(|path| path.display()));
        args.add_if("--tls-cert", self.identity.as_ref().map(|identity| identity.cert.display()));
        args.add_if("--tls-key", self.identity.as_ref().map(|identity| identity.key.display()));
        args.add_if("--scram", self.scram.as_ref().map(|user| &user.name));
    }

    /// What a driver finds in [`PASSWORD`].
    pub(super) fn password(&self) -> Option<&str> {
        self.scram.as_ref().map(|user| user.password.as_str())
    }
}
