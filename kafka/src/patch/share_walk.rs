//! Walks a ShareFetch answer by its lengths while it streams past, never holding its records.
//!
//! A frame's length goes out before its body, so what is changed here keeps its length. The node endpoints, a plain
//! array at the end of the body, become an empty array and an unknown tagged field (KIP-482) of zeroes that fills
//! their place; clients skip it and refresh their metadata instead. A leader named beside an error loses its name with
//! them: without its endpoint it is worse than none. Small answers are held and rewritten elsewhere
//! ([`super::share`]).
//!
//! As in [`crate::fetch::walk`], whole fields only are taken: bytes of a field that is cut by the end of the buffer
//! stay with the caller, who brings them again in front of what follows.

use crate::wire::{Reader, Result, WireError, put_uvarint};

/// The tag number of what is hidden: unknown to any version, one byte long.
const HIDDEN_TAG: u32 = 0x7f;
/// The same in two bytes, for the lengths that a tag with a number of one byte can't fill.
const HIDDEN_WIDE_TAG: u32 = 0xff;
/// The least bytes of an endpoint (id, empty host, port, null rack, no tags), between its array's count and the
/// answer's own tags.
const ENDPOINTS_MIN: usize = 1 + (4 + 1 + 4 + 1 + 1) + 1;
/// A range of acquired records without its tags: first and last offset, delivery count.
const ACQUIRED: usize = 8 + 8 + 2;
/// "Nobody", for a leader's id and epoch.
const NOBODY: [u8; 8] = [0xff; 8];

/// Where in the answer the walker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Header,
    Top,
    Topic,
    Partition,
    AckError,
    Leader,
    /// Tags: how many are still to come, and what stands behind them.
    Tags(Option<u32>, After),
    Records,
    AcquiredCount,
    Acquired,
    Endpoints,
    End,
}

/// What stands behind a section of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Leader,
    Acquired,
    Partition,
    Topic,
    Answer,
}

/// The walker over one answer's payload (from its correlation id on).
#[derive(Debug)]
pub struct Walker {
    version: i16,
    at: At,
    /// Payload bytes that have not been settled yet.
    left: usize,
    /// Bytes that pass before the next field.
    skip: usize,
    /// Set while the endpoints' place is passed: it is blanked.
    blanking: bool,
    /// Whether the partition being walked has an error.
    failed: bool,
    topics_left: usize,
    partitions_left: usize,
    acquired_left: usize,
}

impl Walker {
    /// A walker for an answer of this version (0 to 2) whose payload is `len` bytes long.
    pub fn new(version: i16, len: usize) -> Self {
        Self {
            version,
            at: At::Header,
            left: len,
            skip: 0,
            blanking: false,
            failed: false,
            topics_left: 0,
            partitions_left: 0,
            acquired_left: 0,
        }
    }

    /// Whether the answer has been walked to its end.
    pub fn is_done(&self) -> bool {
        self.at == At::End && self.left == 0
    }

    /// Walks as far as whole fields go; returns how many bytes are settled and may be passed on. No more than the
    /// payload's bytes may be fed.
    ///
    /// # Errors
    /// Lengths that cannot be, or bytes behind the end.
    pub fn feed(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let mut pos = 0;
        loop {
            let passed = self.skip.min(bytes.len() - pos);
            if self.blanking {
                bytes[pos..pos + passed].fill(0);
            }
            (self.skip, pos) = (self.skip - passed, pos + passed);
            self.left = self.left.saturating_sub(passed);
            if self.skip > 0 || pos == bytes.len() {
                return Ok(pos);
            }
            match self.field(&mut bytes[pos..]) {
                Ok(n) => (self.left, pos) = (self.left.saturating_sub(n), pos + n),
                Err(WireError::Truncated { .. }) => return Ok(pos),
                Err(e) => return Err(e),
            }
        }
    }

    /// Takes one whole field (or a few of fixed size) from the front.
    fn field(&mut self, bytes: &mut [u8]) -> Result<usize> {
        match self.at {
            At::Header => self.header(bytes),
            At::Top => self.top(bytes),
            At::Topic => self.topic(bytes),
            At::Partition => self.partition(bytes),
            At::AckError => self.ack_error(bytes),
            At::Leader => self.leader(bytes),
            At::Tags(left, after) => self.tags(bytes, left, after),
            At::Records => self.records(bytes),
            At::AcquiredCount => self.acquired_count(bytes),
            At::Acquired => self.acquired(bytes),
            At::Endpoints => self.endpoints(bytes),
            At::End => Err(WireError::Trailing { at: 0, left: bytes.len() }),
        }
    }

    fn header(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        r.i32()?;
        r.skip_tags(true)?;
        self.at = At::Top;
        Ok(r.position())
    }

    fn top(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        r.skip(4 + 2)?; // throttle time, error code
        r.string_bytes(true)?; // error message
        r.skip(if self.version >= 1 { 4 } else { 0 })?; // lock timeout
        self.topics_left = count(&mut r)?;
        self.next_topic();
        Ok(r.position())
    }

