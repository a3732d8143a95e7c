//! One client connection and its one upstream connection.
//!
//! [`Core`] decides over bytes, [`lane::Lane`] moves them, [`Session::run`] joins both directions in one task. Order,
//! backpressure, principal, ACLs, quotas and transactions are the broker's own, because the connection is.

mod alarm;
pub mod answer;
pub mod core;
pub mod fault;
pub mod gulp;
pub mod idle;
pub mod lane;
pub mod open;
mod own;
pub mod renew;
pub mod request;
pub mod sasl;
pub mod stream;
pub mod subject;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use kafka::client::Stream;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::life::drain::Leave;
use crate::session::alarm::{Alarm, return_of};
use crate::session::core::{Core, IN_FLIGHT_MAX, Inbound};
use crate::session::fault::Fault;
use crate::session::idle::{Seen, Watch};
use crate::session::lane::Lane;
use crate::session::renew::Renewal;
use crate::session::stream::ClientStream;
use crate::steer;

/// How long a client may take to take the end of its connection: TLS says that it ends, behind all that is still unread.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How much longer a client that is proving who it is may stay when its turn to leave has come.
const AUTHENTICATION: Duration = Duration::from_secs(1);

/// How long a client that was told of the end may take to close its side.
const LINGER: Duration = Duration::from_secs(2);

/// Why the relay paused.
#[derive(Debug)]
enum Pause {
    /// A request is to be answered here; everything before it has been answered.
    Intercept(Vec<u8>),
    /// The broker has to be shown again who the client is; nothing is under way.
    Renew,
    /// Both sides are done, or the session has to move, or nobody uses it.
    End(Result<(), Fault>),
}

/// The session.
#[derive(Debug)]
pub struct Session {
    /// What it knows and decides.
    pub core: Core,
    client: ClientStream,
    upstream: Stream,
    up: Lane,
    down: Lane,
    alarm: Option<Alarm>,
    /// Says when this gateway, which is about to end, wants this session to.
    leave: Option<Leave>,
    /// It ends as soon as nothing is under way, and takes no further request.
    closing: bool,
    /// Whether the broker has been told that the client sends no more.
    half_closed: bool,
    /// Ends the session when nobody uses it.
    watch: Watch,
    /// Keeps the broker believing who the client is, if the gateway said so.
    pub renewal: Option<Box<Renewal>>,
}

impl Session {
    /// A session over two open connections.
    pub fn new(core: Core, client: ClientStream, upstream: Stream) -> Self {
        let watch = {
            let settings = core.gateway.settings();
            Watch::new(settings.handshake_max, settings.idle_max)
        };
        let mut session = Self {
            core,
            client,
            upstream,
            up: Lane::default(),
            down: Lane::default(),
            alarm: None,
            leave: None,
            closing: false,
            half_closed: false,
            watch,
            renewal: None,
        };
        if let Some(endpoint) = session.core.endpoint.filter(|_| session.core.is_stand_in()) {
            session.alarm = Some(Alarm { rings: return_of(&session.core, endpoint), at_once: false });
        }
        session
    }

    /// The same session, ending when its turn to leave comes.
    pub fn leaving(mut self, leave: Leave) -> Self {
        self.leave = Some(leave);
        self
    }

    /// Relays until either side ends.
    ///
    /// # Errors
    /// Why the connection had to be ended.
    pub async fn run(mut self) -> Result<(), Fault> {
        loop {
            match poll_fn(|cx| self.poll_turn(cx)).await? {
                Pause::Intercept(frame) => Box::pin(steer::exec::intercept(&mut self, frame)).await?,
                Pause::Renew => Box::pin(self.renew()).await?,
                Pause::End(outcome) => {
                    // A client that takes nothing any more, or is gone, is not waited for.
                    let told = timeout(CLOSE_WAIT, self.client.shutdown()).await;
                    if matches!((&told, &outcome), (Ok(Ok(())), Ok(()))) && !self.up.ended {
                        let _ = timeout(LINGER, self.client_gone()).await;
                    }
                    return outcome;
                }
            }
        }
    }

    /// Shows the broker again who the client is. Nothing may be under way.
    async fn renew(&mut self) -> Result<(), Fault> {
        self.core.holding = false;
        // Rights are asked for anew by whoever comes in anew.
        if let Some(steering) = &mut self.core.steering {
            steering.memory.forget_rights();
        }
        let Some(renewal) = &mut self.renewal else { return Ok(()) };
        renewal.renew(&mut self.upstream).await?;
        self.core.gateway.counters.renewed();
        Ok(())
    }

    /// The same, before a request of the gateway's own, if it is time for it.
    async fn renew_if_due(&mut self) -> Result<(), Fault> {
        match self.renewal.as_ref().is_some_and(|renewal| renewal.is_due()) {
            true => Box::pin(self.renew()).await,
            false => Ok(()),
        }
    }

    /// Waits until the client has seen the end and closes, too. To close over bytes of its that nobody has read would be
    /// a reset, which may overtake the last answer on its way.
    async fn client_gone(&mut self) {
        let mut unread = [0; 1024];
        while matches!(self.client.read(&mut unread).await, Ok(1..)) {}
    }

