//! Finding any broker of a cluster that answers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::connection::{ConnectError, Connection, Dialer};

/// How many brokers known from earlier are tried before the bootstrap servers.
const KNOWN_MAX: usize = 8;

/// The servers from which a cluster is found.
#[derive(Debug)]
pub struct Bootstrap {
    /// How connections are made; its connect timeout bounds each server.
    pub dialer: Dialer,
    /// Host and port of each server.
    pub servers: Vec<(String, u16)>,
    turn: AtomicUsize,
}

/// Nobody answered. Lists every attempt with its reason.
#[derive(Debug, thiserror::Error)]
#[error("no broker answers: {}", listed(attempts))]
pub struct NoBroker {
    /// What happened, in the order in which it was tried.
    pub attempts: Vec<ConnectError>,
}

fn listed(attempts: &[ConnectError]) -> String {
    if attempts.is_empty() {
        return "no bootstrap server is named".to_owned();
    }
    attempts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Bootstrap {
    /// A cluster behind `servers`.
    pub fn new(dialer: Dialer, servers: Vec<(String, u16)>) -> Self {
        let turn = AtomicUsize::new(first_turn(&dialer.client_id));
        Self { dialer, servers, turn }
    }

    /// Connects to the first that answers: up to eight of the `known` brokers, then every bootstrap server.
    /// Each call starts one further along, and each client id elsewhere, so that many gateways and retries do
    /// not all lean on one broker.
    ///
    /// # Errors
    /// [`NoBroker`], after at most one connect timeout per server.
    pub async fn any(&self, known: &[(String, u16)]) -> Result<Connection, NoBroker> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut attempts = Vec::new();
        for (host, port) in self.order(known, turn) {
            match Connection::connect(&self.dialer, host, *port).await {
                Ok(connection) => return Ok(connection),
                Err(e) => attempts.push(e),
            }
        }
        Err(NoBroker { attempts })
    }

    fn order<'a>(&'a self, known: &'a [(String, u16)], turn: usize) -> Vec<&'a (String, u16)> {
        let mut order: Vec<&(String, u16)> = Vec::new();
        for server in rotated(known, turn).take(KNOWN_MAX).chain(rotated(&self.servers, turn)) {
            if !order.contains(&server) {
                order.push(server);
            }
        }
        order
    }
}

/// Where a client of this name starts: different names should start at different servers.
fn first_turn(client_id: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    client_id.hash(&mut hasher);
    // Halved, so that counting on from here cannot wrap.
    (hasher.finish() >> 1) as usize
}

fn rotated<T>(items: &[T], turn: usize) -> impl Iterator<Item = &T> {
    let start = turn.checked_rem(items.len()).unwrap_or(0);
    items[start..].iter().chain(&items[..start])
}
