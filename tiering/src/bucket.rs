//! The bucket as it stands, without a gateway and without a cluster: what is in it, and how to change it by hand.

use std::sync::Arc;
use std::time::Duration;

use kafka::types::{Partition, TopicId};
use store::register::Register;
use store::{Key, Meta, Mode, SharedStore};

use crate::PartitionId;
use crate::layout::{Layout, Life, Marker, marker_body};
use crate::manifest::Manifest;
use crate::read::ReadError;
use crate::tier;

/// A topic in the bucket.
#[derive(Clone, Debug)]
pub struct TopicInBucket {
    /// Its id.
    pub id: TopicId,
    /// Its name and life.
    pub marker: Marker,
    /// Whether its offloading is paused.
    pub paused: bool,
    /// The newest manifests of its partitions.
    pub partitions: Vec<Arc<Manifest>>,
}

/// The clusters that have something in the bucket: one small listing per first segment of a key.
///
/// # Errors
/// The store.
pub async fn clusters(store: &SharedStore) -> Result<Vec<String>, store::Error> {
    let (mut out, mut after) = (Vec::new(), None::<Key>);
    loop {
        let next = store.list("", after.as_ref(), 1).await?;
        let Some(first) =
            next.first().and_then(|meta| meta.key.as_str().split('/').next()).map(str::to_owned)
        else {
            return Ok(out);
        };
        if !store.list(&format!("{first}/topics/"), None, 1).await?.is_empty() {
            out.push(first.clone());
        }
        // `~` sorts behind everything in it.
        after = Key::new(&format!("{first}/~"));
    }
}

/// Topics whose name is `name`, or all, with their manifests.
///
/// # Errors
/// The store; or what is there is no manifest.
pub async fn topics(
    store: &SharedStore,
    layout: &Layout,
    name: Option<&str>,
) -> Result<Vec<TopicInBucket>, ReadError> {
    let mut out = Vec::new();
    for (id, marker) in tier::topics(store, layout).await? {
        if name.is_some_and(|name| name != marker.name) {
            continue;
        }
        let mut partitions = Vec::new();
        for partition in tier::partitions(store, layout, id).await? {
            partitions.extend(manifest(store, layout, PartitionId { topic: id, partition }).await?);
        }
        let paused = store.head(&layout.paused(id)).await.is_ok();
        out.push(TopicInBucket { id, marker, paused, partitions });
    }
    out.sort_by(|a, b| a.marker.name.cmp(&b.marker.name));
    Ok(out)
}

/// A partition's newest manifest.
///
/// # Errors
/// The store; or what is there is no manifest.
pub async fn manifest(
    store: &SharedStore,
    layout: &Layout,
    p: PartitionId,
) -> Result<Option<Arc<Manifest>>, ReadError> {
    let version = Register::new(store.clone(), layout.manifests(p)).read_newest(None).await?;
    let Some(version) = version.filter(|v| !v.body.is_empty()) else { return Ok(None) };
    let manifest = Manifest::decode(&version.body).map_err(|e| ReadError::Damaged(e.to_string()))?;
    Ok(Some(Arc::new(manifest)))
}

/// Pauses a topic's offloading, or lets it go on. Gateways see it within seconds.
///
/// # Errors
/// The store.
pub async fn pause(
    store: &SharedStore,
    layout: &Layout,
    topic: TopicId,
    paused: bool,
) -> Result<(), store::Error> {
    let key = layout.paused(topic);
    match paused {
        true => store.put(&key, "paused\n".into(), Mode::Overwrite).await,
        false => store.delete(&[key]).await,
    }
}

impl TopicInBucket {
    /// Bytes of its segments.
    pub fn bytes(&self) -> u64 {
        self.partitions.iter().map(|m| m.bytes()).sum()
    }

    /// How many segments it has.
    pub fn segments(&self) -> usize {
        self.partitions.iter().map(|m| m.segments()).sum()
    }
}

/// Every object that a topic has, its manifests and its marker included: name and bytes.
///
/// # Errors
/// The store.
pub async fn objects(
    store: &SharedStore,
    layout: &Layout,
    topic: TopicId,
) -> Result<Vec<Meta>, store::Error> {
    let prefix = layout.topic_prefix(PartitionId { topic, partition: Partition(0) });
    store::list_all(&**store, &prefix).await
}

/// Forgets a topic that its cluster has deleted. Its marker says so first, so that a run that was cut short can be told from
/// one that never was, and goes last.
///
/// # Errors
/// The store. What is left goes with the next try.
pub async fn forget(
    store: &SharedStore,
    layout: &Layout,
    topic: TopicId,
    name: &str,
) -> Result<usize, store::Error> {
    let p = PartitionId { topic, partition: Partition(0) };
    let marker = Marker { name: name.to_owned(), life: Life::Purging };
    store.put(&layout.topic(p), marker_body(&marker), Mode::Overwrite).await?;
    let keys: Vec<_> = objects(store, layout, topic).await?.into_iter().map(|meta| meta.key).collect();
    for batch in keys.chunks(store::LIST_MAX) {
        store.delete(batch).await?;
    }
    store.abort_uploads(&layout.topic_prefix(p), Duration::ZERO).await?;
    store.delete(&[layout.paused(topic), layout.topic(p)]).await?;
    Ok(keys.len())
}

#[cfg(test)]
mod tests {
    use store::Store;
    use store::memory::Memory;

    use super::*;
    use crate::testing::named;

    #[tokio::test]
    async fn a_forgotten_topic_leaves_nothing_and_its_neighbours_everything() {
        let memory = Memory::default();
        let store: SharedStore = Arc::new(memory.clone());
        let (layout, id) = (Layout::new("c").unwrap(), named().id);
        let other = PartitionId { topic: TopicId([8; 16]), ..id };
        for p in [id, other] {
            let marker = Marker { name: "t".to_owned(), life: Life::Live };
            store.put(&layout.topic(p), marker_body(&marker), Mode::Create).await.unwrap();
            let key = layout.partition(p).join("seg/x").unwrap();
            store.put(&key, "x".into(), Mode::Create).await.unwrap();
        }
        pause(&store, &layout, id.topic, true).await.unwrap();
        assert_eq!(clusters(&store).await.unwrap(), vec!["c"]);
        assert_eq!(forget(&store, &layout, id.topic, "t").await.unwrap(), 1);
        let left: Vec<_> = memory.list("", None, 100).await.unwrap().into_iter().map(|m| m.key).collect();
        assert_eq!(left, vec![layout.partition(other).join("seg/x").unwrap(), layout.topic(other)]);
    }
}
