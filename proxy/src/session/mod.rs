//! One client connection and its one upstream connection.
//!
//! [`Core`] decides over bytes, [`lane::Lane`] moves them, [`Session::run`] joins both directions in one task. Order,
//! backpressure, principal, ACLs, quotas and transactions are the broker's own, because the connection is.

pub mod answer;
pub mod core;
pub mod fault;
pub mod gulp;
pub mod idle;
pub mod lane;
pub mod open;
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
use kafka::header::framed;
use kafka::types::BrokerId;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::ledger::Leg;
use crate::life::drain::Leave;
use crate::session::core::{Core, IN_FLIGHT_MAX, Inbound};
use crate::session::fault::Fault;
use crate::session::idle::{Seen, Watch};
use crate::session::lane::Lane;
use crate::session::renew::Renewal;
use crate::session::stream::ClientStream;
use crate::steer;
use crate::steer::held::Held;
use crate::steer::side::{self, SideError};

/// How long the client's own broker may take for a question of the gateway's (a peek or a rights probe), or beyond
/// the wait that a fetch asked for.
const OWN_PATIENCE: Duration = Duration::from_secs(35);

/// How long a session stays with a stand-in if nothing says that its own broker is down: it could not be reached for a
/// moment, or isn't known.
const SHORT_STAY: Duration = Duration::from_secs(3);

/// How long a client may take to take the end of its connection: TLS says that it ends, behind all that is still unread.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How much longer a client that is proving who it is may stay when its turn to leave has come.
const AUTHENTICATION: Duration = Duration::from_secs(1);

/// How long a client that was told of the end may take to close its side.
const LINGER: Duration = Duration::from_secs(2);

/// Rings when it is time to look for the broker that was dialled again.
fn return_of(core: &Core, endpoint: BrokerId) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let cluster = &core.gateway.cluster;
    if !cluster.view().brokers.contains_key(&endpoint) {
        return Box::pin(tokio::time::sleep(SHORT_STAY));
    }
    let up = cluster.signals.of(endpoint).up.clone().notified_owned();
    // Looked at after the wake-up call is ordered, so that news in between is not missed.
    match cluster.view().is_live(endpoint) {
        true => Box::pin(tokio::time::sleep(SHORT_STAY)),
        false => Box::pin(up),
    }
}

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

