//! What a session asks and answers itself: questions to the client's own broker, and answers that no broker gives.
//! Nothing else may be under way on either connection.

use std::time::Duration;

use kafka::header::{LENGTH_PREFIX, framed, key_of};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::ledger::Leg;
use crate::session::Session;
use crate::session::fault::Fault;
use crate::steer::held::{Claim, Held};
use crate::steer::side::{self, SideError};

/// How long the client's own broker may take for a question of the gateway's (a peek or a rights probe), or beyond
/// the wait that a fetch asked for.
const OWN_PATIENCE: Duration = Duration::from_secs(35);

impl Session {
    /// Sends a request payload of the gateway's own to the client's broker and returns the answer's payload.
    pub async fn ask_own(&mut self, payload: &[u8]) -> Result<Held, Fault> {
        let claim = self.core.gateway.held.claim();
        self.ask_own_for(&claim, payload).await
    }

    /// The same, for a request that needs further answers, all of which take their room by `claim`.
    pub async fn ask_own_for(&mut self, claim: &Claim, payload: &[u8]) -> Result<Held, Fault> {
        let mark = self.core.traces.mark();
        let answer = self.ask_own_untraced(claim, payload).await;
        self.core.trace_asked(self.core.own, mark, answer.as_ref().ok().map(|a| a.len()));
        answer
    }

    async fn ask_own_untraced(&mut self, claim: &Claim, payload: &[u8]) -> Result<Held, Fault> {
        self.renew_if_due().await?;
        let (key, frame) = (key_of(payload), framed(payload));
        self.core.count(Leg::GatewayToBroker, key, frame.len());
        let asked = side::ask(&mut self.upstream, &frame, claim, OWN_PATIENCE);
        let asked = match self.alarm.as_mut().filter(|a| a.at_once) {
            None => asked.await,
            Some(alarm) => tokio::select! {
                biased;
                () = &mut alarm.rings => return Err(Fault::Gone),
                asked = asked => asked,
            },
        };
        let answer = asked.map_err(|e| match e {
            SideError::Io(e) => Fault::Io(e),
            SideError::NoRoom(e) => Fault::NoRoom(e),
            e => Fault::Answer(e.to_string()),
        })?;
        self.core.count(Leg::BrokerToGateway, key, LENGTH_PREFIX + answer.len());
        Ok(answer)
    }

    /// Sends a client's frame on to its broker; the answer comes through the relay.
    pub async fn send_own(&mut self, frame: &[u8]) -> Result<(), Fault> {
        self.renew_if_due().await?;
        self.core.count(Leg::GatewayToBroker, key_of(&frame[LENGTH_PREFIX..]), frame.len());
        self.upstream.write_all(frame).await?;
        Ok(self.upstream.flush().await?)
    }

    /// Answers a client's request of API `key` with a frame of the gateway's own. A client that has not taken it after
    /// `limits.idle` is not waited for.
    pub async fn reply(&mut self, key: i16, frame: &[u8]) -> Result<(), Fault> {
        let mark = self.core.traces.mark();
        self.core.count(Leg::GatewayToClient, key, frame.len());
        let idle = self.core.gateway.settings().idle_max;
        let replied = timeout(idle, write_all(&mut self.client, frame)).await;
        self.core.traces.step("reply", mark, Vec::new);
        if let Some(trace) = self.core.traces.here() {
            trace.set("tidegate.answer.bytes", frame.len() as i64);
        }
        Ok(replied.map_err(|_| Fault::Idle)??)
    }
}

async fn write_all(client: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> std::io::Result<()> {
    client.write_all(frame).await?;
    client.flush().await
}
