//! Random values from a seed. A failing test names its seed; the same seed draws the same message.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;

/// SplitMix64.
pub(super) struct Draw {
    state: u64,
    ids: i32,
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, ids: 0 }
    }

    pub(super) fn u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.u64() % bound as u64) as usize
    }

    pub(super) fn chance(&mut self) -> bool {
        self.u64().is_multiple_of(2)
    }

    pub(super) fn i16(&mut self) -> i16 {
        self.u64() as i16
    }

    pub(super) fn i32(&mut self) -> i32 {
        self.u64() as i32
    }

    pub(super) fn i64(&mut self) -> i64 {
        self.u64() as i64
    }

    /// A node id that this `Draw` gave to nobody yet.
    pub(super) fn id(&mut self) -> i32 {
        self.ids += 1 + self.below(5) as i32;
        self.ids
    }

    pub(super) fn port(&mut self) -> i32 {
        1 + self.below(65_535) as i32
    }

    /// Up to 200 bytes, so that compact lengths of one and of two bytes both occur.
    pub(super) fn text(&mut self) -> StrBytes {
        let length = if self.chance() { self.below(12) } else { self.below(200) };
        (0..length).map(|_| (b'a' + self.below(26) as u8) as char).collect::<String>().into()
    }

    pub(super) fn bytes(&mut self, bound: usize) -> Bytes {
        (0..self.below(bound)).map(|_| self.u64() as u8).collect()
    }

    /// A UUID of whatever crate the codec takes its from.
    pub(super) fn uuid<T: FromStr<Err: Debug>>(&mut self) -> T {
        format!("{:032x}", self.u64()).parse().unwrap()
    }

    pub(super) fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance().then(|| value(self))
    }

    pub(super) fn several<T>(&mut self, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| value(self)).collect()
    }

    /// Tags that no schema knows.
    pub(super) fn tags(&mut self) -> BTreeMap<i32, Bytes> {
        self.several(|draw| (100 + draw.below(1000) as i32, draw.bytes(150))).into_iter().collect()
    }
}
