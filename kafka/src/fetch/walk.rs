//! Walks a Fetch answer by its lengths while it streams past, never holding its records.
//!
//! A frame's length goes out before its body, so what is changed here keeps its length: a partition's
//! error becomes "no error, no records", a session id becomes 0, and the leader endpoints (KIP-951), which
//! stand in a tagged field at the very end, get an unknown tag number and zeroes for content. Clients skip unknown
//! tags (KIP-482) and refresh their metadata instead. Small answers are held and rewritten elsewhere.
//!
//! The walker takes whole fields only: bytes of a field that is cut by the end of the buffer stay with the
//! caller, who brings them again in front of what follows.

use crate::fetch::request::{TopicRef, VERSION_TOPIC_IDS};
use crate::types::{Partition, TopicId};
use crate::wire::{Reader, Result, WireError};

/// An unknown tag number that fits in one byte, as tag 0 does.
const HIDDEN_TAG: u8 = 0x7f;

/// The fixed front of a partition's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionHead {
    /// Its index.
    pub partition: Partition,
    /// Its error code; 0 is none.
    pub error: i16,
    /// High watermark, -1 with errors.
    pub high_watermark: i64,
}

/// What the caller wants changed, and what it wants to know.
pub trait Policy {
    /// The session id the client shall see in place of `session_id`.
    fn session(&mut self, session_id: i32) -> i32 {
        session_id
    }
    /// The error code the client shall see for this partition.
    fn partition(&mut self, topic: TopicRef<'_>, head: PartitionHead) -> i16;
}

/// Where in the answer the walker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Header,
    Top,
    Topic,
    Partition,
    Aborted {
        left: usize,
    },
    BeforeRecords,
    /// Tags of a partition, a topic or the whole answer: how many are still to come.
    Tags {
        of: Of,
        left: Option<u32>,
    },
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Partition,
    Topic,
    Answer,
}

#[derive(Debug)]
enum Topic {
    Name(String),
    Id(TopicId),
}

/// The walker over one answer's payload (from its correlation id on).
#[derive(Debug)]
pub struct Walker {
    version: i16,
    at: At,
    skip: usize,
    /// Set while the payload of the endpoints' tag is skipped: it is blanked.
    blanking: bool,
    /// Set while a partition whose error was hidden is walked: its records must not be null.
    hid: bool,
    topics_left: usize,
    partitions_left: usize,
    topic: Topic,
}

impl Walker {
    /// A walker for an answer of this version (4 to 18).
    pub fn new(version: i16) -> Self {
        Self {
            version,
            at: At::Header,
            skip: 0,
            blanking: false,
            hid: false,
            topics_left: 0,
            partitions_left: 0,
            topic: Topic::Name(String::new()),
        }
    }

    fn flexible(&self) -> bool {
        self.version >= 12
    }

    /// Whether the answer has been walked to its end.
    pub fn is_done(&self) -> bool {
        self.at == At::End && self.skip == 0
    }

    /// Walks as far as whole fields go; returns how many bytes are settled and may be passed on.
    ///
    /// # Errors
    /// Lengths that cannot be, or bytes behind the end.
    pub fn feed(&mut self, bytes: &mut [u8], policy: &mut dyn Policy) -> Result<usize> {
        let mut pos = 0;
        loop {
            let passed = self.skip.min(bytes.len() - pos);
            if self.blanking {
                bytes[pos..pos + passed].fill(0);
            }
            (self.skip, pos) = (self.skip - passed, pos + passed);
            if self.skip > 0 || pos == bytes.len() {
                return Ok(pos);
            }
            self.blanking = false;
            match self.field(&mut bytes[pos..], policy) {
                Ok(n) => pos += n,
                Err(WireError::Truncated { .. }) => return Ok(pos),
                Err(e) => return Err(e),
            }
        }
    }

    /// Takes one whole field (or a few of fixed size) from the front.
    fn field(&mut self, bytes: &mut [u8], policy: &mut dyn Policy) -> Result<usize> {
        match self.at {
            At::Header => self.header(bytes),
            At::Top => self.top(bytes, policy),
            At::Topic => self.topic(bytes),
            At::Partition => self.partition(bytes, policy),
            At::Aborted { left } => self.aborted(bytes, left),
            At::BeforeRecords => self.before_records(bytes),
            At::Tags { of, left } => self.tags(bytes, of, left),
            At::End => Err(WireError::Trailing { at: 0, left: bytes.len() }),
        }
    }

    fn header(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        r.i32()?;
        r.skip_tags(self.flexible())?;
        self.at = At::Top;
        Ok(r.position())
    }

