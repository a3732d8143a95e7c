//! Holds an answer to the truth.

use anyhow::{Result, ensure};
use kafka::batch::Batches;

use super::ask::{Fetched, Part, Question};
use super::log::Log;
use super::shown::shown;

const OFFSET_OUT_OF_RANGE: i16 = 1;
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;

/// What a partition must be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This error.
    Error(i16),
    /// No records.
    Nothing,
    /// Records, from the batch at this place on.
    From(usize),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it must be.
    Right,
    /// "Nothing new" or a hint where there is something: no lie, but a client has to ask again.
    AskAgain,
}

impl Log {
    /// What must be said to one partition of a question.
    pub fn expected(&self, q: &Question, part: &Part) -> Expected {
        match part.epoch {
            -1 => {}
            _ if q.version < 9 => {}
            epoch if epoch < self.epoch => return Expected::Error(FENCED_LEADER_EPOCH),
            epoch if epoch > self.epoch => return Expected::Error(UNKNOWN_LEADER_EPOCH),
            _ => {}
        }
        if part.offset < 0 || part.offset > self.high_watermark {
            return Expected::Error(OFFSET_OUT_OF_RANGE);
        }
        let place = self.place(part.offset);
        match self.batches.get(place).is_some_and(|b| b.base < self.bound(q)) {
            true => Expected::From(place),
            false => Expected::Nothing,
        }
    }

    /// Before which offset this question may be told of records.
    fn bound(&self, q: &Question) -> i64 {
        if q.isolation == 1 { self.last_stable } else { self.high_watermark }
    }

    /// Holds one partition's answer to the truth; an error says in what it differs. `first`: no partition before it in the answer has records.
    pub fn judge(&self, q: &Question, part: &Part, said: &Fetched, first: bool) -> Result<Verdict> {
        let expected = self.expected(q, part);
        if said.elsewhere >= 0 && said.error == 0 && said.records.is_empty() {
            return Ok(Verdict::AskAgain);
        }
        if said.error == 0 && said.records.is_empty() && expected != Expected::Nothing {
            // Behind a partition that has records there may be no room left.
            return Ok(if first || matches!(expected, Expected::Error(_)) {
                Verdict::AskAgain
            } else {
                Verdict::Right
            });
        }
        if let Expected::Error(error) = expected {
            ensure!(said.error == error, "error {} and not {error}", said.error);
            ensure!(said.records.is_empty(), "an error with records");
            return Ok(Verdict::Right);
        }
        ensure!(said.error == 0, "error {}", said.error);
        if said.high_watermark == -1 && said.records.is_empty() {
            return Ok(Verdict::AskAgain);
        }
        let (high, stable) = (self.high_watermark, self.last_stable);
        ensure!(said.high_watermark == high, "high watermark {} and not {high}", said.high_watermark);
        ensure!(said.last_stable == stable, "last stable offset {} and not {stable}", said.last_stable);
        ensure!(said.aborted.is_some() == (q.isolation == 1), "abort list {:?}", said.aborted);
        match expected {
            Expected::From(place) => self.judge_records(q, part, said, place, first)?,
            _ => ensure!(said.records.is_empty(), "{} bytes where there is nothing", said.records.len()),
        }
        Ok(Verdict::Right)
    }

    fn judge_records(
        &self,
        q: &Question,
        part: &Part,
        said: &Fetched,
        place: usize,
        first: bool,
    ) -> Result<()> {
        let begin = self.batches[place];
        let n = said.records.len();
        ensure!(
            self.bytes[begin.at..].starts_with(&said.records),
            "other bytes than the log's from {}",
            begin.base
        );
        ensure!(begin.at + n <= self.end_of(self.bound(q)), "records that are not for this reader yet");
        ensure!(n >= begin.size || !first, "{n} bytes, less than the one batch of {}", begin.size);
        let limit = part.max_bytes.min(q.max_bytes).max(0) as usize;
        ensure!(n <= limit.max(begin.size), "{n} bytes where {limit} were asked for");
        self.judge_shown(q, part, said, place)
    }

    /// Where in the bytes an offset that begins a batch stands.
    fn end_of(&self, offset: i64) -> usize {
        self.batches.get(self.place(offset)).map_or(self.bytes.len(), |b| b.at)
    }

    /// What a client shows is what it must be shown.
    fn judge_shown(&self, q: &Question, part: &Part, said: &Fetched, place: usize) -> Result<()> {
        let mut whole = Batches::new(&said.records);
        let count = whole.by_ref().count();
        let range = &self.batches[place..place + count];
        let wanted = range.iter().filter(|b| !(b.control || q.isolation == 1 && b.aborted));
        let wanted: Vec<i64> = wanted.map(|b| b.base).collect();
        let shown = shown(&said.records, said.aborted.as_deref());
        ensure!(
            shown == wanted,
            "at {} a client shows {shown:?} and not {wanted:?}; aborted: {:?}",
            part.offset,
            said.aborted
        );
        Ok(())
    }
}
