use super::*;

fn id() -> PartitionId {
    PartitionId { topic: TopicId([7; 16]), partition: Partition(3) }
}

fn entry(base: i64, len: u32) -> Entry {
    Entry { base: Offset(base), len, size: 1000, max_timestamp: base, nonce: 9 }
}

fn of(entries: &[Entry]) -> Manifest {
    let mut m = Manifest::new("t", id(), Offset(0));
    for e in entries {
        m.append(*e, &Lineage::from_pairs(vec![(0, 0)]).unwrap()).unwrap();
    }
    m
}

#[test]
fn what_is_stored_reads_back_equal() {
    let mut m = of(&[entry(0, 10), entry(10, 5)]);
    m.note_gap(Offset(20));
    m.spills.extend(Spill::of(&[], 1));
    assert_eq!(Manifest::decode(&m.encode()).unwrap(), m);
    assert_eq!(m.end(), Offset(20));
}

#[test]
fn a_segment_that_does_not_follow_is_refused() {
    let mut m = of(&[entry(0, 10)]);
    assert!(m.append(entry(9, 5), &Lineage::default()).is_err());
    assert!(
        m.append(entry(12, 5), &Lineage::default()).is_ok(),
        "holes are legal: transactions leave none, but compaction did"
    );
}

#[test]
fn overlapping_segments_in_a_stored_manifest_are_refused() {
    let mut m = of(&[entry(0, 10)]);
    m.entries.push(entry(5, 10));
    assert!(matches!(Manifest::decode(&m.encode()), Err(ManifestError::Unsound(_))));
    assert!(Manifest::decode(b"{}").is_err());
    let newer = String::from_utf8(of(&[]).encode()).unwrap().replace("\"format\":1", "\"format\":2");
    assert!(matches!(Manifest::decode(newer.as_bytes()), Err(ManifestError::Format(2))));
}

#[test]
fn a_divergence_cuts_the_use_of_a_segment() {
    let mut m = of(&[entry(0, 10), entry(10, 10)]);
    m.truncate(Offset(15)).unwrap();
    assert_eq!((m.end(), m.entries[1].base), (Offset(15), Offset(10)));
    m.truncate(Offset(10)).unwrap();
    assert_eq!((m.end(), m.entries.len()), (Offset(10), 1));
}

#[test]
fn a_commit_does_not_grow_with_the_history() {
    let mut m = of(&[]);
    let mut sealed = Vec::new();
    for n in 0..5_000 {
        m.append(entry(n * 10, 10), &Lineage::default()).unwrap();
        if let Some(old) = m.to_spill() {
            sealed.push(encode_spill(old));
            m.seal(sealed.len() as u64);
        }
    }
    assert_eq!((m.segments(), m.end()), (5_000, Offset(50_000)));
    assert!(m.entries.len() < ENTRIES_MAX);
    let first = decode_spill(&sealed[0], &m.spills[0]).unwrap();
    assert_eq!((first.len(), first[0]), (SPILL, entry(0, 10)));
    assert!(decode_spill(&sealed[1], &m.spills[0]).is_err(), "another spill is not this one");
    assert!(m.truncate(Offset(100)).is_err(), "sealed history never diverges");
}

#[test]
fn raising_the_start_drops_what_is_wholly_below() {
    let mut m = of(&[entry(0, 10), entry(10, 10)]);
    m.raise_start(Offset(12));
    assert_eq!((m.start, m.entries.len()), (Offset(12), 1));
    m.raise_start(Offset(5));
    assert_eq!(m.start, Offset(12), "it never falls");
}

#[test]
fn an_entry_takes_32_bytes() {
    assert_eq!(size_of::<Entry>(), 32);
}
