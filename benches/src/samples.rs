//! Measurements in the long form: one number a line, as the raw file keeps them, and what tables make of them.

use serde::Serialize;

use crate::candidate::Kind;
use crate::stats::{Summary, summary};

/// What was measured through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum Subject {
    /// A relay.
    Relay(Kind),
    /// Nothing: straight to the broker.
    Direct(Direct),
}

/// The one way around all relays; a type of its own so that the raw file says `"direct"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direct {
    /// Straight to the broker.
    Direct,
}

/// Straight to the broker.
pub const DIRECT: Subject = Subject::Direct(Direct::Direct);

impl Subject {
    /// As tables say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relay(kind) => kind.name(),
            Self::Direct(_) => "direct",
        }
    }
}

impl From<Kind> for Subject {
    fn from(kind: Kind) -> Self {
        Self::Relay(kind)
    }
}

/// One number.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Row of the table, e.g. a cell of the synthetic load.
    pub row: String,
    /// What it was measured through.
    pub subject: Subject,
    /// Quantity with its unit, e.g. `cpu_s_per_gb`.
    pub metric: &'static str,
    /// Round, from 0.
    pub round: usize,
    /// The number.
    pub value: f64,
}

/// All numbers of one part.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Adds one.
    pub fn push(
        &mut self,
        row: impl Into<String>,
        subject: impl Into<Subject>,
        metric: &'static str,
        round: usize,
        value: f64,
    ) {
        self.0.push(Sample { row: row.into(), subject: subject.into(), metric, round, value });
    }

    /// The value of one round.
    fn of_round(&self, row: &str, subject: Subject, metric: &str, round: usize) -> Option<f64> {
        self.matching(row, subject, metric).find(|s| s.round == round).map(|s| s.value)
    }

    fn matching<'a>(
        &'a self,
        row: &'a str,
        subject: Subject,
        metric: &'a str,
    ) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |s| s.row == row && s.subject == subject && s.metric == metric)
    }

    /// All rounds of one number.
    pub fn summary(&self, row: &str, subject: impl Into<Subject>, metric: &str) -> Option<Summary> {
        let values: Vec<f64> = self.matching(row, subject.into(), metric).map(|s| s.value).collect();
        summary(&values)
    }

    /// All that was measured of one quantity, whatever it was measured through.
    pub fn overall(&self, metric: &str) -> Option<Summary> {
        let values: Vec<f64> = self.0.iter().filter(|s| s.metric == metric).map(|s| s.value).collect();
        summary(&values)
    }

    /// `subject` over `reference`, each round by itself: what the machine did in a round, it did to both.
    pub fn ratio(
        &self,
        row: &str,
        metric: &str,
        subject: impl Into<Subject>,
        reference: impl Into<Subject>,
    ) -> Option<Summary> {
        let reference = reference.into();
        self.paired(row, metric, subject.into(), |value, round| {
            self.of_round(row, reference, metric, round).map(|base| value / base)
        })
    }

    /// `subject` less `reference`, each round by itself.
    pub fn difference(
        &self,
        row: &str,
        metric: &str,
        subject: impl Into<Subject>,
        reference: impl Into<Subject>,
    ) -> Option<Summary> {
        let reference = reference.into();
        self.paired(row, metric, subject.into(), |value, round| {
            self.of_round(row, reference, metric, round).map(|base| value - base)
        })
    }

    fn paired(
        &self,
        row: &str,
        metric: &str,
        subject: Subject,
        pair: impl Fn(f64, usize) -> Option<f64>,
    ) -> Option<Summary> {
        let values: Vec<f64> =
            self.matching(row, subject, metric).filter_map(|s| pair(s.value, s.round)).collect();
        summary(&values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_compares_only_measurements_of_the_same_round() {
        let mut samples = Samples::default();
        for (round, (ours, theirs)) in [(1.0, 2.0), (30.0, 10.0), (5.0, 5.0)].into_iter().enumerate() {
            samples.push("p/1K/1", Kind::Tidegate, "cpu", round, ours);
            samples.push("p/1K/1", Kind::Haproxy, "cpu", round, theirs);
        }
        samples.push("p/1K/1", Kind::Tidegate, "cpu", 3, 1000.0);
        let ratio = samples.ratio("p/1K/1", "cpu", Kind::Tidegate, Kind::Haproxy).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max, ratio.n), (1.0, 0.5, 3.0, 3));
    }
}
