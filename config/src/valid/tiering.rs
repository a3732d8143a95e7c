//! `tiering`: which topics move to the store, and when.

use std::path::PathBuf;
use std::time::Duration;

use crate::check::Check;
use crate::raw::tiering as raw;
use crate::tree::join;
use crate::{ByteSize, defaults, format_duration};

/// Which topics move to the store, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiering {
    /// Rules by topic name; the first that matches wins.
    pub topics: Vec<TopicRule>,
    /// When a segment is cut.
    pub segment: Segment,
    /// Bytes a second that this gateway copies to the store at most.
    pub upload_rate: Option<ByteSize>,
    /// What is kept near for reads.
    pub cache: Cache,
}

/// What happens to the topics whose names match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRule {
    /// Topic name; `*` stands for any run of characters, `?` for one.
    pub pattern: String,
    /// What stays on the brokers; both `None` only where nothing is trimmed.
    pub hot: Keep,
    /// The whole history, tier included; both `None`: for ever.
    pub retain: Keep,
    /// Whether brokers drop what the tier holds. `false`: copy only, brokers keep their own retention.
    pub trim: bool,
}

/// How much is kept; whichever bound is reached first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Age of the newest record kept no longer.
    pub time: Option<Duration>,
    /// Bytes per partition.
    pub bytes: Option<ByteSize>,
}

/// When a segment is cut; whichever bound is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Size.
    pub bytes: ByteSize,
    /// Age of its first record.
    pub age: Duration,
}

/// What is kept near for reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Bytes in memory.
    pub memory: ByteSize,
    /// And on disk.
    pub disk: Option<DiskCache>,
}

/// A cache directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskCache {
    /// The directory; made if missing.
    pub path: PathBuf,
    /// Bytes it may hold.
    pub bytes: ByteSize,
}

const MIB: u64 = 1024 * 1024;
/// Kafka's own bound for `segment.bytes` is an int32; below 1 MiB requests cost more than storage.
const SEGMENT_BYTES: (ByteSize, ByteSize) = (ByteSize(MIB), ByteSize(i32::MAX as u64));
const SEGMENT_AGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30 * 86_400));

impl Tiering {
    pub(crate) fn check(raw: &raw::Tiering, check: &mut Check<'_>) -> Self {
        if raw.topics.is_empty() {
            check.missing::<()>("tiering", "topics", "[{match: \"orders.*\"}]");
        }
        let topics = topic_rules(&raw.topics, check);
        let upload_rate = check.read("tiering", "upload_rate", &raw.upload_rate);
        if let Some(rate) = upload_rate.filter(|rate| rate.0 < MIB) {
            check.wrong(
                "tiering.upload_rate",
                format!("{rate} a second is less than a segment needs"),
                "write 1MiB or more",
            );
        }
        Self {
            topics,
            segment: Segment::check(&raw.segment, check),
            upload_rate,
            cache: Cache::check(&raw.cache, check),
        }
    }
}

fn topic_rules(raw: &[raw::TopicRule], check: &mut Check<'_>) -> Vec<TopicRule> {
    let mut rules: Vec<TopicRule> = Vec::new();
    for (n, raw) in raw.iter().enumerate() {
        let at = format!("tiering.topics[{n}]");
        let Some(rule) = TopicRule::check(raw, &at, check) else { continue };
        if rules.iter().any(|r| r.pattern == rule.pattern) {
            check.wrong(
                &join(&at, "match"),
                format!("`{}` stands above too, where it wins", rule.pattern),
                "keep one of them",
            );
        }
        rules.push(rule);
    }
    rules
}

impl TopicRule {
    /// Whether the rule is for a topic of this name.
    pub fn matches(&self, topic: &str) -> bool {
        matches(self.pattern.as_bytes(), topic.as_bytes())
    }

