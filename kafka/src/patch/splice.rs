//! A copy of some bytes in which a few ranges are replaced.

use std::ops::Range;

/// Takes replacements front to back; what lies between them is copied as it is.
pub(super) struct Splice<'a> {
    source: &'a [u8],
    copied: usize,
    out: Vec<u8>,
}

impl<'a> Splice<'a> {
    /// Starts a copy of `source`. `growth` is how many bytes the replacements may add: a hint, not a bound.
    pub(super) fn new(source: &'a [u8], growth: usize) -> Self {
        Self { source, copied: 0, out: Vec::with_capacity(source.len() + growth) }
    }

    /// Replaces `range`, which must not start before the end of the range replaced last.
    pub(super) fn replace(&mut self, range: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(&self.source[self.copied..range.start]);
        write(&mut self.out);
        self.copied = range.end;
    }

    /// Copies the rest.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&self.source[self.copied..]);
        self.out
    }
}
