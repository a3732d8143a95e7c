//! The one task that asks the cluster what it looks like and publishes [`View`]s.
//!
//! It asks every few seconds, and at once when somebody met an answer that the view does not explain. Only brokers
//! and the topics that clients fetch are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use config::Zone;
use kafka::client::metadata::{self, Cluster, MetadataError, Topic, Topics};
use kafka::client::{Bootstrap, Connection, NoBroker};
use kafka::types::{BrokerId, TopicId};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::view::handle::ClusterHandle;
use crate::view::{BrokerState, BrokerView, PartitionView, TopicView, View};

/// How often the cluster is asked when nothing urges: the longest a moved leader or a shrunk ISR goes unseen.
const REFRESH_EVERY: Duration = Duration::from_secs(3);
/// A refresh may take at most one part in this many of the gateway's time: large clusters are asked less often.
const REFRESH_SHARE: u32 = 20;
/// The soonest a nudge can follow the last refresh.
const NUDGE_AFTER: Duration = Duration::from_millis(100);
/// How long a broker that left keeps its endpoint (longer than any client's lease on a follower: 30 min in franz-go).
const KEEP_ABSENT: Duration = Duration::from_secs(35 * 60);
/// Pause after a refresh that failed.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What [`Watcher`] needs to know.
#[derive(Debug)]
pub struct Source {
    /// Brokers to ask before any is known.
    pub bootstrap: Bootstrap,
    /// The zone of a broker without rack and without an entry in `zones.brokers`.
    pub unknown_zone: Zone,
}

