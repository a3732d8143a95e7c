//! When the broker at the other end goes, or the one that it stands in for comes back.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use kafka::types::BrokerId;

use crate::session::Session;
use crate::session::core::Core;

/// How long a session stays with a stand-in if nothing says that its own broker is down: it could not be reached for a
/// moment, or isn't known.
const SHORT_STAY: Duration = Duration::from_secs(3);

/// A wake-up call to wait for: the broker at the other end went, or the one it stands in for came back.
pub(super) struct Alarm {
    pub(super) rings: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whether to end at once, or between two answers.
    pub(super) at_once: bool,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").field("at_once", &self.at_once).finish_non_exhaustive()
    }
}

/// Rings when it is time to look for the broker that was dialled again.
pub(super) fn return_of(core: &Core, endpoint: BrokerId) -> Pin<Box<dyn Future<Output = ()> + Send>> {
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

impl Session {
    /// A follower that stops answering is left at once, and so is a broker that never began to: the client comes back and
    /// finds another broker standing in. A leader that has answered is waited for, as without us.
    pub(super) fn watch_broker(&mut self) {
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
    pub(super) fn poll_alarm(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(alarm) = &mut self.alarm else { return false };
        if alarm.rings.as_mut().poll(cx).is_pending() {
            return false;
        }
        let at_once = alarm.at_once;
        (self.alarm, self.closing) = (None, true);
        at_once
    }
}
