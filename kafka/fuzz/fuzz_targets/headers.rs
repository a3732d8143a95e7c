#![no_main]

use kafka::api;
use kafka::header::{Peek, peek_request};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

// A request that is ready is ready however much of it comes behind its head, and never asks for too much.
fuzz_target!(|bytes: &[u8]| {
    match peek_request(bytes, LIMIT) {
        Ok(Peek::Ready(head)) => {
            assert!((8..=LIMIT).contains(&head.payload_len));
            assert!((0..=2).contains(&api::request_header_version(head.key, head.version)));
            assert!((0..=1).contains(&api::response_header_version(head.key, head.version)));
        }
        Ok(Peek::NeedMore(needed)) => assert!(needed > bytes.len() && needed <= 4 + LIMIT),
        Err(_) => {}
    }
});
