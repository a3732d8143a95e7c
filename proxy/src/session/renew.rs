//! Keeps a session with a broker alive that the gateway itself has authenticated (KIP-368, `connections.max.reauth.ms`).
//!
//! A broker ends a session that is older than it granted at the next request on it. So before that new requests are held
//! back for a moment, what is under way is waited for, and the gateway authenticates again on the same connection. The
//! client sees nothing of it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use kafka::client::{AuthError, Sasl, Session as Granted, Stream, authenticate};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::session::fault::Fault;

/// How long the broker may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The identity, and when it has to be proved again.
#[derive(Debug)]
pub struct Renewal {
    sasl: Sasl,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Renewal {
    /// For a session that has just been granted.
    pub fn new(sasl: Sasl, granted: Granted) -> Self {
        let mut renewal = Self { sasl, timer: None };
        renewal.wind(granted);
        renewal
    }

    /// Four fifths of the lifetime are ours: requests under way may take a while.
    fn wind(&mut self, granted: Granted) {
        let due = granted.lifetime.and_then(|l| Instant::now().checked_add(l / 5 * 4));
        self.timer = due.map(|at| Box::pin(sleep_until(at)));
    }

    /// Ready once the session has to be renewed.
    pub fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) if timer.is_elapsed() => Poll::Ready(()),
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Whether the session has to be renewed, for whoever is about to use it.
    pub fn is_due(&self) -> bool {
        self.timer.as_ref().is_some_and(|timer| timer.deadline() <= Instant::now())
    }

    /// Authenticates again. Nothing may be under way.
    ///
    /// # Errors
    /// [`Fault::Identity`]: the broker does not believe it any more; [`Fault::Upstream`]: it doesn't answer.
    pub async fn renew(&mut self, upstream: &mut Stream) -> Result<(), Fault> {
        match authenticate(upstream, &self.sasl, PATIENCE).await {
            Ok(granted) => self.wind(granted),
            Err(e @ (AuthError::Timeout { .. } | AuthError::Exchange { .. })) => {
                return Err(Fault::Upstream(e.to_string()));
            }
            Err(e) => return Err(Fault::Identity(e.to_string())),
        }
        Ok(())
    }
}
