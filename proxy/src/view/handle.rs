//! How the rest of the gateway reads the view, and urges its refresh.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use config::Zone;
use kafka::types::BrokerId;
use tokio::sync::{Notify, watch};

use crate::view::View;
use crate::view::doubts::Doubts;
use crate::view::interest::{Interest, TopicKey};
use crate::view::signals::Switchboard;

/// How the view is read, and how its refresh is urged.
#[derive(Clone, Debug)]
pub struct ClusterHandle {
    pub(super) views: watch::Receiver<Arc<View>>,
    pub(super) refreshes: watch::Receiver<u64>,
    pub(super) due: watch::Receiver<Option<Instant>>,
    pub(super) interest: Arc<Interest>,
    pub(super) nudge: Arc<Notify>,
    pub(super) doubts: Arc<Doubts>,
    pub(super) zones: Arc<ArcSwap<BTreeMap<BrokerId, Zone>>>,
    /// Wake-up calls by broker.
    pub signals: Arc<Switchboard>,
}

impl ClusterHandle {
    /// The newest view.
    pub fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    /// When the cluster is to have answered again, counted from its last answer; `None` before the first.
    pub fn due(&self) -> Option<Instant> {
        *self.due.borrow()
    }

    /// From now on these brokers are in these zones, whatever they say.
    pub fn rezone(&self, zones: BTreeMap<BrokerId, Zone>) {
        self.zones.store(Arc::new(zones));
        self.nudge();
    }

    /// Asks for a refresh soon.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Waits, `wait` at most, for the view of another broker than the one that has been asked so far, and returns the newest either way. Where there
    /// was a doubt just now, that is the view at hand: clients can't have us ask more than once a second.
    pub async fn second_opinion(&self, wait: Duration) -> Arc<View> {
        match self.doubts.raise(Instant::now()) {
            true => self.refreshed(wait).await,
            false => self.view(),
        }
    }

    /// Waits, `wait` at most, for the first view; `None` if it has not come by then.
    pub async fn ready(&self, wait: Duration) -> Option<Arc<View>> {
        self.wait_for(wait, View::is_ready).await
    }

    /// Waits, `wait` at most, until the view knows these topics, and returns the newest view either way.
    pub async fn learn(&self, topics: &[TopicKey], wait: Duration) -> Arc<View> {
        let noted = topics.iter().filter(|t| self.interest.note(t.as_ref())).count();
        if noted < topics.len() {
            return self.view();
        }
        self.nudge();
        let known = |view: &View| topics.iter().all(|t| view.topic(t.as_ref()).is_some());
        self.wait_for(wait, known).await.unwrap_or_else(|| self.view())
    }

    /// Waits, `wait` at most, for a view that was asked for after this call, and returns the newest either way.
    pub async fn refreshed(&self, wait: Duration) -> Arc<View> {
        let mut refreshes = self.refreshes.clone();
        // One refresh may have been under way already.
        let enough = *refreshes.borrow() + 2;
        let seen = async {
            while *refreshes.borrow_and_update() < enough {
                self.nudge();
                if refreshes.changed().await.is_err() {
                    return;
                }
            }
        };
        // Without an answer in time the view at hand has to do.
        let _ = tokio::time::timeout(wait, seen).await;
        self.view()
    }

    /// Waits, `wait` at most, until the view knows this broker, and returns the newest view either way.
    pub async fn find(&self, id: BrokerId, wait: Duration) -> Arc<View> {
        self.nudge();
        self.wait_for(wait, |view| view.brokers.contains_key(&id)).await.unwrap_or_else(|| self.view())
    }

    async fn wait_for(&self, wait: Duration, holds: impl Fn(&View) -> bool) -> Option<Arc<View>> {
        let mut views = self.views.clone();
        let view = tokio::time::timeout(wait, views.wait_for(|v| holds(v))).await.ok()?.ok()?;
        Some(view.clone())
    }
}

impl ClusterHandle {
    /// A handle over a cluster that looks like `view` for ever, for tests of what is decided by it.
    #[cfg(test)]
    pub(crate) fn of(view: View) -> Self {
        Self {
            views: watch::channel(Arc::new(view)).1,
            refreshes: watch::channel(0).1,
            due: watch::channel(Some(Instant::now())).1,
            interest: Arc::default(),
            nudge: Arc::default(),
            doubts: Arc::default(),
            zones: Arc::default(),
            signals: Arc::default(),
        }
    }
}
