//! What the numbers come to.

use super::raw::{AT_ONCE, Raw};
use super::{BACKFILL, CONSUMERS, CPU, FOREIGN, MANY, ONE, PER_BLOCK, SEEK, SLOW, SPEED, UPLOAD, bed};
use crate::candidate::Kind;
use crate::report::{Goal, Section, Style, ratio_cell, value_cell};
use crate::samples::{DIRECT, Samples, Subject};

const OURS: Kind = Kind::Tidegate;

pub(super) fn section(samples: &Samples, raw: &Raw, skipped: Vec<String>) -> Section {
    let header =
        ["cold read", "range GETs MB/s", "Tidegate MB/s", "ratio", "CPU-s/GB", "GETs a block", "goal"];
    let mut table = Style::table(header);
    let speed = |row, subject: Subject| samples.summary(row, subject, SPEED);
    for (row, reference) in [(ONE, ONE), (MANY, ONE), (SLOW, SLOW)] {
        let ratio = match row {
            MANY => None,
            _ => samples.ratio(row, SPEED, OURS, DIRECT),
        };
        table.add_row([
            row.to_owned(),
            value_cell(samples.summary(reference, DIRECT, SPEED), 0),
            value_cell(speed(row, OURS.into()), 0),
            ratio_cell(ratio),
            value_cell(samples.summary(row, OURS, CPU), 2),
            value_cell(samples.summary(row, OURS, PER_BLOCK), 2),
            match row {
                ONE => Goal::AtLeast(0.9).verdict(ratio),
                SLOW => Goal::AtLeast(200.0).verdict(speed(row, OURS.into())) + " MB/s",
                _ => "a GET a block".to_owned(),
            },
        ]);
    }
    let note = format!(
        "{:.0} MB in {} blocks of 4 MiB, segments of {} MiB, one partition; S3Proxy on loopback, client compiler only \
         (its CPU is the limit, and it shares the cores with gateway and clients). Each run with a gateway that was just \
         started. Range GETs: the same objects, {AT_ONCE} at a time, with the same client library. Consumers are raw Fetch \
         clients in Rust with Java's default sizes (1 MiB a partition): Java's own would be the limit. Speed of {CONSUMERS} \
         consumers is all of theirs together; each reads everything. GETs count indexes, manifests and the looking for news too.",
        raw.bytes() as f64 / 1e6,
        raw.blocks(),
        bed::SEGMENT_MIB,
    );
    Section::new("tier", "History in an object store", &note, table, samples.clone(), skipped)
        .note(seek(samples))
        .note(backfill(samples))
        .note(upload(samples))
        .note(format!(
            "Cores that others used meanwhile: {}. Above 0.1 or so, ratios near a goal say little.",
            value_cell(samples.overall(FOREIGN), 2)
        ))
}

fn seek(samples: &Samples) -> String {
    let cell = |subject, metric| value_cell(samples.summary(SEEK, subject, metric), 1);
    let added = samples.difference(SEEK, "p99_ms", OURS, DIRECT);
    format!(
        "First answer after a jump to a block that is not in memory, ms: p50 {}, p99 {}; one GET of such a block p50 {}, \
         p99 {}. p99 beyond a GET's: {} ({}). The first jump into a segment, whose index comes first: {} over all.",
        cell(OURS.into(), "p50_ms"),
        cell(OURS.into(), "p99_ms"),
        cell(DIRECT, "p50_ms"),
        cell(DIRECT, "p99_ms"),
        value_cell(added, 1),
        Goal::AtMost(5.0).verdict(added),
        cell(OURS.into(), "first_ms"),
    )
}

fn backfill(samples: &Samples) -> String {
    let cell = |subject: Subject, metric| value_cell(samples.summary(BACKFILL, subject, metric), 2);
    let all = |subject: Subject| {
        format!(
            "quiet p50 {} p99 {}, beside the readers p50 {} p99 {}, p99 moved {} times; read in {} s",
            cell(subject, "quiet_p50_ms"),
            cell(subject, "quiet_p99_ms"),
            cell(subject, "beside_p50_ms"),
            cell(subject, "beside_p99_ms"),
            cell(subject, "p99_moved"),
            cell(subject, "took_s"),
        )
    };
    let ratio = samples.ratio(BACKFILL, "beside_p99_ms", OURS, DIRECT);
    format!(
        "One small Produce (ms) while {CONSUMERS} consumers read everything, a sixteenth each. Through the gateway, history in the tier: {}. \
         Directly, history on the broker, page cache dropped: {}. p99 through the gateway over direct, both beside readers: {} ({}).",
        all(OURS.into()),
        all(DIRECT),
        ratio_cell(ratio),
        Goal::AtMost(1.1).verdict(ratio),
    )
}

fn upload(samples: &Samples) -> String {
    let one = |metric| samples.summary(UPLOAD, OURS, metric);
    let (others, puts) = (one("others"), one("puts"));
    let share = others.zip(puts).map(|(o, p)| o.median / (o.median + p.median) * 100.0);
    format!(
        "Upload: {} CPU-s/GB, fetching and reading back included; {} PUTs for 16 MiB ({}); {} requests that are no PUT beside \
         {} that are ({:.0} %), the looking for news among them.",
        value_cell(one(CPU), 2),
        value_cell(one("puts_per_16_mib"), 2),
        Goal::AtMost(1.0).verdict(one("puts_per_16_mib")),
        value_cell(others, 0),
        value_cell(puts, 0),
        share.unwrap_or(f64::NAN),
    )
}