    fn top(&mut self, bytes: &mut [u8], policy: &mut dyn Policy) -> Result<usize> {
        let mut r = Reader::new(bytes);
        r.i32()?;
        let session = if self.version >= 7 { Some((r.i16()?, r.position(), r.i32()?)) } else { None };
        self.topics_left = count(&mut r, self.flexible())?;
        let end = r.position();
        if let Some((_, at, id)) = session {
            bytes[at..at + 4].copy_from_slice(&policy.session(id).to_be_bytes());
        }
        self.next_topic();
        Ok(end)
    }

    fn topic(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        let topic = match self.version >= VERSION_TOPIC_IDS {
            true => Topic::Id(TopicId(r.uuid()?)),
            false => Topic::Name(r.string(self.flexible())?.to_owned()),
        };
        self.partitions_left = count(&mut r, self.flexible())?;
        self.topic = topic;
        self.next_partition();
        Ok(r.position())
    }

    fn partition(&mut self, bytes: &mut [u8], policy: &mut dyn Policy) -> Result<usize> {
        let mut r = Reader::new(bytes);
        let partition = Partition(r.i32()?);
        let error_at = r.position();
        let head = PartitionHead { partition, error: r.i16()?, high_watermark: r.i64()? };
        r.skip(if self.version >= 5 { 16 } else { 8 })?;
        let aborted = count(&mut r, self.flexible())?;
        let end = r.position();
        let topic = match &self.topic {
            Topic::Name(name) => TopicRef::Name(name),
            Topic::Id(id) => TopicRef::Id(*id),
        };
        let shown = policy.partition(topic, head);
        self.hid = shown != head.error;
        bytes[error_at..error_at + 2].copy_from_slice(&shown.to_be_bytes());
        self.at = At::Aborted { left: aborted };
        Ok(end)
    }

    fn aborted(&mut self, bytes: &[u8], left: usize) -> Result<usize> {
        if left == 0 {
            self.at = At::BeforeRecords;
            return Ok(0);
        }
        let mut r = Reader::new(bytes);
        r.skip(16)?;
        r.skip_tags(self.flexible())?;
        self.at = At::Aborted { left: left - 1 };
        Ok(r.position())
    }

    fn before_records(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        if self.version >= 11 {
            r.i32()?;
        }
        let length_at = r.position();
        self.skip = count(&mut r, self.flexible())?;
        let end = r.position();
        if self.hid && self.skip == 0 {
            // Old brokers send null with an error; with "no error" librdkafka takes null for a protocol error.
            let zero: &[u8] = if self.flexible() { &[1] } else { &[0; 4] };
            if end - length_at == zero.len() {
                bytes[length_at..end].copy_from_slice(zero);
            }
        }
        self.at = self.tags_of(Of::Partition);
        Ok(end)
    }

    fn tags(&mut self, bytes: &mut [u8], of: Of, left: Option<u32>) -> Result<usize> {
        let mut r = Reader::new(bytes);
        let Some(left) = left else {
            let n = r.uvarint()?;
            self.after_tag(of, n);
            return Ok(r.position());
        };
        let tag = r.uvarint()?;
        let size = r.uvarint()? as usize;
        let end = r.position();
        if of == Of::Answer && tag == 0 {
            // Over a number of needless length too: 0x80 0x00 is 0 as well.
            bytes[0] |= HIDDEN_TAG;
            self.blanking = true;
        }
        self.skip = size;
        self.after_tag(of, left - 1);
        Ok(end)
    }

    fn tags_of(&mut self, of: Of) -> At {
        if self.flexible() {
            return At::Tags { of, left: None };
        }
        self.at = At::End;
        self.after_tag(of, 0);
        self.at
    }

    fn after_tag(&mut self, of: Of, left: u32) {
        match (left, of) {
            (0, Of::Partition) => self.next_partition(),
            (0, Of::Topic) => self.next_topic(),
            (0, Of::Answer) => self.at = At::End,
            _ => self.at = At::Tags { of, left: Some(left) },
        }
    }

    fn next_partition(&mut self) {
        if self.partitions_left == 0 {
            self.at = self.tags_of(Of::Topic);
        } else {
            self.partitions_left -= 1;
            self.at = At::Partition;
        }
    }

    fn next_topic(&mut self) {
        if self.topics_left == 0 {
            self.at = self.tags_of(Of::Answer);
        } else {
            self.topics_left -= 1;
            self.at = At::Topic;
        }
    }
}

/// An array's count or a byte field's length; null counts as 0. Nothing is allocated by it, so it need not be held
/// against what is there: the frame's own length bounds it.
fn count(r: &mut Reader<'_>, flexible: bool) -> Result<usize> {
    let at = r.position();
    let n = if flexible { i64::from(r.uvarint()?) - 1 } else { i64::from(r.i32()?) };
    match n {
        -1 => Ok(0),
        n if n < -1 => Err(WireError::Length { at, value: n }),
        n => Ok(n as usize),
    }
}
