//! Which topics the view must know: those that clients fetch. Not the whole cluster, which may be huge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use kafka::fetch::request::TopicRef;
use kafka::types::TopicId;

/// A topic's name or id, owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey {
    /// Its name.
    Name(Arc<str>),
    /// Its id.
    Id(TopicId),
}

impl From<TopicRef<'_>> for TopicKey {
    fn from(topic: TopicRef<'_>) -> Self {
        match topic {
            TopicRef::Name(name) => Self::Name(name.into()),
            TopicRef::Id(id) => Self::Id(id),
        }
    }
}

impl TopicKey {
    /// The same, borrowed.
    pub fn as_ref(&self) -> TopicRef<'_> {
        match self {
            Self::Name(name) => TopicRef::Name(name),
            Self::Id(id) => TopicRef::Id(*id),
        }
    }
}

/// At most this many topics are watched; fetches of others are relayed unsteered.
pub const TOPICS_MAX: usize = 50_000;
/// A topic that the cluster doesn't have is forgotten after this long, so that a wrong name costs nothing for ever.
const FORGET_MISSING_AFTER: Duration = Duration::from_secs(5 * 60);

/// The longest name a topic can have, bytes.
const NAME_MAX: usize = 249;

fn could_exist(topic: TopicRef<'_>) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    match topic {
        TopicRef::Name(name) => (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(legal),
        TopicRef::Id(id) => !id.is_zero(),
    }
}

/// The watched topics and when each was first asked for.
#[derive(Debug, Default)]
pub struct Interest(DashMap<TopicKey, Instant>);

impl Interest {
    /// Notes that a topic is being fetched. False if there are too many topics to watch this one too.
    ///
    /// Names that no topic can have (`org.apache.kafka.common.internals.Topic`) are never noted: brokers would end the
    /// connection over some of them.
    pub fn note(&self, topic: TopicRef<'_>) -> bool {
        if !could_exist(topic) {
            return false;
        }
        let key = TopicKey::from(topic);
        if self.0.len() >= TOPICS_MAX && !self.0.contains_key(&key) {
            return false;
        }
        self.0.entry(key).or_insert_with(Instant::now);
        true
    }

    /// The topics to watch now.
    pub fn current(&self) -> (Vec<String>, Vec<TopicId>) {
        let (mut names, mut ids) = (Vec::new(), Vec::new());
        for entry in &self.0 {
            match entry.key() {
                TopicKey::Name(name) => names.push(name.to_string()),
                TopicKey::Id(id) => ids.push(*id),
            }
        }
        (names, ids)
    }

    /// Forgets topics for which `missing` holds and that were noted a while ago.
    pub fn forget(&self, missing: impl Fn(&TopicKey) -> bool) {
        self.0.retain(|key, noted| noted.elapsed() < FORGET_MISSING_AFTER || !missing(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_that_can_exist_are_noted() {
        let interest = Interest::default();
        for name in ["", "a b", "a/b", "é", &"x".repeat(NAME_MAX + 1), &"x".repeat(40_000)] {
            assert!(!interest.note(TopicRef::Name(name)), "{name:.20}");
        }
        assert!(!interest.note(TopicRef::Id(TopicId::default())));
        assert!(interest.note(TopicRef::Name("orders.v1_EU-west")));
        assert!(interest.note(TopicRef::Id(TopicId([1; 16]))));
        assert_eq!(interest.current().0, ["orders.v1_EU-west"]);
    }

    #[test]
    fn past_the_bound_new_topics_are_left_out_and_those_watched_stay() {
        let interest = Interest::default();
        let id = |n: usize| TopicId((n as u128 + 1).to_be_bytes());
        assert!((0..TOPICS_MAX).all(|n| interest.note(TopicRef::Id(id(n)))));
        assert!(!interest.note(TopicRef::Id(id(TOPICS_MAX))) && !interest.note(TopicRef::Name("one-more")));
        assert!(interest.note(TopicRef::Id(id(7))), "it is watched already");
        assert_eq!(interest.current().1.len(), TOPICS_MAX);
    }
}
