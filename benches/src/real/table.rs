//! What the numbers of the real part say.

use super::perf::RECORD;
use super::{ADDED, CONSUME, CPU, KINDS, PACED, PARTITIONS, PRODUCE, SPEED};
use crate::candidate::Kind;
use crate::report::{Goal, Section, Style, ratio_cell, value_cell};
use crate::samples::{DIRECT, Samples, Subject};

pub(super) fn section(samples: &Samples, records: u64, skipped: Vec<String>) -> Section {
    let mut table = Style::table([
        "way",
        "produce CPU-s/GB",
        "x HAProxy",
        "consume CPU-s/GB",
        "x HAProxy",
        "produce MB/s x direct",
        "consume MB/s x direct",
        "half load MB/s x direct",
        "p50 added, us",
    ]);
    let haproxy = Kind::Haproxy;
    for subject in std::iter::once(DIRECT).chain(KINDS.map(Subject::from)) {
        table.add_row([
            subject.name().to_owned(),
            value_cell(samples.summary(PRODUCE, subject, CPU), 2),
            ratio_cell(samples.ratio(PRODUCE, CPU, subject, haproxy)),
            value_cell(samples.summary(CONSUME, subject, CPU), 2),
            ratio_cell(samples.ratio(CONSUME, CPU, subject, haproxy)),
            ratio_cell(samples.ratio(PRODUCE, SPEED, subject, DIRECT)),
            ratio_cell(samples.ratio(CONSUME, SPEED, subject, DIRECT)),
            ratio_cell(samples.ratio(PACED, SPEED, subject, DIRECT)),
            value_cell(samples.summary(PACED, subject, ADDED), 0),
        ]);
    }
    let note = format!(
        "One Apache Kafka broker, RF 1, {PARTITIONS} partitions; ProducerPerformance ({RECORD} byte records, batch \
         128 KiB, acks=1) and ConsumerPerformance, {records} records a run, one warm-up round not counted. At half \
         load, probes of one 1 KiB record go directly and through the relay in turn: the difference of their medians. \
         Direct's own row there is the noise. As fast as it goes, two cores are the limit for broker, client and \
         relay together; at half load they are not."
    );
    let goals = [PRODUCE, CONSUME].map(|row| {
        let ours = samples.ratio(row, CPU, Kind::Tidegate, haproxy);
        format!("Tidegate's CPU per GB over HAProxy's, {row}: {}.", Goal::AtMost(0.8).verdict(ours))
    });
    let speed = samples.ratio(PACED, SPEED, Kind::Tidegate, DIRECT);
    let added = samples.difference(PACED, ADDED, Kind::Tidegate, haproxy);
    Section::new("kafka", "Real Kafka, real clients", &note, table, samples.clone(), skipped)
        .note(goals.join(" "))
        .note(format!("Throughput at half load over direct: {}.", Goal::AtLeast(0.95).verdict(speed)))
        .note(format!(
            "p50 that Tidegate adds beyond HAProxy's, us: {} ({}).",
            value_cell(added, 0),
            Goal::AtMost(0.0).verdict(added)
        ))
}