    fn topic(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        r.uuid()?;
        self.partitions_left = count(&mut r)?;
        self.next_partition();
        Ok(r.position())
    }

    fn partition(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        r.i32()?; // index
        let error = r.i16()?;
        r.string_bytes(true)?;
        (self.failed, self.at) = (error != 0, At::AckError);
        Ok(r.position())
    }

    fn ack_error(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        let error = r.i16()?;
        r.string_bytes(true)?;
        (self.failed, self.at) = (self.failed || error != 0, At::Leader);
        Ok(r.position())
    }

    fn leader(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let Some(leader) = bytes.get_mut(..NOBODY.len()) else {
            return Err(WireError::Truncated { at: 0, needed: NOBODY.len(), left: bytes.len() });
        };
        if self.failed {
            leader.copy_from_slice(&NOBODY);
        }
        self.at = At::Tags(None, After::Leader);
        Ok(NOBODY.len())
    }

    fn records(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        self.skip = count(&mut r)?;
        self.at = At::AcquiredCount;
        Ok(r.position())
    }

    fn acquired_count(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        self.acquired_left = count(&mut r)?;
        self.next_acquired();
        Ok(r.position())
    }

    fn acquired(&mut self, bytes: &[u8]) -> Result<usize> {
        Reader::new(bytes).skip(ACQUIRED)?;
        self.at = At::Tags(None, After::Acquired);
        Ok(ACQUIRED)
    }

    fn tags(&mut self, bytes: &[u8], left: Option<u32>, after: After) -> Result<usize> {
        let mut r = Reader::new(bytes);
        let left = match left {
            None => r.uvarint()?,
            Some(left) => {
                r.uvarint()?;
                self.skip = r.uvarint()? as usize;
                left - 1
            }
        };
        match left {
            0 => self.behind(after),
            _ => self.at = At::Tags(Some(left), after),
        }
        Ok(r.position())
    }

    fn behind(&mut self, after: After) {
        match after {
            After::Leader => self.at = At::Records,
            After::Acquired => self.next_acquired(),
            After::Partition => self.next_partition(),
            After::Topic => self.next_topic(),
            After::Answer => self.at = At::End,
        }
    }

    fn next_acquired(&mut self) {
        if self.acquired_left == 0 {
            self.at = At::Tags(None, After::Partition);
        } else {
            self.acquired_left -= 1;
            self.at = At::Acquired;
        }
    }

    fn next_partition(&mut self) {
        if self.partitions_left == 0 {
            self.at = At::Tags(None, After::Topic);
        } else {
            self.partitions_left -= 1;
            self.at = At::Partition;
        }
    }

    fn next_topic(&mut self) {
        if self.topics_left == 0 {
            self.at = At::Endpoints;
        } else {
            self.topics_left -= 1;
            self.at = At::Topic;
        }
    }

    /// The endpoints and all that follows them, which this walker's versions leave empty but for tags they don't know.
    fn endpoints(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let mut r = Reader::new(bytes);
        let nodes = count(&mut r)?;
        if nodes == 0 {
            self.at = At::Tags(None, After::Answer);
            return Ok(r.position());
        }
        if self.left < ENDPOINTS_MIN {
            return Err(WireError::Length { at: 0, value: nodes as i64 });
        }
        let hidden = hidden_front(self.left);
        let Some(front) = bytes.get_mut(..hidden.len()) else {
            return Err(WireError::Truncated { at: 0, needed: hidden.len(), left: bytes.len() });
        };
        front.copy_from_slice(&hidden);
        (self.skip, self.blanking, self.at) = (self.left - hidden.len(), true, At::End);
        Ok(hidden.len())
    }
}

/// The front of `len` bytes (at least [`ENDPOINTS_MIN`]) that read as no endpoints, and one unknown tag to the end.
fn hidden_front(len: usize) -> Vec<u8> {
    // Where a size grows by a byte, one length can't be filled: there the tag's number takes two.
    let one = len - 3;
    let (tag, size) = match size_filling(one) {
        Some(size) => (HIDDEN_TAG, size),
        None => (HIDDEN_WIDE_TAG, size_filling(one - 1).expect("only one length in a row can't be filled")),
    };
    let mut front = vec![1, 1];
    put_uvarint(&mut front, tag);
    put_uvarint(&mut front, size as u32);
    front
}

/// The size that, written before as many bytes, fills `room` (5 and up) exactly.
fn size_filling(room: usize) -> Option<usize> {
    let varint_len = |value: usize| (1..5).find(|n| value >> (7 * n) == 0).unwrap_or(5);
    (1..=5).map(|n| room - n).find(|size| varint_len(*size) + size == room)
}

/// An array's count or a byte field's length; null counts as 0. Nothing is allocated by it, so it need not be held
/// against what is there: the frame's own length bounds it.
fn count(r: &mut Reader<'_>) -> Result<usize> {
    Ok((r.uvarint()? as usize).saturating_sub(1))
}
