//! Certificates that are renewed under a running gateway. Their files are looked at every few seconds: whoever renews
//! them need not tell us. Connections that are open stay as they are.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use config::Config;
use rustls::{ClientConfig, ServerConfig};

use crate::app::{Door, Gateway, broker_tls, server_tls};
use crate::life::expiry;

/// What tells one content of a file from another without reading it; `None` if it isn't there.
type Stamp = Option<(i64, i64, u64, u64)>;

/// The stamps of all certificates' files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Stamp>);

impl Stamps {
    /// As the files are now.
    pub fn of(config: &Config) -> Self {
        let listeners = config.listeners.iter().filter_map(|l| l.tls.as_ref());
        let keys = listeners.map(|t| &t.key).chain(config.cluster.tls.iter().filter_map(|t| t.key.as_ref()));
        let certificates = config.certificates().into_iter().filter(|c| c.renewed).map(|c| &c.file.path);
        Self(certificates.chain(keys).map(|path| (path.clone(), stamp(path))).collect())
    }
}

fn stamp(path: &PathBuf) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.size(), meta.ino()))
}

/// What the files hold, ready to be used.
pub struct Certificates {
    /// In the listeners' order.
    doors: Vec<Option<Arc<ServerConfig>>>,
    ours: Option<Arc<ClientConfig>>,
    clients: Option<Arc<ClientConfig>>,
    /// When they end, by file.
    expiries: expiry::ByFile,
}

impl Certificates {
    /// Reads all of them: one that can't be used makes all of them useless, so that none is taken.
    ///
    /// # Errors
    /// The first that can't be used.
    pub fn read(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            doors: config.listeners.iter().map(server_tls).collect::<Result<_, _>>()?,
            ours: broker_tls(config, true)?,
            clients: broker_tls(config, config.cluster.auth.is_some())?,
            expiries: expiry::renewed(config),
        })
    }

    /// Uses them for all connections to come.
    pub fn install(self, doors: &[Arc<Door>], gateway: &Gateway) {
        for (door, new) in doors.iter().zip(self.doors) {
            if let (Some(tls), Some(new)) = (&door.tls, new) {
                tls.store(new);
            }
        }
        gateway.expiries.renew(self.expiries);
        let pairs = [(&gateway.dialer.security.tls, self.ours), (&gateway.client_tls, self.clients)];
        for (tls, new) in pairs {
            if let (Some(tls), Some(new)) = (tls, new) {
                tls.renew(new);
            }
        }
    }
}