/// A wake-up call to wait for: the broker at the other end went, or the one it stands in for came back.
struct Alarm {
    rings: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whether to end at once, or between two answers.
    at_once: bool,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").field("at_once", &self.at_once).finish_non_exhaustive()
    }
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
            let blocked = self.core.due.len() >= IN_FLIGHT_MAX;
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
            if self.is_holding() && self.is_quiet() {
                return Poll::Ready(Ok(Pause::Renew));
            }
            // A full queue kept requests unread; answers have made room.
            if blocked && self.core.due.len() < IN_FLIGHT_MAX {
                continue;
            }
            if self.poll_alarm(cx) || self.may_part() {
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
            if self.up.ended || self.core.due.len() >= IN_FLIGHT_MAX {
                return Poll::Pending;
            }
            // A client that always has the next request under way would never be sent away.
            if self.closing && self.core.outbound.left == 0 {
                return Poll::Pending;
            }
            ready!(self.up.poll_read(cx, &mut self.client))?;
        }
    }

    /// Whether the next request has to wait: the broker is to be shown again who the client is.
    fn is_holding(&self) -> bool {
        self.core.holding && self.core.outbound.left == 0 && (self.up.is_stopped() || !self.up.has_work())
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

    /// A follower that stops answering is left at once, and so is a broker that never began to: the client comes back and
    /// finds another broker standing in. A leader that has answered is waited for, as without us.
    fn watch_broker(&mut self) {
        let wanted = self.core.wants_living_broker();
        if self.alarm.as_ref().is_some_and(|a| a.at_once && !wanted) {
            self.alarm = None;
        }
        if self.alarm.is_some() || !wanted {
            return;
        }
        let cluster = &self.core.gateway.cluster;
        let down = cluster.signals.of(self.core.own).down.clone().notified_owned();
        // Looked at after the wake-up call is ordered, so that news in between is not missed.
        let rings: Pin<Box<dyn Future<Output = ()> + Send>> = match cluster.view().is_live(self.core.own) {
            true => Box::pin(down),
            false => Box::pin(std::future::ready(())),
        };
        self.alarm = Some(Alarm { rings, at_once: true });
    }

    /// Whether the session must end at once: what is due will not come from a broker that is gone. A session on a
    /// stand-in ends between two answers.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(alarm) = &mut self.alarm else { return false };
        if alarm.rings.as_mut().poll(cx).is_pending() {
            return false;
        }
        let at_once = alarm.at_once;
        (self.alarm, self.closing) = (None, true);
        at_once
    }

    /// Sends a request payload of the gateway's own to the client's broker and returns the answer's payload. Nothing
    /// else may be under way.
    pub async fn ask_own(&mut self, payload: &[u8]) -> Result<Held, Fault> {
        let mark = self.core.traces.mark();
        let answer = self.ask_own_untraced(payload).await;
        self.core.trace_asked(self.core.own, mark, answer.as_ref().ok().map(|a| a.len()));
        answer
    }

    async fn ask_own_untraced(&mut self, payload: &[u8]) -> Result<Held, Fault> {
        self.renew_if_due().await?;
        let frame = framed(payload);
        self.core.count(Leg::GatewayToBroker, kafka::api::FETCH, frame.len());
        let gateway = self.core.gateway.clone();
        let asked = side::ask(&mut self.upstream, &frame, &gateway.held, OWN_PATIENCE);
        let asked = match self.alarm.as_mut().filter(|a| a.at_once) {
            None => asked.await,
            Some(alarm) => tokio::select! {
                biased;
                () = &mut alarm.rings => return Err(Fault::Upstream("the broker stopped answering".to_owned())),
                asked = asked => asked,
            },
        };
        let answer = asked.map_err(|e| match e {
            SideError::Io(e) => Fault::Io(e),
            e => Fault::Answer(e.to_string()),
        })?;
        self.core.count(Leg::BrokerToGateway, kafka::api::FETCH, answer.len() + 4);
        Ok(answer)
    }

    /// Sends a client's frame on to its broker; the answer comes through the relay.
    pub async fn send_own(&mut self, frame: &[u8]) -> Result<(), Fault> {
        self.renew_if_due().await?;
        self.core.count(Leg::GatewayToBroker, kafka::api::FETCH, frame.len());
        self.upstream.write_all(frame).await?;
        Ok(self.upstream.flush().await?)
    }

    /// Answers the client with a frame of the gateway's own. A client that takes nothing of it for `limits.idle` is
    /// not waited for.
    pub async fn reply(&mut self, frame: &[u8]) -> Result<(), Fault> {
        let mark = self.core.traces.mark();
        let replied = self.write_to_client(frame).await;
        self.core.traces.step("reply", mark, Vec::new);
        if let Some(trace) = self.core.traces.here() {
            trace.set("tidegate.answer.bytes", frame.len() as i64);
        }
        replied
    }

    async fn write_to_client(&mut self, frame: &[u8]) -> Result<(), Fault> {
        self.core.count(Leg::GatewayToClient, kafka::api::FETCH, frame.len());
        let (idle, mut rest) = (self.core.gateway.settings().idle_max, frame);
        while !rest.is_empty() {
            let n = timeout(idle, self.client.write(rest)).await.map_err(|_| Fault::Idle)??;
            if n == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
            }
            rest = &rest[n..];
        }
        Ok(timeout(idle, self.client.flush()).await.map_err(|_| Fault::Idle)??)
    }
}
