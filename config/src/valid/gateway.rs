//! `gateway`: who this gateway is.

use std::net::SocketAddr;
use std::time::Duration;

use super::files::{read_text, secret};
use crate::check::Check;
use crate::raw::cluster::Secret as RawSecret;
use crate::raw::gateway as raw;
use crate::{Secret, Zone, defaults, format_duration};

/// This gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Name, unique in the fleet.
    pub id: String,
    /// The zone it runs in.
    pub zone: Zone,
    /// Where `/metrics`, `/healthz`, `/readyz` and `/status` are served.
    pub admin: SocketAddr,
    /// What `/metrics` and `/status` ask for; there unless `admin` is a loopback address.
    pub admin_token: Option<Secret>,
    /// Time over which connections end after SIGTERM; 1 s to 1 h.
    pub drain: Duration,
}

const DRAIN_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Longest gateway id, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Shortest admin token, in bytes: what can be guessed is no secret.
const TOKEN_BYTES_MIN: usize = 16;

impl Gateway {
    pub(crate) fn check(raw: &raw::Gateway, check: &mut Check<'_>) -> Option<Self> {
        let id = match &raw.id {
            Some(_) => check.read("gateway", "id", &raw.id),
            None => host_name(check).or_else(|| check.missing("gateway", "id", "gw-az1-0")),
        };
        let id = id.and_then(|id| sound_id(check, "gateway.id", id));
        let zone = check.need("gateway", "zone", &raw.zone, "use1-az1");
        let admin = check.read("gateway", "admin", &raw.admin).unwrap_or(defaults::ADMIN);
        let admin_token = match &raw.admin_token {
            Some(raw) => token(check, raw),
            None if admin.ip().is_loopback() => None,
            None => {
                check.wrong(
                    "gateway.admin_token",
                    format!(
                        "is missing: {admin} is no loopback address, so /metrics and /status need a token"
                    ),
                    "write admin_token: {file: /etc/tidegate/admin-token}, or bind admin to 127.0.0.1",
                );
                None
            }
        };
        let show = |d: &Duration| format_duration(*d);
        let drain = check.bounded(("gateway", "drain"), &raw.drain, defaults::DRAIN, DRAIN_BOUNDS, show);
        Some(Self { id: id?, zone: zone?, admin, admin_token, drain })
    }
}

/// A token that an HTTP header can carry and nobody guesses.
fn token(check: &mut Check<'_>, raw: &RawSecret) -> Option<Secret> {
    let at = "gateway.admin_token";
    let token = secret(check, at, raw)?;
    if token.reveal().len() < TOKEN_BYTES_MIN || !token.reveal().bytes().all(|b| b.is_ascii_graphic()) {
        let reason = format!(
            "leads to a token of less than {TOKEN_BYTES_MIN} characters, or of other than visible ASCII"
        );
        check.wrong(at, reason, "put one there that `openssl rand -hex 32` prints");
        return None;
    }
    Some(token)
}

/// Ids stand in metrics, JSON and log lines: letters, digits, `.`, `_` and `-` only.
pub(crate) fn sound_id(check: &mut Check<'_>, path: &str, id: String) -> Option<String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if id.len() <= ID_BYTES_MAX && id.bytes().all(legal) {
        return Some(id);
    }
    check.wrong(
        path,
        format!("`{id}` is not a gateway id"),
        "write 1 to 128 letters, digits, `.`, `_` or `-`, like gw-az1-0",
    );
    None
}

/// By the environment, else by the machine's own file.
fn host_name(check: &Check<'_>) -> Option<String> {
    let surroundings = check.surroundings();
    let by_env = (surroundings.env)("HOSTNAME").filter(|name| !name.is_empty());
    let by_file = || read_text(surroundings.host_file).ok().map(|name| name.trim().to_owned());
    by_env.or_else(by_file).filter(|name| !name.is_empty())
}
