//! A bounds-checked cursor over bytes from the wire, and the matching writer functions.
//!
//! Every length is checked against what is left before it is believed; nothing here allocates by a
//! declared count. Encodings: `org.apache.kafka.common.protocol.types.Type` and KIP-482.

/// Why bytes from the wire could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end before the value does.
    #[error("truncated: {needed} bytes needed at offset {at}, {left} left")]
    Truncated {
        /// Where the value starts.
        at: usize,
        /// How many bytes the value needs.
        needed: usize,
        /// How many are there.
        left: usize,
    },
    /// A length or count that cannot be true.
    #[error("impossible length {value} at offset {at}")]
    Length {
        /// Where the length stands.
        at: usize,
        /// What it says.
        value: i64,
    },
    /// A varint longer than its type allows.
    #[error("varint without an end at offset {at}")]
    Varint {
        /// Where it starts.
        at: usize,
    },
    /// A string that is not UTF-8.
    #[error("string at offset {at} is not UTF-8")]
    Utf8 {
        /// Where it starts.
        at: usize,
    },
    /// Bytes are left over after the value.
    #[error("{left} bytes left over at offset {at}")]
    Trailing {
        /// Where the value ended.
        at: usize,
        /// How many bytes follow.
        left: usize,
    },
}

/// The result of reading from the wire.
pub type Result<T> = std::result::Result<T, WireError>;

/// Reads values from a byte slice, front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How far the cursor has come.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Takes the next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let left = self.remaining();
        if n > left {
            return Err(WireError::Truncated { at: self.at, needed: n, left });
        }
        let out = &self.bytes[self.at..self.at + n];
        self.at += n;
        Ok(out)
    }

    /// Skips the next `n` bytes.
    pub fn skip(&mut self, n: usize) -> Result<()> {
        self.take(n).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// INT8.
    pub fn i8(&mut self) -> Result<i8> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// INT16.
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// INT32.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// INT64.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// UUID.
    pub fn uuid(&mut self) -> Result<[u8; 16]> {
        self.array()
    }

    /// UNSIGNED_VARINT, at most five bytes.
    pub fn uvarint(&mut self) -> Result<u32> {
        let start = self.at;
        let mut value: u32 = 0;
        for shift in [0u32, 7, 14, 21, 28] {
            let byte = self.array::<1>()?[0];
            if shift == 28 && byte > 0x0f {
                return Err(WireError::Varint { at: start });
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Varint { at: start })
    }

    /// The length of a nullable string or byte field: `i16`/`i32` prefixed, or compact when `flexible`.
    fn length(&mut self, flexible: bool, wide: bool) -> Result<Option<usize>> {
        let at = self.at;
        let value = match (flexible, wide) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, true) => i64::from(self.i32()?),
            (false, false) => i64::from(self.i16()?),
        };
        match value {
            -1 => Ok(None),
            v if v < -1 => Err(WireError::Length { at, value: v }),
            v => Ok(Some(v as usize)),
        }
    }

    /// NULLABLE_STRING or COMPACT_NULLABLE_STRING, as raw bytes (not checked for UTF-8).
    pub fn string_bytes(&mut self, flexible: bool) -> Result<Option<&'a [u8]>> {
        match self.length(flexible, false)? {
            None => Ok(None),
            Some(n) => self.take(n).map(Some),
        }
    }

    /// NULLABLE_STRING or COMPACT_NULLABLE_STRING.
    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<&'a str>> {
        let at = self.at;
        match self.string_bytes(flexible)? {
            None => Ok(None),
            Some(b) => std::str::from_utf8(b).map(Some).map_err(|_| WireError::Utf8 { at }),
        }
    }

    /// STRING or COMPACT_STRING: null is an error.
    pub fn string(&mut self, flexible: bool) -> Result<&'a str> {
        let at = self.at;
        self.nullable_string(flexible)?.ok_or(WireError::Length { at, value: -1 })
    }

    /// NULLABLE_BYTES, COMPACT_NULLABLE_BYTES or (COMPACT_)RECORDS.
    pub fn bytes(&mut self, flexible: bool) -> Result<Option<&'a [u8]>> {
        match self.length(flexible, true)? {
            None => Ok(None),
            Some(n) => self.take(n).map(Some),
        }
    }

    /// The count of a (compact) array whose elements take at least `element_min` bytes each; null is `None`.
    /// A count that cannot fit in the bytes that are left is refused here, before anyone allocates by it.
    pub fn array_len(&mut self, flexible: bool, element_min: usize) -> Result<Option<usize>> {
        let at = self.at;
        let Some(count) = self.length(flexible, true)? else { return Ok(None) };
        if count.saturating_mul(element_min.max(1)) > self.remaining() {
            return Err(WireError::Length { at, value: count as i64 });
        }
        Ok(Some(count))
    }

    /// Skips a tagged-field section (KIP-482); nothing to skip when not `flexible`.
    pub fn skip_tags(&mut self, flexible: bool) -> Result<()> {
        if !flexible {
            return Ok(());
        }
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let size = self.uvarint()? as usize;
            self.skip(size)?;
        }
        Ok(())
    }

    /// Fails unless every byte was read.
    pub fn finish(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(WireError::Trailing { at: self.at, left }),
        }
    }
}

/// Appends an UNSIGNED_VARINT.
pub fn put_uvarint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a (compact) array count.
pub fn put_array_len(out: &mut Vec<u8>, count: usize, flexible: bool) {
    if flexible {
        put_uvarint(out, count as u32 + 1);
    } else {
        out.extend_from_slice(&(count as i32).to_be_bytes());
    }
}

/// Appends an empty section of tagged fields (KIP-482), where there is one.
pub fn put_no_tags(out: &mut Vec<u8>, flexible: bool) {
    if flexible {
        out.push(0);
    }
}

/// Appends a (compact) string.
pub fn put_string(out: &mut Vec<u8>, text: &str, flexible: bool) {
    if flexible {
        put_uvarint(out, text.len() as u32 + 1);
    } else {
        out.extend_from_slice(&(text.len() as i16).to_be_bytes());
    }
    out.extend_from_slice(text.as_bytes());
}

/// Appends a (compact) nullable string.
pub fn put_nullable_string(out: &mut Vec<u8>, text: Option<&str>, flexible: bool) {
    match (text, flexible) {
        (Some(t), _) => put_string(out, t, flexible),
        (None, true) => out.push(0),
        (None, false) => out.extend_from_slice(&(-1i16).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_cannot_fit_is_refused_before_anyone_allocates() {
        let mut r = Reader::new(&[0x7f, 0xff, 0xff, 0xff, 0, 0]);
        assert!(matches!(r.array_len(false, 4), Err(WireError::Length { .. })));
    }

    #[test]
    fn a_varint_without_an_end_is_refused() {
        assert!(matches!(Reader::new(&[0xff; 9]).uvarint(), Err(WireError::Varint { at: 0 })));
    }

    #[test]
    fn varints_come_back_as_they_went() {
        for v in [0, 1, 127, 128, 16_383, 16_384, u32::MAX] {
            let mut out = Vec::new();
            put_uvarint(&mut out, v);
            let mut r = Reader::new(&out);
            assert_eq!((r.uvarint(), r.remaining()), (Ok(v), 0));
        }
    }
}
