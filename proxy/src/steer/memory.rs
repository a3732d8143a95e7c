//! What one connection remembers for steering. All of it expires, and none of it outlives the connection.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kafka::fetch::request::TopicRef;
use kafka::types::{BrokerId, Partition};

use crate::view::interest::TopicKey;

/// Between two hints for a partition: librdkafka complains of a second one sooner.
const HINT_EVERY: Duration = Duration::from_secs(60);
/// How long a follower that was in trouble is not asked for that partition.
const TROUBLE_LASTS: Duration = Duration::from_secs(10);
/// How long the broker's word that a principal may read a topic is believed.
const YES_LASTS: Duration = Duration::from_millis(1500);
/// Between two flushes of a session for no better reason than that the cluster changed.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// The same for sessions on a follower.
const FLUSH_FOLLOWER_EVERY: Duration = Duration::from_secs(5);
/// Entries of each kind. A consumer of more partitions than this is served the rest on behalf.
const ENTRIES_MAX: usize = 10_000;

type Key = (TopicKey, Partition);

/// The memory.
#[derive(Debug, Default)]
pub struct Memory {
    hints: HashMap<Key, Instant>,
    troubles: HashMap<(Key, BrokerId), Instant>,
    cold: HashMap<Key, Instant>,
    yes: HashMap<TopicKey, Instant>,
    session_generation: u64,
    flushed: Option<Instant>,
    granted: bool,
    unused_grants: u8,
}

impl Memory {
    /// Whether a hint may be given for this partition.
    pub fn may_hint(&self, topic: TopicRef<'_>, partition: Partition, now: Instant) -> bool {
        match self.hints.get(&(topic.into(), partition)) {
            Some(at) => *at + HINT_EVERY <= now,
            None => self.hints.len() < ENTRIES_MAX,
        }
    }

    /// Notes a hint.
    pub fn hinted(&mut self, topic: TopicRef<'_>, partition: Partition, now: Instant) {
        if self.hints.len() >= ENTRIES_MAX {
            self.hints.retain(|_, at| *at + HINT_EVERY > now);
        }
        self.hints.insert((topic.into(), partition), now);
    }

    /// Whether this follower was in trouble with this partition a moment ago.
    pub fn is_troubled(
        &self,
        topic: TopicRef<'_>,
        partition: Partition,
        broker: BrokerId,
        now: Instant,
    ) -> bool {
        if self.troubles.is_empty() {
            return false;
        }
        let noted = self.troubles.get(&((topic.into(), partition), broker));
        noted.is_some_and(|at| *at + TROUBLE_LASTS > now)
    }

    /// Whether any follower was in trouble a moment ago, or a broker lacked an offset that the tier may have.
    pub fn has_trouble(&self, now: Instant) -> bool {
        self.troubles.values().chain(self.cold.values()).any(|at| *at + TROUBLE_LASTS > now)
    }

    /// Whether a broker said a moment ago that it doesn't have the offset asked for, while the tier may.
    pub fn is_cold(&self, topic: TopicRef<'_>, partition: Partition, now: Instant) -> bool {
        !self.cold.is_empty()
            && self.cold.get(&(topic.into(), partition)).is_some_and(|at| *at + TROUBLE_LASTS > now)
    }

    /// Notes it.
    pub fn turned_cold(&mut self, topic: TopicRef<'_>, partition: Partition, now: Instant) {
        self.cold.retain(|_, at| *at + TROUBLE_LASTS > now);
        if self.cold.len() < ENTRIES_MAX {
            self.cold.insert((topic.into(), partition), now);
        }
    }

    /// Notes that a follower could not serve a partition.
    pub fn trouble(&mut self, topic: TopicRef<'_>, partition: Partition, broker: BrokerId, now: Instant) {
        self.troubles.retain(|_, at| *at + TROUBLE_LASTS > now);
        if self.troubles.len() < ENTRIES_MAX {
            self.troubles.insert(((topic.into(), partition), broker), now);
        }
    }

    /// Whether the broker said just now that this client may read the topic.
    pub fn may_read(&self, topic: TopicRef<'_>, now: Instant) -> bool {
        self.yes.get(&topic.into()).is_some_and(|at| *at + YES_LASTS > now)
    }

    /// Notes the broker's yes. A no is never noted.
    pub fn said_yes(&mut self, topic: TopicRef<'_>, now: Instant) {
        if self.yes.len() >= ENTRIES_MAX {
            self.yes.retain(|_, at| *at + YES_LASTS > now);
        }
        self.yes.insert(topic.into(), now);
    }

    /// Forgets every yes: the connection authenticates anew, perhaps as somebody else (KIP-368).
    pub fn forget_rights(&mut self) {
        self.yes.clear();
    }

    /// Whether the cluster has changed since the session was opened, and it was not flushed lately. A session on a
    /// follower is looked at more often: a follower that fell out of the ISR goes on answering, with nothing new.
    pub fn session_is_stale(&self, generation: u64, follows: bool, now: Instant) -> bool {
        let every = if follows { FLUSH_FOLLOWER_EVERY } else { FLUSH_EVERY };
        self.session_generation != generation && self.flushed.is_none_or(|at| at + every <= now)
    }

    /// Notes that a full fetch went to the broker under this generation of the view.
    pub fn session_opened(&mut self, generation: u64) {
        self.session_generation = generation;
        if self.granted {
            self.unused_grants = self.unused_grants.saturating_add(1);
        }
        self.granted = false;
    }

    /// Notes that the broker granted a session.
    pub fn session_granted(&mut self) {
        self.granted = true;
    }

    /// Notes that the client uses its session.
    pub fn session_continued(&mut self) {
        (self.granted, self.unused_grants) = (false, 0);
    }

    /// Notes a flush.
    pub fn flushed(&mut self, now: Instant) {
        self.flushed = Some(now);
    }

    /// Whether this client asks for a session each time and never uses one, as platformatic does: it would push
    /// everybody else's out of the broker's cache.
    pub fn never_continues(&self) -> bool {
        self.unused_grants >= 2
    }
}