/// Why there is no new view.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    /// Nobody answers.
    #[error(transparent)]
    NoBroker(#[from] NoBroker),
    /// Somebody answers, but not this.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The task's state.
#[derive(Debug)]
pub struct Watcher {
    source: Arc<Source>,
    refreshes: watch::Sender<u64>,
    due: watch::Sender<Option<Instant>>,
    views: watch::Sender<Arc<View>>,
    handle: ClusterHandle,
    suspects: BTreeMap<BrokerId, bool>,
    absent_since: BTreeMap<BrokerId, Instant>,
    health: mpsc::Receiver<(BrokerId, bool)>,
    connection: Option<Connection>,
}

impl Watcher {
    /// A watcher and the handle to its views. `zones` are those of brokers whose racks are not to be used, `health` says
    /// (broker, whether it is suspect).
    pub fn new(
        source: Source,
        zones: BTreeMap<BrokerId, Zone>,
        health: mpsc::Receiver<(BrokerId, bool)>,
    ) -> (Self, ClusterHandle) {
        let (views, receiver) = watch::channel(Arc::new(View::default()));
        let (refreshes, refreshed) = watch::channel(0);
        let (due, next_due) = watch::channel(None);
        let handle = ClusterHandle {
            views: receiver,
            refreshes: refreshed,
            due: next_due,
            interest: Arc::default(),
            nudge: Arc::default(),
            doubts: Arc::default(),
            zones: Arc::new(ArcSwap::from_pointee(zones)),
            signals: Arc::default(),
        };
        let watcher = Self {
            source: Arc::new(source),
            refreshes,
            due,
            views,
            handle: handle.clone(),
            suspects: BTreeMap::new(),
            absent_since: BTreeMap::new(),
            health,
            connection: None,
        };
        (watcher, handle)
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0u32;
        loop {
            let started = Instant::now();
            let pause = match self.refresh().await {
                Ok(()) => {
                    failures = 0;
                    let pause = REFRESH_EVERY.max(started.elapsed() * REFRESH_SHARE);
                    self.due.send_replace(Some(Instant::now() + pause));
                    pause
                }
                Err(e) => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        warn!(failures, error = %e, "cannot read the cluster's metadata");
                    }
                    RETRY_AFTER
                }
            };
            if self.pause(started, pause, &stop).await.is_break() {
                return;
            }
        }
    }

    /// Waits for the next refresh to be due, taking news of brokers' health meanwhile.
    async fn pause(
        &mut self,
        started: Instant,
        pause: Duration,
        stop: &CancellationToken,
    ) -> std::ops::ControlFlow<()> {
        let due = tokio::time::sleep(pause);
        tokio::pin!(due);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return std::ops::ControlFlow::Break(()),
                Some((id, suspect)) = self.health.recv() => self.heard(id, suspect),
                () = self.handle.nudge.notified() => {
                    tokio::time::sleep(NUDGE_AFTER.saturating_sub(started.elapsed())).await;
                    return std::ops::ControlFlow::Continue(());
                }
                () = &mut due => return std::ops::ControlFlow::Continue(()),
            }
        }
    }

    fn heard(&mut self, id: BrokerId, suspect: bool) {
        if self.suspects.insert(id, suspect) == Some(suspect) {
            return;
        }
        let mut next = View::clone(&self.views.borrow());
        if let Some(b) = next.brokers.get_mut(&id).filter(|b| b.state != BrokerState::Absent) {
            b.state = if suspect { BrokerState::Suspect } else { BrokerState::Live };
        }
        self.publish(next);
    }

    async fn refresh(&mut self) -> Result<(), RefreshError> {
        let (names, ids) = self.handle.interest.current();
        let known = live_addresses(&self.views.borrow());
        // Without a connection the next broker in turn is asked.
        let connection = self.connection.take().filter(|_| !self.handle.doubts.take());
        let asking = ask(self.source.clone(), connection, known, &names, &ids);
        tokio::pin!(asking);
        // News of brokers' health is heard meanwhile: the broker that is being asked may be the one that stopped.
        let asked = loop {
            tokio::select! {
                asked = &mut asking => break asked,
                Some((id, suspect)) = self.health.recv() => self.heard(id, suspect),
            }
        };
        self.refreshes.send_modify(|n| *n += 1);
        let (connection, cluster) = match asked {
            Ok(answered) => answered,
            Err(e) => {
                // A name may be to blame, but none that brokers have answered before.
                let view = self.views.borrow().clone();
                self.handle.interest.forget(|key| view.lacks(key.as_ref()));
                return Err(e);
            }
        };
        self.connection = Some(connection);
        let next = self.next_view(&cluster, &names, &ids);
        self.handle.interest.forget(|key| next.lacks(key.as_ref()));
        self.publish(next);
        Ok(())
    }

    fn next_view(&mut self, cluster: &Cluster, names: &[String], ids: &[TopicId]) -> View {
        let mut next =
            View { cluster_id: cluster.id.clone(), brokers: self.brokers(cluster), ..View::default() };
        for name in names {
            let missing = || TopicView {
                name: name.as_str().into(),
                id: TopicId::default(),
                partitions: BTreeMap::new(),
            };
            next.topics.insert(name.as_str().into(), Arc::new(missing()));
        }
        for id in ids {
            let missing = TopicView { name: "".into(), id: *id, partitions: BTreeMap::new() };
            next.topics_by_id.insert(*id, Arc::new(missing));
        }
        for topic in cluster.topics.iter().filter(|t| !t.partitions.is_empty()) {
            let view = Arc::new(topic_view(topic));
            next.topics.insert(view.name.clone(), view.clone());
            if !view.id.is_zero() {
                next.topics_by_id.insert(view.id, view);
            }
        }
        next
    }

    fn brokers(&mut self, cluster: &Cluster) -> BTreeMap<BrokerId, BrokerView> {
        let (mut out, zones) = (BTreeMap::new(), self.handle.zones.load());
        for b in &cluster.brokers {
            let rack_zone = || b.rack.as_deref().and_then(Zone::new);
            let zone = zones.get(&b.id).cloned().or_else(rack_zone);
            let suspect = self.suspects.get(&b.id).copied().unwrap_or(false);
            let view = BrokerView {
                host: b.host.as_str().into(),
                port: b.port,
                rack: b.rack.clone(),
                zone: zone.unwrap_or_else(|| self.source.unknown_zone.clone()),
                state: if suspect { BrokerState::Suspect } else { BrokerState::Live },
            };
            self.absent_since.remove(&b.id);
            out.insert(b.id, view);
        }
        drop(zones);
        self.keep_absent(&mut out);
        out
    }

    /// Brokers that left stay in the view for a while: clients pinned to them must find a living endpoint.
    fn keep_absent(&mut self, out: &mut BTreeMap<BrokerId, BrokerView>) {
        let before = self.views.borrow().clone();
        for (id, b) in before.brokers.iter().filter(|(id, _)| !out.contains_key(id)).collect::<Vec<_>>() {
            let since = *self.absent_since.entry(*id).or_insert_with(Instant::now);
            if since.elapsed() < KEEP_ABSENT {
                out.insert(*id, BrokerView { state: BrokerState::Absent, ..b.clone() });
            } else {
                self.absent_since.remove(id);
            }
        }
    }

    /// Publishes the view if it differs, then wakes sessions whose broker went or came.
    fn publish(&mut self, mut next: View) {
        let before = self.views.borrow().clone();
        if before.is_ready() && same(&before, &next) {
            return;
        }
        next.generation = before.generation + 1;
        let (next, before_brokers) = (Arc::new(next), &before.brokers);
        self.views.send_replace(next.clone());
        for (id, b) in &next.brokers {
            let was = before_brokers.get(id).map(|b| b.state);
            if was == Some(b.state) {
                continue;
            }
            let signals = self.handle.signals.of(*id);
            match b.state {
                BrokerState::Live => signals.up.notify_waiters(),
                BrokerState::Suspect | BrokerState::Absent => signals.down.notify_waiters(),
            }
            let (broker, zone) = (id.0, &b.zone);
            match b.state {
                BrokerState::Live => info!(broker, %zone, "the broker is live"),
                BrokerState::Suspect => warn!(broker, %zone, "the broker does not answer its pings"),
                BrokerState::Absent => warn!(broker, %zone, "the broker has left the cluster"),
            }
        }
    }
}

