//! `gateway`: who this gateway is.

use std::net::SocketAddr;

use crate::Zone;

/// This gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Name, unique in the fleet.
    pub id: String,
    /// The zone it runs in.
    pub zone: Zone,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/status` are served, without authentication.
    pub admin: SocketAddr,
}