    fn check(raw: &raw::TopicRule, at: &str, check: &mut Check<'_>) -> Option<Self> {
        let pattern = check.need(at, "match", &raw.pattern, "\"orders.*\"");
        let pattern = pattern.filter(|pattern| sound_pattern(pattern, at, check));
        let hot = Keep::check(&raw.hot, &join(at, "hot"), check);
        let retain = Keep::check(&raw.retain, &join(at, "retain"), check);
        let trim = check.read(at, "trim", &raw.trim).unwrap_or(defaults::TRIM);
        if trim && raw.hot.time.is_none() && raw.hot.bytes.is_none() {
            check.missing::<()>(at, "hot", "{time: 2h}   # what stays on the brokers");
        }
        if trim {
            let text = "brokers will drop what the tier holds: clients that go round the gateway see a trimmed log, and may jump; \
                        begin with `trim: false`, and keep brokers' listeners closed to anybody but gateways";
            check.warn(&join(at, "trim"), text);
        }
        retain.check_against(hot, &join(at, "retain"), check);
        Some(Self { pattern: pattern?, hot, retain, trim })
    }
}

/// Whether `name` is what `pattern` stands for. Looks back to the last `*` only, so a name costs at most its length times the pattern's.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, n) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Kafka's characters for topic names (org.apache.kafka.common.internals.Topic), and the two wildcards.
fn sound_pattern(pattern: &str, at: &str, check: &mut Check<'_>) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-*?".contains(&b);
    let sound = pattern.len() <= 249 && pattern.bytes().all(legal);
    if !sound {
        let remedy = "write letters, digits, `.`, `_`, `-`, and the wildcards `*` and `?`; 249 at most";
        check.wrong(&join(at, "match"), format!("`{pattern}` matches no topic name"), remedy);
    }
    sound
}

impl Keep {
    fn check(raw: &raw::Keep, at: &str, check: &mut Check<'_>) -> Self {
        Self { time: check.read(at, "time", &raw.time), bytes: check.read(at, "bytes", &raw.bytes) }
    }

    /// The whole history can't be shorter than its newest part.
    fn check_against(self, hot: Self, at: &str, check: &mut Check<'_>) {
        if let Some((all, hot)) = self.time.zip(hot.time).filter(|(all, hot)| all < hot) {
            let reason = format!("{} is less than hot.time", format_duration(all));
            check.wrong(&join(at, "time"), reason, format!("write {} at least", format_duration(hot)));
        }
        if let Some((all, hot)) = self.bytes.zip(hot.bytes).filter(|(all, hot)| all < hot) {
            check.wrong(
                &join(at, "bytes"),
                format!("{all} is less than hot.bytes"),
                format!("write {hot} at least"),
            );
        }
    }
}

impl Segment {
    fn check(raw: &raw::Segment, check: &mut Check<'_>) -> Self {
        let (at, default) = ("tiering.segment", defaults::SEGMENT);
        let bytes =
            check.bounded((at, "bytes"), &raw.bytes, default.bytes, SEGMENT_BYTES, ByteSize::to_string);
        let age = check.bounded((at, "age"), &raw.age, default.age, SEGMENT_AGE, |age| format_duration(*age));
        Self { bytes, age }
    }
}

impl Cache {
    fn check(raw: &raw::Cache, check: &mut Check<'_>) -> Self {
        let memory = check.read("tiering.cache", "memory", &raw.memory).unwrap_or(defaults::CACHE_MEMORY);
        let disk = raw.disk.as_ref().and_then(|disk| DiskCache::check(disk, check));
        Self { memory, disk }
    }
}

impl DiskCache {
    fn check(raw: &raw::DiskCache, check: &mut Check<'_>) -> Option<Self> {
        let at = "tiering.cache.disk";
        let path = check.need(at, "path", &raw.path, "/var/cache/tidegate");
        let bytes = check.need(at, "bytes", &raw.bytes, "50GiB");
        let path = path.map(|path| check.resolve(path));
        if let Some(path) = path.as_ref().filter(|path| path.exists() && !path.is_dir()) {
            let reason = format!("{} is not a directory", path.display());
            check.wrong(&join(at, "path"), reason, "name a directory; it is made if missing");
        }
        Some(Self { path: path?, bytes: bytes? })
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_run_of_characters_and_a_question_mark_for_one() {
        let is = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        assert!(
            is("orders.*", "orders.eu")
                && is("*", "x")
                && is("a*b*c", "aXbYbc")
                && is("t?", "t1")
                && is("*x", "xx")
        );
        assert!(!is("orders.*", "orders") && !is("t?", "t") && !is("a*b", "ac") && !is("", "a"));
    }
}