/// Asks about brokers and topics, over `connection` or, if that has ended meanwhile, over a new one: brokers end
/// connections for reasons of their own, and only a failure on a new one says something.
async fn ask(
    source: Arc<Source>,
    connection: Option<Connection>,
    known: Vec<(String, u16)>,
    names: &[String],
    ids: &[TopicId],
) -> Result<(Connection, Cluster), RefreshError> {
    if let Some(mut old) = connection
        && let Ok(cluster) = describe(&mut old, names, ids).await
    {
        return Ok((old, cluster));
    }
    let mut fresh = source.bootstrap.any(&known).await?;
    let cluster = describe(&mut fresh, names, ids).await?;
    Ok((fresh, cluster))
}

async fn describe(
    connection: &mut Connection,
    names: &[String],
    ids: &[TopicId],
) -> Result<Cluster, MetadataError> {
    let mut cluster = metadata::fetch(connection, Topics::Names(names)).await?;
    if ids.is_empty() {
        return Ok(cluster);
    }
    match metadata::fetch(connection, Topics::Ids(ids)).await {
        Ok(by_id) => cluster.topics.extend(by_id.topics),
        // Before Kafka 3.1 nobody can be asked by id, and no client fetches by it either.
        Err(MetadataError::Version { .. }) => {}
        Err(e) => return Err(e),
    }
    Ok(cluster)
}

fn live_addresses(view: &View) -> Vec<(String, u16)> {
    let live = view.brokers.values().filter(|b| b.state == BrokerState::Live);
    live.map(|b| (b.host.to_string(), b.port)).collect()
}

fn same(a: &View, b: &View) -> bool {
    a.cluster_id == b.cluster_id
        && a.brokers == b.brokers
        && a.topics == b.topics
        && a.topics_by_id == b.topics_by_id
}

fn topic_view(topic: &Topic) -> TopicView {
    let partitions = topic.partitions.iter().map(|p| {
        let leader = (p.leader.0 >= 0).then_some(p.leader);
        (p.index, PartitionView { leader, epoch: p.epoch, isr: p.isr.clone().into_boxed_slice() })
    });
    TopicView { name: topic.name.as_str().into(), id: topic.id, partitions: partitions.collect() }
}

impl View {
    /// A view made by hand, for tests of what is decided by one.
    #[cfg(test)]
    pub fn of(brokers: BTreeMap<BrokerId, BrokerView>, topics: Vec<TopicView>) -> Self {
        let topics: Vec<_> = topics.into_iter().map(Arc::new).collect();
        Self {
            generation: 1,
            cluster_id: None,
            brokers,
            topics: topics.iter().map(|t| (t.name.clone(), t.clone())).collect(),
            topics_by_id: topics.iter().map(|t| (t.id, t.clone())).collect(),
        }
    }
}
