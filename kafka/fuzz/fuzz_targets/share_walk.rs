#![no_main]

use kafka::patch::share_walk::Walker;
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::split_version;

/// Feeds the payload in pieces of `size`; what isn't settled stands in front of the next. `None` for an error.
fn walk(payload: &[u8], version: i16, size: usize) -> Option<(Vec<u8>, bool)> {
    let (mut walker, mut out, mut carry) = (Walker::new(version, payload.len()), Vec::new(), Vec::new());
    for piece in payload.chunks(size) {
        let mut buffer = [&carry[..], piece].concat();
        let n = walker.feed(&mut buffer).ok()?;
        out.extend_from_slice(&buffer[..n]);
        carry = buffer.split_off(n);
    }
    out.extend_from_slice(&carry);
    Some((out, walker.is_done()))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((version, payload)) = split_version(bytes) else { return };
    let Some((size, payload)) = payload.split_first() else { return };
    let version = version % 3;
    let whole = walk(payload, version, payload.len().max(1));
    assert_eq!(whole, walk(payload, version, usize::from(*size).max(1)), "the split shows");
    assert!(whole.is_none_or(|(out, _)| out.len() == payload.len()), "the length changed");
});
