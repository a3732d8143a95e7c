//! Opens the tier once cluster and store answer, then surveys the cluster's topics again and again: what is new in the tier, and what this gateway is
//! to offload.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use config::{Config, Store, Tiering, Zone};
use dashmap::DashMap;
use kafka::client::log::topic_config;
use kafka::client::metadata::{self, Cluster, PartitionInfo, Topic, Topics};
use kafka::client::{Bootstrap, Connection, Dialer};
use kafka::types::{BrokerId, TopicId};
use store::SharedStore;
use store::wrap::{Class, Patience, Wrapped};
use tiering::PartitionId;
use tiering::duty::{Assignment, Duty, Ends};
use tiering::headroom::Retention;
use tiering::layout::Layout;
use tiering::offload::{Pace, Tools};
use tiering::read::Reader;
use tiering::source::brokers::{Brokers, NearBy};
use tiering::tier::Tier;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{self, Gateway};
use crate::tier::Ready;
use crate::tier::assign::{self, Candidate};
use crate::tier::meter::StoreCounts;

/// Between two surveys: the longest a dead gateway's partitions wait for another.
const SURVEY_EVERY: Duration = Duration::from_secs(3);
/// In one survey of so many, manifests that other gateways write are looked for: each costs a request. Sooner whenever a broker lacks an offset, or
/// somebody asks for the log's start or a time.
const REFRESH_ONE_IN: u32 = 10;
/// Pause after the store or the cluster could not be had.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// How long a topic's settings are believed.
const CONFIG_LASTS: Duration = Duration::from_secs(60);
/// Bytes in memory for a gateway that only serves what others tiered.
const CACHE_MEMORY: u64 = 64 << 20;
/// Manifests looked for at a time.
const AT_ONCE: usize = 16;

/// What is to be opened.
pub struct Plans {
    store: Store,
    tiering: Option<Tiering>,
    bootstrap: Bootstrap,
    dialer: Dialer,
}

/// Brokers in this gateway's zone.
#[derive(Debug)]
struct Near(Arc<Gateway>);

impl NearBy for Near {
    fn is_near(&self, broker: BrokerId) -> bool {
        self.0.cluster.view().zone_of(broker) == Some(&self.0.zone)
    }
}

impl Plans {
    /// The file's; `None` without a store.
    pub fn of(config: &Config, dialer: &Dialer) -> Option<Self> {
        Some(Self {
            store: config.store.clone()?,
            tiering: config.tiering.clone(),
            bootstrap: app::bootstrap(config, dialer),
            dialer: dialer.clone(),
        })
    }

