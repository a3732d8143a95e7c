//! What a broker can do: the answer to ApiVersions (KIP-35, KIP-511).

use std::ops::RangeInclusive;

use crate::code::Code;
use crate::wire::{self, Reader};

/// The versions of each API that a broker offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiVersions {
    ranges: Vec<(i16, RangeInclusive<i16>)>,
}

impl ApiVersions {
    /// The versions of `key` that the broker offers, if it has the API at all.
    pub fn range(&self, key: i16) -> Option<RangeInclusive<i16>> {
        self.ranges.iter().find(|(k, _)| *k == key).map(|(_, range)| range.clone())
    }

    /// The highest version of `key` that the broker offers within `ours`.
    pub fn highest(&self, key: i16, ours: RangeInclusive<i16>) -> Option<i16> {
        let theirs = self.range(key)?;
        let version = *ours.end().min(theirs.end());
        (ours.contains(&version) && theirs.contains(&version)).then_some(version)
    }

    /// Every API with its versions, in the broker's order.
    pub fn all(&self) -> impl Iterator<Item = (i16, RangeInclusive<i16>)> + '_ {
        self.ranges.iter().cloned()
    }
}

/// The body of a request of version 0, or of version 3, which says what software asks. Brokers refuse software
/// names that are not letters, digits, dots and dashes, so it is not the `client.id`.
pub(super) fn request(version: i16) -> Vec<u8> {
    let mut out = Vec::new();
    if version >= 3 {
        wire::put_string(&mut out, env!("CARGO_PKG_NAME"), true);
        wire::put_string(&mut out, env!("CARGO_PKG_VERSION"), true);
        out.push(0);
    }
    out
}

/// Decodes an answer. A broker that does not know the version answers error 35 in the layout of version 0.
pub(super) fn decode(body: &[u8], version: i16) -> wire::Result<(Code, ApiVersions)> {
    let mut r = Reader::new(body);
    let code = Code(r.i16()?);
    if code == Code::UNSUPPORTED_VERSION {
        return Ok((code, ApiVersions::default()));
    }
    let flexible = version >= 3;
    let count = r.array_len(flexible, 6)?.unwrap_or(0);
    let ranges = (0..count).map(|_| range(&mut r, flexible)).collect::<wire::Result<_>>()?;
    // What follows (throttle time, feature levels) is of no use here.
    Ok((code, ApiVersions { ranges }))
}

fn range(r: &mut Reader<'_>, flexible: bool) -> wire::Result<(i16, RangeInclusive<i16>)> {
    let (key, min, max) = (r.i16()?, r.i16()?, r.i16()?);
    r.skip_tags(flexible)?;
    Ok((key, min..=max))
}
