#![no_main]

use kafka::api::Answer;
use libfuzzer_sys::fuzz_target;
use tidegate_kafka_fuzz::check_held;

fuzz_target!(|bytes: &[u8]| check_held(Answer::Produce, bytes));