    /// Opens the tier, then surveys until the gateway is to end. Work under way gets to the end of its step, but not
    /// beyond `stop`.
    pub async fn run(self, gateway: Arc<Gateway>, tasks: TaskTracker, stop: CancellationToken) {
        let leave = gateway.drain.asked().clone();
        let survey = async {
            let mut survey = loop {
                match self.open(&gateway, &tasks, &stop).await {
                    Ok(survey) => break survey,
                    Err(e) => tracing::error!(error = %format_args!("{e:#}"), "the tier can't be opened"),
                }
                tokio::time::sleep(RETRY_AFTER).await;
            };
            loop {
                if let Err(e) = survey.once(&gateway).await {
                    tracing::warn!(error = %format_args!("{e:#}"), "tiering: the cluster's topics can't be surveyed");
                }
                tokio::time::sleep(SURVEY_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = leave.cancelled() => {}
            () = survey => {}
        }
    }

    async fn open(
        &self,
        gateway: &Arc<Gateway>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> anyhow::Result<Survey<'_>> {
        let counts = Arc::new(StoreCounts::default());
        let wrapped = Wrapped::new(tiering::open::open(&self.store).await?, counts.clone());
        // Readers, uploads and the small records that everything hangs on each have room of their own.
        let handle = |class: Class| wrapped.handle(class.room(), Patience::default());
        let (cold, store, control) = (handle(Class::Cold), handle(Class::Upload), handle(Class::Control));
        store::probe::probe(&control).await.context("the store is not fit for tiering")?;
        let view = gateway
            .cluster
            .ready(Duration::from_secs(10))
            .await
            .context("the cluster has not answered yet")?;
        let cluster = view.cluster_id.clone().context("the cluster says no id")?;
        let source = Arc::new(Brokers::new(self.dialer.clone(), Box::new(Near(gateway.clone()))));
        let layout = Layout::new(&cluster)?;
        let rate = self.tiering.as_ref().and_then(|t| t.upload_rate).map(|rate| rate.0);
        let pace = Arc::new(Pace::new(rate));
        let tools = Tools { store, layout: layout.clone(), source: source.clone(), pace };
        let reader = self.reader(cold, &layout, tasks)?;
        let tier = Arc::new(Tier::new(control, layout, source.clone(), reader));
        let duty = Arc::new(Duty::new(tools.clone(), tier.clone(), &gateway.id));
        let (assigned, receiver) = watch::channel(Arc::default());
        let mut survey =
            Survey { plans: self, source, assigned, connection: None, configs: HashMap::new(), round: 0 };
        let cluster = survey.cluster().await?;
        survey.refresh(&tier, &duty, &cluster).await?;
        let ends = Ends { leave: gateway.drain.asked().clone(), stop: stop.clone() };
        tasks.spawn(duty.clone().run(receiver, tasks.clone(), ends));
        gateway.tier.set(Ready { tier, duty, tools, refused: DashMap::new(), counts });
        tracing::info!("the tier is open");
        Ok(survey)
    }
}

impl Plans {
    fn reader(&self, cold: SharedStore, layout: &Layout, tasks: &TaskTracker) -> anyhow::Result<Reader> {
        let cache = self.tiering.as_ref().map(|t| &t.cache);
        let memory = cache.map_or(CACHE_MEMORY, |c| c.memory.0);
        Ok(match cache.and_then(|c| c.disk.as_ref()) {
            Some(disk) => {
                Reader::with_disk(cold, layout.clone(), memory, (&disk.path, disk.bytes.0), tasks.clone())
                    .with_context(|| format!("tiering.cache.disk: {}", disk.path.display()))?
            }
            None => Reader::new(cold, layout.clone(), memory, tasks.clone()),
        })
    }
}

/// The settings of a topic that matter.
const SETTINGS: [&str; 3] = ["cleanup.policy", "retention.ms", "retention.bytes"];

/// What they say.
#[derive(Clone, Debug, Default)]
struct Settings {
    cleanup_policy: String,
    retention: Retention,
}

/// The survey's state.
struct Survey<'a> {
    plans: &'a Plans,
    source: Arc<Brokers>,
    assigned: watch::Sender<Arc<Vec<Assignment>>>,
    connection: Option<Connection>,
    /// Topics' cleanup policies and retention.
    configs: HashMap<TopicId, (Instant, Settings)>,
    round: u32,
}

impl Survey<'_> {
    async fn once(&mut self, gateway: &Gateway) -> anyhow::Result<()> {
        let Some(ready) = gateway.tier.get() else { return Ok(()) };
        let cluster = self.cluster().await?;
        let assigned = self.assign(gateway, ready, &cluster).await?;
        self.assigned.send_if_modified(|now| {
            let changed = **now != assigned;
            if changed {
                *now = Arc::new(assigned);
            }
            changed
        });
        self.refresh(&ready.tier, &ready.duty, &cluster).await
    }

    /// The whole cluster, and the source knows it.
    async fn cluster(&mut self) -> anyhow::Result<Arc<Cluster>> {
        let mut connection = match self.connection.take().filter(|c| !c.is_poisoned()) {
            Some(connection) => connection,
            None => self.plans.bootstrap.any(&[]).await?,
        };
        let cluster = Arc::new(metadata::fetch(&mut connection, Topics::All).await?);
        self.connection = Some(connection);
        self.source.update(cluster.clone());
        Ok(cluster)
    }

    /// Looks for newer manifests of everything that is in the tier and that this gateway doesn't write itself.
    async fn refresh(&mut self, tier: &Arc<Tier>, duty: &Duty, cluster: &Cluster) -> anyhow::Result<()> {
        let tiered = tier.topic_ids().await?;
        let all = self.round.is_multiple_of(REFRESH_ONE_IN);
        self.round = self.round.wrapping_add(1);
        let mut ids = Vec::new();
        for topic in cluster.topics.iter().filter(|t| tiered.contains(&t.id)) {
            ids.extend(topic.partitions.iter().map(|p| PartitionId { topic: topic.id, partition: p.index }));
        }
        // What this gateway writes itself may have been changed by another for a user's DeleteRecords.
        ids.retain(|id| all || (!duty.has(*id) && tier.manifest(*id).is_none()));
        let mut looking = tokio::task::JoinSet::new();
        for id in ids {
            if looking.len() >= AT_ONCE {
                looking.join_next().await;
            }
            let tier = tier.clone();
            // One that can't be read keeps no other from being read; its readers are told to try again.
            looking.spawn(async move {
                if let Err(e) = tier.refresh(id).await {
                    tracing::warn!(partition = %id, error = %e, "tier: a manifest can't be read");
                }
            });
        }
        while looking.join_next().await.is_some() {}
        Ok(())
    }

