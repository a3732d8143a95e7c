//! `tier verify`: the scrubber.

use std::process::ExitCode;

use kafka::types::Offset;
use serde_json::json;
use tiering::manifest::Manifest;
use tiering::restore::entries;

use super::{Opened, bar, human};
use crate::cli::{Output, print};

/// What is wrong, and where.
struct Finding {
    topic: String,
    partition: i32,
    at: Offset,
    what: String,
}

pub(super) async fn verify(o: &Opened, topic: Option<&str>) -> anyhow::Result<ExitCode> {
    let topics = o.topics(topic).await?;
    let bar = bar(topics.iter().map(|t| t.bytes()).sum());
    let (mut findings, mut bytes, mut segments) = (Vec::new(), 0, 0);
    for m in topics.iter().flat_map(|t| &t.partitions) {
        let note = |at: Offset, what: String| Finding {
            topic: m.topic.clone(),
            partition: m.partition.partition.0,
            at,
            what,
        };
        let entries = match entries(&o.store, &o.layout, m).await {
            Ok(entries) => entries,
            Err(e) => {
                findings.push(note(m.start, e.to_string()));
                continue;
            }
        };
        findings.extend(holes(m, &entries).into_iter().map(|(at, what)| note(at, what)));
        for e in &entries {
            match tiering::verify::whole(&o.store, &o.layout, m.partition, e).await {
                Ok(n) => bytes += n,
                Err(why) => findings.push(note(e.base, why.to_string())),
            }
            segments += 1;
            bar.inc(u64::from(e.size));
        }
    }
    bar.finish_and_clear();
    report(o, &findings, bytes, segments)?;
    Ok(ExitCode::from(u8::from(!findings.is_empty())))
}

/// Offsets between segments that neither a gap explains nor the log itself may lack. Compaction and transactions leave holes in offsets; between
/// two of our segments they end at a batch, so a hole is said, as a hint.
fn holes(m: &Manifest, entries: &[tiering::manifest::Entry]) -> Vec<(Offset, String)> {
    let known = |from: Offset, to: Offset| m.gaps.iter().any(|(a, b)| *a <= from && to <= *b);
    let pairs = entries.windows(2).map(|w| (w[0].end(), w[1].base));
    pairs
        .filter(|(end, base)| base > end && !known(*end, *base))
        .map(|(end, base)| (end, format!("no segment holds {}..{}", end.0, base.0)))
        .collect()
}

fn report(o: &Opened, findings: &[Finding], bytes: u64, segments: usize) -> anyhow::Result<()> {
    if o.output == Output::Json {
        let all: Vec<_> = findings
            .iter()
            .map(|f| json!({"topic": f.topic, "partition": f.partition, "offset": f.at.0, "what": f.what}))
            .collect();
        let page = json!({"ok": findings.is_empty(), "segments": segments, "bytes": bytes, "findings": all});
        return print(&serde_json::to_string_pretty(&page)?);
    }
    for f in findings {
        print(&format!("{}-{} at offset {}: {}", f.topic, f.partition, f.at.0, f.what))?;
    }
    let verdict = if findings.is_empty() { "sound" } else { "DAMAGED" };
    print(&format!("{segments} segments, {} read: {verdict}", human(bytes)))
}
