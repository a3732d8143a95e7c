#![no_main]

use kafka::fetch::request::{TopicRef, VERSION_MAX, VERSION_MIN};
use kafka::fetch::walk::{PartitionHead, Policy, Walker};
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::split_version;

struct Hide;

impl Policy for Hide {
    fn partition(&mut self, _: TopicRef<'_>, head: PartitionHead) -> i16 {
        if head.error == 6 { 0 } else { head.error }
    }
}

/// Feeds the payload in pieces of `size`; what isn't settled stands in front of the next. `None` for an error.
fn walk(payload: &[u8], version: i16, size: usize) -> Option<(Vec<u8>, bool)> {
    let (mut walker, mut out, mut carry) = (Walker::new(version), Vec::new(), Vec::new());
    for piece in payload.chunks(size) {
        let mut buffer = [&carry[..], piece].concat();
        let n = walker.feed(&mut buffer, &mut Hide).ok()?;
        out.extend_from_slice(&buffer[..n]);
        carry = buffer.split_off(n);
    }
    out.extend_from_slice(&carry);
    Some((out, walker.is_done()))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((version, payload)) = split_version(bytes) else { return };
    let Some((size, payload)) = payload.split_first() else { return };
    let version = VERSION_MIN + version % (VERSION_MAX - VERSION_MIN + 1);
    let whole = walk(payload, version, payload.len().max(1));
    assert_eq!(whole, walk(payload, version, usize::from(*size).max(1)), "the split shows");
    assert!(whole.is_none_or(|(out, _)| out.len() == payload.len()), "the length changed");
});