    async fn assign(
        &mut self,
        gateway: &Gateway,
        ready: &Ready,
        cluster: &Cluster,
    ) -> anyhow::Result<Vec<Assignment>> {
        let Some(tiering) = &self.plans.tiering else { return Ok(Vec::new()) };
        let paused = store::list_all(&*ready.tier.store, &ready.tools.layout.paused_topics()).await?;
        let is_paused = |id: TopicId| paused.iter().any(|m| m.key == ready.tools.layout.paused(id));
        let mut out = Vec::new();
        for topic in &cluster.topics {
            let Some(rule) = assign::rule_of(tiering, &topic.name).filter(|_| !is_paused(topic.id)) else {
                continue;
            };
            match self.settings(topic).await {
                Err(why) => note_refused(ready, topic, why),
                Ok(settings) => {
                    ready.refused.remove(&topic.name);
                    let ours = topic.partitions.iter().filter(|p| is_ours(gateway, topic, p));
                    out.extend(ours.map(|p| assign::assignment(tiering, rule, topic, p, settings.retention)));
                }
            }
        }
        Ok(out)
    }

    /// A topic's settings, or why it can't be tiered.
    async fn settings(&mut self, topic: &Topic) -> Result<Settings, String> {
        if topic.id.is_zero() {
            return Err("the cluster gives topics no ids: tiering needs Kafka 3.1 or newer".to_owned());
        }
        let known_before = self.configs.get(&topic.id).map(|(_, settings)| settings.clone());
        let known = self.configs.get(&topic.id).filter(|(at, _)| at.elapsed() < CONFIG_LASTS);
        let settings = match known {
            Some((_, settings)) => settings.clone(),
            None => {
                let connection = self.connection.as_mut().ok_or("nobody answers")?;
                let said = topic_config(connection, &topic.name, &SETTINGS).await;
                let settings = match (said, known_before) {
                    (Ok(config), _) => Settings::of(config),
                    // What is being moved goes on being moved by what was known.
                    (Err(_), Some(settings)) => settings,
                    (Err(e), None) => return Err(format!("its settings can't be read: {e}")),
                };
                self.configs.insert(topic.id, (Instant::now(), settings.clone()));
                settings
            }
        };
        match assign::refusal(&settings.cleanup_policy) {
            Some(why) => Err(why),
            None => Ok(settings),
        }
    }
}

impl Settings {
    fn of(config: Vec<(String, Option<String>)>) -> Self {
        let mut settings = Self::default();
        for (name, value) in config {
            let value = value.unwrap_or_default();
            match name.as_str() {
                "cleanup.policy" => settings.cleanup_policy = value,
                // -1, for ever, is no number of these.
                "retention.ms" => settings.retention.time = value.parse().ok().map(Duration::from_millis),
                "retention.bytes" => settings.retention.bytes = value.parse().ok(),
                _ => {}
            }
        }
        settings
    }
}

fn note_refused(ready: &Ready, topic: &Topic, why: String) {
    if ready.refused.insert(topic.name.clone(), why.clone()).as_ref() != Some(&why) {
        tracing::warn!(topic = %topic.name, reason = %why, "tiering: not tiered");
    }
}

/// Whether this gateway owns the partition among those of the fleet that live.
fn is_ours(gateway: &Gateway, topic: &Topic, p: &PartitionInfo) -> bool {
    let view = gateway.cluster.view();
    let near = |zone: &Zone| p.isr.iter().any(|b| view.zone_of(*b) == Some(zone));
    let settings = gateway.settings();
    let fleet = &settings.fleet;
    let known = fleet.peers();
    let peers = known.iter().filter(|peer| peer.is_alive());
    let peers = peers.map(|peer| Candidate { id: &peer.id, near: near(&peer.zone) });
    let all: Vec<_> = peers.chain([Candidate { id: &fleet.id, near: near(&fleet.zone) }]).collect();
    let id = PartitionId { topic: topic.id, partition: p.index };
    assign::owner(&all, id) == Some(&*fleet.id)
}