    /// The relay, and the watch over it while it has nothing to do.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Pause, Fault>> {
        self.core.holding |= self.renewal.as_mut().is_some_and(|renewal| renewal.poll_due(cx).is_ready());
        while let Some(leave) = &mut self.leave
            && leave.poll(cx).is_ready()
        {
            // Who is cut off while it proves who it is may take that for a refusal, and never come back (kafkajs).
            if !(self.core.authenticating && leave.postpone(AUTHENTICATION)) {
                (self.leave, self.closing) = (None, true);
            }
        }
        if let Poll::Ready(paused) = self.poll_relay(cx) {
            return Poll::Ready(paused);
        }
        while self.watch.poll_ring(cx).is_ready() {
            let seen = self.seen();
            match self.watch.rang(seen) {
                Err(fault) => return Poll::Ready(Ok(Pause::End(Err(fault)))),
                Ok(settled) => self.closing |= settled && self.is_away(),
            }
        }
        if self.may_part() {
            return Poll::Ready(Ok(Pause::End(Ok(()))));
        }
        Poll::Pending
    }

    /// Whether a gateway lives in the client's zone, and the client is here all the same: it was told this one while that
    /// was down. Clients keep the connections they have whatever metadata says, so this one ends between two answers.
    fn is_away(&self) -> bool {
        let here = self.core.zone == self.core.gateway.zone;
        self.core.endpoint.is_some() && !here && steer::has_gateway(&self.core)
    }

    /// What happened since this was asked last. An answer in hand that the client does not take is not the broker's to
    /// give, and neither is one to a request of which a part is still to come.
    fn seen(&mut self) -> Seen {
        let moved = std::mem::take(&mut self.up.moved) | std::mem::take(&mut self.down.moved);
        let unasked = usize::from(self.core.outbound.left > 0);
        let answers_due = self.core.due.len() > unasked || !matches!(self.core.inbound, Inbound::Front);
        let broker_owes =
            self.up.has_work() || (!self.down.has_work() && (answers_due || self.down.carries()));
        Seen { begun: self.core.rule.is_some(), moved, broker_owes }
    }

    /// Both directions, as far as they go.
    fn poll_relay(&mut self, cx: &mut Context<'_>) -> Poll<Result<Pause, Fault>> {
        loop {
            if let Poll::Ready(Err(e)) = self.poll_up(cx) {
                return Poll::Ready(Err(e));
            }
            let blocked = self.is_blocked();
            let down = self.poll_down(cx);
            if let Poll::Ready(Err(e)) = down {
                return Poll::Ready(Err(e));
            }
            if self.down.ended || (self.up.ended && self.is_quiet()) {
                return Poll::Ready(Ok(Pause::End(Ok(()))));
            }
            if self.up.held.is_some() && self.is_quiet() {
                return Poll::Ready(Ok(self.up.held.take().map_or(Pause::End(Ok(())), Pause::Intercept)));
            }
            if self.core.holding && self.is_holding() && self.is_quiet() {
                return Poll::Ready(Ok(Pause::Renew));
            }
            // Answers have made room for requests that were kept waiting.
            if blocked && !self.is_blocked() {
                continue;
            }
            if self.poll_alarm(cx) {
                return Poll::Ready(Ok(Pause::End(Err(Fault::Gone))));
            }
            if self.may_part() {
                return Poll::Ready(Ok(Pause::End(Ok(()))));
            }
            return Poll::Pending;
        }
    }

    /// Nothing is under way between client and broker: no answer is due, and none is on its way in part.
    fn is_quiet(&self) -> bool {
        self.core.due.is_empty() && matches!(self.core.inbound, Inbound::Front) && self.down.is_idle()
    }

    /// Whether a session that is to end can: everything that went to the broker has been answered, and no request is
    /// there in part, not even one that nobody answers.
    fn may_part(&self) -> bool {
        self.closing && self.is_quiet() && !self.up.has_unsent() && self.core.outbound.left == 0
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            self.up.parse(|bytes| self.core.request(bytes))?;
            self.watch_broker();
            ready!(self.up.poll_write(cx, &mut self.upstream))?;
            if let Some(took) = self.up.took.take() {
                self.core.gateway.counters.took(self.core.outbound.key, took);
            }
            if self.up.held.is_some() || self.is_holding() {
                return Poll::Pending;
            }
            if self.up.has_work() {
                continue;
            }
            if self.up.ended && !self.half_closed {
                ready!(Pin::new(&mut self.upstream).poll_shutdown(cx))?;
                self.half_closed = true;
            }
            if self.up.ended || self.is_blocked() {
                return Poll::Pending;
            }
            // A client that always has the next request under way would never be sent away.
            if self.closing && self.core.outbound.left == 0 {
                return Poll::Pending;
            }
            ready!(self.up.poll_read(cx, &mut self.client))?;
        }
    }

    /// Whether requests wait for an answer: too many are due, or one that says what comes next.
    fn is_blocked(&self) -> bool {
        self.core.due.len() >= IN_FLIGHT_MAX || self.core.shaking_hands
    }

    /// Whether the next request has to wait: the broker is to be shown again who the client is, or its answer says what
    /// the next bytes are.
    fn is_holding(&self) -> bool {
        (self.core.holding || self.core.shaking_hands)
            && self.core.outbound.left == 0
            && (self.up.is_stopped() || !self.up.has_work())
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            self.down.parse(|bytes| self.core.answer(bytes))?;
            ready!(self.down.poll_write(cx, &mut self.client))?;
            if let Some(took) = self.down.took.take() {
                self.core.gateway.counters.took(self.core.answering, took);
            }
            if self.down.has_work() {
                continue;
            }
            if self.down.ended || ready!(self.down.poll_read(cx, &mut self.upstream))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
